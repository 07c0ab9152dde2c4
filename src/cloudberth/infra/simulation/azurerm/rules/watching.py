"""Logs, alerts, budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.azurerm.rules.formats import workspace_retention
from cloudberth.infra.simulation.rules import AnyRule, Rule, between, length, matches, one_of

RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "azurerm_log_analytics_workspace": (
        Rule(
            "name",
            matches(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", "have 4 to 63 letters, digits and hyphens"),
        ),
        Rule(
            "sku",
            one_of(
                *("CapacityReservation", "Free", "LACluster", "PerGB2018", "PerNode"),
                *("Premium", "Standalone", "Standard", "Unlimited"),
            ),
        ),
        Rule("retention_in_days", workspace_retention),
    ),
    "azurerm_log_analytics_workspace_table_custom_log": (
        Rule("name", matches(r"[A-Za-z]\w*_CL", "end with _CL")),
        Rule("retention_in_days", between(4, 730)),
    ),
    "azurerm_monitor_action_group": (Rule("short_name", length(1, 12)),),
    "azurerm_monitor_metric_alert": (
        Rule("severity", between(0, 4)),
        Rule("frequency", one_of("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")),
        Rule("window_size", one_of("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D")),
    ),
    "azurerm_monitor_scheduled_query_rules_alert_v2": (Rule("severity", between(0, 4)),),
    "azurerm_consumption_budget_resource_group": (
        Rule("notification.*.threshold", between(0, 1000)),
        Rule("notification.*.threshold_type", one_of("Actual", "Forecasted")),
    ),
}
