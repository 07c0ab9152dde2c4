"""CloudWatch Logs Insights: the query language of StartQuery.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html. Which services a query is about
says the list of log groups, not the text. Text is compared with regular expressions, in which every sign but
letters, digits and blanks is escaped, because `like "…"` heeds letter case.
"""

from __future__ import annotations

import re

from cloudberth.logs.analysis import MESSAGE, SERVICE, Analysis, Measure
from cloudberth.logs.filter import ORDERED, Condition, Filter, spellings
from cloudberth.logs.severity import KEYS, Severity, words_at_least

MOST_ROWS = 10_000
LONGEST = 10_000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_OPERATIONS = {
    "count": "count(*)",
    "sum": "sum({})",
    "average": "avg({})",
    "maximum": "max({})",
    "p95": "pct({}, 95)",
}


def compile_filter(filter: Filter, limit: int) -> str:
    """The newest records of a filter, at most `limit`. Time and services are arguments of StartQuery."""
    steps = ["fields @timestamp, @message, @log, @logStream, @ptr"]
    if filter.level is not None:
        steps.append(_level(filter.level))
    if filter.trace:
        steps.append("filter " + " or ".join(f"@message like {expression(form)}" for form in filter.traces))
    steps += [
        "filter " + " or ".join(f"@message like {expression(form)}" for form in spellings(part))
        for part in filter.text
    ]
    steps += [f"filter {found}" for condition in filter.conditions if (found := _condition(condition))]
    steps += ["sort @timestamp desc", f"limit {min(limit, MOST_ROWS)}"]
    return "\n| ".join(steps)


def compile_analysis(analysis: Analysis) -> str:
    """Groups and measures. Services by the list of log groups, and in the answer by the column ``@log``."""
    steps: list[str] = []
    if MESSAGE in analysis.by:
        steps.append("fields coalesce(message, msg, @message) as text")
    if analysis.level is not None:
        steps.append(_level(analysis.level))
    if analysis.present:
        steps.append(f"filter ispresent({name(analysis.present)})")
    measures = ", ".join(f"{_measure(measure)} as {measure.name}" for measure in analysis.measures)
    by = ", ".join({SERVICE: "@log", MESSAGE: "text"}.get(column, name(column)) for column in analysis.by)
    steps += [f"stats {measures} by {by}", f"sort {analysis.order} desc", f"limit {analysis.limit}"]
    return "\n| ".join(steps)


COLUMNS = {"@log": SERVICE, "text": MESSAGE}
"""What columns of an analysis are called in its answer → in the analysis."""


def expression(text: str) -> str:
    """A regular expression between slashes that finds a text whatever its letter case."""
    escaped = "".join(
        sign if (sign.isascii() and sign.isalnum()) or sign in " _" or not sign.isascii() else f"\\{sign}"
        for sign in text
    )
    return f"/(?i){escaped}/"


def literal(text: str) -> str:
    """A text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name(path: str) -> str:
    """The name of a field; in back quotes when it has signs other than letters, digits, ``_`` and ``.``."""
    return path if _PLAIN.fullmatch(path) else f"`{path}`"


def _level(level: Severity) -> str:
    words = words_at_least(level)
    spelt = ", ".join(f'"{word}"' for word in (*(word.upper() for word in words), *words))
    return f"filter coalesce({', '.join(KEYS)}) in [{spelt}]"


def _condition(condition: Condition) -> str:
    """Empty where Insights could leave out what the filter means."""
    field, value = name(condition.path), condition.value
    if condition.sign in ORDERED:
        return f"{field} {condition.sign} {value}"
    # Values of JSON are numbers here and texts there, and true is 1.
    others = [condition.number] if condition.number else {"true": ["1"], "false": ["0"]}.get(value, [])
    if condition.sign == "=":
        return " or ".join(f"{field} = {other}" for other in (literal(value), *others))
    return "" if others else f"not ispresent({field}) or {field} != {literal(value)}"


def _measure(measure: Measure) -> str:
    return _OPERATIONS[measure.operation].format(name(measure.field))
