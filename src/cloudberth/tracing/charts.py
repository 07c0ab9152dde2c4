"""Sums for charts and lists of what there is: sessions, apps, models. They read the hourly sums, never the
spans.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cloudberth.tracing.database import Database, Row
from cloudberth.tracing.reading import MOST_ROWS, refresh
from cloudberth.tracing.summaries import ALL, DAY_HOURS, HOUR_NS, bucket_ns

HOURLY = 8 * DAY_HOURS  # longer times are told by the day
MOST_NAMES = 1000  # of apps, in one answer
_WALKED = 1000  # traces that are looked through for sessions at a time


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
    """Sums over whole hours, or days for more than eight of them: the first and the last are taken whole.

    At most `points` steps of equal length.
    """
    refresh(database)
    first, last = since_ns // HOUR_NS, max(since_ns, until_ns - 1) // HOUR_NS
    width = DAY_HOURS if last - first > HOURLY else 1
    first, last = first // width, last // width
    step = max(1, -(-(last - first + 1) // max(1, points)))
    condition, values = _who(database, tenant, app)
    # Steps are made by the database: it hands over tens of rows for each and not thousands.
    statement = (
        f"SELECT (hour / {width} - ?) / ? AS step, root, model, bucket, SUM(spans), SUM(errors), "
        f"SUM(input_tokens), SUM(output_tokens), SUM(cost) FROM trace_hours "
        f"WHERE hours = {width} AND hour >= ? AND hour <= ? {condition} GROUP BY step, root, model, bucket"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (first, step, first * width, last * width, *values))
    steps: dict[int, list[Row]] = {number: [] for number in range((last - first) // step + 1)}
    for row in rows:
        steps[int(row[0])].append(row)
    return Overview(
        _point(first * width, rows),
        tuple(_point((first + number * step) * width, inside) for number, inside in steps.items()),
        _models(rows),
    )


def _who(database: Database, tenant: str | None, app: str | None) -> tuple[str, list[str]]:
    """The rows of a tenant, of an app, or of all. An app without a tenant is summed over all tenants."""
    if app is None or tenant is not None:
        return "AND tenant = ? AND app = ?", [tenant or ALL, app or ALL]
    tenants = sorted({each for each, _ in _apps(database, None)})
    return f"AND tenant IN ({','.join('?' * len(tenants)) or 'NULL'}) AND app = ?", [*tenants, app]


def _apps(database: Database, tenant: str | None) -> list[tuple[str, str]]:
    """(tenant, app) of which there are spans, by jumping from one to the next in the primary key."""
    found: list[tuple[str, str]] = []
    only, values = ("", ()) if tenant is None else ("AND tenant = ? ", (tenant,))
    at: tuple[str, ...] = ()
    with database.connection() as connection:
        while len(found) < MOST_NAMES:
            rows = connection.rows(
                f"SELECT tenant, app FROM trace_hours WHERE hours = {DAY_HOURS} {only}"
                f"{'AND (tenant, app) > (?, ?) ' if at else ''}ORDER BY tenant, app LIMIT 1",
                (*values, *at),
            )
            if not rows:
                break
            at = (rows[0][0], rows[0][1])
            if ALL not in at:
                found.append((rows[0][0], rows[0][1]))
    return found


def _scope(tenant: str | None, app: str | None) -> tuple[str, list[str]]:
    given = {"tenant": tenant, "app": app}
    set_ones = {name: value for name, value in given.items() if value is not None}
    return "".join(f"AND {name} = ? " for name in set_ones), list(set_ones.values())


def _point(hour: int, rows: list[Row]) -> Point:
    roots = [row for row in rows if row[1]]
    halves = percentiles(((row[3], int(row[4])) for row in roots), (0.5, 0.95, 0.99))
    return Point(
        hour * HOUR_NS,
        sum(int(row[4]) for row in roots),
        sum(int(row[4]) for row in rows),
        sum(int(row[5]) for row in roots),
        sum(int(row[6]) for row in rows),
        sum(int(row[7]) for row in rows),
        float(sum(row[8] for row in rows)),
        *halves,
    )


def _models(rows: list[Row]) -> tuple[ModelUse, ...]:
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        if row[2]:
            by_model.setdefault(row[2], []).append(row)
    found = [
        ModelUse(
            model,
            sum(int(row[4]) for row in uses),
            sum(int(row[5]) for row in uses),
            sum(int(row[6]) for row in uses),
            sum(int(row[7]) for row in uses),
            float(sum(row[8] for row in uses)),
            *percentiles(((row[3], int(row[4])) for row in uses), (0.5, 0.95)),
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
    limit, offset = max(1, min(limit, MOST_ROWS)), max(0, offset)
    names = _newest_sessions(database, condition, values, since_ns, limit + offset)[offset:]
    if not names:
        return ()
    statement = (
        "SELECT session, tenant, MIN(app), MIN(usr), COUNT(*), SUM(CASE WHEN errors > 0 THEN 1 ELSE 0 END), "
        "MIN(start_ns), MAX(start_ns), SUM(input_tokens), SUM(output_tokens), SUM(cost) FROM trace_summaries "
        f"WHERE session IN ({','.join('?' * len(names))}) AND start_ns >= ? {condition}"
        "GROUP BY tenant, session"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (*(session for _, session in names), since_ns, *values))
    found = {(row[1], row[0]): row for row in rows}
    plain = (
        (*row[:4], *(int(number) for number in row[4:10]), float(row[10]))
        for row in (found[name] for name in names if name in found)
    )
    return tuple(SessionSummary(*each) for each in plain)


def _newest_sessions(
    database: Database, condition: str, values: list[str], since_ns: int, most: int
) -> list[tuple[str, str]]:
    """(tenant, session), the ones with the latest trace first: read from the newest trace backwards."""
    found: dict[tuple[str, str], None] = {}
    at: tuple[int, int] | None = None
    with database.connection() as connection:
        while len(found) < most:
            before = "AND (start_ns, id) < (?, ?) " if at else ""
            rows = connection.rows(
                "SELECT tenant, session, start_ns, id FROM trace_summaries WHERE session IS NOT NULL "
                f"AND start_ns >= ? {condition}{before}ORDER BY start_ns DESC, id DESC LIMIT ?",
                (since_ns, *values, *(at or ()), _WALKED),
            )
            for row in rows:
                found[row[0], row[1]] = None
            if len(rows) < _WALKED:
                break
            at = (rows[-1][2], rows[-1][3])
    return list(found)[:most]


def read_choices(database: Database, *, tenant: str | None = None) -> Choices:
    """The tenants, apps and models that there are traces of, each sorted."""
    refresh(database)
    names = _apps(database, tenant)
    with database.connection() as connection:
        models = connection.rows(
            f"SELECT DISTINCT model FROM trace_hours WHERE hours = {DAY_HOURS} AND tenant = ? AND app = ? "
            "AND model <> '' ORDER BY 1 LIMIT 1000",
            (tenant or ALL, ALL),
        )
    return Choices(
        tuple(sorted({each for each, _ in names})),
        tuple(sorted({app for _, app in names if app})),
        tuple(row[0] for row in models),
    )


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
        "FROM trace_hours WHERE hours = 1 AND tenant = ? AND app = ? "
        "AND hour >= ? AND hour < ? AND model <> '' GROUP BY model, bucket"
    )
    with database.connection() as connection:
        rows = connection.rows(statement, (ALL, ALL, first_hour, until_hour))
    found = ((*row[:2], *(int(number) for number in row[2:6]), float(row[6])) for row in rows)
    return tuple(ModelHours(*each) for each in found)
