"""Machines: managed instance groups with their templates and autoscalers, single machines, disks,
snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.elastic import SIZE_FIGURE, Size, bounded, elastic, scheduled_windows
from cloudberth.cost.quantities.retention import incremental_copies
from cloudberth.cost.quantities.schedule import Window
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

GROUPS = ("google_compute_region_instance_group_manager", "google_compute_instance_group_manager")
TEMPLATES = ("google_compute_region_instance_template", "google_compute_instance_template")
AUTOSCALERS = ("google_compute_region_autoscaler", "google_compute_autoscaler")
_SINGLE = ("google_compute_per_instance_config", "google_compute_region_per_instance_config")
DISKS = ("google_compute_disk", "google_compute_region_disk")


def group_size(group: Resource, context: Context, given: Decimal | None) -> Size:
    """The expected size of a group: its target, the machines that are configured one by one, or the minimum
    of its autoscaler with schedules followed."""
    scalers = context.counterparts(group, *AUTOSCALERS)
    policies = [p for a in scalers for p in a.get("autoscaling_policy") or ()]
    if not policies:
        single = len(context.referring(group, *_SINGLE))
        return Size(number(group.get("target_size")) or Decimal(single), fixed=True)
    low, high, windows = _bounds(policies[0])
    if low == high and not windows:
        return Size(low, fixed=True)
    if given is not None:
        return bounded(given, [high])
    return Size(scheduled_windows(low, windows), fixed=False)


def _bounds(policy: Mapping[str, Any]) -> tuple[Decimal, Decimal, list[Window]]:
    low = number(policy.get("min_replicas")) or Decimal(0)
    high = number(policy.get("max_replicas")) or low
    windows = [
        Window(
            str(schedule.get("schedule")),
            number(schedule.get("duration_sec")) or Decimal(0),
            min(number(schedule.get("min_required_replicas")) or Decimal(0), high),
            schedule.get("time_zone") or "UTC",
        )
        for schedule in policy.get("scaling_schedules") or ()
        if schedule.get("disabled") is not True
    ]
    return low, high, windows


def elastic_sizes(context: Context) -> Mapping[str, Size]:
    """Expected size of each group by address. A mean that the user gives is for all elastic groups together
    (a share of spot machines may be a group of its own): it is spread as their own means are."""
    groups = context.of_type(*GROUPS)
    own = {g.address: group_size(g, context, None) for g in groups}
    given = context.figures.usage.app_machines_average
    if given is None:
        return own
    moving = [g for g in groups if not own[g.address].fixed]
    total = sum((own[g.address].machines for g in moving), Decimal(0))
    for group in moving:
        share = own[group.address].machines / total if total else Decimal(1) / len(moving)
        own[group.address] = group_size(group, context, given * share)
    return own


def machine_count(context: Context) -> Decimal:
    """Mean number of machines of the whole plan."""
    sizes = sum((size.machines for size in elastic_sizes(context).values()), Decimal(0))
    return sizes + len(context.of_type("google_compute_instance"))


def template_of(group: Resource, context: Context) -> Resource | None:
    """The one template of a group; None when it is not in the plan or the group rolls out several."""
    if len(group.get("version") or ()) > 1:
        return None
    found = (context.one_referenced(group, kind) for kind in TEMPLATES)
    return next((template for template in found if template is not None), None)


def instance_group(group: Resource, context: Context) -> Iterator[Quantity]:
    """Machine hours by the group's template, its disks, public addresses."""
    sizes = elastic_sizes(context)
    size = sizes[group.address]
    if not size.fixed:
        moving = [s.machines for s in sizes.values() if not s.fixed]
        context.figures.settle(SIZE_FIGURE, sum(moving, Decimal(0)))
    for line in _machines(group, context, size.machines):
        yield line if size.fixed else elastic(line)


def _machines(group: Resource, context: Context, machines: Decimal) -> Iterator[Quantity]:
    meter, template = Meter(context, group, "compute"), template_of(group, context)
    if template is None:
        why = "the instance template is not in the plan, or there are several"
        yield meter.fixed("machines", "compute-engine", None, "hour", None, why=why)
        return
    spot = is_spot(template)
    yield machine_hours(meter, _machine_type(group, template), spot, machines)
    for disk in template.get("disk") or ():
        yield from template_disk(disk, meter, machines)
    public = [a for i in template.get("network_interface") or () for a in i.get("access_config") or ()]
    if public:
        sku = "spot-machine" if spot else "machine"
        network = Meter(context, group, "network")
        amount = machines * len(public) * HOURS
        yield network.fixed("public IPv4 addresses", "public-ipv4", sku, "hour", amount)


def _machine_type(group: Resource, template: Resource) -> str | None:
    """The template's type, or the group's preferred one where the group may choose among several."""
    selections = group.get("instance_flexibility_policy.0.instance_selections") or ()
    if selections:
        first = min(selections, key=lambda s: number(s.get("rank")) or Decimal(0))
        names = first.get("machine_types") or ()
        if names:
            return str(names[0])
    kind: str | None = template.get("machine_type")
    return kind


def is_spot(machine: Resource) -> bool:
    """Whether a template or machine is spot (or preemptible, the older word at the same price)."""
    scheduling = machine.get("scheduling.0") or {}
    return scheduling.get("provisioning_model") == "SPOT" or scheduling.get("preemptible") is True


