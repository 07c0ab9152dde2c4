"""Logs, alarms and cost of Azure: what is kept, who is told, who watches the bill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudberth.findings.context import Context
from cloudberth.findings.rules.registry import Hit, also, also_relation, also_resource
from cloudberth.findings.values import at, blocks
from cloudberth.infra.plan import Resource

_METRIC, _QUERY = "azurerm_monitor_metric_alert", "azurerm_monitor_scheduled_query_rules_alert_v2"
_ALERTS, _GROUP = (_METRIC, _QUERY, "azurerm_monitor_activity_log_alert"), "azurerm_monitor_action_group"
_SERVER, _GATEWAY = "azurerm_postgresql_flexible_server", "azurerm_application_gateway"
_SETS = (
    "azurerm_linux_virtual_machine",
    "azurerm_linux_virtual_machine_scale_set",
    "azurerm_orchestrated_virtual_machine_scale_set",
)
_WATCHED = (*_SETS, _SERVER, _GATEWAY, "azurerm_managed_redis", "azurerm_container_app")
_BILLED = (*_WATCHED, "azurerm_nat_gateway", "azurerm_mysql_flexible_server", "azurerm_redis_cache")
_BUDGETS = (
    "azurerm_consumption_budget_resource_group",
    "azurerm_consumption_budget_subscription",
    "azurerm_consumption_budget_management_group",
)
_LOGS = ("azurerm_log_analytics_workspace", "azurerm_log_analytics_workspace_table_custom_log")
_TAGGED = (*_BILLED, "azurerm_storage_account", "azurerm_virtual_network", "azurerm_managed_disk")
_RECEIVERS = (
    "arm_role",
    "automation_runbook",
    "azure_app_push",
    "azure_function",
    "email",
    "event_hub",
    "itsm",
    "logic_app",
    "sms",
    "voice",
    "webhook",
)
# The most that a workspace keeps at hand; a table may be told to keep longer, up to twelve years.
_TWO_YEARS = 730


@dataclass(frozen=True, slots=True)
class Watch:
    """A failure that shows in a metric. kind: what can fail this way; any of the metrics will do."""

    kind: str
    metrics: tuple[str, ...]
    failure: str


_WATCHES = (
    Watch(_SERVER, ("storage_free", "storage_percent"), "a full database disk"),
    Watch(_SERVER, ("active_connections",), "used-up database connections"),
    Watch(_SERVER, ("cpu_percent",), "an overloaded database"),
    Watch("azurerm_managed_redis", ("usedmemorypercentage",), "a full cache, which refuses new tasks"),
    Watch(_GATEWAY, ("UnhealthyHostCount", "HealthyHostCount"), "machines that fail their health check"),
    Watch(_GATEWAY, ("ResponseStatus", "BackendResponseStatus", "FailedRequests"), "errors that users see"),
)


@also("logs.retention-forever", types=_LOGS, remedy="logs.retention_days: 30")
def retention_forever(context: Context) -> Iterator[Hit]:
    for store in context.of_type(*_LOGS):
        days = at(store, "retention_in_days").number
        if days is not None and days > _TWO_YEARS:
            yield Hit(store.address, f"Kept for {days:g} days.")


@also_resource("logs.retention-short", types=_LOGS)
def retention_short(store: Resource) -> str | None:
    days = at(store, "retention_in_days").number
    return f"Kept for {days:g} days." if days is not None and 0 < days < 7 else None


@also("alarms.none", types=_WATCHED)
def none(context: Context) -> Iterator[Hit]:
    if context.has(*_WATCHED) and not context.has(*_ALERTS):
        yield Hit("", "The plan has no alert rule.")


@also("alarms.gap", types=(_METRIC,))
def gap(context: Context) -> Iterator[Hit]:
    alerts = tuple(context.of_type(_METRIC))
    criteria = [
        c for alert in alerts for name in ("criteria", "dynamic_criteria") for c in blocks(alert, name)
    ]
    unreadable = any(at(alert, "criteria").unknown for alert in alerts)
    if not alerts or unreadable or any(c.at("metric_name").unknown for c in criteria):
        return
    metrics = {criterion.at("metric_name").text for criterion in criteria}
    for watch in _WATCHES:
        watched = next(context.of_type(watch.kind), None)
        if watched is not None and metrics.isdisjoint(watch.metrics):
            yield Hit(watched.address, f"No alert on {watch.metrics[0]}: {watch.failure}.")


@also_resource("alarms.without-action", types=_ALERTS)
def without_action(alert: Resource) -> str | None:
    if at(alert, "enabled").turned_off:
        return "enabled is false."
    return "It has no action." if at(alert, "action").absent else None


@also_relation(
    "alarms.no-recipient", types=(_GROUP,), why="The action group has no receiver: nobody is told."
)
def no_recipient(group: Resource, context: Context) -> str | None:
    told = any(not at(group, f"{kind}_receiver").absent for kind in _RECEIVERS)
    used = any(context.refers(alert, group) for alert in context.of_type(*_ALERTS))
    return "It has no receiver." if used and not told else None


@also("cost.no-budget", types=_BILLED)
def no_budget(context: Context) -> Iterator[Hit]:
    if context.has(*_BILLED) and not context.has(*_BUDGETS):
        yield Hit("", "The plan has billed resources and no budget.")


@also_resource("cost.budget-without-recipient", types=_BUDGETS)
def budget_without_recipient(budget: Resource) -> str | None:
    notices = at(budget, "notification")
    names = ("contact_emails", "contact_groups", "contact_roles")
    told = any(not notice.at(name).absent for notice in notices.children() for name in names)
    return None if told or notices.unknown else "It has no notification with a recipient."


@also("cost.untagged", types=_TAGGED)
def untagged(context: Context) -> Iterator[Hit]:
    bare = [resource for resource in context.of_type(*_TAGGED) if at(resource, "tags").absent]
    if bare:
        more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        yield Hit(bare[0].address, f"No tags on {bare[0].address}{more}.")


# v1 to v3, and series that Azure lists as previous generation.
@also(
    "cost.previous-generation", types=_SETS, remedy="compute.app.machine_types: a current series, v5 or newer"
)
def previous_generation(context: Context) -> Iterator[Hit]:
    for resource in context.of_type(*_SETS):
        for size in _sizes(resource):
            if size.startswith("Standard_") and size.lower().endswith(("_v2", "_v3")) and size[9] in "DEF":
                yield Hit(resource.address, f"It uses {size}.")


def _sizes(resource: Resource) -> Iterator[str]:
    yield from (at(resource, name).text for name in ("size", "sku", "sku_name"))
    for size in blocks(resource, "sku_profile.0.virtual_machine_size"):
        yield size.at("name").text
