"""Network of Azure: who can reach what, ways out, flow logs."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.rules.openings import (
    Opening,
    administration,
    is_world,
    others,
    port_range,
    stores,
    wide,
)
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource
from cloudberth.findings.values import Node, at, blocks
from cloudberth.infra.plan import Resource

_GROUP, _RULE = "azurerm_network_security_group", "azurerm_network_security_rule"
_GROUPS = (_GROUP, _RULE)
_ANYBODY = {"*", "internet", "any"}
# What Application Gateway v2 is managed through: Azure refuses a gateway whose subnet does not let it in.
_MANAGEMENT = (65200, 65535)


def openings(context: Context) -> Iterator[Opening]:
    """Every known rule that lets the whole internet in, standing alone or inside its group."""
    for group in context.of_type(_GROUP):
        for rule in blocks(group, "security_rule"):
            yield from _opening(group, rule)
    for single in context.of_type(_RULE):
        yield from _opening(single, Node(single.values, single.unknown))


def _opening(owner: Resource, rule: Node) -> Iterator[Opening]:
    inward = rule.at("direction").text == "Inbound" and rule.at("access").text == "Allow"
    sources = (rule.at("source_address_prefix").text, *rule.at("source_address_prefixes").texts)
    if not inward or not any(source.lower() in _ANYBODY or is_world(source) for source in sources):
        return
    if rule.at("protocol").text.lower() in ("icmp", "esp", "ah"):
        return
    for text in (rule.at("destination_port_range").text, *rule.at("destination_port_ranges").texts):
        ports = port_range(text)
        if ports is not None and ports != _MANAGEMENT:
            yield Opening(owner.address, *ports)


@also("network.all-ports-open", types=_GROUPS)
def all_ports_open(context: Context) -> Iterator[Hit]:
    yield from wide(openings(context))


@also(
    "network.admin-port-open",
    types=_GROUPS,
    remedy="Remove the rule; machines are reached through Run Command or Azure Bastion, without one.",
)
def admin_port_open(context: Context) -> Iterator[Hit]:
    yield from administration(openings(context))


@also(
    "network.data-port-open",
    types=_GROUPS,
    remedy="Allow the port from the application security group of the app machines only.",
)
def data_port_open(context: Context) -> Iterator[Hit]:
    yield from stores(openings(context))


@also("network.security-group-open", types=_GROUPS)
def security_group_open(context: Context) -> Iterator[Hit]:
    yield from others(openings(context))


@also_relation("network.flow-logs-off", types=("azurerm_virtual_network",))
def flow_logs_off(network: Resource, context: Context) -> str | None:
    logs = context.companions(network, ("azurerm_network_watcher_flow_log",), "target_resource_id")
    if logs.missing:
        return "No flow log records this network's traffic."
    stopped = [log for log in logs.found if at(log, "enabled").turned_off]
    return f"{stopped[0].address} is disabled." if stopped else None


@also_resource(
    "network.subnet-auto-public-ip",
    types=("azurerm_subnet",),
    why="Machines started here reach the internet from an address that Azure picks, shares and changes: no "
    "allow-list holds, and nobody decided that they may.",
    remedy="default_outbound_access_enabled: false, and a NAT gateway (Cloudberth's network module does so).",
)
def subnet_auto_public_ip(subnet: Resource) -> str | None:
    on = at(subnet, "default_outbound_access_enabled").on
    return "default_outbound_access_enabled is on." if on else None


@also("network.single-nat", types=("azurerm_nat_gateway",))
def single_nat(context: Context) -> Iterator[Hit]:
    gateways = tuple(context.of_type("azurerm_nat_gateway"))
    zones = {
        zone
        for kind in ("linux", "orchestrated")
        for group in context.of_type(f"azurerm_{kind}_virtual_machine_scale_set")
        for zone in at(group, "zones").texts
    }
    zonal = [g for g in gateways if len(at(g, "zones").texts) == 1 and at(g, "sku_name").text != "StandardV2"]
    if len(gateways) == 1 and zonal and len(zones) > 1:
        yield Hit(zonal[0].address, f"{len(zones)} zones go out through one gateway in one zone.")


@also(
    "cost.object-store-through-nat",
    types=("azurerm_nat_gateway",),
    why="Every file read or written costs US$ 0.045 per GB at the gateway; a service endpoint for storage is "
    "free, a private endpoint costs a fraction.",
    remedy="network.endpoints: with storage (on by default), or a service endpoint Microsoft.Storage.",
)
def object_store_through_nat(context: Context) -> Iterator[Hit]:
    gateways = tuple(context.of_type("azurerm_nat_gateway"))
    connections = [
        connection.at("subresource_names")
        for endpoint in context.of_type("azurerm_private_endpoint")
        for connection in blocks(endpoint, "private_service_connection")
    ]
    services = [
        service.at("service")
        for subnet in context.of_type("azurerm_subnet")
        for service in blocks(subnet, "service_endpoint")
    ]
    private = any(names.unknown or "blob" in names.texts for names in connections)
    routed = any(service.unknown or service.text.startswith("Microsoft.Storage") for service in services)
    if gateways and context.has("azurerm_storage_account") and not (private or routed):
        yield Hit(gateways[0].address, "No endpoint for storage in the plan.")


@also_relation("cost.idle-address", types=("azurerm_public_ip",))
def idle_address(address: Resource, context: Context) -> str | None:
    """A public address takes no user's name: whatever uses it names it."""
    return None if context.is_named(address) else "Nothing in the plan uses it."
