"""Network and edge: NAT, public addresses, flow logs, the global load balancer, firewall, CDN, names, data
out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.pricebook import GLOBAL
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.elastic import SIZE_FIGURE
from cloudberth.cost.quantities.google_compute import GROUPS, elastic_sizes, machine_count
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

RULES = ("google_compute_global_forwarding_rule", "google_compute_forwarding_rule")
RULES_IN_BASE = 5
"""The first five forwarding rules of a project cost together what one of them would (Cloud Load Balancing
pricing)."""
MACHINES_PER_GATEWAY = Decimal(32)
"""Cloud NAT bills machines one by one up to here, and a flat hour from here on."""


def router_nat(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Hours of the machines behind it, data, and an address where Google picks addresses itself (at least
    one)."""
    meter = Meter(context, resource, "network")
    peers = len(context.of_type("google_compute_router_nat"))
    machines = min(machine_count(context) / peers, MACHINES_PER_GATEWAY)
    hours = meter.fixed(
        "NAT, hours of machines behind it", "cloud-nat", "machine", "VM-hour", machines * HOURS
    )
    if all(size.fixed for size in elastic_sizes(context).values()):
        yield hours
    else:
        yield meter.usage(
            "NAT, hours of machines behind it", "cloud-nat", "machine", "VM-hour", machines * HOURS,
            (SIZE_FIGURE,),
        )  # fmt: skip
    share = context.figures["nat_gb"] / peers
    yield meter.usage("NAT data", "cloud-nat", "data-processed", "GiB", share, ("nat_gb",))
    if resource.get("nat_ip_allocate_option") == "AUTO_ONLY":
        yield meter.fixed(
            "public IPv4 address (automatic, at least one)", "public-ipv4", "machine", "hour", HOURS
        )
    if resource.get("log_config.0.enable") is True and resource.get("log_config.0.filter") != "ERRORS_ONLY":
        yield from _network_logs(resource, context, ("google_compute_router_nat",))


