"""Where data lives: RDS, Aurora, ElastiCache, S3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, counted, number
from cloudberth.cost.quantities.retention import (
    DAYS_PER_MONTH,
    incremental_copies,
    old_versions_gb,
    shares_by_age,
)
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

GP3_LARGE_GB = Decimal(400)
"""From this size RDS gp3 for PostgreSQL includes 12,000 IOPS and 500 MB/s instead of 3,000 and 125."""
FREE_INSIGHTS_DAYS = 7
FREE_CACHE_SNAPSHOTS = 1
"""One snapshot of a running cache is kept free of charge."""
_ENGINES = {"postgres": "rds-postgres"}
_CACHE_ENGINES = {"valkey": "elasticache-valkey", "redis": "elasticache-redis"}
_TIERS = {
    "STANDARD_IA": "standard-ia",
    "ONEZONE_IA": "onezone-ia",
    "GLACIER_IR": "glacier-ir",
    "GLACIER": "glacier-flexible",
    "DEEP_ARCHIVE": "deep-archive",
    "INTELLIGENT_TIERING": "int-frequent",
}


def db_instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A database instance: hours (twice the machines when multi-zone), storage, what exceeds free backup,
    insights."""
    meter = Meter(context, resource, "database")
    zones = "multi-az" if resource.get("multi_az") is True else "single-az"
    kind, engine = resource.get("instance_class"), str(resource.get("engine") or "")
    service = _ENGINES.get(engine, f"rds-{engine or 'unknown'}")
    yield meter.fixed(
        f"{kind or 'instance'} {zones}", service, f"{kind}/{zones}" if kind else None, "hour", HOURS
    )
    yield from _db_storage(resource, meter, zones)
    yield from _db_backup(resource, context, number(resource.get("allocated_storage")))
    yield from _insights(resource, meter)
    yield from _db_logs(resource, context)


def _db_storage(resource: Resource, meter: Meter, zones: str) -> Iterator[Quantity]:
    size, kind = number(resource.get("allocated_storage")), str(resource.get("storage_type") or "gp2")
    yield meter.fixed(f"storage {kind} {zones}", "rds", f"storage-{kind}-{zones}", "GB-month", size)
    if kind != "gp3" or size is None:
        return
    large = size >= GP3_LARGE_GB
    iops, speed = number(resource.get("iops")), number(resource.get("storage_throughput"))
    free_iops, free_mbps = (Decimal(12000), Decimal(500)) if large else (Decimal(3000), Decimal(125))
    if iops is not None and iops > free_iops:
        yield meter.fixed("storage IOPS", "rds", f"gp3-iops-{zones}", "IOPS-month", iops - free_iops)
    if speed is not None and speed > free_mbps:
        yield meter.fixed("storage MB/s", "rds", f"gp3-mbps-{zones}", "MBps-month", speed - free_mbps)


def _db_backup(resource: Resource, context: Context, allocated: Decimal | None) -> Iterator[Quantity]:
    """Backups are free up to the allocated storage; used data and daily changes decide whether they exceed
    it."""
    days = number(resource.get("backup_retention_period")) or Decimal(0)
    if not days or allocated is None:
        return
    figures = context.figures
    held = incremental_copies(
        allocated, figures["database_used_percent"], figures["daily_change_percent"], days
    )
    yield Meter(context, resource, "backup").usage(
        f"backups over the free {allocated} GB, {days} days", "rds", "backup", "GB-month",
        max(held - allocated, Decimal(0)), ("database_used_percent", "daily_change_percent"),
    )  # fmt: skip


def _insights(resource: Resource, meter: Meter) -> Iterator[Quantity]:
    """A week of Performance Insights is free; longer, or Database Insights in advanced mode, is not."""
    days = number(resource.get("performance_insights_retention_period")) or Decimal(FREE_INSIGHTS_DAYS)
    long = resource.get("performance_insights_enabled") is True and days > FREE_INSIGHTS_DAYS
    if long or resource.get("database_insights_mode") == "advanced":
        why = "insights beyond the free week are billed per vCPU, which the plan does not say"
        yield meter.fixed(f"insights, {days} days", "rds", None, "vCPU-month", None, why=why)


def _db_logs(resource: Resource, context: Context) -> Iterator[Quantity]:
    """What a database writes to the log service: exported logs, and enhanced monitoring's records."""
    exports = resource.get("enabled_cloudwatch_logs_exports") or ()
    if exports or (number(resource.get("monitoring_interval")) or 0) > 0:
        yield Meter(context, resource, "logs").usage(
            "database logs taken in", "cloudwatch-logs", "ingest-standard", "GB",
            context.figures["database_logs_gb"], ("database_logs_gb",),
        )  # fmt: skip


