"""Groups of machines on AWS: how many, where, on what terms, and who notices when one is ill."""

from __future__ import annotations

from collections.abc import Iterator

from cloudberth.findings.context import Context
from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import Hit, relation_rule, resource_rule, rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

GROUP, SCHEDULE, POLICY, TEMPLATE = (
    "aws_autoscaling_group",
    "aws_autoscaling_schedule",
    "aws_autoscaling_policy",
    "aws_launch_template",
)
_DISTRIBUTION = "mixed_instances_policy.0.instances_distribution.0"
_UNCHANGED = -1
# Schedulers that start machines of a group when there is work for them.
_WAKERS = ("aws_ecs_capacity_provider", "aws_eks_cluster", "aws_eks_node_group")


def spot_percent(group: Resource) -> float:
    """Percent of the machines above the on-demand base that are spot; 0 where the plan does not say."""
    share = at(group, f"{_DISTRIBUTION}.on_demand_percentage_above_base_capacity").number
    return 0.0 if share is None else 100 - share


def on_demand_base(group: Resource) -> float:
    return at(group, f"{_DISTRIBUTION}.on_demand_base_capacity").number or 0


def _limits(group: Resource) -> tuple[float | None, float | None]:
    return at(group, "min_size").number, at(group, "max_size").number


def _behind_balancer(group: Resource, context: Context) -> bool:
    direct = not at(group, "target_group_arns").absent and (
        at(group, "target_group_arns").known
        or any(
            context.refers(group, t) for t in context.of_type("aws_lb_target_group", "aws_alb_target_group")
        )
    )
    attached = context.companions(group, ("aws_autoscaling_attachment",), "autoscaling_group_name").found
    return direct or bool(attached) or not at(group, "traffic_source").absent


@rule(
    "compute.singleton-on-spot",
    Severity.HIGH,
    "A role that must run exactly once is on spot capacity",
    why="AWS takes the machine back with two minutes' notice, and there is no other: scheduler and plugins "
    "stop.",
    remedy="compute.stateful runs on demand in Cloudberth; set compute.app.on_demand: 1 for a group of one.",
    types=(GROUP, "aws_instance", "aws_spot_instance_request"),
)
def singleton_on_spot(context: Context) -> Iterator[Hit]:
    for group in context.of_type(GROUP):
        if at(group, "max_size").number == 1 and _all_spot(group, context):
            yield Hit(group.address, "A group of one, all of it spot.")
    for machine in context.of_type("aws_instance"):
        if at(machine, "instance_market_options.0.market_type").text == "spot":
            yield Hit(machine.address, "A single spot machine.")
    for request in context.of_type("aws_spot_instance_request"):
        yield Hit(request.address, "A single spot machine.")


@relation_rule(
    "compute.all-on-spot",
    Severity.MEDIUM,
    "Every machine of the group is on spot capacity",
    why="When AWS needs the capacity back, all machines can go at once.",
    remedy="compute.app.on_demand: 1 (or more)",
    types=(GROUP,),
)
def all_on_spot(group: Resource, context: Context) -> str | None:
    many = at(group, "max_size").number != 1
    return "No machine is on demand." if many and _all_spot(group, context) else None


def _all_spot(group: Resource, context: Context) -> bool:
    if not at(group, "mixed_instances_policy").absent:
        return spot_percent(group) == 100 and on_demand_base(group) == 0
    templates = [t for t in context.of_type(TEMPLATE) if context.refers(group, t)]
    return any(at(t, "instance_market_options.0.market_type").text == "spot" for t in templates)


@resource_rule(
    "compute.spot-without-alternatives",
    Severity.LOW,
    "Spot capacity with one machine type",
    why="Spot capacity runs out per type and zone; with several types the group still finds machines.",
    remedy="compute.app.machine_types: three or more of the same architecture",
    types=(GROUP,),
)
def spot_without_alternatives(group: Resource) -> str | None:
    template = "mixed_instances_policy.0.launch_template.0"
    overrides = at(group, f"{template}.override")
    by_need = any(not o.at("instance_requirements").absent for o in overrides.children())
    kinds = {o.at("instance_type").text for o in overrides.children()}
    few = not overrides.unknown and not by_need and len(kinds) < 2
    return f"{len(kinds) or 1} machine type." if spot_percent(group) > 0 and few else None


@relation_rule(
    "compute.machine-health-only",
    Severity.MEDIUM,
    "Machines with a broken application are kept",
    why="The group only looks whether the machine is on; one that answers errors stays, and the balancer "
    "has one less.",
    remedy="health_check_type: ELB (Cloudberth's compute module sets it on the app group).",
    types=(GROUP,),
)
def machine_health_only(group: Resource, context: Context) -> str | None:
    kind = at(group, "health_check_type")
    by_machine = kind.known and "ELB" not in kind.text
    return f"health_check_type is {kind.text}." if by_machine and _behind_balancer(group, context) else None


@relation_rule(
    "compute.scales-to-zero",
    Severity.HIGH,
    "Group may run no machine at all",
    why="A worker has no visitors who would wake it: queued jobs wait forever, and the first user meets an "
    "error.",
    remedy="compute.app.min: 1 (or more)",
    types=(GROUP, "aws_appautoscaling_target"),
)
def scales_to_zero(group: Resource, context: Context) -> str | None:
    if group.type == "aws_appautoscaling_target":
        service = at(group, "service_namespace").text == "ecs"
        return "Its minimum is 0." if service and at(group, "min_capacity").number == 0 else None
    minimum, maximum = _limits(group)
    woken = context.has(*_WAKERS)
    return "Its minimum is 0." if minimum == 0 and maximum != 0 and not woken else None


