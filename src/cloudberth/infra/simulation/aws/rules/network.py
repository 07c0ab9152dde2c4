"""VPC, subnets, routes, security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import EMBEDDED_POLICY, NAME_OR_PREFIX, ZONE
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Combination,
    Rule,
    between,
    cidr,
    conflicting,
    every,
    exactly_one_of,
    length,
    matches,
    one_of,
    only_when,
    ordered,
)
from cloudberth.infra.simulation.values import Value


def _security_rule_ports(values: Mapping[str, Value]) -> tuple[str, str] | None:
    protocol, low, high = values.get("ip_protocol"), values.get("from_port"), values.get("to_port")
    if protocol == "-1" and (low not in (None, -1) or high not in (None, -1)) and isinstance(low, int):
        return "from_port", 'ports cannot be given when ip_protocol = "-1" (all protocols)'
    if protocol in ("tcp", "udp") and (low is None or high is None):
        return "ip_protocol", f'ip_protocol = "{protocol}" needs from_port and to_port'
    return None


_RULE_OF_SECURITY_GROUP: Final[Sequence[AnyRule]] = (
    exactly_one_of("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"),
    Rule("cidr_ipv4", cidr()),
    Rule("from_port", between(-1, 65535)),
    Rule("to_port", between(-1, 65535)),
    Rule(
        "ip_protocol", matches(r"-1|tcp|udp|icmp|icmpv6|\d{1,3}", "be -1, tcp, udp, icmp, icmpv6 or a number")
    ),
    Combination("", _security_rule_ports),
    ordered("from_port", "to_port"),
)

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_vpc": (
        Rule("cidr_block", cidr(16, 28)),
        Rule("instance_tenancy", one_of("default", "dedicated")),
        conflicting("cidr_block", "ipv4_netmask_length"),
    ),
    "aws_subnet": (
        Rule("cidr_block", cidr(16, 28)),
        Rule("availability_zone", ZONE),
        conflicting("availability_zone", "availability_zone_id"),
    ),
    "aws_eip": (Rule("domain", one_of("vpc", "standard")), conflicting("instance", "network_interface")),
    "aws_nat_gateway": (
        Rule("connectivity_type", one_of("public", "private")),
        only_when("allocation_id", "connectivity_type", ("public",)),
    ),
    "aws_route": (
        exactly_one_of("destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id"),
        exactly_one_of(
            "carrier_gateway_id",
            "core_network_arn",
            "egress_only_gateway_id",
            "gateway_id",
            "local_gateway_id",
            "nat_gateway_id",
            "network_interface_id",
            "transit_gateway_id",
            "vpc_endpoint_id",
            "vpc_peering_connection_id",
            "odb_network_arn",
        ),
        Rule("destination_cidr_block", cidr()),
    ),
    "aws_route_table_association": (exactly_one_of("subnet_id", "gateway_id"),),
    "aws_vpc_endpoint": (
        Rule(
            "vpc_endpoint_type",
            one_of("Gateway", "GatewayLoadBalancer", "Interface", "Resource", "ServiceNetwork"),
        ),
        Rule(
            "service_name",
            matches(r"(com|cn|aws|eu|gov)\.[\w.-]+", "be a service name such as com.amazonaws.REGION.s3"),
        ),
        Rule("policy", EMBEDDED_POLICY),
        Rule("ip_address_type", one_of("ipv4", "ipv6", "dualstack")),
    ),
    "aws_flow_log": (
        Rule("traffic_type", one_of("ACCEPT", "REJECT", "ALL")),
        Rule("log_destination_type", one_of("cloud-watch-logs", "s3", "kinesis-data-firehose")),
        Rule("max_aggregation_interval", one_of(60, 600)),
        exactly_one_of(
            "vpc_id", "subnet_id", "eni_id", "transit_gateway_id", "transit_gateway_attachment_id"
        ),
    ),
    "aws_security_group": (
        NAME_OR_PREFIX,
        Rule("name", every(length(1, 255), matches(r"(?!sg-)[^\x00]*", "not start with sg-"))),
        Rule(
            "description",
            every(
                length(1, 255),
                matches(r"[\w .:/()#,@\[\]+=&;{}!$*-]*", "have only characters that EC2 takes"),
            ),
        ),
        Rule("ingress.*.from_port", between(-1, 65535)),
        Rule("egress.*.from_port", between(-1, 65535)),
        Rule("ingress.*.cidr_blocks.*", cidr()),
        Rule("egress.*.cidr_blocks.*", cidr()),
    ),
    "aws_security_group_rule": (
        Rule("type", one_of("ingress", "egress")),
        Rule("from_port", between(-1, 65535)),
        Rule("to_port", between(-1, 65535)),
        Rule("cidr_blocks.*", cidr()),
    ),
    "aws_vpc_security_group_ingress_rule": _RULE_OF_SECURITY_GROUP,
    "aws_vpc_security_group_egress_rule": _RULE_OF_SECURITY_GROUP,
}
