"""Machines: scale sets with their disks and autoscale settings, single machines, managed disks, snapshots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.elastic import SIZE_FIGURE, Size, bounded, elastic, scheduled
from cloudberth.cost.quantities.retention import incremental_copies
from cloudberth.cost.quantities.schedule import Step
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

SCALE_SETS = ("azurerm_linux_virtual_machine_scale_set", "azurerm_orchestrated_virtual_machine_scale_set")
FREE_IOPS, FREE_MBPS = Decimal(3000), Decimal(125)
"""Included in every Premium SSD v2 disk."""
# A fixed-size disk is billed as the smallest size of its kind that holds it (Managed Disks, "Billing").
_LADDER = (
    (4, 1), (8, 2), (16, 3), (32, 4), (64, 6), (128, 10), (256, 15), (512, 20), (1024, 30), (2048, 40),
    (4096, 50), (8192, 60), (16384, 70), (32768, 80),
)  # fmt: skip
_KINDS = {"Premium": "P", "StandardSSD": "E", "Standard": "S"}


def group_size(group: Resource, context: Context, given: Decimal | None) -> Size:
    """The expected size: as given where an autoscale setting can change it, else its minimum with the
    recurring profiles followed. A scale set without a setting keeps its instances."""
    settings = context.counterparts(group, "azurerm_monitor_autoscale_setting")
    profiles = [p for s in settings if s.get("enabled") is not False for p in s.get("profile") or ()]
    fixed = number(group.get("instances")) or Decimal(0)
    if not profiles:
        return Size(fixed, fixed=True)
    ranges = [_range(profile) for profile in profiles]
    if given is not None:
        return bounded(given, [high for _, high in ranges])
    usual = [r for r, p in zip(ranges, profiles, strict=True) if not p.get("recurrence")]
    low = usual[0][0] if usual else ranges[0][0]
    if len(profiles) == 1 and low == ranges[0][1]:
        return Size(low, fixed=True)
    return Size(scheduled(low, _steps(profiles)), fixed=False)


def _range(profile: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    capacity = (profile.get("capacity") or [{}])[0]
    low = number(capacity.get("minimum")) or Decimal(0)
    return low, number(capacity.get("maximum")) or low


def _steps(profiles: list[Mapping[str, Any]]) -> list[Step]:
    """A recurring profile holds from its time on, until another one begins."""
    steps = []
    for profile in profiles:
        for recurrence in profile.get("recurrence") or ():
            hours = ",".join(str(h) for h in recurrence.get("hours") or (0,))
            minutes = ",".join(str(m) for m in recurrence.get("minutes") or (0,))
            days = ",".join(str(d)[:3] for d in recurrence.get("days") or ()) or "*"
            cron = f"{minutes} {hours} * * {days}"
            steps.append(Step(cron, _range(profile)[0], recurrence.get("timezone") or "UTC"))
    return steps


def machine_count(context: Context, given: Decimal | None) -> Decimal:
    """Mean number of machines of the whole plan."""
    groups = context.of_type(*SCALE_SETS)
    sizes = sum((group_size(g, context, given).machines for g in groups), Decimal(0))
    return sizes + len(context.of_type("azurerm_linux_virtual_machine"))


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a scale set launches, and how many of so many machines are regular (the others are spot)."""

    size: str | None
    base: Decimal
    percent_above: Decimal

    def regular(self, machines: Decimal) -> Decimal:
        base = min(machines, self.base)
        return base + (machines - base) * self.percent_above / 100


def purchase(group: Resource) -> Purchase:
    """From the priority mix of an orchestrated set, else its priority. Of several machine sizes the one that
    is ranked first counts; without ranks the size that the set names."""
    size = group.get("sku_name") or group.get("sku")
    sizes = group.get("sku_profile.0.virtual_machine_size") or ()
    if sizes:
        size = min(sizes, key=lambda s: number(s.get("rank")) or Decimal(0)).get("name")
    spot = group.get("priority") == "Spot"
    mix = group.get("priority_mix.0")
    if mix is None:
        return Purchase(size, Decimal(0), Decimal(0 if spot else 100))
    base, above = number(mix.get("base_regular_count")), number(mix.get("regular_percentage_above_base"))
    return Purchase(size, base or Decimal(0), above or Decimal(0))


def sku_of(size: str | None) -> str | None:
    """``Standard_D2s_v5`` → ``D2s_v5``, as the price list names it."""
    return re.sub(r"^Standard_", "", size) if size else None


def scale_set(group: Resource, context: Context) -> Iterator[Quantity]:
    """Machine hours, regular and spot, the disks of each machine, public addresses of machines."""
    size = group_size(group, context, context.figures.usage.app_machines_average)
    if not size.fixed:
        context.figures.settle(SIZE_FIGURE, size.machines)
    lines = [
        *_machine_hours(group, context, purchase(group), size.machines),
        *_disks(group, context, size.machines),
        *_addresses(group, context, size.machines),
    ]
    for line in lines:
        yield line if size.fixed else elastic(line)


def _machine_hours(group: Resource, context: Context, buy: Purchase, machines: Decimal) -> Iterator[Quantity]:
    meter = Meter(context, group, "compute")
    regular, sku = buy.regular(machines), sku_of(buy.size)
    why = "the machine size is only known after apply"
    name = sku or "machine"
    if regular > 0:
        yield meter.fixed(f"{name} on demand", "virtual-machines", sku, "hour", regular * HOURS, why=why)
    if machines > regular:
        hours = (machines - regular) * HOURS
        spot = meter.fixed(f"{name} spot", "virtual-machines-spot", sku, "hour", hours, why=why)
        yield replace(spot, upper_bound=context.key("virtual-machines", sku, "hour") if sku else None)


