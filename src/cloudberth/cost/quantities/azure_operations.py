"""Running it: logs, alert rules, notifications, secrets, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.context import Context, Meter, number
from cloudberth.cost.quantities.retention import DAYS_PER_MONTH
from cloudberth.cost.usage import HOURS
from cloudberth.infra.plan import Resource

FREE_RETENTION_DAYS = Decimal(31)
"""Analytics logs are kept so long without charge (Azure Monitor pricing)."""
_FREQUENCIES = (1, 5, 10, 15)
_DATABASES = ("azurerm_postgresql_flexible_server",)


def workspace(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Text taken in, and what is kept beyond the free month; the workspace's share of the application's
    logs. Logs of the gateway and the database come in through diagnostic settings (see there)."""
    meter = Meter(context, resource, "logs")
    figures = context.figures
    peers = len(context.of_type("azurerm_log_analytics_workspace"))
    taken = figures["logs_gb"] / peers
    yield meter.usage("logs taken in", "log-analytics", "ingest", "GB", taken, ("logs_gb",))
    days = number(resource.get("retention_in_days")) or Decimal(30)
    extra = max(days - FREE_RETENTION_DAYS, Decimal(0)) / DAYS_PER_MONTH
    if extra:
        kept, names = taken * extra, ("logs_gb",)
        yield meter.usage(f"logs kept {days} days", "log-analytics", "retention", "GB-month", kept, names)


def diagnostic_setting(resource: Resource, context: Context) -> Iterator[Quantity]:
    """Logs that a service writes to a workspace are taken in at the workspace's price; the setting itself is
    free, and so is what goes to a storage account of the plan (the account is billed)."""
    if not context.referenced(resource, "azurerm_log_analytics_workspace"):
        return
    figure = _source(resource, context)
    if figure is None or not resource.get("enabled_log"):
        return
    same = [
        s
        for s in context.of_type("azurerm_monitor_diagnostic_setting")
        if s.get("enabled_log") and _source(s, context) == figure
    ]
    share = context.figures[figure] / len(same)
    yield Meter(context, resource, "logs").usage(
        "logs of the service taken in", "log-analytics", "ingest", "GB", share, (figure,)
    )


def _source(setting: Resource, context: Context) -> str | None:
    """Which figure a setting's logs are; None for services whose logs our figures do not count apart."""
    if context.referenced(setting, *_DATABASES):
        return "database_logs_gb"
    if context.referenced(setting, "azurerm_application_gateway", "azurerm_cdn_frontdoor_profile"):
        return "access_logs_gb"
    return None


def metric_alert(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A rule is billed per time series it watches: one per criterion, times the values of its dimensions;
    a dynamic threshold counts a second time."""
    series = sum(_series(c.get("dimension") or ()) for c in resource.get("criteria") or ())
    dynamic = sum(_series(c.get("dimension") or ()) for c in resource.get("dynamic_criteria") or ())
    other = len(resource.get("application_insights_web_test_location_availability_criteria") or ())
    count = max(series + 2 * dynamic + other, 1)
    yield Meter(context, resource, "alarms").fixed(
        "metric alert", "azure-monitor", "metric-series", "series-month", count
    )


def _series(dimensions: tuple[dict[str, list[str]], ...]) -> int:
    found = 1
    for dimension in dimensions:
        found *= max(len(dimension.get("values") or ()), 1)
    return found


def query_alert(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A log rule is billed by how often it runs; each further time series (values of dimensions) besides."""
    minutes = _minutes(resource.get("evaluation_frequency"))
    meter = Meter(context, resource, "alarms")
    if minutes is None:
        yield meter.fixed("log alert", "azure-monitor", None, "rule-month", None)
        return
    step = max((m for m in _FREQUENCIES if m <= minutes), default=_FREQUENCIES[0])
    label = f"log alert, every {minutes} minutes"
    yield meter.fixed(label, "azure-monitor", f"query-rule-{step}m", "rule-month", 1)
    series = max((_series(c.get("dimension") or ()) for c in resource.get("criteria") or ()), default=1)
    if series > 1:
        sku = f"query-series-{step}m"
        yield meter.fixed("further time series", "azure-monitor", sku, "series-month", series - 1)


def _minutes(duration: str | None) -> int | None:
    """Minutes of an ISO 8601 duration (``PT5M``, ``PT1H``, ``P1D``)."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", duration or "")
    if not found or not any(found.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return days * 1440 + hours * 60 + minutes


def action_group(resource: Resource, context: Context) -> Iterator[Quantity]:
    """E-mails that alarms send, evenly over the groups."""
    if not resource.get("email_receiver"):
        return
    share = context.figures["alarm_emails"] / len(context.of_type("azurerm_monitor_action_group"))
    yield Meter(context, resource, "alarms").usage(
        "e-mails", "azure-monitor", "email", "e-mail", share, ("alarm_emails",)
    )


def web_test(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A standard availability test: one execution per place and interval, all month."""
    seconds = number(resource.get("frequency")) or Decimal(300)
    places = len(resource.get("geo_locations") or ()) or 1
    runs = HOURS * 3600 / seconds * places
    yield Meter(context, resource, "alarms").fixed(
        f"availability test, {places} places", "azure-monitor", "web-test", "execution", runs
    )


def vault(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A key vault costs by its operations: each read of a secret is one."""
    peers = len(context.of_type("azurerm_key_vault"))
    reads = context.figures["secret_reads"] / 10_000 / peers
    tier = str(resource.get("sku_name") or "standard").lower()
    label = "reads of secrets" if tier == "standard" else f"reads of secrets ({tier} vault)"
    yield Meter(context, resource, "secrets").usage(
        label, "key-vault", "operations-10k", "10k-operations", reads, ("secret_reads",)
    )


def key(resource: Resource, context: Context) -> Iterator[Quantity]:
    """A key in software costs by its operations; one in a hardware module by the month besides."""
    meter = Meter(context, resource, "secrets")
    if str(resource.get("key_type") or "").endswith("-HSM"):
        yield meter.fixed("key in a hardware module", "key-vault", "hsm-key", "key-month", 1)
    peers = len(context.of_type("azurerm_key_vault_key"))
    share = context.figures["key_requests"] / 10_000 / peers
    yield meter.usage(
        "requests at the key", "key-vault", "operations-10k", "10k-operations", share, ("key_requests",)
    )
