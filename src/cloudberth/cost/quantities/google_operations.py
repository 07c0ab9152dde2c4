"""Running it: logs, metrics, alert policies, uptime checks, secrets, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.pricebook import GLOBAL
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.retention import DAYS_PER_MONTH
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

FREE_RETENTION_DAYS = Decimal(30)
BYTES_PER_POINT = Decimal(8)
"""A value of a numeric metric (Cloud Monitoring pricing); one is written each minute."""
UPTIME_PLACES = 6
"""Places that a check runs from when it names none: one in each of the regions that there are."""
_MINUTES = HOURS * 60


def log_bucket(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Text taken in, spread evenly over the plan's log buckets, and what is kept beyond 30 days."""
    meter = Meter(context, resource, "logs")
    taken = context.figures["logs_gb"] / len(context.of_type("google_logging_project_bucket_config"))
    yield meter.usage("logs taken in", "cloud-logging", "ingest", "GiB", taken, ("logs_gb",))
    days = number(resource.get("retention_days")) or FREE_RETENTION_DAYS
    extra = max(days - FREE_RETENTION_DAYS, Decimal(0)) / DAYS_PER_MONTH
    if extra:
        kept = taken * extra
        label = f"logs kept {days} days"
        yield meter.usage(label, "cloud-logging", "retention", "GiB-month", kept, ("logs_gb",))


def project_logs(context: Context) -> Iterator[Quantity]:
    """Without a bucket of their own the logs go to the project's default bucket, which keeps 30 days; the
    database's logs always do."""
    meter, figures = Meter(context, None, "logs"), context.figures
    if not context.of_type("google_logging_project_bucket_config") and context.of_type(
        "google_compute_region_instance_group_manager", "google_compute_instance"
    ):
        yield meter.usage("logs taken in", "cloud-logging", "ingest", "GiB", figures["logs_gb"], ("logs_gb",))
    if context.of_type("google_sql_database_instance"):
        yield meter.usage(
            "database logs taken in", "cloud-logging", "ingest", "GiB", figures["database_logs_gb"],
            ("database_logs_gb",),
        )  # fmt: skip


def log_metric(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A metric from logs is billed by the bytes of its points: eight a minute and time series. (How many
    values its labels take is not in the plan.)"""
    mib = BYTES_PER_POINT * _MINUTES / 1024 / 1024
    yield Meter(context, resource, "alarms").fixed(
        "metric from logs",
        "cloud-monitoring",
        "metrics-mib",
        "MiB",
        mib.quantize(Decimal("0.000001")),
        GLOBAL,
    )


def alert_policy(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A policy is billed per condition. (Reading the time series of conditions is billed by the million.)"""
    count = len(resource.get("conditions") or ()) or None
    yield Meter(context, resource, "alarms").fixed(
        "alert conditions", "cloud-monitoring", "alert-condition", "condition-month", count, GLOBAL
    )


def uptime_check(resource: Resource, context: Context) -> Iterator[Quantity]:
    """One execution per place and period, all month."""
    seconds = number(re.sub(r"s$", "", str(resource.get("period") or "300s"))) or Decimal(300)
    places = len(resource.get("selected_regions") or ()) or UPTIME_PLACES
    runs = HOURS * 3600 / seconds * places / 1000
    yield Meter(context, resource, "alarms").fixed(
        f"uptime check, {places} places", "cloud-monitoring", "uptime-1k", "1k-executions", runs, GLOBAL
    )


def secret_version(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An active version, in each place that its secret is kept in (one with automatic replication)."""
    secret = context.one_referenced(resource, "google_secret_manager_secret")
    replicas = (secret.get("replication.0.user_managed.0.replicas") if secret else None) or (None,)
    yield Meter(context, resource, "secrets").fixed(
        "secret version", "secret-manager", "version", "version-month", len(replicas), GLOBAL
    )


def secret_reads(context: Context) -> Iterator[Quantity]:
    if context.of_type("google_secret_manager_secret_version", "google_secret_manager_secret"):
        reads = context.figures["secret_reads"] / 10_000
        yield Meter(context, None, "secrets").usage(
            "reads of secrets",
            "secret-manager",
            "access-10k",
            "10k-requests",
            reads,
            ("secret_reads",),
            GLOBAL,
        )


def crypto_key(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An active key version (older ones stay active after a rotation and are not counted), and requests."""
    level = str(resource.get("version_template.0.protection_level") or "SOFTWARE").lower()
    meter = Meter(context, resource, "secrets")
    yield meter.fixed("key version", "cloud-kms", f"{level}-version", "version-month", 1, GLOBAL)
    share = context.figures["key_requests"] / 10_000 / len(context.of_type("google_kms_crypto_key"))
    sku = f"{level}-requests-10k"
    yield meter.usage(
        "requests at the key", "cloud-kms", sku, "10k-requests", share, ("key_requests",), GLOBAL
    )