def rds_cluster(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An Aurora cluster: storage, its requests (unless I/O-optimized), backups. Compute is on its
    instances."""
    meter = Meter(context, resource, "database")
    figures = context.figures
    optimized = resource.get("storage_type") == "aurora-iopt1"
    sku = "storage-io-optimized" if optimized else "storage-standard"
    size = figures["database_gb"]
    yield meter.usage("storage", "aurora", sku, "GB-month", size, ("database_gb",))
    if not optimized:
        requests = figures["database_io_millions"]
        yield meter.usage(
            "storage requests", "aurora", "io-1m", "1M-requests", requests, ("database_io_millions",)
        )
    days = number(resource.get("backup_retention_period")) or Decimal(1)
    held = incremental_copies(size, Decimal(100), figures["daily_change_percent"], days)
    yield Meter(context, resource, "backup").usage(
        f"backups over the free {size:.0f} GB, {days} days", "aurora", "backup", "GB-month",
        max(held - size, Decimal(0)), ("database_gb", "daily_change_percent"),
    )  # fmt: skip
    yield from _db_logs(resource, context)


def rds_cluster_instance(resource: Resource, context: Context) -> Iterator[Quantity]:
    """One instance of an Aurora cluster: capacity units for db.serverless, hours for a machine type."""
    meter = Meter(context, resource, "database")
    cluster = context.one_referenced(resource, "aws_rds_cluster")
    optimized = cluster is not None and cluster.get("storage_type") == "aurora-iopt1"
    suffix = "-io-optimized" if optimized else ""
    kind = resource.get("instance_class")
    if kind != "db.serverless":
        sku = f"{kind}{suffix}" if kind else None
        yield meter.fixed(f"{kind or 'instance'}", "aurora-postgresql", sku, "hour", HOURS)
    else:
        units = _mean_capacity(cluster, context)
        if units is None:
            why = "the cluster's capacity range is not known"
            yield meter.fixed("capacity units", "aurora", None, "ACU-hour", None, why=why)
        else:
            yield meter.usage(
                "capacity units", "aurora", f"serverless-v2{suffix}", "ACU-hour", units * HOURS,
                ("database_capacity_units",),
            )  # fmt: skip
    yield from _insights(resource, meter)


def _mean_capacity(cluster: Resource | None, context: Context) -> Decimal | None:
    """Capacity units of one instance: as given, else capacity_percent of the way from minimum to maximum."""
    figures = context.figures
    if figures.given("database_capacity_units"):
        return figures["database_capacity_units"]
    scaling = (cluster.get("serverlessv2_scaling_configuration.0") if cluster else None) or {}
    low, high = number(scaling.get("min_capacity")), number(scaling.get("max_capacity"))
    if low is None or high is None:
        return None
    mean = low + (high - low) * figures["capacity_percent"] / 100
    return figures.settle("database_capacity_units", mean)


def replication_group(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A cache: node hours, and backups beyond the one that is free."""
    meter = Meter(context, resource, "cache")
    kind, engine = resource.get("node_type"), str(resource.get("engine") or "redis")
    nodes = _cache_nodes(resource)
    hours = None if nodes is None else nodes * HOURS
    service = _CACHE_ENGINES.get(engine, f"elasticache-{engine}")
    label = f"{kind or 'node'} {engine}, {counted(nodes, 'node')}"
    yield meter.fixed(label, service, kind, "hour", hours)
    kept = number(resource.get("snapshot_retention_limit")) or Decimal(0)
    if kept > FREE_CACHE_SNAPSHOTS:
        held = context.figures["cache_gb"] * (kept - FREE_CACHE_SNAPSHOTS)
        yield Meter(context, resource, "backup").usage(
            f"cache snapshots, {kept} kept", "elasticache", "backup", "GB-month", held, ("cache_gb",)
        )


def _cache_nodes(resource: Resource) -> Decimal | None:
    """num_cache_clusters, or shards × (1 + replicas)."""
    clusters = number(resource.get("num_cache_clusters"))
    if clusters is not None:
        return clusters
    groups = number(resource.get("num_node_groups"))
    if groups is None:
        return None
    return groups * (1 + (number(resource.get("replicas_per_node_group")) or Decimal(0)))


def bucket(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An object store: GB per tier as the lifecycle rules spread it, old versions, requests.

    A bucket that receives access logs holds logs only: what is written in a month, for as many months as its
    expiration rule keeps.
    """
    meter = Meter(context, resource, "storage")
    if holds_logs(resource, context):
        yield from _log_bucket(resource, context, meter)
        return
    figures = context.figures
    total = figures["storage_gb"] / len(data_buckets(context))
    for tier, share in tier_shares(resource, context).items():
        names = (
            ("storage_gb", "document_months", "lifecycle_percent") if tier != "standard" else ("storage_gb",)
        )
        yield meter.usage(f"objects, {tier}", "s3", tier, "GB-month", total * share, names)
    old = _noncurrent_gb(resource, context)
    if old:
        yield meter.usage(
            "old versions",
            "s3",
            "standard",
            "GB-month",
            old,
            ("documents", "document_mb", "noncurrent_percent"),
        )
    peers = len(data_buckets(context))
    writes, reads = figures["storage_writes"] / peers / 1000, figures["storage_reads"] / peers / 1000
    yield meter.usage("writes", "s3", "standard-put-1k", "1k-requests", writes, ("storage_writes",))
    yield meter.usage("reads", "s3", "standard-get-1k", "1k-requests", reads, ("storage_reads",))
    yield from _transitions(resource, context, meter)


def holds_logs(resource: Resource, context: Context) -> bool:
    """Whether a bucket receives access logs: a balancer, CDN or logging configuration writes to it, or its
    name."""
    writers = context.referring(resource, "aws_lb", "aws_cloudfront_distribution")
    takes = any(w.get("access_logs.0.enabled") or w.get("logging_config.0.bucket") for w in writers)
    return takes or "log" in resource.name.split("_") or "logs" in resource.name.split("_")


def data_buckets(context: Context) -> tuple[Resource, ...]:
    return tuple(b for b in context.of_type("aws_s3_bucket") if not holds_logs(b, context))


def _rules(resource: Resource, context: Context) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for configuration in context.referring(resource, "aws_s3_bucket_lifecycle_configuration"):
        found += [r for r in configuration.get("rule") or () if r.get("status", "Enabled") == "Enabled"]
    return found


def _steps(resource: Resource, context: Context) -> list[tuple[Decimal, str]]:
    """(age in days, tier) of the bucket's transitions, youngest first."""
    steps = []
    for rule in _rules(resource, context):
        for transition in rule.get("transition") or ():
            days, tier = number(transition.get("days")), _TIERS.get(str(transition.get("storage_class")))
            if days is not None and tier is not None:
                steps.append((days, tier))
    return sorted(steps)


def tier_shares(resource: Resource, context: Context) -> dict[str, Decimal]:
    """Share of the bucket's GB per tier, as its lifecycle rules spread them (shares_by_age)."""
    return shares_by_age(_steps(resource, context), context.figures, "standard")


def _transitions(resource: Resource, context: Context, meter: Meter) -> Iterator[Quantity]:
    """One request per object and transition: each object of a month passes every step once."""
    figures = context.figures
    objects = (
        figures["documents"] * 3 * figures["lifecycle_percent"] / 100 / 1000 / len(data_buckets(context))
    )
    for _, tier in _steps(resource, context):
        yield meter.usage(
            f"moves to {tier}",
            "s3",
            f"{tier}-transition-1k",
            "1k-requests",
            objects,
            ("documents", "lifecycle_percent"),
        )


def _noncurrent_gb(resource: Resource, context: Context) -> Decimal:
    """Old versions: noncurrent_percent of a month's writes, kept as long as the rules say (a month by
    default)."""
    versioning = context.referring(resource, "aws_s3_bucket_versioning")
    if not any(v.get("versioning_configuration.0.status") == "Enabled" for v in versioning):
        return Decimal(0)
    days = [
        number(expiry.get("noncurrent_days"))
        for rule in _rules(resource, context)
        for expiry in rule.get("noncurrent_version_expiration") or ()
    ]
    kept = max((d for d in days if d is not None), default=Decimal(30))
    return old_versions_gb(context.figures, kept) / len(data_buckets(context))


def _log_bucket(resource: Resource, context: Context, meter: Meter) -> Iterator[Quantity]:
    days = [
        number(expiry.get("days"))
        for rule in _rules(resource, context)
        for expiry in rule.get("expiration") or ()
    ]
    kept = max((d for d in days if d), default=Decimal(365))
    peers = sum(1 for b in context.of_type("aws_s3_bucket") if holds_logs(b, context))
    size = context.figures["access_logs_gb"] * kept / DAYS_PER_MONTH / peers
    yield meter.usage(
        f"access logs, {kept} days kept", "s3", "standard", "GB-month", size, ("access_logs_gb",)
    )
