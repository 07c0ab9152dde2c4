"""Alibaba Cloud's Simple Log Service: a search, and after ``|`` SQL.

https://www.alibabacloud.com/help/en/sls/query-string-syntax: values between double quotes, in which ``"``,
``\\``, ``*`` and ``?`` are escaped; names of fields are not quoted but escaped. A search finds words, not
parts of words, and needs an index of the fields that it names (service, severity, those of conditions).
"""

from __future__ import annotations

import re

from cloudberth.logs.analysis import MESSAGE, Analysis, Measure
from cloudberth.logs.filter import ORDERED, Condition, Filter
from cloudberth.logs.severity import Severity, words_at_least

_SPECIAL = re.compile(r'(["\\*?])')
_NAME = re.compile(r"([^A-Za-z0-9_.])")
_OPERATIONS = {
    "count": "count(*)",
    "sum": "sum({})",
    "average": "avg({})",
    "maximum": "max({})",
    "p95": "approx_percentile({}, 0.95)",
}


def compile_filter(filter: Filter) -> str:
    """The search; ``*`` for all lines. The time span is an argument of the call."""
    terms = _services(filter.services) + _level(filter.level)
    if filter.trace:
        terms.append(_any([literal(form) for form in filter.traces]))
    terms += [literal(part) for part in filter.text]
    terms += [found for condition in filter.conditions if (found := _condition(condition))]
    return " and ".join(terms) or "*"


def compile_analysis(analysis: Analysis) -> str:
    """Search and SQL."""
    terms = _services(analysis.services) + _level(analysis.level)
    if analysis.present:
        terms.append(f"{name(analysis.present)}: *")
    columns = [f"{_column(column)} AS {_quoted(column)}" for column in analysis.by]
    columns += [f"{_measure(measure)} AS {_quoted(measure.name)}" for measure in analysis.measures]
    by = ", ".join(_column(column) for column in analysis.by)
    return (
        f"{' and '.join(terms) or '*'} | SELECT {', '.join(columns)} GROUP BY {by} "
        f"ORDER BY {_quoted(analysis.order)} DESC LIMIT {analysis.limit}"
    )


def literal(text: str) -> str:
    """A text between double quotes."""
    return '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def name(path: str) -> str:
    """The name of a field, everything but letters, digits, ``_`` and ``.`` escaped."""
    return _NAME.sub(r"\\\1", path)


def _services(services: tuple[str, ...]) -> list[str]:
    return [_any([f"service: {literal(service)}" for service in services])] if services else []


def _level(level: Severity | None) -> list[str]:
    return [] if level is None else [_any([f'severity: "{word}"' for word in words_at_least(level)])]


def _any(terms: list[str]) -> str:
    return f"({' or '.join(terms)})" if len(terms) > 1 else terms[0]


def _condition(condition: Condition) -> str:
    """Empty for what would leave out more than the filter means: a search heeds no case and finds words."""
    if condition.sign in ORDERED:
        return f"{name(condition.path)} {condition.sign} {condition.value}"
    if condition.sign == "=" and condition.value:
        return f"{name(condition.path)}: {literal(condition.value)}"
    return ""


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _column(column: str) -> str:
    if column == MESSAGE:
        return f"coalesce({_quoted('message')}, {_quoted('msg')}, {_quoted('content')})"
    return _quoted(column)


def _measure(measure: Measure) -> str:
    return _OPERATIONS[measure.operation].format(f"cast({_quoted(measure.field)} AS double)")
