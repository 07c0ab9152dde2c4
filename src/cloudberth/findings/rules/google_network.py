"""Network of Google Cloud: who can reach what, flow logs, ways out."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.openings import (
    Opening,
    administration,
    is_world,
    others,
    port_range,
    stores,
    wide,
)
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource, relation_rule
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

_RULES = ("google_compute_firewall",)
# Subnetworks that hold no machines have no flow logs.
_WITHOUT_MACHINES = {
    "REGIONAL_MANAGED_PROXY",
    "GLOBAL_MANAGED_PROXY",
    "INTERNAL_HTTPS_LOAD_BALANCER",
    "PRIVATE_SERVICE_CONNECT",
    "PRIVATE_NAT",
}


def openings(context: Context) -> Iterator[Opening]:
    """Every known rule of the network's firewall that lets the whole internet in."""
    for rule in context.of_type(*_RULES):
        inward = at(rule, "direction").text != "EGRESS" and not at(rule, "disabled").on
        if not inward or not any(is_world(source) for source in at(rule, "source_ranges").texts):
            continue
        for allowed in blocks(rule, "allow"):
            protocol, ports = allowed.at("protocol").text.lower(), allowed.at("ports")
            if protocol == "all" or (protocol in ("tcp", "udp", "6", "17") and ports.absent):
                yield Opening(rule.address, 0, 65535)
                continue
            ranges = (port_range(text) for text in ports.texts if protocol in ("tcp", "udp", "6", "17"))
            yield from (Opening(rule.address, *found) for found in ranges if found is not None)


@also("network.all-ports-open", types=_RULES)
def all_ports_open(context: Context) -> Iterator[Hit]:
    yield from wide(openings(context))


@also(
    "network.admin-port-open",
    types=_RULES,
    remedy="source_ranges: 35.235.240.0/20 (Identity-Aware Proxy), which asks for a right of its own.",
)
def admin_port_open(context: Context) -> Iterator[Hit]:
    yield from administration(openings(context))


@also(
    "network.data-port-open",
    types=_RULES,
    remedy="Allow the port from the service account of the app machines only.",
)
def data_port_open(context: Context) -> Iterator[Hit]:
    yield from stores(openings(context))


@also("network.security-group-open", types=_RULES)
def security_group_open(context: Context) -> Iterator[Hit]:
    yield from others(openings(context))


@also_resource("network.flow-logs-off", types=("google_compute_subnetwork",))
def flow_logs_off(subnet: Resource) -> str | None:
    machines = at(subnet, "purpose").text not in _WITHOUT_MACHINES
    return "It has no log_config." if machines and at(subnet, "log_config").absent else None


@relation_rule(
    "network.automatic-subnets",
    Severity.LOW,
    "Network with a subnet in every region",
    why="Google then lays out ranges in some forty regions, which meet those of other networks as soon as "
    "two are joined.",
    remedy="auto_create_subnetworks: false (Cloudberth's network module sets it).",
    types=("google_compute_network",),
)
def automatic_subnets(network: Resource, _: Context) -> str | None:
    automatic = at(network, "auto_create_subnetworks")
    return "auto_create_subnetworks is on." if automatic.on or automatic.absent else None


@also(
    "cost.object-store-through-nat",
    types=("google_compute_router_nat",),
    why="Every file read or written costs US$ 0.045 per GB at the gateway; Private Google Access is free.",
    remedy="private_ip_google_access: true on the subnetwork (Cloudberth's network module sets it).",
)
def object_store_through_nat(context: Context) -> Iterator[Hit]:
    if not context.has("google_compute_router_nat"):
        return
    for subnet in context.of_type("google_compute_subnetwork"):
        if at(subnet, "private_ip_google_access").turned_off:
            yield Hit(subnet.address, "private_ip_google_access is false.")


@relation_rule(
    "network.nat-few-ports",
    Severity.LOW,
    "NAT gateway gives each machine few ports",
    why="A machine has 64 ports by default: a worker that calls models and crawls pages runs out of them, "
    "and connections fail at random.",
    remedy="enable_dynamic_port_allocation: true, or min_ports_per_vm: 1024",
    types=("google_compute_router_nat",),
)
def nat_few_ports(nat: Resource, _: Context) -> str | None:
    ports = at(nat, "min_ports_per_vm").number
    few = ports is not None and ports <= 64 and not at(nat, "enable_dynamic_port_allocation").on
    return f"{ports:g} ports." if few and at(nat, "enable_dynamic_port_allocation").known else None


@also_relation("cost.idle-address", types=("google_compute_address", "google_compute_global_address"))
def idle_address(address: Resource, context: Context) -> str | None:
    """Addresses inside the network cost nothing."""
    if at(address, "address_type").text == "INTERNAL":
        return None
    return None if context.is_named(address) else "Nothing in the plan uses it."
