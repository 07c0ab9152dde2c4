"""Network of AWS: who can reach what, zones, flow logs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

GROUP_TYPES = ("aws_security_group", "aws_vpc_security_group_ingress_rule", "aws_security_group_rule")
_ADMIN_PORTS = {22: "SSH", 23: "Telnet", 3389: "Remote Desktop", 5985: "WinRM", 5986: "WinRM"}
_DATA_PORTS = {
    1433: "SQL Server",
    1521: "Oracle",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    6333: "Qdrant",
    6379: "Redis/Valkey",
    8123: "ClickHouse",
    9042: "Cassandra",
    9200: "Elasticsearch/OpenSearch",
    11211: "Memcached",
    19530: "Milvus",
    27017: "MongoDB",
}
_WEB_PORTS = {80, 443}
_STORES = {
    "aws_db_instance": "vpc_security_group_ids",
    "aws_rds_cluster": "vpc_security_group_ids",
    "aws_elasticache_replication_group": "security_group_ids",
}
_MANY_PORTS = 10_000


@dataclass(frozen=True, slots=True)
class Opening:
    """An ingress rule that lets the whole internet in. Ports are both inclusive."""

    address: str
    first: int
    last: int

    @property
    def width(self) -> int:
        return self.last - self.first + 1

    def includes(self, port: int) -> bool:
        return self.first <= port <= self.last

    @property
    def ports(self) -> str:
        return f"port {self.first}" if self.width == 1 else f"ports {self.first}-{self.last}"


def openings(context: Context) -> Iterator[Opening]:
    """Every known ingress rule from the whole internet, in any of the three ways Terraform can write one."""
    for group in context.of_type("aws_security_group"):
        for ingress in blocks(group, "ingress"):
            yield from _opening(group, ingress, ("cidr_blocks", "ipv6_cidr_blocks"), "protocol")
    for single in context.of_type("aws_vpc_security_group_ingress_rule"):
        root = Node(single.values, single.unknown)
        yield from _opening(single, root, ("cidr_ipv4", "cidr_ipv6"), "ip_protocol")
    for single in context.of_type("aws_security_group_rule"):
        root = Node(single.values, single.unknown)
        if root.at("type").text == "ingress":
            yield from _opening(single, root, ("cidr_blocks", "ipv6_cidr_blocks"), "protocol")


def _opening(owner: Resource, node: Node, ranges: tuple[str, str], protocol: str) -> Iterator[Opening]:
    if not any(_open_to_world(node.at(name)) for name in ranges):
        return
    name = node.at(protocol).text.lower()
    if name in {"-1", "all"}:
        yield Opening(owner.address, 0, 65535)
        return
    first, last = node.at("from_port").number, node.at("to_port").number
    if name in {"tcp", "udp", "6", "17"} and first is not None and last is not None:
        yield Opening(owner.address, int(first), int(last))


def _open_to_world(node: Node) -> bool:
    return any(is_world(text) for text in (node.texts or (node.text,)))


def is_world(cidr: str) -> bool:
    """Whether a CIDR means (nearly) everybody: a prefix of at most three bits."""
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen <= 3
    except ValueError:
        return False


@rule(
    "network.all-ports-open",
    Severity.CRITICAL,
    "All ports open to the internet",
    why="Every service on the machine can be reached and attacked by anybody, also those added later.",
    remedy="Open only the ports that are served; users reach the balancer on 80 and 443 "
    "(access.allowed_cidrs says who).",
    types=GROUP_TYPES,
)
def all_ports_open(context: Context) -> Iterator[Hit]:
    for opening in openings(context):
        if opening.width >= _MANY_PORTS:
            yield Hit(opening.address, f"{opening.ports} can be reached from anywhere.")


@rule(
    "network.admin-port-open",
    Severity.CRITICAL,
    "Administration port open to the internet",
    why="Open SSH and Remote Desktop ports are found and tried within minutes.",
    remedy="Remove the rule; machines are reached through Session Manager, which needs no open port.",
    types=GROUP_TYPES,
)
def admin_port_open(context: Context) -> Iterator[Hit]:
    yield from _named_ports(context, _ADMIN_PORTS)


@rule(
    "network.data-port-open",
    Severity.CRITICAL,
    "Database or cache port open to the internet",
    why="Data stores are made for trusted networks; a weak password or a new flaw is then enough to lose "
    "the data.",
    remedy="Allow the port from the security group of the app machines only.",
    types=GROUP_TYPES,
)
def data_port_open(context: Context) -> Iterator[Hit]:
    yield from _named_ports(context, _DATA_PORTS)


def _named_ports(context: Context, ports: dict[int, str]) -> Iterator[Hit]:
    for opening in openings(context):
        names = sorted({name for port, name in ports.items() if opening.includes(port)})
        if names and opening.width < _MANY_PORTS:
            yield Hit(opening.address, f"{', '.join(names)} ({opening.ports}) can be reached from anywhere.")


@rule(
    "network.security-group-open",
    Severity.HIGH,
    "Security group open to the internet",
    why="Only a load balancer should face the internet, on 80 and 443; everything else belongs behind it.",
    remedy="Narrow the rule to the addresses that need it, or to another security group "
    "(access.allowed_cidrs).",
    types=GROUP_TYPES,
)
def security_group_open(context: Context) -> Iterator[Hit]:
    named = _ADMIN_PORTS.keys() | _DATA_PORTS.keys()
    for opening in openings(context):
        web = opening.width == 1 and opening.first in _WEB_PORTS
        other_rule = opening.width >= _MANY_PORTS or any(opening.includes(port) for port in named)
        if not web and not other_rule:
            yield Hit(opening.address, f"{opening.ports} can be reached from anywhere.")


@relation_rule(
    "network.data-egress-open",
    Severity.LOW,
    "Database or cache may open connections to the internet",
    why="A data store has nobody to call; a way out is what data theft uses.",
    remedy="Leave the security group of the database and cache without egress rules.",
    types=("aws_security_group",),
)
def data_egress_open(group: Resource, context: Context) -> str | None:
    if not any(
        context.points_at(store, attribute, group)
        for kind, attribute in _STORES.items()
        for store in context.of_type(kind)
    ):
        return None
    inline = any(
        _open_to_world(egress.at(name))
        for egress in blocks(group, "egress")
        for name in ("cidr_blocks", "ipv6_cidr_blocks")
    )
    return "Its egress is open to anywhere." if inline or _separate_egress(group, context) else None


def _separate_egress(group: Resource, context: Context) -> bool:
    rules = context.companions(
        group, ("aws_vpc_security_group_egress_rule", "aws_security_group_rule"), "security_group_id"
    )
    names = ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks")
    egress = (r for r in rules.found if at(r, "type").text in ("", "egress"))
    return any(_open_to_world(at(r, name)) for r in egress for name in names)


@relation_rule(
    "network.flow-logs-off",
    Severity.MEDIUM,
    "Network without flow logs",
    why="After an incident nobody can say which machine talked to whom.",
    remedy="network.flow_logs: true",
    types=("aws_vpc",),
    by_size={"small": Severity.LOW},
)
def flow_logs_off(network: Resource, context: Context) -> str | None:
    missing = context.companions(network, ("aws_flow_log",), "vpc_id").missing
    return "No flow log records this network's traffic." if missing else None


@resource_rule(
    "network.subnet-auto-public-ip",
    Severity.LOW,
    "Subnet gives every machine a public address",
    why="A machine started here is on the internet although nobody asked for it, and each address is billed.",
    remedy="Leave map_public_ip_on_launch off; balancers and NAT gateways do not need it.",
    types=("aws_subnet",),
)
def subnet_auto_public_ip(subnet: Resource) -> str | None:
    return "map_public_ip_on_launch is on." if at(subnet, "map_public_ip_on_launch").on else None


@rule(
    "network.single-zone",
    Severity.HIGH,
    "All subnets in one zone",
    why="When that zone fails, everything fails, and nothing can be moved without rebuilding the network.",
    remedy="network.zones: 2 (or 3)",
    types=("aws_subnet",),
    by_size={"small": Severity.MEDIUM},
)
def single_zone(context: Context) -> Iterator[Hit]:
    zones = [at(subnet, "availability_zone") for subnet in context.of_type("aws_subnet")]
    names = {zone.text for zone in zones}
    if zones and all(zone.known for zone in zones) and len(names) == 1:
        yield Hit("", f"Every subnet lies in {names.pop()}.")


@rule(
    "network.data-in-public-subnet",
    Severity.MEDIUM,
    "Database or cache in a public subnet",
    why="One wrong switch or rule then puts the data on the internet; in a subnet without a way in, none "
    "does.",
    remedy="Put the subnet group into subnets without a route to an internet gateway.",
    types=("aws_db_subnet_group", "aws_elasticache_subnet_group"),
)
def data_in_public_subnet(context: Context) -> Iterator[Hit]:
    public = tuple(_public_subnets(context))
    for group in context.of_type("aws_db_subnet_group", "aws_elasticache_subnet_group"):
        used = [subnet.address for subnet in public if context.points_at(group, "subnet_ids", subnet)]
        if used:
            yield Hit(group.address, f"{used[0]} has a route from the internet.")


def _public_subnets(context: Context) -> Iterator[Resource]:
    gateways = tuple(context.of_type("aws_internet_gateway"))
    tables = [t for t in context.of_type("aws_route_table") if _leads_out(t, context, gateways)]
    associations = tuple(context.of_type("aws_route_table_association"))
    for subnet in context.of_type("aws_subnet"):
        own = [a for a in associations if context.points_at(a, "subnet_id", subnet)]
        if any(context.points_at(a, "route_table_id", table) for a in own for table in tables):
            yield subnet


def _leads_out(table: Resource, context: Context, gateways: tuple[Resource, ...]) -> bool:
    routes = context.companions(table, ("aws_route",), "route_table_id").found
    named = any(context.refers(route, gateway) for route in (*routes, table) for gateway in gateways)
    return named or any(at(route, "gateway_id").text.startswith("igw-") for route in routes)


@rule(
    "network.single-nat",
    Severity.MEDIUM,
    "One NAT gateway for several zones",
    why="When its zone fails, machines in the other zones lose the internet: no model calls, no image pulls.",
    remedy="network.nat: per-zone",
    types=("aws_nat_gateway",),
    by_size={"small": None, "medium": Severity.LOW},
)
def single_nat(context: Context) -> Iterator[Hit]:
    gateways = tuple(context.of_type("aws_nat_gateway"))
    zones = {at(s, "availability_zone").text for s in context.of_type("aws_subnet")} - {""}
    regional = any(at(gateway, "availability_mode").text == "regional" for gateway in gateways)
    if len(gateways) == 1 and len(zones) > 1 and not regional:
        yield Hit(gateways[0].address, f"{len(zones)} zones go out through one gateway in one zone.")


@relation_rule(
    "network.default-group-usable",
    Severity.LOW,
    "Default security group still lets traffic through",
    why="Whatever starts without a group of its own lands in it, and all in it can talk to each other.",
    remedy="aws_default_security_group without rules (Cloudberth's network module has one).",
    types=("aws_vpc",),
    by_size={"small": Severity.INFO},
)
def default_group_usable(network: Resource, context: Context) -> str | None:
    emptied = context.companions(network, ("aws_default_security_group",), "vpc_id")
    if emptied.missing:
        return "Nothing empties its default security group."
    open_ones = [g for g in emptied.found if at(g, "ingress").known or at(g, "egress").known]
    return f"{open_ones[0].address} has rules." if open_ones else None