@resource_rule(
    "compute.schedule-to-zero",
    Severity.LOW,
    "Schedule stops every machine",
    why="While it holds, nobody can use the application, webhooks fail and queued jobs wait.",
    remedy="compute.schedules[].min: 1, unless that is what you want (then suppress this with the reason).",
    types=(SCHEDULE,),
)
def schedule_to_zero(schedule: Resource) -> str | None:
    return "Its maximum is 0." if at(schedule, "max_size").number == 0 else None


@relation_rule(
    "compute.schedule-below-base",
    Severity.LOW,
    "Schedule goes below the on-demand base",
    why="The base is what you always want to have; a schedule beneath it silently contradicts that.",
    remedy="compute.schedules[].max: at least compute.app.on_demand, or a lower on_demand",
    types=(SCHEDULE,),
)
def schedule_below_base(schedule: Resource, context: Context) -> str | None:
    maximum = at(schedule, "max_size").number
    for group in context.of_type(GROUP):
        base = on_demand_base(group)
        if context.points_at(schedule, "autoscaling_group_name", group) and maximum not in (
            None,
            _UNCHANGED,
            0,
        ):
            return f"At most {maximum:g}, base {base:g}." if maximum is not None and maximum < base else None
    return None


@rule(
    "compute.schedule-never-returns",
    Severity.MEDIUM,
    "Schedules shrink the group and nothing grows it back",
    why="Limits set by a schedule stay: the morning after, the group cannot reach its old size.",
    remedy="compute.schedules: a second entry that restores min and max",
    types=(SCHEDULE,),
)
def schedule_never_returns(context: Context) -> Iterator[Hit]:
    for group in context.of_type(GROUP):
        own = context.companions(group, (SCHEDULE,), "autoscaling_group_name").found
        maximum = at(group, "max_size").number
        tops = [at(schedule, "max_size").number for schedule in own]
        shrinks = [
            top for top in tops if top is not None and top >= 0 and maximum is not None and top < maximum
        ]
        if shrinks and len(shrinks) == len(tops):
            yield Hit(group.address, f"Every schedule stays below {maximum:g} machines.")


@relation_rule(
    "compute.no-headroom",
    Severity.LOW,
    "Group cannot grow",
    why="Minimum and maximum are equal, so scaling on load has no effect.",
    remedy="compute.app.max: above compute.app.min",
    types=(GROUP,),
)
def no_headroom(group: Resource, context: Context) -> str | None:
    minimum, maximum = _limits(group)
    fixed = minimum is not None and minimum == maximum and minimum > 0
    scaled = context.companions(group, (POLICY,), "autoscaling_group_name").found
    return f"Always {minimum:g} machines." if fixed and (minimum != 1 or scaled) else None


@relation_rule(
    "compute.never-scales",
    Severity.LOW,
    "Group has room to grow but nothing that grows it",
    why="Without a policy or schedule the group stays at its minimum whatever the load.",
    remedy="compute.app.target_cpu_percent: 60, or a policy of your own",
    types=(GROUP,),
)
def never_scales(group: Resource, context: Context) -> str | None:
    minimum, maximum = _limits(group)
    grows = minimum is not None and maximum is not None and maximum > minimum
    missing = context.companions(group, (POLICY, SCHEDULE), "autoscaling_group_name").missing
    managed = context.has(*_WAKERS)
    return f"From {minimum:g} to {maximum:g}, and no policy." if grows and missing and not managed else None


@relation_rule(
    "compute.single-machine",
    Severity.MEDIUM,
    "One machine serves all users",
    why="Each failure and each update of that machine is an outage.",
    remedy="compute.app.min: 2",
    types=(GROUP,),
    by_size={"small": Severity.INFO},
)
def single_machine(group: Resource, context: Context) -> str | None:
    one = at(group, "min_size").number == 1
    return "Its minimum is 1." if one and _behind_balancer(group, context) else None


@resource_rule(
    "compute.single-zone",
    Severity.HIGH,
    "All machines in one zone",
    why="When the zone fails, so does every machine of the group.",
    remedy="network.zones: 2 (or 3)",
    types=(GROUP,),
    by_size={"small": Severity.MEDIUM},
)
def single_zone(group: Resource) -> str | None:
    subnets, zones = at(group, "vpc_zone_identifier"), at(group, "availability_zones")
    many = (at(group, "max_size").number or 0) > 1
    one = any(node.known and not node.partly_unknown and len(node.texts) == 1 for node in (subnets, zones))
    return "It has one subnet." if many and one else None


@resource_rule(
    "compute.template-not-rolled-out",
    Severity.LOW,
    "Changes do not reach running machines",
    why="Without an instance refresh, machines keep the old version until someone replaces them by hand.",
    remedy="instance_refresh on the group (Cloudberth's compute module has one).",
    types=(GROUP,),
)
def template_not_rolled_out(group: Resource) -> str | None:
    refresh = at(group, "instance_refresh")
    limited = not at(group, "max_instance_lifetime").absent
    return "It has no instance_refresh." if refresh.absent and not limited else None


@rule(
    "compute.containers-on-zero",
    Severity.MEDIUM,
    "Container service runs no task",
    why="A service with a count of 0 and nothing that scales it does not work at all.",
    remedy="desired_count: 1 (or more)",
    types=("aws_ecs_service",),
)
def containers_on_zero(context: Context) -> Iterator[Hit]:
    if context.has("aws_appautoscaling_target"):
        return
    for service in context.of_type("aws_ecs_service"):
        if at(service, "desired_count").number == 0 and at(service, "scheduling_strategy").text != "DAEMON":
            yield Hit(service.address, "desired_count is 0.")
