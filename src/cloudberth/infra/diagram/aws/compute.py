"""What computes and what lets traffic in and out: machines, load balancers, gateways, endpoints."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.infra.diagram.aws.subnets import Ground
from cloudberth.infra.diagram.drawn import Drawn, addresses, counted, label_of, number, span, titled
from cloudberth.infra.diagram.links import Links, text_of
from cloudberth.infra.diagram.model import Node, Place, Role, Tier
from cloudberth.infra.plan import Resource

_TEMPLATES = frozenset({"aws_launch_template", "aws_launch_configuration"})


def groups(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Auto Scaling groups: one that can grow, or one of exactly one machine."""
    for group in links.of_type("aws_autoscaling_group"):
        alone = group.get("max_size") == 1
        label = label_of(links, group)
        fallback = "Machine" if alone else "Machines"
        title = titled(f"{label} {fallback.lower()}" if label else "", fallback)
        spot = ground.spot(links, group)
        disks = _data_disks(links, group) if alone else ()
        zones = spot.zones
        if alone and len(zones) > 1:
            zones = next(
                ((zone,) for one in disks if (zone := text_of(one.values, "availability_zone")) in zones),
                zones[:1],
            )
        captions = (*_machines(links, group), *_disk(disks), *_scaling(links, group))
        if alone and len(spot.zones) > 1 and not disks:
            captions = (*captions, "in one of the zones")
        role = Role.STATEFUL if alone else Role.APP
        node = Node(
            group.address,
            role,
            title,
            Place.ZONES,
            captions,
            spot.tier or Tier.PRIVATE,
            zones,
            addresses([group, *disks]),
        )
        yield Drawn(node, (group, *disks))


def _machines(links: Links, group: Resource) -> Iterator[str]:
    """How many of which type, and how many of them on spot."""
    types = _types(links, group)
    count = span(group.get("min_size"), group.get("max_size"))
    more = f" (or {counted(len(types) - 1, 'other type')})" if len(types) > 1 else ""
    yield f"{count} × {types[0]}{more}" if types else f"{count} machine{'' if count == '1' else 's'}"
    spread = group.get("mixed_instances_policy.0.instances_distribution.0", {})
    share = spread.get("on_demand_percentage_above_base_capacity", 100) if spread else 100
    if isinstance(share, int | float) and share < 100:
        base = spread.get("on_demand_base_capacity") or 0
        yield (
            f"{number(base)} on demand, then {number(100 - share)} % spot"
            if base
            else f"{number(100 - share)} % spot"
        )


def _types(links: Links, group: Resource) -> tuple[str, ...]:
    overrides = group.get("mixed_instances_policy.0.launch_template.0.override", [])
    named = [text_of(one, "instance_type") for one in overrides if isinstance(one, dict)]
    if any(named):
        return tuple(dict.fromkeys(one for one in named if one))
    template = template_of(links, group)
    only = text_of(template.values, "instance_type") if template else ""
    return (only,) if only else ()


def template_of(links: Links, group: Resource) -> Resource | None:
    """The launch template (or configuration) of a group; of several, the one called like it."""
    found = links.reach(group, _TEMPLATES, ())
    same = [one for one in found if one.name == group.name and one.key == group.key]
    return next(iter(same or found), None)


def _scaling(links: Links, group: Resource) -> Iterator[str]:
    """The scaling target and the schedules."""
    around = links.naming(group)
    for policy in around:
        target = policy.get("target_tracking_configuration.0.target_value")
        metric = str(
            policy.get(
                "target_tracking_configuration.0.predefined_metric_specification.0.predefined_metric_type", ""
            )
        )
        if policy.type == "aws_autoscaling_policy" and target is not None:
            yield (
                f"scales at {number(target)} % CPU"
                if "CPU" in metric
                else f"scales on a target of {number(target)}"
            )
    schedules = [one for one in around if one.type == "aws_autoscaling_schedule"]
    for one in schedules[:2]:
        size = span(one.get("min_size"), one.get("max_size"))
        yield f"{label_of(links, one)} {size} ({text_of(one.values, 'recurrence') or 'once'})"
    if len(schedules) > 2:
        yield counted(len(schedules) - 2, "more schedule")


