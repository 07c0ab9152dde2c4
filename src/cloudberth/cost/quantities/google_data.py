"""Where data lives: Cloud SQL, Memorystore, Cloud Storage."""

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
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

# Memorystore for Redis prices a GiB by the size of the instance: (largest GiB, name of the capacity tier).
_CAPACITY_TIERS = ((4, "M1"), (10, "M2"), (35, "M3"), (100, "M4"))
_SOFT_DELETE_SECONDS = Decimal(604800)
"""What a bucket keeps deleted objects for when it does not say otherwise."""
_GIB_PER_VCPU = {"standard": Decimal("3.75"), "highmem": Decimal("6.5")}


@dataclass(frozen=True, slots=True)
class DatabaseTier:
    """Virtual CPUs and GiB of a Cloud SQL tier; shared: the tier's name where it has a price as a whole."""

    vcpus: Decimal = Decimal(0)
    gib: Decimal = Decimal(0)
    shared: str = ""


def database_tier(name: str | None) -> DatabaseTier | None:
    """``db-custom-2-7680`` (MiB), ``db-perf-optimized-N-2`` (8 GiB a CPU), ``db-n1-standard-4``,
    ``db-f1-micro``; None for a tier that these patterns do not say."""
    custom = re.fullmatch(r"db-custom-(\d+)-(\d+)", name or "")
    if custom:
        return DatabaseTier(Decimal(custom[1]), Decimal(custom[2]) / 1024)
    optimized = re.fullmatch(r"db-perf-optimized-N-(\d+)", name or "")
    if optimized:
        return DatabaseTier(Decimal(optimized[1]), Decimal(optimized[1]) * 8)
    older = re.fullmatch(r"db-n1-(standard|highmem)-(\d+)", name or "")
    if older:
        return DatabaseTier(Decimal(older[2]), Decimal(older[2]) * _GIB_PER_VCPU[older[1]])
    if name in ("db-f1-micro", "db-g1-small"):
        return DatabaseTier(shared=name)
    return None


def sql_instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A Cloud SQL instance: CPU and memory (or a shared-core tier), storage, backups, a public address.

    Instances with a standby in another zone have prices of their own, about twice those of one zone.
    """
    meter = Meter(context, resource, "database")
    settings = resource.get("settings.0") or {}
    zones = "regional" if settings.get("availability_type") == "REGIONAL" else "zonal"
    plus = settings.get("edition") == "ENTERPRISE_PLUS"
    service = "cloud-sql-plus" if plus else "cloud-sql"
    yield from _sql_compute(meter, service, settings.get("tier"), zones)
    disk = {"PD_HDD": "hdd", "HYPERDISK_BALANCED": "hyperdisk"}.get(str(settings.get("disk_type")), "ssd")
    size = number(settings.get("disk_size")) or Decimal(10)
    yield meter.fixed(f"storage {disk} {zones}", service, f"{disk}-{zones}", "GiB-month", size)
    if (settings.get("ip_configuration") or [{}])[0].get("ipv4_enabled") is True:
        network = Meter(context, resource, "network")
        yield network.fixed("public IPv4 address of the database", "public-ipv4", "machine", "hour", HOURS)
    yield from _sql_backup(resource, context, settings, size)


def _sql_compute(meter: Meter, service: str, name: str | None, zones: str) -> Iterator[Quantity]:
    tier = database_tier(name)
    if tier is None:
        why = "the tier does not say its CPUs and memory"
        yield meter.fixed(f"{name or 'instance'} {zones}", service, None, "hour", None, why=why)
    elif tier.shared:
        yield meter.fixed(f"{tier.shared} {zones}", service, f"{tier.shared}-{zones}", "hour", HOURS)
    else:
        cores = tier.vcpus * HOURS
        yield meter.fixed(f"{tier.vcpus} vCPU {zones}", service, f"vcpu-{zones}", "vCPU-hour", cores)
        yield meter.fixed(f"{tier.gib:f} GiB {zones}", service, f"memory-{zones}", "GiB-month", tier.gib)


def _sql_backup(
    resource: Resource, context: Context, settings: Mapping[str, Any], size: Decimal
) -> Iterator[Quantity]:
    """Automatic backups are incremental and none of them is free. Logs for recovery to a point in time are
    kept in Cloud Storage without charge (PostgreSQL)."""
    backup = (settings.get("backup_configuration") or [{}])[0]
    if backup.get("enabled") is not True:
        return
    kept = number((backup.get("backup_retention_settings") or [{}])[0].get("retained_backups")) or Decimal(7)
    figures = context.figures
    held = incremental_copies(size, figures["database_used_percent"], figures["daily_change_percent"], kept)
    yield Meter(context, resource, "backup").usage(
        f"backups, {kept} kept", "cloud-sql", "backup", "GiB-month", held,
        ("database_used_percent", "daily_change_percent"),
    )  # fmt: skip


def redis_instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """GiB by tier and size. With read replicas, each node (the primary and every replica) is billed."""
    meter = Meter(context, resource, "cache")
    size = number(resource.get("memory_size_gb"))
    standard = resource.get("tier") == "STANDARD_HA"
    capacity = next((name for most, name in _CAPACITY_TIERS if size is not None and size <= most), "M5")
    nodes = Decimal(1)
    sku = f"{'standard' if standard else 'basic'}-{capacity}"
    if standard and resource.get("read_replicas_mode") == "READ_REPLICAS_ENABLED":
        nodes = 1 + (number(resource.get("replica_count")) or Decimal(2))
        sku = f"node-{capacity}"
    label = (
        f"Redis {'standard' if standard else 'basic'} {capacity}, {size or '?'} GiB, {counted(nodes, 'node')}"
    )
    amount = None if size is None else size * nodes
    yield meter.fixed(label, "memorystore-redis", sku if size else None, "GiB-month", amount)


def memorystore_instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Memorystore for Valkey: hours of its nodes, shards × (1 + replicas)."""
    shards = number(resource.get("shard_count")) or Decimal(1)
    nodes = shards * (1 + (number(resource.get("replica_count")) or Decimal(0)))
    kind = str(resource.get("node_type") or "HIGHMEM_MEDIUM").lower().replace("_", "-")
    # The region is said in "location" here.
    region = resource.get("location") or context.region
    yield Meter(context, resource, "cache").fixed(
        f"Valkey {kind}, {counted(nodes, 'node')}", "memorystore-valkey", kind, "hour", nodes * HOURS, region
    )


