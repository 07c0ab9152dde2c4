"""Machines: autoscaling groups with their launch templates, single instances, volumes, snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cloudberth.cost.model import PriceKey, Quantity
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.elastic import SIZE_FIGURE, Size, bounded, elastic, scheduled
from cloudberth.cost.quantities.retention import incremental_copies
from cloudberth.cost.quantities.schedule import Step
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

FREE_IOPS, FREE_MBPS = Decimal(3000), Decimal(125)
"""Included in every gp3 volume."""
DETAILED_MONITORING_METRICS = 7
"""Metrics per machine that detailed monitoring bills as custom metrics (EC2 pricing)."""


def group_size(group: Resource, context: Context, given: Decimal | None) -> Size:
    """The expected size: as given for an elastic group, else its minimum with its schedules followed.

    A given size is kept between the group's minimum and maximum. A schedule that does not name a minimum
    (Terraform's -1) changes nothing.
    """
    low = number(group.get("min_size")) or Decimal(0)
    high = number(group.get("max_size")) or low
    schedules = context.referring(group, "aws_autoscaling_schedule")
    if low == high and not schedules:
        return Size(low, fixed=True)
    if given is not None:
        reach = [number(s.get("max_size")) or Decimal(0) for s in schedules]
        return bounded(given, [high, *reach])
    return Size(scheduled(low, _steps(schedules)), fixed=False)


def _steps(schedules: tuple[Resource, ...]) -> list[Step]:
    steps = []
    for schedule in schedules:
        floor = number(schedule.get("min_size"))
        recurrence = schedule.get("recurrence")
        if floor is not None and floor >= 0 and isinstance(recurrence, str):
            steps.append(Step(recurrence, floor, schedule.get("time_zone") or "UTC"))
    return steps


def machine_count(context: Context, given: Decimal | None) -> Decimal:
    """Mean number of machines of the whole plan."""
    groups = context.of_type("aws_autoscaling_group")
    sizes = sum((group_size(g, context, given).machines for g in groups), Decimal(0))
    return sizes + len(context.of_type("aws_instance"))


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a group launches: the preferred machine type and how many machines are always on demand."""

    machine_type: str | None
    base: Decimal
    percent_above: Decimal

    def on_demand(self, machines: Decimal) -> Decimal:
        base = min(machines, self.base)
        return base + (machines - base) * self.percent_above / 100


def purchase(group: Resource, template: Resource | None) -> Purchase:
    """From the mixed instances policy (its first override is preferred), else the launch template."""
    own = template.get("instance_type") if template else None
    policy = group.get("mixed_instances_policy.0")
    if policy is None:
        return Purchase(own, Decimal(0), Decimal(100))
    override = group.get("mixed_instances_policy.0.launch_template.0.override.0.instance_type")
    split = group.get("mixed_instances_policy.0.instances_distribution.0") or {}
    base = number(split.get("on_demand_base_capacity"))
    above = number(split.get("on_demand_percentage_above_base_capacity"))
    return Purchase(override or own, base or Decimal(0), Decimal(100) if above is None else above)


def autoscaling_group(group: Resource, context: Context) -> Iterator[Quantity]:
    """Machine hours on demand and on spot, the disks of the launch template, detailed monitoring, public
    addresses."""
    size = group_size(group, context, context.figures.usage.app_machines_average)
    machines = size.machines
    if not size.fixed:
        context.figures.settle(SIZE_FIGURE, machines)
    template = context.one_referenced(group, "aws_launch_template")
    lines = [*_machine_hours(group, context, purchase(group, template), machines)]
    if template is None:
        meter = Meter(context, group, "compute")
        lines.append(
            meter.fixed("disks", "ebs", None, "GB-month", None, why="the launch template is not in the plan")
        )
    else:
        lines += _template(template, context, group, machines)
    for line in lines:
        yield line if size.fixed else elastic(line)


def _machine_hours(group: Resource, context: Context, buy: Purchase, machines: Decimal) -> Iterator[Quantity]:
    meter = Meter(context, group, "compute")
    regular = buy.on_demand(machines)
    why = "the machine type is only known after apply"
    name = buy.machine_type or "machine"
    if regular > 0:
        yield meter.fixed(f"{name} on demand", "ec2", buy.machine_type, "hour", regular * HOURS, why=why)
    if machines > regular:
        spot = meter.fixed(
            f"{name} spot", "ec2-spot", buy.machine_type, "hour", (machines - regular) * HOURS, why=why
        )
        bound: PriceKey | None = context.key("ec2", buy.machine_type, "hour") if buy.machine_type else None
        yield replace(spot, upper_bound=bound)


def _template(template: Resource, context: Context, group: Resource, machines: Decimal) -> Iterator[Quantity]:
    for mapping in template.values.get("block_device_mappings") or ():
        disk = (mapping.get("ebs") or [None])[0]
        if disk is not None:
            yield from volume(disk, Meter(context, group, "compute"), machines, "disk")
    if template.get("monitoring.0.enabled"):
        metrics = machines * DETAILED_MONITORING_METRICS
        meter = Meter(context, group, "alarms")
        yield meter.fixed("detailed monitoring", "cloudwatch", "metric", "metric-month", metrics)
    public = str(template.get("network_interfaces.0.associate_public_ip_address")).lower()
    if public == "true":
        meter = Meter(context, group, "network")
        yield meter.fixed("public IPv4 addresses", "public-ipv4", "address", "hour", machines * HOURS)


def volume(disk: Any, meter: Meter, count: Decimal, what: str) -> Iterator[Quantity]:
    """A block volume: GB, and for gp3 what exceeds the included 3,000 IOPS and 125 MB/s.

    disk: a mapping with volume_size or size, volume_type or type, iops, throughput.
    """
    kind = disk.get("volume_type") or disk.get("type")
    size = number(disk.get("volume_size") or disk.get("size"))
    why = "size or type comes from the machine image or snapshot"
    amount = None if size is None else size * count
    yield meter.fixed(f"{what} {kind or ''}".strip(), "ebs", kind, "GB-month", amount, why=why)
    if kind != "gp3":
        if number(disk.get("iops")) and kind in ("io1", "io2"):
            yield meter.fixed(
                f"{what} IOPS", "ebs", f"{kind}-iops", "IOPS-month", (number(disk.get("iops")) or 0) * count
            )
        return
    iops, speed = number(disk.get("iops")) or Decimal(0), number(disk.get("throughput")) or Decimal(0)
    if iops > FREE_IOPS:
        extra = (iops - FREE_IOPS) * count
        yield meter.fixed(f"{what} IOPS over 3,000", "ebs", "gp3-iops-over-3000", "IOPS-month", extra)
    if speed > FREE_MBPS:
        extra = (speed - FREE_MBPS) * count
        yield meter.fixed(f"{what} MB/s over 125", "ebs", "gp3-mbps-over-125", "MBps-month", extra)


def ebs_volume(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield from volume(resource.values, Meter(context, resource, "compute"), Decimal(1), "volume")


def instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A single machine with its root disk and further disks."""
    meter = Meter(context, resource, "compute")
    kind = resource.get("instance_type")
    yield meter.fixed(f"{kind or 'machine'} on demand", "ec2", kind, "hour", HOURS)
    for block in ("root_block_device", "ebs_block_device"):
        for disk in resource.values.get(block) or ():
            yield from volume(disk, meter, Decimal(1), "disk")
    if resource.get("monitoring"):
        yield Meter(context, resource, "alarms").fixed(
            "detailed monitoring", "cloudwatch", "metric", "metric-month", DETAILED_MONITORING_METRICS
        )
    if resource.get("associate_public_ip_address"):
        yield Meter(context, resource, "network").fixed(
            "public IPv4 address", "public-ipv4", "address", "hour", HOURS
        )


def snapshot_policy(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A Data Lifecycle Manager policy: snapshots of the plan's data volumes, as many as each schedule
    retains."""
    figures = context.figures
    volumes = context.of_type("aws_ebs_volume")
    sizes = sum((number(v.get("size")) or Decimal(0) for v in volumes), Decimal(0))
    for index, _ in enumerate(resource.get("policy_details.0.schedule") or ()):
        copies = number(resource.get(f"policy_details.0.schedule.{index}.retain_rule.0.count")) or Decimal(1)
        held = incremental_copies(
            sizes, figures["disk_used_percent"], figures["daily_change_percent"], copies
        )
        yield Meter(context, resource, "backup").usage(
            f"snapshots, {copies} kept", "ebs", "snapshot", "GB-month", held,
            ("disk_used_percent", "daily_change_percent"),
        )  # fmt: skip