def _disks(group: Resource, context: Context, machines: Decimal) -> Iterator[Quantity]:
    meter = Meter(context, group, "compute")
    for block, what in (("os_disk", "disk"), ("data_disk", "data disk")):
        for disk in group.get(block) or ():
            if not disk.get("diff_disk_settings"):  # a local disk of the machine costs nothing by itself
                yield from volume(disk, meter, machines, what)


def _addresses(group: Resource, context: Context, machines: Decimal) -> Iterator[Quantity]:
    interfaces = group.get("network_interface") or ()
    public = [
        a
        for i in interfaces
        for c in i.get("ip_configuration") or ()
        for a in c.get("public_ip_address") or ()
    ]
    if public:
        yield Meter(context, group, "network").fixed(
            "public IPv4 addresses", "public-ipv4", "address", "hour", machines * len(public) * HOURS
        )


def volume(disk: Mapping[str, Any], meter: Meter, count: Decimal, what: str) -> Iterator[Quantity]:
    """A managed disk: a month of its size on the ladder, or GiB, IOPS and MB/s for those that bill them."""
    kind, size = disk.get("storage_account_type"), number(disk.get("disk_size_gb"))
    why = "size or kind comes from the machine image or snapshot"
    if kind == "PremiumV2_LRS":
        yield from _premium_v2(disk, meter, count, what, size)
        return
    sku = disk_sku(str(kind), size) if kind and size is not None else None
    yield meter.fixed(
        f"{what} {sku or kind or ''}".strip(), "managed-disks", sku, "disk-month", count, why=why
    )


def disk_sku(kind: str, size: Decimal) -> str | None:
    """``Premium_LRS``, 100 → ``P10-LRS``; None for kinds that are not sold by size."""
    name, _, copies = kind.partition("_")
    step = next((rung for gib, rung in _LADDER if size <= gib and (name != "Standard" or gib >= 32)), None)
    if name not in _KINDS or step is None:
        return None
    return f"{_KINDS[name]}{step}-{copies}"


def _premium_v2(
    disk: Mapping[str, Any], meter: Meter, count: Decimal, what: str, size: Decimal | None
) -> Iterator[Quantity]:
    amount = None if size is None else size * count
    yield meter.fixed(f"{what} Premium SSD v2", "managed-disks", "PremiumV2-LRS", "GiB-month", amount)
    iops, speed = number(disk.get("disk_iops_read_write")), number(disk.get("disk_mbps_read_write"))
    if iops is not None and iops > FREE_IOPS:
        extra = (iops - FREE_IOPS) * count
        yield meter.fixed(f"{what} IOPS over 3,000", "managed-disks", "PremiumV2-iops", "IOPS-month", extra)
    if speed is not None and speed > FREE_MBPS:
        extra = (speed - FREE_MBPS) * count
        yield meter.fixed(f"{what} MB/s over 125", "managed-disks", "PremiumV2-mbps", "MBps-month", extra)


def managed_disk(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield from volume(resource.values, Meter(context, resource, "compute"), Decimal(1), "volume")


def machine(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A single machine with its system disk."""
    sku = sku_of(resource.get("size"))
    meter = Meter(context, resource, "compute")
    yield meter.fixed(f"{sku or 'machine'} on demand", "virtual-machines", sku, "hour", HOURS)
    for disk in resource.get("os_disk") or ():
        yield from volume(disk, meter, Decimal(1), "disk")


def disk_backup(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Disk Backup: incremental snapshots of a data disk in its own subscription, as many as the policy
    keeps (its default retention). The backup service asks nothing for disks besides."""
    figures = context.figures
    disk = context.one_referenced(resource, "azurerm_managed_disk")
    size = number(disk.get("disk_size_gb")) if disk else None
    policy = context.one_referenced(resource, "azurerm_data_protection_backup_policy_disk")
    days = _days(policy.get("default_retention_duration") if policy else None)
    meter = Meter(context, resource, "backup")
    if size is None:
        why = "the disk that is backed up is not in the plan"
        yield meter.fixed("snapshots", "managed-disks", None, "GB-month", None, why=why)
        return
    held = incremental_copies(size, figures["disk_used_percent"], figures["daily_change_percent"], days)
    yield meter.usage(
        f"snapshots, {days} days kept", "managed-disks", "snapshot", "GB-month", held,
        ("disk_used_percent", "daily_change_percent"),
    )  # fmt: skip


def _days(duration: str | None) -> Decimal:
    """Days of an ISO 8601 duration of days, weeks or months (``P7D``); a week without one."""
    found = re.fullmatch(r"P(\d+)([DWM])", duration or "")
    if not found:
        return Decimal(7)
    return Decimal(found[1]) * {"D": 1, "W": 7, "M": 30}[found[2]]


def snapshot(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A snapshot stores the used part of its disk."""
    disk = context.one_referenced(resource, "azurerm_managed_disk")
    size = number(resource.get("disk_size_gb")) or (number(disk.get("disk_size_gb")) if disk else None)
    meter = Meter(context, resource, "backup")
    if size is None:
        yield meter.fixed("snapshot", "managed-disks", None, "GB-month", None)
        return
    used = size * context.figures["disk_used_percent"] / 100
    yield meter.usage("snapshot", "managed-disks", "snapshot", "GB-month", used, ("disk_used_percent",))
