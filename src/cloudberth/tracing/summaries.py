"""One row per trace and one per hour, kept up to date from the table of spans.

A reader of its own, with a cursor like a destination's: the application pays nothing for it. Rows and
cursor change in one transaction, so that every span counts exactly once, whoever runs it (the exporter, or
a question that finds it behind).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from cloudberth.tracing import attributes as names
from cloudberth.tracing.database import Connection, Database, Row
from cloudberth.tracing.decoding import Malformed, read_span
from cloudberth.tracing.wire import as_json

CURSOR = "summary.seq"
HOUR_NS = 3_600_000_000_000
DAY_HOURS = 24
ALL = "\x01"  # in place of a tenant or an app: all of them together; no name is this
BUCKETS_PER_OCTAVE = 8  # a bucket is 9 % wide: a percentile is right to ±4.5 %
TEXT_LIMIT = 1000  # characters of a trace's input and output that the list shows and searches
_BATCH = 2000
# Spans whose tokens are a model's own; what stands above them repeats their sum.
_SPENDING = {"", "LLM", "EMBEDDING", "RERANKER"}

_READ = """
SELECT seq, tenant, app, service, trace_id, parent_id, name, kind, start_ns, duration_ns, status, session,
  usr, model, input_tokens, output_tokens, cost, CASE WHEN parent_id IS NULL THEN data END
FROM trace_spans WHERE seq > ? ORDER BY seq LIMIT ?"""
Summary = dict[str, Any]
_COLUMNS = (
    "tenant",
    "trace_id",
    "app",
    "service",
    "name",
    "kind",
    "start_ns",
    "end_ns",
    "duration_ns",
    "has_root",
    "status",
    "errors",
    "spans",
    "session",
    "usr",
    "models",
    "input_tokens",
    "output_tokens",
    "cost",
)  # fmt: skip Summary = dict[str, Any]


def bucket(duration_ns: int) -> int:
    """Which bucket of the histogram a duration falls into."""
    return int(math.log2(max(duration_ns, 0) / 1000 + 1) * BUCKETS_PER_OCTAVE)


def bucket_ns(number: int) -> int:
    """The middle of a bucket."""
    return int((2 ** ((number + 0.5) / BUCKETS_PER_OCTAVE) - 1) * 1000)


def catch_up(database: Database, most: int | None = None) -> int:
    """Count the spans that came since; at most about so many. How many were counted."""
    done = 0
    while most is None or done < most:
        with database.transaction(alone=True) as connection:
            found = connection.rows("SELECT value FROM trace_counters WHERE name = ?", (CURSOR,))
            rows = connection.rows(_READ, (found[0][0] if found else 0, _BATCH))
            if rows:
                _count(connection, rows)
        done += len(rows)
        if len(rows) < _BATCH:
            break
    return done


def is_behind(database: Database) -> bool:
    """Whether there are spans that are not counted."""
    with database.connection() as connection:
        found = connection.rows("SELECT value FROM trace_counters WHERE name = ?", (CURSOR,))
        newest = connection.rows("SELECT MAX(seq) FROM trace_spans")[0][0]
    return newest is not None and newest > (found[0][0] if found else 0)


def _count(connection: Connection, rows: list[Row]) -> None:
    summaries = _existing(connection, {row[4] for row in rows})
    hours: dict[Row, list[Any]] = {}
    texts: dict[tuple[str, bytes], tuple[str, str]] = {}
    touched: dict[tuple[str, bytes], Summary] = {}
    for row in rows:
        key = (row[1], row[4])
        summary = summaries.get(key)
        if summary is None:
            summary = summaries[key] = _fresh(row)
        touched[key] = summary
        _merge(summary, row)
        _add_hour(hours, row)
        if row[5] is None:
            texts[key] = _texts(row[17])
    _write_summaries(connection, touched.values())
    _write_texts(connection, texts)
    _write_hours(connection, hours)
    connection.run(
        "INSERT INTO trace_counters (name, value, at) VALUES (?, ?, 0) ON CONFLICT (name) DO UPDATE "
        "SET value = excluded.value",
        (CURSOR, rows[-1][0]),
    )


def _existing(connection: Connection, traces: set[bytes]) -> dict[tuple[str, bytes], Summary]:
    found: dict[tuple[str, bytes], Summary] = {}
    wanted = list(traces)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        statement = f"SELECT {','.join(_COLUMNS)} FROM trace_summaries WHERE trace_id IN ({marks})"
        for row in connection.rows(statement, part):
            found[row[0], row[1]] = dict(zip(_COLUMNS, row, strict=True))
    return found


def _fresh(row: Row) -> Summary:
    return {
        "tenant": row[1], "trace_id": row[4], "app": row[2], "service": row[3], "name": row[6],
        "kind": row[7], "start_ns": row[8], "end_ns": row[8] + row[9], "duration_ns": row[9], "has_root": 0,
        "status": 0,
        "errors": 0, "spans": 0, "session": row[11], "usr": row[12], "models": "", "input_tokens": 0,
        "output_tokens": 0, "cost": 0.0,
    }  # fmt: skip


def _merge(summary: Summary, row: Row) -> None:
    start, end, status = row[8], row[8] + row[9], row[10]
    is_root = row[5] is None
    if is_root or (not summary["has_root"] and start < summary["start_ns"]):
        summary.update(app=row[2], service=row[3], name=row[6], kind=row[7])
    summary["start_ns"] = min(summary["start_ns"], start)
    summary["end_ns"] = max(summary["end_ns"], end)
    if is_root:
        summary.update(has_root=1, status=status, duration_ns=row[9])
    elif not summary["has_root"]:
        summary["duration_ns"] = summary["end_ns"] - summary["start_ns"]
        summary["status"] = max(summary["status"], status)
    summary["spans"] += 1
    summary["errors"] += status == 2
    summary["session"] = summary["session"] or row[11]
    summary["usr"] = summary["usr"] or row[12]
    if row[13] and row[13] not in summary["models"].split(", ") and len(summary["models"]) < 300:
        summary["models"] = f"{summary['models']}, {row[13]}" if summary["models"] else row[13]
    if row[7] in _SPENDING:
        summary["input_tokens"] += row[14] or 0
        summary["output_tokens"] += row[15] or 0
        summary["cost"] += row[16] or 0.0


def _add_hour(hours: dict[Row, list[Any]], row: Row) -> None:
    """A span counts for its app, its tenant and for all, in its hour and in its day."""
    root, model = 1 if row[5] is None else 0, row[13] or ""
    # Latencies are told of traces and of models; what else there is needs no histogram.
    part = (root, model, bucket(row[9]) if root or model else 0)
    spends = row[7] in _SPENDING
    for width in (1, DAY_HOURS):
        hour = row[8] // HOUR_NS // width * width
        for tenant, app in ((row[1], row[2]), (row[1], ALL), (ALL, ALL)):
            sums = hours.setdefault((width, hour, tenant, app, *part), [0, 0, 0, 0, 0.0])
            sums[0] += 1
            sums[1] += row[10] == 2
            if spends:
                sums[2] += row[14] or 0
                sums[3] += row[15] or 0
                sums[4] += row[16] or 0.0


def _texts(data: bytes) -> tuple[str, str]:
    """The beginnings of a root span's input and output."""
    try:
        found = read_span(data).attributes
    except Malformed:
        return "", ""
    return _first(found, names.READ_INPUT), _first(found, names.READ_OUTPUT)