def machine_hours(meter: Meter, kind: str | None, spot: bool, machines: Decimal) -> Quantity:
    """Hours of machines of a type; spot without a price falls back to the on-demand price as a bound."""
    service = "compute-engine-spot" if spot else "compute-engine"
    label = f"{kind or 'machine'} {'spot' if spot else 'on demand'}"
    why = "the machine type is only known after apply"
    line = meter.fixed(label, service, kind, "hour", machines * HOURS, why=why)
    bound = meter.context.key("compute-engine", kind, "hour") if spot and kind else None
    return replace(line, upper_bound=bound)


def template_disk(disk: Mapping[str, Any], meter: Meter, count: Decimal) -> Iterator[Quantity]:
    if str(disk.get("type") or "PERSISTENT") != "PERSISTENT":
        why = "local disks are not priced"
        yield meter.fixed("local disk", "persistent-disk", None, "GiB-month", None, why=why)
        return
    what = "disk" if disk.get("boot") else "data disk"
    settings = {"iops": disk.get("provisioned_iops"), "speed": disk.get("provisioned_throughput")}
    yield from volume(disk.get("disk_type"), disk.get("disk_size_gb"), settings, meter, count, what)


def volume(
    kind: str | None, size: Any, settings: Mapping[str, Any], meter: Meter, count: Decimal, what: str
) -> Iterator[Quantity]:
    """A disk: GiB; for Hyperdisk also what exceeds the included 3,000 IOPS and 140 MiB/s."""
    name = str(kind).rsplit("/", 1)[-1] if kind else "pd-standard"
    gib = number(size)
    why = "the size comes from the machine image or snapshot"
    amount = None if gib is None else gib * count
    yield meter.fixed(f"{what} {name}", "persistent-disk", name, "GiB-month", amount, why=why)
    if name != "hyperdisk-balanced":
        return
    for label, key, included, unit in (
        ("IOPS over 3,000", "iops", Decimal(3000), "IOPS-month"),
        ("MiB/s over 140", "speed", Decimal(140), "MiBps-month"),
    ):
        given = number(settings.get(key))
        if given is not None and given > included:
            extra = (given - included) * count
            yield meter.fixed(f"{what} {label}", "persistent-disk", f"{name}-{key}", unit, extra)


def disk(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A disk by itself; a regional one is in two zones and has a price of its own."""
    settings = {"iops": resource.get("provisioned_iops"), "speed": resource.get("provisioned_throughput")}
    kind = str(resource.get("type") or "pd-standard").rsplit("/", 1)[-1]
    regional = resource.type == "google_compute_region_disk"
    name = f"{kind}-regional" if regional else kind
    meter = Meter(context, resource, "compute")
    yield from volume(name, resource.get("size"), settings, meter, Decimal(1), "volume")


def instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A single machine with its boot disk and public addresses."""
    meter = Meter(context, resource, "compute")
    spot = is_spot(resource)
    yield machine_hours(meter, resource.get("machine_type"), spot, Decimal(1))
    boot = resource.get("boot_disk.0.initialize_params.0")
    if boot is not None:
        yield from volume(boot.get("type"), boot.get("size"), {}, meter, Decimal(1), "disk")
    public = [a for i in resource.get("network_interface") or () for a in i.get("access_config") or ()]
    if public:
        sku = "spot-machine" if spot else "machine"
        network = Meter(context, resource, "network")
        yield network.fixed("public IPv4 address", "public-ipv4", sku, "hour", len(public) * HOURS)


def snapshot_policy(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A resource policy that takes snapshots, as many days as it keeps, of the disks that use it."""
    schedule = resource.get("snapshot_schedule_policy.0")
    if schedule is None:
        return
    days = number(resource.get("snapshot_schedule_policy.0.retention_policy.0.max_retention_days"))
    sizes = _protected_gib(resource, context)
    meter = Meter(context, resource, "backup")
    if sizes is None:
        why = "which disks take snapshots by this policy is not in the plan"
        yield meter.fixed("snapshots", "persistent-disk", None, "GiB-month", None, why=why)
        return
    figures = context.figures
    used, change = figures["disk_used_percent"], figures["daily_change_percent"]
    held = incremental_copies(sizes, used, change, days or Decimal(1))
    yield meter.usage(
        f"snapshots, {days or 1} days kept", "persistent-disk", "snapshot", "GiB-month", held,
        ("disk_used_percent", "daily_change_percent"),
    )  # fmt: skip


def _protected_gib(policy: Resource, context: Context) -> Decimal | None:
    """GiB of the disks that name the policy (themselves, through an attachment, or in a template); None when
    there are none."""
    sizes: list[Decimal] = []
    users = context.referring(
        policy, *DISKS, "google_compute_disk_resource_policy_attachment",
        "google_compute_region_disk_resource_policy_attachment",
    )  # fmt: skip
    for user in users:
        disks = [user] if user.type in DISKS else context.referenced(user, *DISKS)
        sizes += [number(d.get("size")) or Decimal(0) for d in disks]
    for template in context.referring(policy, *TEMPLATES):
        data = [d for d in template.get("disk") or () if not d.get("boot")]
        sizes += [number(d.get("disk_size_gb")) or Decimal(0) for d in data]
    return sum(sizes, Decimal(0)) if sizes else None
