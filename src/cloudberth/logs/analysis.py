"""Saved analyses as data, and their meaning: counting and adding up over records.

An `Analysis` compiles to Logs Insights, KQL, SQL over Google's log buckets and SLS (`languages/`); the
Terraform modules hold those texts as named queries, and a test holds them to what is compiled. `table` is the
meaning, and what runs where the store itself cannot count (local files, Google's API for reading).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cloudberth.errors import InvalidInput
from cloudberth.logs.filter import number_of, text_of
from cloudberth.logs.record import Record, value_at
from cloudberth.logs.severity import Severity

Operation = Literal["count", "sum", "average", "maximum", "p95"]
SERVICE = "service"
MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that is computed. field: of the JSON line; empty for a count."""

    name: str
    operation: Operation
    field: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Records grouped and counted.

    services: only theirs, all when empty. level: this and worse. present: a field that the line has to have.
    by: `service`, `message` or names of fields. The groups with the largest first measure come first.
    """

    name: str
    title: str
    description: str
    by: tuple[str, ...]
    measures: tuple[Measure, ...]
    services: tuple[str, ...] = ()
    level: Severity | None = None
    present: str = ""
    limit: int = 50

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.by, *(measure.name for measure in self.measures))

    @property
    def order(self) -> str:
        """The measure that decides the order, largest first."""
        return self.measures[0].name


SAVED = (
    Analysis(
        "errors-by-service",
        "Errors by service",
        "How many lines of each service say ERROR or worse.",
        by=(SERVICE,),
        measures=(Measure("errors", "count"),),
        level=Severity.ERROR,
    ),
    Analysis(
        "slowest-requests",
        "Slowest requests",
        "Paths by their slowest answer: from the router's access log.",
        by=("path",),
        measures=(
            Measure("slowest", "maximum", "seconds"),
            Measure("p95", "p95", "seconds"),
            Measure("average", "average", "seconds"),
            Measure("requests", "count"),
        ),
        services=("router",),
        present="seconds",
    ),
    Analysis(
        "token-cost-by-app",
        "Token cost by app",
        "What models cost, by app and model: from lines with app_id, model, tokens and cost_usd.",
        by=("app_id", "model"),
        measures=(
            Measure("cost", "sum", "cost_usd"),
            Measure("input", "sum", "input_tokens"),
            Measure("output", "sum", "output_tokens"),
            Measure("calls", "count"),
        ),
        present="cost_usd",
    ),
    Analysis(
        "plugin-failures",
        "Plugin failures",
        "What the plugin daemon says went wrong, most frequent first.",
        by=(MESSAGE,),
        measures=(Measure("failures", "count"),),
        services=("plugin_daemon",),
        level=Severity.ERROR,
    ),
)


def saved(name: str) -> Analysis:
    """By name. Raises InvalidInput."""
    for analysis in SAVED:
        if analysis.name == name:
            return analysis
    names = ", ".join(analysis.name for analysis in SAVED)
    raise InvalidInput(f"there is no saved analysis {name!r}", hint=f"there are: {names}")


Row = Mapping[str, Any]


def table(analysis: Analysis, records: Iterable[Record]) -> tuple[Row, ...]:
    """The groups, as many as the analysis wants. Records that do not belong are left out."""
    groups: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for record in records:
        if _belongs(analysis, record):
            groups[tuple(_key(record, name) for name in analysis.by)].append(record)
    rows: list[dict[str, Any]] = []
    for key, members in groups.items():
        row: dict[str, Any] = dict(zip(analysis.by, key, strict=True))
        row.update({measure.name: _measured(measure, members) for measure in analysis.measures})
        rows.append(row)
    rows.sort(key=lambda row: (-(row[analysis.order] or 0), *(row[name] for name in analysis.by)))
    return tuple(rows[: analysis.limit])


def _belongs(analysis: Analysis, record: Record) -> bool:
    if analysis.services and record.service not in analysis.services:
        return False
    if analysis.level is not None and (record.severity is None or record.severity < analysis.level):
        return False
    return not analysis.present or value_at(record.fields, analysis.present) is not None


def _key(record: Record, name: str) -> str:
    if name == SERVICE:
        return record.service
    if name == MESSAGE:
        return record.message
    found = value_at(record.fields, name)
    return "" if found is None else text_of(found)


def _measured(measure: Measure, members: list[Record]) -> float | int | None:
    if measure.operation == "count":
        return len(members)
    values = [
        number
        for record in members
        if (number := number_of(value_at(record.fields, measure.field))) is not None
    ]
    if not values:
        return None
    if measure.operation == "sum":
        return math.fsum(values)
    if measure.operation == "average":
        return math.fsum(values) / len(values)
    if measure.operation == "maximum":
        return max(values)
    # The nearest rank: what every store gives for a small number of values.
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
