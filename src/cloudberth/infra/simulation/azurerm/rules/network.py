"""Resource groups, virtual networks, subnets, addresses, NAT gateways, rules of traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules.formats import (
    PORTS,
    RESOURCE_NAME,
    network_range,
    traffic_end,
)
from cloudberth.infra.simulation.rules import AnyRule, Rule, between, conflicting, length, matches, one_of

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "azurerm_resource_group": (
        Rule(
            "name",
            matches(r"[\w.()-]{0,89}[\w()-]", "have 1 to 90 letters, digits and _.()-, no . at the end"),
        ),
    ),
    "azurerm_virtual_network": (Rule("name", RESOURCE_NAME), Rule("address_space.*", network_range)),
    "azurerm_subnet": (
        Rule("name", RESOURCE_NAME),
        Rule("address_prefixes.*", network_range),
        Rule(
            "private_endpoint_network_policies",
            one_of("Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"),
        ),
    ),
    "azurerm_public_ip": (
        Rule("name", RESOURCE_NAME),
        Rule("allocation_method", one_of("Static", "Dynamic")),
        Rule("sku", one_of("Basic", "Standard", "StandardV2")),
        Rule("zones.*", one_of("1", "2", "3")),
        Rule("idle_timeout_in_minutes", between(4, 30)),
        Rule(
            "domain_name_label",
            matches(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", "have 3 to 63 lower-case letters, digits and hyphens"),
        ),
    ),
    "azurerm_nat_gateway": (
        Rule("name", RESOURCE_NAME),
        Rule("sku_name", one_of("Standard", "StandardV2")),
        Rule("idle_timeout_in_minutes", between(4, 120)),
        Rule("zones.*", one_of("1", "2", "3")),
    ),
    "azurerm_network_security_group": (Rule("name", RESOURCE_NAME),),
    "azurerm_network_security_rule": (
        Rule("name", RESOURCE_NAME),
        Rule("description", length(0, 140)),
        Rule("priority", between(100, 4096)),
        Rule("direction", one_of("Inbound", "Outbound")),
        Rule("access", one_of("Allow", "Deny")),
        Rule("protocol", one_of("*", "Tcp", "Udp", "Icmp", "Ah", "Esp")),
        Rule("source_port_range", PORTS),
        Rule("destination_port_range", PORTS),
        Rule("destination_port_ranges.*", PORTS),
        Rule("source_address_prefix", traffic_end),
        Rule("source_address_prefixes.*", traffic_end),
        Rule("destination_address_prefix", traffic_end),
        conflicting("source_port_range", "source_port_ranges"),
        conflicting("destination_port_range", "destination_port_ranges"),
        conflicting("source_address_prefix", "source_address_prefixes"),
        conflicting("destination_address_prefix", "destination_address_prefixes"),
    ),
    "azurerm_private_endpoint": (
        Rule("name", RESOURCE_NAME),
        Rule("private_service_connection.*.request_message", length(1, 140)),
    ),
}
