"""The query language of Google Cloud Logging, and SQL over a log bucket.

https://cloud.google.com/logging/docs/view/logging-query-language: texts stand between double quotes, a
backslash escapes; comparisons heed no letter case; 20,000 signs are the most. A quoted text alone is looked
for in every field. https://cloud.google.com/logging/docs/analyze/query-and-view has the columns for SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cloudberth.logs.analysis import MESSAGE, SERVICE, Analysis, Measure
from cloudberth.logs.filter import ORDERED, Condition, Filter
from cloudberth.logs.record import time_text
from cloudberth.logs.severity import Severity

LONGEST = 20_000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBERS = {
    Severity.DEBUG: 100,
    Severity.INFO: 200,
    Severity.NOTICE: 300,
    Severity.WARNING: 400,
    Severity.ERROR: 500,
    Severity.CRITICAL: 600,
}
_OPERATIONS = {
    "count": "COUNT(*)",
    "sum": "SUM({})",
    "average": "AVG({})",
    "maximum": "MAX({})",
    "p95": "APPROX_QUANTILES({}, 100)[OFFSET(95)]",
}


def compile_filter(filter: Filter, logs: Iterable[str] = ()) -> str:
    """logs: full names of the logs (``projects/P/logs/L``) that are meant; all of what is read when none."""
    terms = [f'timestamp>="{time_text(filter.since)}"', f'timestamp<"{time_text(filter.until)}"']
    names = [literal(log) for log in logs]
    if names:
        terms.append(f"logName=({' OR '.join(names)})" if len(names) > 1 else f"logName={names[0]}")
    if filter.level is not None:
        terms.append(f"severity>={filter.level.name}")
    if filter.trace:
        terms.append("(" + " OR ".join(literal(form) for form in filter.traces) + ")")
    terms += [literal(part) for part in filter.text]
    terms += [found for condition in filter.conditions if (found := _condition(condition))]
    return " AND ".join(terms)


def compile_analysis(analysis: Analysis, view: str) -> str:
    """SQL for the console. view: ``project.region.bucket._AllLogs``; the console adds the time span."""
    columns = [f"{_column(name)} AS {name}" for name in analysis.by]
    columns += [f"{_measure(measure)} AS {measure.name}" for measure in analysis.measures]
    where: list[str] = []
    if analysis.services:
        services = ", ".join(f"'{service}'" for service in analysis.services)
        where.append(f"JSON_VALUE(labels.service) IN ({services})")
    if analysis.level is not None:
        where.append(f"severity_number >= {_NUMBERS[analysis.level]}")
    if analysis.present:
        where.append(f"JSON_VALUE(json_payload.{analysis.present}) IS NOT NULL")
    lines = ["SELECT " + ", ".join(columns), f"FROM `{view}`"]
    if where:
        lines.append("WHERE " + " AND ".join(where))
    lines += [
        "GROUP BY " + ", ".join(analysis.by),
        f"ORDER BY {analysis.order} DESC",
        f"LIMIT {analysis.limit}",
    ]
    return "\n".join(lines)


def literal(text: str) -> str:
    """A text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _field(path: str) -> str:
    parts = path.split(".")
    return "jsonPayload." + ".".join(part if _PLAIN.fullmatch(part) else literal(part) for part in parts)


def _condition(condition: Condition) -> str:
    """Empty for what would leave out more than the filter means: values differ in letter case alone."""
    fields = [_field(condition.path)]
    if "." in condition.path:
        fields.append(f"jsonPayload.{literal(condition.path)}")
    if condition.sign in ORDERED:
        terms = [f"{field}{condition.sign}{condition.value}" for field in fields]
    elif condition.sign == "=":
        terms = [f"{field}={literal(condition.value)}" for field in fields]
    else:
        return ""
    return f"({' OR '.join(terms)})" if len(terms) > 1 else terms[0]


def _column(column: str) -> str:
    if column == SERVICE:
        return "JSON_VALUE(labels.service)"
    if column == MESSAGE:
        return "COALESCE(JSON_VALUE(json_payload.message), JSON_VALUE(json_payload.msg), text_payload)"
    return f"JSON_VALUE(json_payload.{column})"


def _measure(measure: Measure) -> str:
    number = f"SAFE_CAST(JSON_VALUE(json_payload.{measure.field}) AS FLOAT64)"
    return _OPERATIONS[measure.operation].format(number)
