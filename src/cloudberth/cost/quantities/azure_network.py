"""Network: NAT, public addresses, private endpoints, names, flow logs, Application Gateway, data out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.pricebook import GLOBAL
from cloudberth.cost.quantities.azure_compute import SCALE_SETS
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.usage import HOURS, SECONDS
from cloudberth.infra.plan import Resource

# One capacity unit of Application Gateway v2 (its pricing page): whichever of these is used most.
CONNECTIONS_PER_UNIT = Decimal(2500)
MEGABITS_PER_SECOND_PER_UNIT = Decimal("2.22")
NEW_TLS_CONNECTIONS_PER_UNIT = Decimal(50)
UNITS_PER_INSTANCE = Decimal(10)
"""Capacity units that each reserved instance (a fixed capacity, or the minimum of autoscaling) takes."""
_MEGABITS_PER_GB = Decimal(8 * 1024)


def nat_gateway(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Hours, and this gateway's share of the data (evenly over all of them)."""
    meter = Meter(context, resource, "network")
    kind = "standard-v2" if resource.get("sku_name") == "StandardV2" else "standard"
    yield meter.fixed("NAT gateway", "nat-gateway", f"{kind}-hour", "hour", HOURS)
    share = context.figures["nat_gb"] / len(context.of_type("azurerm_nat_gateway"))
    yield meter.usage("NAT data", "nat-gateway", f"{kind}-data-processed", "GB", share, ("nat_gb",))


def public_ip(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A static IPv4 address of the standard tier is billed whether it is attached or not; IPv6 is free."""
    if resource.get("ip_version") == "IPv6":
        return
    sku = "global-address" if resource.get("sku_tier") == "Global" else "address"
    yield Meter(context, resource, "network").fixed("public IPv4 address", "public-ipv4", sku, "hour", HOURS)


def public_ip_prefix(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A range of addresses: each one in it is billed."""
    length = number(resource.get("prefix_length")) or Decimal(28)
    count = Decimal(2) ** (32 - length)
    yield Meter(context, resource, "network").fixed(
        f"public IPv4 addresses, {count}", "public-ipv4", "prefix-address", "hour", count * HOURS
    )


def private_endpoint(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Hours, and its share of the data that goes through private endpoints."""
    meter = Meter(context, resource, "network")
    yield meter.fixed("private endpoint", "private-endpoint", "hour", "hour", HOURS)
    share = context.figures["endpoint_gb"] / len(context.of_type("azurerm_private_endpoint"))
    yield meter.usage("endpoint data", "private-endpoint", "data-processed", "GB", share, ("endpoint_gb",))


def private_zone(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield Meter(context, resource, "dns").fixed(
        "private zone", "dns", "private-zone", "zone-month", 1, GLOBAL
    )


def public_zone(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A public zone and its share of the queries."""
    meter = Meter(context, resource, "dns")
    yield meter.fixed("public zone", "dns", "public-zone", "zone-month", 1, GLOBAL)
    queries = context.figures["dns_queries_millions"] / len(context.of_type("azurerm_dns_zone"))
    yield meter.usage(
        "queries", "dns", "public-queries-1m", "1M-queries", queries, ("dns_queries_millions",), GLOBAL
    )


def flow_log(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Collection of flow logs, and their processing where traffic analytics is on."""
    meter = Meter(context, resource, "logs")
    share = context.figures["flow_logs_gb"] / len(context.of_type("azurerm_network_watcher_flow_log"))
    yield meter.usage("flow logs collected", "network-watcher", "flow-logs", "GB", share, ("flow_logs_gb",))
    if resource.get("traffic_analytics.0.enabled"):
        minutes = number(resource.get("traffic_analytics.0.interval_in_minutes")) or Decimal(60)
        sku = f"traffic-analytics-{minutes}"
        yield meter.usage("flow logs analysed", "network-watcher", sku, "GB", share, ("flow_logs_gb",))


def used_units(context: Context) -> Decimal:
    """Capacity units that the traffic takes, mean over the month."""
    figures = context.figures
    megabits = figures["alb_gb"] * _MEGABITS_PER_GB / SECONDS
    return max(
        figures["alb_new_connections_per_second"] / NEW_TLS_CONNECTIONS_PER_UNIT,
        figures["alb_active_connections"] / CONNECTIONS_PER_UNIT,
        megabits / MEGABITS_PER_SECOND_PER_UNIT,
    )


def application_gateway(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Gateway hours; capacity units that are reserved (fixed), and those that traffic takes above them."""
    meter = Meter(context, resource, "balancer")
    kind = {"Standard_v2": "standard-v2", "WAF_v2": "waf-v2", "Basic": "basic"}.get(
        str(resource.get("sku.0.name"))
    )
    why = "only gateways of the second version are priced"
    sku = f"{kind}-hour" if kind else None
    yield meter.fixed("application gateway", "application-gateway", sku, "hour", HOURS, why=why)
    if kind is None:
        return
    autoscale = resource.get("autoscale_configuration.0")
    count = number(autoscale.get("min_capacity")) if autoscale else number(resource.get("sku.0.capacity"))
    reserved = (count or Decimal(0)) * UNITS_PER_INSTANCE
    units = f"{kind}-unit"
    if reserved:
        yield meter.fixed(
            f"{reserved} reserved capacity units", "application-gateway", units, "CU-hour", reserved * HOURS
        )
    above = max(used_units(context) - reserved, Decimal(0))
    names = ("alb_new_connections_per_second", "alb_active_connections", "alb_gb")
    label = "capacity units above them" if reserved else "capacity units"
    yield meter.usage(label, "application-gateway", units, "CU-hour", above * HOURS, names)


def front_door(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A profile, and its share of data out and requests at the price of North America and Europe (zone 1).

    An origin in Azure pays nothing for what it sends to Front Door.
    """
    meter = Meter(context, resource, "cdn")
    tier = "premium" if str(resource.get("sku_name")).startswith("Premium") else "standard"
    yield meter.fixed(f"Front Door, {tier}", "front-door", f"{tier}-profile", "profile-month", 1, GLOBAL)
    share = len(context.of_type("azurerm_cdn_frontdoor_profile"))
    figures = context.figures
    out, requests = figures["cdn_gb"] / share, figures["cdn_requests"] / share / 10_000
    yield meter.usage("data out", "front-door", f"{tier}-data-out-zone-1", "GB", out, ("cdn_gb",), GLOBAL)
    yield meter.usage(
        "requests", "front-door", f"{tier}-requests-10k-zone-1", "10k-requests", requests,
        ("cdn_requests",), GLOBAL,
    )  # fmt: skip


def zone_count(context: Context) -> int:
    """Availability zones of the scale sets, else of the plan's variables, else one."""
    known = {str(zone) for group in context.of_type(*SCALE_SETS) for zone in group.get("zones") or ()}
    if known:
        return len(known)
    network = context.plan.variables.get("network")
    zones = number(network.get("zones")) if isinstance(network, dict) else None
    return int(zones) if zones else 1


def cdn_in_front(context: Context) -> bool:
    """Whether people reach the application through Front Door: an origin of it in the plan."""
    return bool(context.of_type("azurerm_cdn_frontdoor_origin"))


def traffic(context: Context) -> Iterator[Quantity]:
    """Data out to the internet, of the deployment as a whole. Data between zones of a region is free."""
    serves = context.of_type("azurerm_application_gateway", "azurerm_linux_virtual_machine", *SCALE_SETS)
    if serves:
        yield Meter(context, None, "network").usage(
            "data out to the internet", "bandwidth", "internet-out", "GB", context.figures["egress_gb"],
            ("egress_gb",),
        )  # fmt: skip
