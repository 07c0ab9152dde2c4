"""Sums for charts and lists of what there is: sessions, apps, models. They read the hourly sums, never the
spans.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cloudberth.tracing.database import Database, Row
from cloudberth.tracing.reading import MOST_ROWS, refresh
from cloudberth.tracing.summaries import HOUR_NS, bucket_ns


class Point(NamedTuple):
    """An interval. traces and the latencies count root spans; percentiles are right to ±4.5 %, None without
    a trace.

    errors: traces whose root failed. Tokens and cost are those of models, embeddings and rerankers.
    """

    start_ns: int
    traces: int
    spans: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None


class ModelUse(NamedTuple):
    """What one model did. The latencies are those of its spans."""

    model: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float
    p50_ns: int | None
    p95_ns: int | None


class Overview(NamedTuple):
    """total: the whole time as one point; points: one per step, also empty ones; models: dearest first."""

    total: Point
    points: tuple[Point, ...]
    models: tuple[ModelUse, ...]


class SessionSummary(NamedTuple):
    """A conversation."""

    session: str
    tenant: str
    app: str
    user: str | None
    traces: int
    errors: int
    first_ns: int
    last_ns: int
    input_tokens: int
    output_tokens: int
    cost: float


class Choices(NamedTuple):
    """What a filter can be set to."""

    tenants: tuple[str, ...]
    apps: tuple[str, ...]
    models: tuple[str, ...]


def read_overview(
    database: Database,
    since_ns: int,
    until_ns: int,
    *,
    tenant: str | None = None,
    app: str | None = None,
    points: int = 48,
) -> Overview:
    """Sums over whole hours: the first and the last are taken whole. At most `points` steps of equal
    length.
    """
    refresh(database)
    first, last = since_ns // HOUR_NS, max(since_ns, until_ns - 1) // HOUR_NS
    step = max(1, -(-(last - first + 1) // max(1, points)))
    condition, values = _scope(tenant, app)
    statement = (
        "SELECT hour, root, kind, model, bucket, SUM(spans), SUM(errors), SUM(input_tokens), "
        f"SUM(output_tokens), SUM(cost) FROM trace_hours WHERE hour >= ? AND hour <= ? {condition} "
        "GROUP BY hour, root, kind, model, bucket"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (first, last, *values))
    steps: dict[int, list[Row]] = {number: [] for number in range(first, last + 1, step)}
    for row in rows:
        steps[first + (row[0] - first) // step * step].append(row)
    return Overview(
        _point(first, rows),
        tuple(_point(start, inside) for start, inside in steps.items()),
        _models(rows),
    )


def _scope(tenant: str | None, app: str | None) -> tuple[str, list[str]]:
    given = {"tenant": tenant, "app": app}
    set_ones = {name: value for name, value in given.items() if value is not None}
    return "".join(f"AND {name} = ? " for name in set_ones), list(set_ones.values())


def _point(hour: int, rows: list[Row]) -> Point:
    roots = [row for row in rows if row[1]]
    halves = percentiles(((row[4], int(row[5])) for row in roots), (0.5, 0.95, 0.99))
    return Point(
        hour * HOUR_NS,
        sum(int(row[5]) for row in roots),
        sum(int(row[5]) for row in rows),
        sum(int(row[6]) for row in roots),
        sum(int(row[7]) for row in rows),
        sum(int(row[8]) for row in rows),
        float(sum(row[9] for row in rows)),
        *halves,
    )


def _models(rows: list[Row]) -> tuple[ModelUse, ...]:
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        if row[3]:
            by_model.setdefault(row[3], []).append(row)
    found = [
        ModelUse(
            model,
            sum(int(row[5]) for row in uses),
            sum(int(row[6]) for row in uses),
            sum(int(row[7]) for row in uses),
            sum(int(row[8]) for row in uses),
            float(sum(row[9] for row in uses)),
            *percentiles(((row[4], int(row[5])) for row in uses), (0.5, 0.95)),
        )
        for model, uses in by_model.items()
    ]
    return tuple(sorted(found, key=lambda use: (-use.cost, -use.calls, use.model)))


def percentiles(buckets: Iterable[tuple[int, int]], shares: tuple[float, ...]) -> list[Any]:
    """The durations below which these shares lie, from (bucket, count); None for each when there is
    nothing.
    """
    counts: dict[int, int] = {}
    for number, count in buckets:
        counts[number] = counts.get(number, 0) + count
    total = sum(counts.values())
    found: list[int | None] = []
    for share in shares:
        seen = 0
        answer = None
        for number in sorted(counts):
            seen += counts[number]
            if seen >= share * total:
                answer = bucket_ns(number)
                break
        found.append(answer)
    return found


def list_sessions(
    database: Database,
    *,
    tenant: str | None = None,
    app: str | None = None,
    user: str | None = None,
    since_ns: int = 0,
    limit: int = 50,
    offset: int = 0,
) -> tuple[SessionSummary, ...]:
    """Sessions with a trace that began since, those with the latest trace first."""
    refresh(database)
    condition, values = _scope(tenant, app)
    if user is not None:
        condition += "AND usr = ? "
        values.append(user)
    statement = (
        "SELECT session, tenant, MIN(app), MIN(usr), COUNT(*), SUM(CASE WHEN errors > 0 THEN 1 ELSE 0 END), "
        "MIN(start_ns), MAX(start_ns), SUM(input_tokens), SUM(output_tokens), SUM(cost) FROM trace_summaries "
        f"WHERE session IS NOT NULL AND start_ns >= ? {condition}"
        "GROUP BY tenant, session ORDER BY MAX(start_ns) DESC LIMIT ? OFFSET ?"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (since_ns, *values, max(1, min(limit, MOST_ROWS)), max(0, offset)))
    found = ((*row[:4], *(int(number) for number in row[4:10]), float(row[10])) for row in rows)
    return tuple(SessionSummary(*each) for each in found)


def read_choices(database: Database, *, tenant: str | None = None) -> Choices:
    """The tenants, apps and models that there are traces of, each sorted."""
    refresh(database)
    only, values = _scope(tenant, None)

    def distinct(column: str) -> tuple[str, ...]:
        statement = (
            f"SELECT DISTINCT {column} FROM trace_hours WHERE {column} <> '' {only}ORDER BY 1 LIMIT 1000"
        )
        return tuple(row[0] for row in connection.rows(statement, values))

    with database.connection() as connection:
        return Choices(distinct("tenant"), distinct("app"), distinct("model"))


class ModelHours(NamedTuple):
    """Calls of one model whose durations fall into one bucket (`summaries.bucket_ns`)."""

    model: str
    bucket: int
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float


def read_model_hours(database: Database, first_hour: int, until_hour: int) -> tuple[ModelHours, ...]:
    """What models did in these hours (numbers of hours since 1970, the last one exclusive), for metrics."""
    refresh(database)
    statement = (
        "SELECT model, bucket, SUM(spans), SUM(errors), SUM(input_tokens), SUM(output_tokens), SUM(cost) "
        "FROM trace_hours WHERE hour >= ? AND hour < ? AND model <> '' GROUP BY model, bucket"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (first_hour, until_hour))
    found = ((*row[:2], *(int(number) for number in row[2:6]), float(row[6])) for row in rows)
    return tuple(ModelHours(*each) for each in found)
