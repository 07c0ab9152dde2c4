"""Where data lives: PostgreSQL Flexible Server, Azure Managed Redis, storage accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, counted, number
from cloudberth.cost.quantities.retention import (
    DAYS_PER_MONTH,
    FOREVER_MONTHS,
    incremental_copies,
    old_versions_gb,
    shares_by_age,
)
from cloudberth.cost.usage import HOURS, MB_PER_GB
from cloudberth.infra.plan import Resource

_MODIFIED = "_after_days_since_modification_greater_than"
_CREATED = "_after_days_since_creation_greater_than"
_TIERS = ("cool", "cold", "archive")


@dataclass(frozen=True, slots=True)
class Server:
    """What one server is billed by: hours of a burstable size (cores 1), or of each core of a series."""

    sku: str
    unit: str
    cores: Decimal


def server_of(name: str | None) -> Server | None:
    """``B_Standard_B1ms`` → B1ms; ``GP_Standard_D4ds_v5`` → four cores of the series Dds_v5."""
    burstable = re.fullmatch(r"B_Standard_(\w+)", name or "")
    if burstable:
        return Server(burstable[1], "hour", Decimal(1))
    series = re.fullmatch(r"(?:GP|MO)_Standard_([A-Z])(\d+)(\w+)", name or "")
    if series:
        return Server(f"{series[1]}{series[3]}-vcore", "vCore-hour", Decimal(series[2]))
    return None


def postgresql(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A flexible server: compute and storage, both twice with a standby; backups beyond the free part."""
    meter = Meter(context, resource, "database")
    servers = Decimal(2 if resource.get("high_availability") else 1)
    with_standby = ", with standby" if servers > 1 else ""
    name = resource.get("sku_name")
    label = f"{str(name).split('_', 1)[-1].removeprefix('Standard_') if name else 'server'}{with_standby}"
    server = server_of(name)
    if server is None:
        why = "the size of the server is not one that we read"
        yield meter.fixed(label, "postgres-flexible", None, "hour", None, why=why)
    else:
        hours = server.cores * servers * HOURS
        yield meter.fixed(label, "postgres-flexible", server.sku, server.unit, hours)
    megabytes = number(resource.get("storage_mb"))
    size = None if megabytes is None else megabytes / MB_PER_GB
    kind = "storage-ssd-v2" if resource.get("storage_type") == "PremiumV2_LRS" else "storage"
    amount = None if size is None else size * servers
    yield meter.fixed(f"storage{with_standby}", "postgres-flexible", kind, "GB-month", amount)
    if size is not None:
        yield from _database_backup(resource, context, size)


def _database_backup(resource: Resource, context: Context, size: Decimal) -> Iterator[Quantity]:
    """Backups are free up to the provisioned storage; a copy in another region is held besides."""
    figures = context.figures
    days = number(resource.get("backup_retention_days")) or Decimal(7)
    copies = 2 if resource.get("geo_redundant_backup_enabled") is True else 1
    used, change = figures["database_used_percent"], figures["daily_change_percent"]
    held = incremental_copies(size, used, change, days) * copies
    yield Meter(context, resource, "backup").usage(
        f"backups over the free {size:.0f} GB, {days} days", "postgres-flexible", "backup", "GB-month",
        max(held - size, Decimal(0)), ("database_used_percent", "daily_change_percent"),
    )  # fmt: skip


