"""Network: NAT, public addresses, endpoints, flow logs, the load balancer, traffic between zones and out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, counted, number
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

# One load balancer capacity unit (Elastic Load Balancing pricing): whichever of these is used most.
NEW_CONNECTIONS_PER_LCU = Decimal(25)
ACTIVE_CONNECTIONS_PER_LCU = Decimal(3000)
GB_PER_HOUR_PER_LCU = Decimal(1)
RULE_EVALUATIONS_PER_LCU = Decimal(1000)
FREE_RULES = 10


def nat_gateway(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Hours, and this gateway's share of the data (evenly over all NAT gateways)."""
    meter = Meter(context, resource, "network")
    yield meter.fixed("NAT gateway", "nat-gateway", "hour", "hour", HOURS)
    share = context.figures["nat_gb"] / len(context.of_type("aws_nat_gateway"))
    yield meter.usage("NAT data", "nat-gateway", "data-processed", "GB", share, ("nat_gb",))


def elastic_ip(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A public IPv4 address is billed whether it is attached or not (since 2024-02-01)."""
    yield Meter(context, resource, "network").fixed(
        "public IPv4 address", "public-ipv4", "address", "hour", HOURS
    )


def endpoint(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Interface endpoints: an hour per zone, and data (evenly over all of them). Gateway endpoints are
    free."""
    if resource.get("vpc_endpoint_type", "Gateway") != "Interface":
        return
    meter = Meter(context, resource, "network")
    zones = context.count(resource, "subnet_ids", "aws_subnet")
    hours = None if zones is None else zones * HOURS
    service = str(resource.get("service_name") or "?").split(".", 3)[-1]
    label = f"endpoint {service}, {counted(zones, 'zone')}"
    yield meter.fixed(label, "vpc-endpoint-interface", "hour", "hour", hours, why="number of zones not known")
    peers = [e for e in context.of_type("aws_vpc_endpoint") if e.get("vpc_endpoint_type") == "Interface"]
    share = context.figures["endpoint_gb"] / len(peers)
    yield meter.usage(
        "endpoint data", "vpc-endpoint-interface", "data-processed", "GB", share, ("endpoint_gb",)
    )


def flow_log(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Delivery of flow logs as vended logs; where they go to a bucket the delivery has its own price."""
    where = str(resource.get("log_destination_type") or "cloud-watch-logs")
    sku = "vended-to-s3" if where == "s3" else "vended"
    share = context.figures["flow_logs_gb"] / len(context.of_type("aws_flow_log"))
    yield Meter(context, resource, "logs").usage(
        "flow logs taken in", "cloudwatch-logs", sku, "GB", share, ("flow_logs_gb",)
    )


def rule_count(balancer: Resource, context: Context) -> int:
    """Rules of the balancer's listeners, the default rule of each included."""
    listeners = context.referring(balancer, "aws_lb_listener")
    rules = {r.address for listener in listeners for r in context.referring(listener, "aws_lb_listener_rule")}
    return len(listeners) + len(rules)


def capacity_units(
    new_per_second: Decimal, active: Decimal, gb_per_hour: Decimal, evaluations_per_second: Decimal
) -> Decimal:
    """LCUs of an application load balancer: the largest of the four dimensions."""
    return max(
        new_per_second / NEW_CONNECTIONS_PER_LCU,
        active / ACTIVE_CONNECTIONS_PER_LCU,
        gb_per_hour / GB_PER_HOUR_PER_LCU,
        evaluations_per_second / RULE_EVALUATIONS_PER_LCU,
    )


def load_balancer(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An application load balancer: hours, capacity units, and one public IPv4 address per zone when it is
    public."""
    meter = Meter(context, resource, "balancer")
    if resource.get("load_balancer_type", "application") != "application":
        why = "only application load balancers are priced"
        yield meter.fixed("load balancer", "nlb", None, "hour", None, why=why)
        return
    yield meter.fixed("load balancer", "alb", "hour", "hour", HOURS)
    figures = context.figures
    evaluations = figures["alb_requests_per_second"] * max(rule_count(resource, context) - FREE_RULES, 0)
    units = capacity_units(
        figures["alb_new_connections_per_second"],
        figures["alb_active_connections"],
        figures["alb_gb"] / HOURS,
        evaluations,
    )
    names = ("alb_new_connections_per_second", "alb_active_connections", "alb_gb", "alb_requests_per_second")
    yield meter.usage("capacity units", "alb", "lcu", "LCU-hour", units * HOURS, names)
    yield from _balancer_addresses(resource, context)


def _balancer_addresses(resource: Resource, context: Context) -> Iterator[Quantity]:
    if resource.get("internal") is True:
        return
    zones = context.count(resource, "subnets", "aws_subnet") or context.count(resource, "subnet_mapping")
    hours = None if zones is None else zones * HOURS
    yield Meter(context, resource, "network").fixed(
        f"public IPv4 addresses, {counted(zones, 'zone')}", "public-ipv4", "address", "hour", hours,
        why="number of zones not known",
    )  # fmt: skip


def zone_count(context: Context) -> int:
    """Availability zones of the plan's private subnets, else of its variables, else one."""
    known = {s.get("availability_zone") for s in context.of_type("aws_subnet")} - {None}
    if known:
        return len(known)
    network = context.plan.variables.get("network")
    zones = number(network.get("zones")) if isinstance(network, dict) else None
    return int(zones) if zones else 1


def cdn_in_front(context: Context) -> bool:
    """Whether a CDN's origin is the load balancer, so that people reach the application through the CDN."""
    distributions = context.of_type("aws_cloudfront_distribution")
    return any(context.referenced(distribution, "aws_lb") for distribution in distributions)


def traffic(context: Context) -> Iterator[Quantity]:
    """Data out to the internet and between zones: of the deployment as a whole, not of one resource."""
    meter = Meter(context, None, "network")
    serves = context.of_type("aws_lb", "aws_instance", "aws_autoscaling_group")
    if not serves:
        return
    yield meter.usage(
        "data out to the internet",
        "data-transfer",
        "internet-out",
        "GB",
        context.figures["egress_gb"],
        ("egress_gb",),
    )
    if zone_count(context) > 1:
        crossing = context.figures["inter_zone_gb"] * 2  # billed where it leaves and where it arrives
        yield meter.usage(
            "data between zones", "data-transfer", "inter-zone", "GB", crossing, ("inter_zone_gb",)
        )