def _data_disks(links: Links, group: Resource) -> tuple[Resource, ...]:
    """Disks of their own beside a single machine: in its module, where no other single machine stands."""
    alone = [
        one
        for one in links.of_type("aws_autoscaling_group")
        if one.get("max_size") == 1 and one.module == group.module
    ]
    disks = [one for one in links.of_type("aws_ebs_volume") if one.module == group.module]
    return tuple(disks) if alone == [group] else ()


def _disk(disks: tuple[Resource, ...]) -> Iterator[str]:
    for disk in disks[:1]:
        kind = text_of(disk.values, "type")
        yield f"data disk {number(disk.get('size'))} GB {kind}".strip()


def balancers(links: Links, ground: Ground) -> Iterator[Drawn]:
    """Load balancers, with their listeners."""
    for balancer in links.of_type("aws_lb", "aws_alb", "aws_elb"):
        kind = text_of(balancer.values, "load_balancer_type") or "application"
        title = {"application": "Application Load Balancer", "network": "Network Load Balancer"}.get(
            kind, "Load balancer"
        )
        spot = ground.spot(links, balancer)
        internal = balancer.get("internal") is True
        tier = spot.tier or (Tier.PRIVATE if internal else Tier.PUBLIC)
        idle = balancer.get("idle_timeout")
        logged = balancer.get("access_logs.0.enabled") is True
        captions = (
            ", ".join(listeners(links, balancer)),
            "internal" if internal else "",
            f"idle timeout {number(idle)} s" if idle else "",
            "access logs kept" if logged else "",
        )
        node = Node(
            balancer.address,
            Role.BALANCER,
            title,
            Place.ZONES,
            captions,
            tier,
            spot.zones,
            addresses([balancer]),
        )
        yield Drawn(node, (balancer,))


def listeners(links: Links, balancer: Resource) -> tuple[str, ...]:
    """Protocol and port of each listener, those that only redirect marked as such."""
    found = []
    for one in links.naming(balancer):
        if one.type not in ("aws_lb_listener", "aws_alb_listener"):
            continue
        words = f"{text_of(one.values, 'protocol')} {number(one.get('port'))}".strip()
        found.append((one.get("default_action.0.type") == "redirect", words))
    return tuple(f"{words} redirects" if redirects else words for redirects, words in sorted(found))


def gateways(links: Links, ground: Ground) -> Iterator[Drawn]:
    """The Internet gateway and the NAT gateways."""
    doors = tuple(links.of_type("aws_internet_gateway"))
    if doors:
        node = Node(
            doors[0].address, Role.GATEWAY, "Internet gateway", Place.GATEWAY, detail=addresses(doors)
        )
        yield Drawn(node, doors)
    for nat in links.of_type("aws_nat_gateway"):
        spot = ground.spot(links, nat)
        private = nat.get("connectivity_type") == "private"
        caption = "private" if private else "public IPv4 address"
        node = Node(
            nat.address,
            Role.NAT,
            "NAT gateway",
            Place.ZONES,
            (caption,),
            spot.tier or Tier.PUBLIC,
            spot.zones[:1],
            addresses([nat]),
        )
        yield Drawn(node, (nat,))


def service_of(endpoint: Resource) -> str:
    """Short name of the service behind an endpoint, e.g. ``s3`` or ``ecr.api``."""
    return ".".join(text_of(endpoint.values, "service_name").split(".")[3:])


def endpoints(links: Links) -> Iterator[Drawn]:
    """Private ways to services of the region: gateways one by one, interfaces together."""
    found = list(links.of_type("aws_vpc_endpoint"))
    interfaces = tuple(one for one in found if one.get("vpc_endpoint_type") == "Interface")
    for one in found:
        if one not in interfaces:
            name = service_of(one).upper() if service_of(one) == "s3" else service_of(one)
            node = Node(
                one.address,
                Role.ENDPOINT,
                titled(f"{name} endpoint".strip(), "Endpoint"),
                Place.ENDPOINT,
                ("gateway",),
                detail=addresses([one]),
            )
            yield Drawn(node, (one,))
    if interfaces:
        names = tuple(service_of(one) for one in interfaces)
        title = counted(len(names), "endpoint")
        node = Node(
            "interface-endpoints",
            Role.ENDPOINT,
            title,
            Place.ENDPOINT,
            ("interface",),
            detail=f"{', '.join(names)}\n{addresses(interfaces)}",
        )
        yield Drawn(node, interfaces)