def managed_redis(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Hours of its nodes: two with high availability, else one. The price list is per node."""
    nodes = Decimal(1 if resource.get("high_availability_enabled") is False else 2)
    sku = resource.get("sku_name")
    yield Meter(context, resource, "cache").fixed(
        f"{sku or 'cache'}, {counted(nodes, 'node')}", "managed-redis", sku, "hour", nodes * HOURS
    )


def storage_account(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Blobs: GB per tier as the management policy spreads them, old versions, operations.

    An account that receives logs holds logs only.
    """
    meter = Meter(context, resource, "storage")
    copies = str(resource.get("account_replication_type") or "LRS").lower()
    if holds_logs(resource, context):
        yield from _log_account(resource, context, meter, copies)
        return
    figures, peers = context.figures, len(data_accounts(context))
    for tier, share in tier_shares(resource, context).items():
        names = ("storage_gb",) if tier == "hot" else ("storage_gb", "document_months", "lifecycle_percent")
        size = figures["storage_gb"] * share / peers
        yield meter.usage(
            f"objects, {tier} {copies.upper()}", "blob", f"{tier}-{copies}", "GB-month", size, names
        )
    old = _old_versions(resource, context)
    if old:
        names = ("documents", "document_mb", "noncurrent_percent")
        yield meter.usage("old versions", "blob", f"hot-{copies}", "GB-month", old, names)
    writes, reads = figures["storage_writes"] / peers / 10_000, figures["storage_reads"] / peers / 10_000
    yield meter.usage(
        "writes", "blob", f"hot-{copies}-write-10k", "10k-operations", writes, ("storage_writes",)
    )
    yield meter.usage("reads", "blob", "hot-read-10k", "10k-operations", reads, ("storage_reads",))
    yield from _moves(resource, context, meter, copies)


def holds_logs(resource: Resource, context: Context) -> bool:
    """Whether logs are sent to an account (by diagnostic settings or flow logs), or its name says so."""
    writers = context.referring(
        resource, "azurerm_monitor_diagnostic_setting", "azurerm_network_watcher_flow_log"
    )
    sinks = any(w.type.endswith("flow_log") or w.get("storage_account_id") for w in writers)
    return sinks or bool({"log", "logs"}.intersection(resource.name.split("_")))


def data_accounts(context: Context) -> tuple[Resource, ...]:
    return tuple(a for a in context.of_type("azurerm_storage_account") if not holds_logs(a, context))


def _actions(resource: Resource, context: Context, block: str) -> Iterator[Mapping[str, Any]]:
    for policy in context.referring(resource, "azurerm_storage_management_policy"):
        for rule in policy.get("rule") or ():
            if rule.get("enabled") is not False:
                for actions in rule.get("actions") or ():
                    yield from actions.get(block) or ()


def _given(action: Mapping[str, Any], *names: str) -> Decimal | None:
    """The first of these attributes that is set: the provider writes -1 for those that are not."""
    values = (number(action.get(name)) for name in names)
    return next((value for value in values if value is not None and value >= 0), None)


def _steps(resource: Resource, context: Context) -> list[tuple[Decimal, str]]:
    """(age in days, tier) of the account's rules, youngest first."""
    steps = []
    for action in _actions(resource, context, "base_blob"):
        for tier in _TIERS:
            days = _given(action, f"tier_to_{tier}{_MODIFIED}", f"tier_to_{tier}{_CREATED}")
            if days is not None:
                steps.append((days, tier))
    return sorted(steps)


def tier_shares(resource: Resource, context: Context) -> dict[str, Decimal]:
    """Share of the account's GB per tier (shares_by_age); blobs start in the account's access tier."""
    first = str(resource.get("access_tier") or "Hot").lower()
    return shares_by_age(_steps(resource, context), context.figures, first)


def _moves(resource: Resource, context: Context, meter: Meter, copies: str) -> Iterator[Quantity]:
    """A write of the new tier per object and move: each object of a month passes every step once."""
    figures = context.figures
    objects = figures["documents"] * 3 * figures["lifecycle_percent"] / 100 / 10_000
    for _, tier in _steps(resource, context):
        yield meter.usage(
            f"moves to {tier}", "blob", f"{tier}-{copies}-write-10k", "10k-operations",
            objects / len(data_accounts(context)), ("documents", "lifecycle_percent"),
        )  # fmt: skip


def _old_versions(resource: Resource, context: Context) -> Decimal:
    """Old versions as long as the policy keeps them, and deleted blobs as long as they can be restored."""
    soft = number(resource.get("blob_properties.0.delete_retention_policy.0.days"))
    versioned = resource.get("blob_properties.0.versioning_enabled") is True
    if not versioned and not soft:
        return Decimal(0)
    kept = [_given(a, "delete_after_days_since_creation") for a in _actions(resource, context, "version")]
    days = max((d for d in kept if d is not None), default=Decimal(30) if versioned else Decimal(0))
    peers = len(data_accounts(context))
    return old_versions_gb(context.figures, max(days, soft or Decimal(0))) / peers


def _log_account(resource: Resource, context: Context, meter: Meter, copies: str) -> Iterator[Quantity]:
    """What is written in a month, for as long as it is kept: by the flow log's own retention, or the
    account's policy."""
    flows = context.referring(resource, "azurerm_network_watcher_flow_log")
    figure = "flow_logs_gb" if flows else "access_logs_gb"
    kept = [number(f.get("retention_policy.0.days")) for f in flows]
    kept += [
        _given(a, f"delete{_MODIFIED}", f"delete{_CREATED}") for a in _actions(resource, context, "base_blob")
    ]
    days = max((d for d in kept if d), default=FOREVER_MONTHS * DAYS_PER_MONTH)
    peers = len([a for a in context.of_type("azurerm_storage_account") if holds_logs(a, context)])
    size = context.figures[figure] * days / DAYS_PER_MONTH / peers
    label = f"logs, {days:.0f} days kept"
    yield meter.usage(label, "blob", f"hot-{copies}", "GB-month", size, (figure,))