def address(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A reserved external IPv4 address: free while a forwarding rule uses it, at the price of an address in
    use where a NAT gateway or machine does, at the higher price of an idle one otherwise."""
    internal = resource.get("address_type") == "INTERNAL" or resource.get("purpose")
    if internal or resource.get("ip_version") == "IPV6" or context.referring(resource, *RULES):
        return
    users = context.referring(resource, "google_compute_router_nat", "google_compute_instance")
    sku = "machine" if users else "idle"
    label = "public IPv4 address" if users else "public IPv4 address, not in use"
    yield Meter(context, resource, "network").fixed(label, "public-ipv4", sku, "hour", HOURS)


def forwarding_rule(resource: Resource, context: Context) -> Iterator[Quantity]:
    """The first five rules bill one hour together, each further one its own; the balancer's data is the
    first rule's. Private rules (to services of Google) are not balancers' and bill apart."""
    if str(resource.get("load_balancing_scheme", "EXTERNAL")) == "":
        yield from _private_rule(resource, context)
        return
    rules = [r for r in context.of_type(*RULES) if str(r.get("load_balancing_scheme", "EXTERNAL")) != ""]
    index = [r.address for r in rules].index(resource.address)
    meter = Meter(context, resource, "balancer")
    if index == 0:
        yield meter.fixed(
            "forwarding rules, the first five", "load-balancing", "rules-base", "hour", HOURS, GLOBAL
        )
        gib = context.figures["alb_gb"]
        yield meter.usage(
            "data through the balancer", "load-balancing", "data-processed", "GiB", gib, ("alb_gb",)
        )
    elif index >= RULES_IN_BASE:
        yield meter.fixed("further forwarding rule", "load-balancing", "rule-further", "hour", HOURS, GLOBAL)


def _private_rule(resource: Resource, context: Context) -> Iterator[Quantity]:
    meter = Meter(context, resource, "network")
    yield meter.fixed("private service endpoint", "private-service-connect", "endpoint", "hour", HOURS)


def subnetwork(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Flow logs, where they are on."""
    if resource.get("log_config"):
        yield from _network_logs(resource, context, ("google_compute_subnetwork",))


def _network_logs(resource: Resource, context: Context, kinds: tuple[str, ...]) -> Iterator[Quantity]:
    """Network telemetry that goes to Cloud Logging, evenly over the senders of its kind."""
    peers = [r for r in context.of_type(*kinds) if r.get("log_config")]
    share = context.figures["flow_logs_gb"] / len(peers)
    meter = Meter(context, resource, "logs")
    yield meter.usage("flow logs taken in", "cloud-logging", "vended-ingest", "GiB", share, ("flow_logs_gb",))


def backend_service(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A backend is free; its request logs are taken in, and with the CDN on, what the CDN sends out and the
    look-ups are billed at the price of North America and Europe."""
    if resource.get("log_config.0.enable") is True:
        logging = [b for b in context.of_type(resource.type) if b.get("log_config.0.enable") is True]
        share = context.figures["access_logs_gb"] / len(logging)
        yield Meter(context, resource, "logs").usage(
            "access logs taken in", "cloud-logging", "ingest", "GiB", share, ("access_logs_gb",)
        )
    if resource.get("enable_cdn") is True:
        yield from _cdn(resource, context)


def _cdn(resource: Resource, context: Context) -> Iterator[Quantity]:
    meter, figures = Meter(context, resource, "cdn"), context.figures
    share = len([b for b in context.of_type(*_BACKENDS) if b.get("enable_cdn") is True])
    out, requests = figures["cdn_gb"] / share, figures["cdn_requests"] / share / 10_000
    yield meter.usage("data out", "cloud-cdn", "data-out-na-eu", "GiB", out, ("cdn_gb",), GLOBAL)
    yield meter.usage(
        "cache look-ups", "cloud-cdn", "lookups-10k", "10k-requests", requests, ("cdn_requests",), GLOBAL
    )


_BACKENDS = ("google_compute_backend_service", "google_compute_backend_bucket")


def backend_bucket(resource: Resource, context: Context) -> Iterator[Quantity]:
    if resource.get("enable_cdn") is True:
        yield from _cdn(resource, context)


def cdn_in_front(context: Context) -> bool:
    """Whether all answers leave through a CDN: every backend has it on."""
    backends = context.of_type(*_BACKENDS)
    return bool(backends) and all(b.get("enable_cdn") is True for b in backends)


def security_policy(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A Cloud Armor policy: itself, each rule, and its share of the requests. The default rule is one that
    every policy has and is not billed; policies of the edge cost the same."""
    meter = Meter(context, resource, "firewall")
    yield meter.fixed("security policy", "cloud-armor", "policy", "policy-month", 1, GLOBAL)
    rules = [r for r in resource.get("rule") or () if number(r.get("priority")) != _DEFAULT_PRIORITY]
    own = len(context.referring(resource, "google_compute_security_policy_rule"))
    count = len(rules) + own
    if count:
        yield meter.fixed("rules", "cloud-armor", "rule", "rule-month", count, GLOBAL)
    share = context.figures["requests_millions"] / len(context.of_type("google_compute_security_policy"))
    yield meter.usage(
        "requests", "cloud-armor", "requests-1m", "1M-requests", share, ("requests_millions",), GLOBAL
    )


_DEFAULT_PRIORITY = Decimal(2147483647)


def zone(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A managed zone (private ones cost the same) and, for public ones, their queries."""
    meter = Meter(context, resource, "dns")
    yield meter.fixed("managed zone", "cloud-dns", "zone", "zone-month", 1, GLOBAL)
    if resource.get("visibility") == "private":
        return
    public = [z for z in context.of_type("google_dns_managed_zone") if z.get("visibility") != "private"]
    queries = context.figures["dns_queries_millions"] / len(public)
    yield meter.usage(
        "queries", "cloud-dns", "queries-1m", "1M-queries", queries, ("dns_queries_millions",), GLOBAL
    )


def zone_count(context: Context) -> int:
    """Zones that regional groups spread over, else of the plan's variables, else one."""
    known = {z for g in context.of_type(*GROUPS) for z in g.get("distribution_policy_zones") or ()}
    if known:
        return len(known)
    network = context.plan.variables.get("network")
    zones = number(network.get("zones")) if isinstance(network, dict) else None
    return int(zones) if zones else 1


def traffic(context: Context) -> Iterator[Quantity]:
    """Data out to the internet (premium tier, to anywhere but China and Australia) and between zones, which
    the sender pays once."""
    meter = Meter(context, None, "network")
    if not context.of_type(*GROUPS, "google_compute_instance"):
        return
    yield meter.usage(
        "data out to the internet", "data-transfer", "internet-out", "GiB", context.figures["egress_gb"],
        ("egress_gb",),
    )  # fmt: skip
    if zone_count(context) > 1:
        crossing = context.figures["inter_zone_gb"]
        yield meter.usage(
            "data between zones", "data-transfer", "inter-zone", "GiB", crossing, ("inter_zone_gb",)
        )