def _first(found: dict[str, Any], wanted: Iterable[str]) -> str:
    for name in wanted:
        value = found.get(name)
        if value not in (None, ""):
            shown = value if isinstance(value, str) else as_json(value)
            return shown[:TEXT_LIMIT].replace("\0", "")
    return ""


def _write_summaries(connection: Connection, summaries: Iterable[Summary]) -> None:
    changed = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])
    connection.run_many(
        f"INSERT INTO trace_summaries ({','.join(_COLUMNS)}) VALUES ({','.join('?' * len(_COLUMNS))}) "
        f"ON CONFLICT (tenant, trace_id) DO UPDATE SET {changed}",
        [tuple(summary[name] for name in _COLUMNS) for summary in summaries],
    )


def _write_texts(connection: Connection, texts: dict[tuple[str, bytes], tuple[str, str]]) -> None:
    connection.run_many(
        "INSERT INTO trace_texts (summary, input, output) "
        "SELECT id, ?, ? FROM trace_summaries WHERE tenant = ? AND trace_id = ? "
        + ("" if connection.is_postgres else "AND true ")
        + "ON CONFLICT (summary) DO UPDATE SET input = excluded.input, output = excluded.output",
        [(*said, tenant, trace_id) for (tenant, trace_id), said in texts.items() if any(said)],
    )


def _write_hours(connection: Connection, hours: dict[Row, list[Any]]) -> None:
    sums = ("spans", "errors", "input_tokens", "output_tokens", "cost")
    added = ", ".join(f"{name} = trace_hours.{name} + excluded.{name}" for name in sums)
    connection.run_many(
        "INSERT INTO trace_hours (hours, hour, tenant, app, root, model, bucket, spans, errors, "
        f"input_tokens, output_tokens, cost) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "
        f"ON CONFLICT (hours, tenant, app, hour, root, model, bucket) DO UPDATE SET {added}",
        [(*key, *values) for key, values in hours.items()],
    )