def bucket(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A bucket: GiB per class as its lifecycle rules spread them, old and deleted objects, operations. A
    bucket that receives logs holds logs only."""
    meter = Meter(context, resource, "storage")
    if holds_logs(resource, context):
        yield from _log_bucket(resource, context, meter)
        return
    figures, peers = context.figures, len(data_buckets(context))
    first = str(resource.get("storage_class") or "STANDARD").lower()
    shares = shares_by_age(_steps(resource), figures, first)
    for tier, share in shares.items():
        names = ("storage_gb",) if tier == first else ("storage_gb", "document_months", "lifecycle_percent")
        size = figures["storage_gb"] * share / peers
        yield meter.usage(f"objects, {tier}", "cloud-storage", tier, "GiB-month", size, names)
    old = old_versions_gb(figures, _kept_days(resource)) / peers
    if old:
        names = ("documents", "document_mb", "noncurrent_percent")
        yield meter.usage("old and deleted objects", "cloud-storage", first, "GiB-month", old, names)
    writes, reads = figures["storage_writes"] / peers / 1000, figures["storage_reads"] / peers / 1000
    yield meter.usage(
        "writes and listings", "cloud-storage", f"{first}-class-a-1k", "1k-operations", writes,
        ("storage_writes",),
    )  # fmt: skip
    yield meter.usage(
        "reads", "cloud-storage", f"{first}-class-b-1k", "1k-operations", reads, ("storage_reads",)
    )
    objects = figures["documents"] * 3 * figures["lifecycle_percent"] / 100 / 1000 / peers
    for _, tier in _steps(resource):
        yield meter.usage(
            f"moves to {tier}", "cloud-storage", f"{tier}-class-a-1k", "1k-operations", objects,
            ("documents", "lifecycle_percent"),
        )  # fmt: skip


def holds_logs(resource: Resource, context: Context) -> bool:
    """Whether log sinks or other buckets' access logs go to a bucket, or its name says so."""
    if context.referring(resource, "google_logging_project_sink"):
        return True
    return bool({"log", "logs"}.intersection(resource.name.split("_")))


def data_buckets(context: Context) -> tuple[Resource, ...]:
    return tuple(b for b in context.of_type("google_storage_bucket") if not holds_logs(b, context))


def _rules(resource: Resource, action: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(action, condition) of the lifecycle rules with this kind of action."""
    for rule in resource.get("lifecycle_rule") or ():
        does, when = (rule.get("action") or [{}])[0], (rule.get("condition") or [{}])[0]
        if does.get("type") == action:
            yield does, when


def _steps(resource: Resource) -> list[tuple[Decimal, str]]:
    """(age in days, class) of the bucket's rules, youngest first."""
    steps = []
    for does, when in _rules(resource, "SetStorageClass"):
        days = number(when.get("age"))
        if days is not None and when.get("with_state") != "ARCHIVED":
            steps.append((days, str(does.get("storage_class") or "").lower()))
    return sorted(steps)


def _kept_days(resource: Resource) -> Decimal:
    """Days that old versions and deleted objects stay: as versions until a rule deletes them, then for as
    long as they can be restored."""
    seconds = number(resource.get("soft_delete_policy.0.retention_duration_seconds"))
    soft = (_SOFT_DELETE_SECONDS if seconds is None else seconds) / 86400
    if resource.get("versioning.0.enabled") is not True:
        return soft
    limits = [number(w.get("days_since_noncurrent_time")) for _, w in _rules(resource, "Delete")]
    return max((d for d in limits if d), default=Decimal(30)) + soft


def _log_bucket(resource: Resource, context: Context, meter: Meter) -> Iterator[Quantity]:
    ages = [number(when.get("age")) for _, when in _rules(resource, "Delete")]
    days = max((d for d in ages if d), default=FOREVER_MONTHS * DAYS_PER_MONTH)
    peers = len([b for b in context.of_type("google_storage_bucket") if holds_logs(b, context)])
    size = context.figures["access_logs_gb"] * days / DAYS_PER_MONTH / peers
    label = f"logs, {days:.0f} days kept"
    yield meter.usage(label, "cloud-storage", "standard", "GiB-month", size, ("access_logs_gb",))
