"""Logs, alarms, events, notifications, budgets, backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.aws.rules.formats import (
    ALARM_ACTIONS,
    AWS_SCHEDULE,
    COMPARISONS,
    EMAIL,
    EMBEDDED_POLICY,
    NAME_OR_PREFIX,
    RETENTION,
)
from cloudberth.infra.simulation.rules import (
    AnyRule,
    Combination,
    Rule,
    between,
    conflicting,
    every,
    json_object,
    length,
    matches,
    one_of,
    ordered,
)
from cloudberth.infra.simulation.values import Value


def _subscription_endpoint(values: Mapping[str, Value]) -> tuple[str, str] | None:
    protocol, endpoint = values.get("protocol"), values.get("endpoint")
    if not isinstance(endpoint, str):
        return None
    if protocol in ("email", "email-json") and EMAIL(endpoint):
        return "endpoint", f'endpoint must be an e-mail address for protocol "{protocol}"'
    if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
        return "endpoint", f'endpoint must start with {protocol}:// for protocol "{protocol}"'
    return None


def _period_of_alarm(values: Mapping[str, Value]) -> tuple[str, str] | None:
    period = values.get("period")
    if isinstance(period, int) and period not in (10, 20, 30) and period % 60:
        return "period", f"period must be 10, 20, 30 or a multiple of 60, got: {period}"
    return None


def _immediate_needs_topic(values: Mapping[str, Value]) -> tuple[str, str] | None:
    kinds = {item.get("type") for item in values.get("subscriber") or () if isinstance(item, Mapping)}
    if values.get("frequency") == "IMMEDIATE" and "EMAIL" in kinds:
        return "frequency", "IMMEDIATE works with SNS subscribers only; e-mail takes DAILY or WEEKLY"
    return None


RULES: Final[Mapping[str, Sequence[AnyRule]]] = {
    "aws_cloudwatch_log_group": (
        NAME_OR_PREFIX,
        Rule("name", every(length(1, 512), matches(r"[\w./#-]+", "have only letters, digits and ._-/#"))),
        Rule("retention_in_days", RETENTION),
        Rule("log_group_class", one_of("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")),
    ),
    "aws_cloudwatch_log_metric_filter": (Rule("name", length(1, 512)), Rule("pattern", length(0, 1024))),
    "aws_cloudwatch_metric_alarm": (
        Rule("comparison_operator", COMPARISONS),
        Rule("statistic", one_of("Average", "Maximum", "Minimum", "SampleCount", "Sum")),
        Rule("treat_missing_data", one_of("breaching", "notBreaching", "ignore", "missing")),
        Rule("evaluation_periods", between(1, 1440)),
        Rule("period", matches(r"10|20|30|[1-9]\d*", "be 10, 20, 30 or a multiple of 60 seconds")),
        Combination("", _period_of_alarm),
        Rule("alarm_name", length(1, 255)),
        Rule("alarm_actions", ALARM_ACTIONS),
        Rule("ok_actions", ALARM_ACTIONS),
        conflicting("statistic", "extended_statistic"),
        conflicting("metric_name", "metric_query"),
        ordered("datapoints_to_alarm", "evaluation_periods"),
    ),
    "aws_cloudwatch_dashboard": (
        Rule("dashboard_body", json_object),
        Rule(
            "dashboard_name", every(length(1, 255), matches(r"[\w-]+", "have only letters, digits, - and _"))
        ),
    ),
    "aws_cloudwatch_event_rule": (
        Rule("schedule_expression", AWS_SCHEDULE),
        Rule("event_pattern", json_object),
        Rule("state", one_of("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")),
    ),
    "aws_scheduler_schedule": (Rule("schedule_expression", AWS_SCHEDULE),),
    "aws_sns_topic": (
        NAME_OR_PREFIX,
        Rule(
            "name", every(length(1, 256), matches(r"[\w-]+(\.fifo)?", "have only letters, digits, _ and -"))
        ),
        Rule("policy", EMBEDDED_POLICY),
    ),
    "aws_sns_topic_policy": (Rule("policy", EMBEDDED_POLICY),),
    "aws_sns_topic_subscription": (
        Rule(
            "protocol",
            one_of("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
        ),
        Combination("", _subscription_endpoint),
    ),
    "aws_sqs_queue": (
        NAME_OR_PREFIX,
        Rule("visibility_timeout_seconds", between(0, 43200)),
        Rule("message_retention_seconds", between(60, 1209600)),
    ),
    "aws_budgets_budget": (
        Rule(
            "budget_type",
            one_of(
                "USAGE",
                "COST",
                "RI_UTILIZATION",
                "RI_COVERAGE",
                "SAVINGS_PLANS_UTILIZATION",
                "SAVINGS_PLANS_COVERAGE",
            ),
        ),
        Rule("time_unit", one_of("DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM")),
        Rule("limit_amount", matches(r"\d+(\.\d+)?", "be a number in quotes")),
        Rule("notification.*.comparison_operator", one_of("GREATER_THAN", "LESS_THAN", "EQUAL_TO")),
        Rule("notification.*.notification_type", one_of("ACTUAL", "FORECASTED")),
        Rule("notification.*.threshold_type", one_of("PERCENTAGE", "ABSOLUTE_VALUE")),
        Rule("notification.*.subscriber_email_addresses", length(0, 10)),
        Rule("notification.*.subscriber_email_addresses.*", EMAIL),
        Rule("notification", length(0, 10)),
    ),
    "aws_ce_anomaly_monitor": (
        Rule("monitor_type", one_of("DIMENSIONAL", "CUSTOM")),
        Rule("monitor_dimension", one_of("SERVICE", "LINKED_ACCOUNT", "TAG", "COST_CATEGORY")),
        Rule("monitor_specification", json_object),
    ),
    "aws_ce_anomaly_subscription": (
        Rule("frequency", one_of("DAILY", "IMMEDIATE", "WEEKLY")),
        Rule("subscriber.*.type", one_of("SNS", "EMAIL")),
        Combination("", _immediate_needs_topic),
    ),
    "aws_backup_plan": (
        Rule("rule.*.schedule", AWS_SCHEDULE),
        Rule("rule.*.lifecycle.*.delete_after", between(1, 36500)),
    ),
}
