"""Running it: logs, metrics, alarms, dashboards, notifications, secrets, keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.retention import DAYS_PER_MONTH, FOREVER_MONTHS
from cloudberth.infra.plan import Resource


def log_group(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Text taken in and kept. Application logs are spread evenly over the application's groups; a group
    that takes
    flow logs or a database's logs pays its taking-in there and only its storage here."""
    meter = Meter(context, resource, "logs")
    figure, sku = _group_source(resource, context)
    peers = [g for g in context.of_type("aws_cloudwatch_log_group") if _group_source(g, context)[0] == figure]
    taken = context.figures[figure] / len(peers)
    if sku:
        yield meter.usage("logs taken in", "cloudwatch-logs", sku, "GB", taken, (figure,))
    if figure == "logs_gb":
        scanned = context.figures["logs_scanned_gb"] / len(peers)
        yield meter.usage(
            "logs read by queries", "cloudwatch-logs", "insights-scanned", "GB", scanned, ("logs_scanned_gb",)
        )
    days = number(resource.get("retention_in_days")) or Decimal(0)
    months = days / DAYS_PER_MONTH if days else FOREVER_MONTHS
    kept = taken * months * context.figures["logs_compression_percent"] / 100
    label = f"logs kept {days} days" if days else "logs kept for ever (after a year)"
    names = (figure, "logs_compression_percent")
    yield meter.usage(label, "cloudwatch-logs", "storage", "GB-month", kept, names)


def _group_source(resource: Resource, context: Context) -> tuple[str, str]:
    """Which figure fills a group, and the price of taking it in ("" where the sender's line has it)."""
    if context.referring(resource, "aws_flow_log"):
        return "flow_logs_gb", ""
    if context.referring(resource, "aws_wafv2_web_acl_logging_configuration"):
        return "firewall_logs_gb", "vended"
    words = f"{resource.get('name') or ''} {resource.name}"
    if "/aws/rds" in words or context.referring(resource, "aws_db_instance", "aws_rds_cluster"):
        return "database_logs_gb", ""
    return "logs_gb", "ingest-standard"


def metric_filter(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Custom metrics that no earlier filter of the plan makes too: filters on several log groups can feed one
    metric, which is billed once. (How many values its dimensions take is not in the plan.)"""
    earlier: set[str] = set()
    for peer in context.of_type("aws_cloudwatch_log_metric_filter"):
        if peer.address == resource.address:
            break
        earlier |= _metrics_made(peer)
    new = _metrics_made(resource) - earlier
    if new:
        yield Meter(context, resource, "alarms").fixed(
            "metric from logs", "cloudwatch", "metric", "metric-month", len(new)
        )


def _metrics_made(resource: Resource) -> set[str]:
    return {
        json.dumps([t.get("namespace"), t.get("name"), sorted(t.get("dimensions") or ())], default=str)
        for t in resource.get("metric_transformation") or ()
    }


def metric_alarm(resource: Resource, context: Context) -> Iterator[Quantity]:
    """An alarm is billed per metric it watches; under a minute's period, or with a band, at the higher price.

    A metric outside AWS's own namespaces that no log filter of the plan makes is a custom metric of its own.
    """
    meter = Meter(context, resource, "alarms")
    metrics = [q["metric"][0] for q in resource.get("metric_query") or () if q.get("metric")]
    band = any(
        "ANOMALY_DETECTION_BAND" in str(q.get("expression") or "") for q in resource.get("metric_query") or ()
    )
    periods = [number(m.get("period")) for m in metrics] or [number(resource.get("period"))]
    fast = any(p is not None and p < 60 for p in periods)
    sku = "alarm-high-resolution" if fast else "alarm-standard"
    count = max(len(metrics), 1) * (3 if band else 1)  # a band watches the metric and its two edges
    yield meter.fixed("alarm", "cloudwatch", sku, "alarm-month", count)


def custom_metrics(context: Context) -> Iterator[Quantity]:
    """Metrics that alarms watch, that are neither AWS's own nor made by a log filter: somebody publishes
    them."""
    filtered = {
        (t.get("namespace"), t.get("name"))
        for f in context.of_type("aws_cloudwatch_log_metric_filter")
        for t in f.get("metric_transformation") or ()
    }
    published: set[str] = set()
    for alarm in context.of_type("aws_cloudwatch_metric_alarm"):
        watched = [q["metric"][0] for q in alarm.get("metric_query") or () if q.get("metric")] or [
            alarm.values
        ]
        for metric in watched:
            name = (metric.get("namespace"), metric.get("metric_name"))
            if name[0] and not str(name[0]).startswith("AWS/") and name not in filtered:
                published.add(json.dumps([*name, metric.get("dimensions")], sort_keys=True, default=str))
    if published:
        yield Meter(context, None, "alarms").fixed(
            "metrics that the machines publish", "cloudwatch", "metric", "metric-month", len(published)
        )


def composite_alarm(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield Meter(context, resource, "alarms").fixed(
        "composite alarm", "cloudwatch", "alarm-composite", "alarm-month", 1
    )


def dashboard(resource: Resource, context: Context) -> Iterator[Quantity]:
    yield Meter(context, resource, "alarms").fixed(
        "dashboard", "cloudwatch", "dashboard", "dashboard-month", 1
    )


def sns_topic(resource: Resource, context: Context) -> Iterator[Quantity]:
    """E-mails that the topic sends (evenly over all topics); publishing from AWS services is free at this
    volume."""
    share = context.figures["alarm_emails"] / 100_000 / len(context.of_type("aws_sns_topic"))
    yield Meter(context, resource, "alarms").usage(
        "e-mails", "sns", "email-100k", "100k-notifications", share, ("alarm_emails",)
    )


def log_delivery(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Access logs that the log service carries to a bucket for another service (a CDN)."""
    share = context.figures["access_logs_gb"] / len(context.of_type("aws_cloudwatch_log_delivery"))
    yield Meter(context, resource, "logs").usage(
        "access logs delivered", "cloudwatch-logs", "cdn-logs-delivered", "GB", share, ("access_logs_gb",)
    )


def secret(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A secret and its copies in other regions; reads are counted once for all (see secret_reads)."""
    copies = 1 + len(resource.get("replica") or ())
    yield Meter(context, resource, "secrets").fixed(
        "secret", "secrets-manager", "secret", "secret-month", copies
    )


def secret_reads(context: Context) -> Iterator[Quantity]:
    if context.of_type("aws_secretsmanager_secret"):
        reads = context.figures["secret_reads"] / 10_000
        yield Meter(context, None, "secrets").usage(
            "reads of secrets", "secrets-manager", "api-10k", "10k-requests", reads, ("secret_reads",)
        )


def kms_key(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A customer key, and its share of the requests."""
    meter = Meter(context, resource, "secrets")
    yield meter.fixed("key", "kms", "key", "key-month", 1)
    share = context.figures["key_requests"] / 10_000 / len(context.of_type("aws_kms_key"))
    yield meter.usage("requests at the key", "kms", "requests-10k", "10k-requests", share, ("key_requests",))


def budget(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A budget is free; only budgets that act (not the mails that ours send) are billed, by the day."""
    acting = context.referring(resource, "aws_budgets_budget_action")
    if acting:
        yield Meter(context, resource, "alarms").fixed(
            "budget with actions", "budgets", "action-enabled", "day", DAYS_PER_MONTH
        )
