"""Logs of AWS: how long they are kept."""

from __future__ import annotations

from cloudberth.findings.model import Severity
from cloudberth.findings.rules.registry import resource_rule
from cloudberth.findings.values import at
from cloudberth.infra.plan import Resource

_GROUP = ("aws_cloudwatch_log_group",)


@resource_rule(
    "logs.retention-forever",
    Severity.MEDIUM,
    "Logs are kept and billed forever",
    why="Without a retention every line stays on the bill, and personal data stays past any deadline.",
    remedy="logs.retention_days: 30",
    types=_GROUP,
)
def retention_forever(group: Resource) -> str | None:
    retention = at(group, "retention_in_days")
    return "It has no retention." if retention.absent or retention.number == 0 else None


@resource_rule(
    "logs.retention-short",
    Severity.LOW,
    "Logs are gone within a week",
    why="What broke over a long weekend can no longer be looked into.",
    remedy="logs.retention_days: 14 (or more)",
    types=_GROUP,
    by_size={"small": None},
)
def retention_short(group: Resource) -> str | None:
    days = at(group, "retention_in_days").number
    return f"Kept for {days:g} days." if days is not None and 0 < days < 7 else None
