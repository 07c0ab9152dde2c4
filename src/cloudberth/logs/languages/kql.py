"""KQL, the language of Azure Monitor Logs.

https://learn.microsoft.com/kusto/query/scalar-data-types/string: between double quotes a backslash escapes.
The table of a deployment has the columns TimeGenerated, Service, Machine and Message (the line as written).
"""

from __future__ import annotations

from cloudberth.logs.analysis import MESSAGE, SERVICE, Analysis, Measure
from cloudberth.logs.filter import ORDERED, Condition, Filter, spellings
from cloudberth.logs.record import time_text
from cloudberth.logs.severity import KEYS, Severity, words_at_least

TABLE = "Cloudberth_CL"
MOST_ROWS = 30_000
_OPERATIONS = {
    "count": "count()",
    "sum": "sum({})",
    "average": "avg({})",
    "maximum": "max({})",
    "p95": "percentile({}, 95)",
}


def compile_filter(filter: Filter, limit: int, table: str = TABLE) -> str:
    """The newest records of a filter, at most `limit`."""
    steps = [
        table,
        f"where TimeGenerated >= datetime({time_text(filter.since)}) "
        f"and TimeGenerated < datetime({time_text(filter.until)})",
    ]
    steps += _services(filter.services)
    if filter.trace:
        steps.append("where " + " or ".join(f"Message contains {literal(form)}" for form in filter.traces))
    steps += [
        "where " + " or ".join(f"Message contains {literal(form)}" for form in spellings(part))
        for part in filter.text
    ]
    if filter.level is not None or filter.conditions:
        steps.append("extend Line = parse_json(Message)")
    if filter.level is not None:
        steps.append(_level(filter.level))
    steps += [f"where {_condition(condition)}" for condition in filter.conditions]
    steps += [
        "order by TimeGenerated desc",
        f"take {min(limit, MOST_ROWS)}",
        "project TimeGenerated, Service, Machine, Message",
    ]
    return "\n| ".join(steps)


def compile_analysis(analysis: Analysis, table: str = TABLE) -> str:
    """Groups and measures; the time span is an argument of the call."""
    steps = [table, *_services(analysis.services)]
    if analysis.level is not None or analysis.present or set(analysis.by) != {SERVICE}:
        steps.append("extend Line = parse_json(Message)")
    if analysis.level is not None:
        steps.append(_level(analysis.level))
    if analysis.present:
        steps.append(f"where isnotnull({_member(analysis.present)})")
    measures = ", ".join(f"{measure.name} = {_measure(measure)}" for measure in analysis.measures)
    by = ", ".join(f"{column} = {_column(column)}" for column in analysis.by)
    steps += [f"summarize {measures} by {by}", f"top {analysis.limit} by {analysis.order} desc"]
    return "\n| ".join(steps)


def literal(text: str) -> str:
    """A text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _services(services: tuple[str, ...]) -> list[str]:
    return [f"where Service in ({', '.join(literal(service) for service in services)})"] if services else []


def _level(level: Severity) -> str:
    words = ", ".join(f'"{word}"' for word in words_at_least(level))
    said = ", ".join(f"tostring(Line.{key})" for key in KEYS)
    return f"where tolower(coalesce({said})) in ({words})"


def _member(path: str) -> str:
    return "Line" + "".join(f"[{literal(part)}]" for part in path.split("."))


def _members(path: str) -> list[str]:
    """``a.b`` is the member b of a, or a member that is called so."""
    return [_member(path)] + ([f"Line[{literal(path)}]"] if "." in path else [])


def _condition(condition: Condition) -> str:
    members = _members(condition.path)
    if condition.sign in ORDERED:
        return " or ".join(f"todouble({member}) {condition.sign} {condition.value}" for member in members)
    same = [f"tostring({member}) == {literal(condition.value)}" for member in members]
    if condition.sign == "=":
        if condition.number:
            same += [f"todouble({member}) == {condition.number}" for member in members]
        return " or ".join(same)
    # A field that is not there is no empty text, but `tostring` makes one of it. And a text that reads as a
    # number ("007") is another value than the number, so only texts are compared here.
    if not condition.value:
        same = [f"isnotnull({member}) and {one}" for member, one in zip(members, same, strict=True)]
    return f"not({' or '.join(same)})"


def _column(column: str) -> str:
    if column == SERVICE:
        return "Service"
    if column == MESSAGE:
        return "coalesce(tostring(Line.message), tostring(Line.msg), Message)"
    return f"tostring({_member(column)})"


def _measure(measure: Measure) -> str:
    return _OPERATIONS[measure.operation].format(f"todouble({_member(measure.field)})")
