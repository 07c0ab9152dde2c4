"""How long spans are kept: by age and by size. What goes before a destination got it is counted as its
loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloudberth.errors import InvalidInput
from cloudberth.tracing import summaries
from cloudberth.tracing.database import Connection, Database
from cloudberth.tracing.destinations import Destination, Destinations
from cloudberth.tracing.store import STORED_BYTES, STORED_SPANS, add_count, now_ns

DAY_NS = 86_400_000_000_000
_STEP = 2000  # rows in one transaction: nobody else waits longer than that takes
_ROUGHLY = 700  # bytes of a row beside its span: columns, indexes, its share of the summary


@dataclass(frozen=True, slots=True)
class Retention:
    """days: age since arrival; megabytes: of all spans together; summary_days: how long the sums per hour
    stay.
    """

    days: float = 7.0
    megabytes: int = 2048
    summary_days: float = 400.0

    def check(self) -> None:
        if self.days <= 0 or self.megabytes < 1 or self.summary_days < self.days:
            raise InvalidInput(
                "retention needs days above 0, at least 1 MB, and sums no shorter than spans",
                where="retention",
            )


@dataclass(frozen=True, slots=True)
class Removed:
    """Spans that went, by reason, and destinations' losses among them."""

    by_age: int = 0
    by_size: int = 0
    lost: int = 0


def apply_retention(database: Database, keep: Retention) -> Removed:
    """Remove what is too old or too much."""
    keep.check()
    cut = now_ns() - int(keep.days * DAY_NS)
    by_age, lost_by_age = _remove(database, "arrived < ?", (cut,), "removed.age")
    by_size, lost_by_size = _remove_excess(database, keep.megabytes << 20)
    if by_age or by_size:
        _tidy(database, keep)
    return Removed(by_age, by_size, lost_by_age + lost_by_size)


def stored_bytes(database: Database) -> int:
    """About how much the spans take; the size of the file also counts what is free to be used again."""
    with database.connection() as connection:
        rows = connection.rows(
            "SELECT name, value FROM trace_counters WHERE name IN (?, ?)", (STORED_BYTES, STORED_SPANS)
        )
    found = {str(row[0]): int(row[1]) for row in rows}
    return found.get(STORED_BYTES, 0) + found.get(STORED_SPANS, 0) * _ROUGHLY


def _remove_excess(database: Database, most: int) -> tuple[int, int]:
    removed = lost = 0
    excess = stored_bytes(database) - most
    while excess > 0:
        with database.connection() as connection:
            rows = connection.rows("SELECT seq, size FROM trace_spans ORDER BY seq LIMIT ?", (_STEP,))
        if not rows:
            break
        last = rows[0][0]
        for seq, size in rows:
            last = seq
            excess -= size + _ROUGHLY
            if excess <= 0:
                break
        gone, missed = _remove(database, "seq <= ?", (last,), "removed.size")
        removed += gone
        lost += missed
    return removed, lost


def _remove(database: Database, condition: str, values: tuple[int, ...], counter: str) -> tuple[int, int]:
    """Remove from the oldest on, as long as the condition holds."""
    # What goes is in the sums first, else it would never be counted.
    while summaries.is_behind(database):
        summaries.catch_up(database)
    removed = lost = 0
    scopes = {each.id: each for each in Destinations(database).list()}
    while True:
        with database.transaction(alone=True) as connection:
            rows = connection.rows(
                f"SELECT seq FROM (SELECT seq, arrived FROM trace_spans ORDER BY seq LIMIT ?) o "
                f"WHERE {condition}",
                (_STEP, *values),
            )
            if not rows:
                return removed, lost
            last = max(row[0] for row in rows)
            lost += _count_losses(connection, scopes, last)
            size = connection.rows("SELECT SUM(size) FROM trace_spans WHERE seq <= ?", (last,))[0][0]
            gone = connection.run("DELETE FROM trace_spans WHERE seq <= ?", (last,))
            add_count(connection, STORED_BYTES, -int(size or 0))
            add_count(connection, STORED_SPANS, -gone)
            connection.run("DELETE FROM trace_poison WHERE seq <= ?", (last,))
            add_count(connection, counter, gone)
            removed += gone


def _count_losses(connection: Connection, scopes: Mapping[str, Destination], last: int) -> int:
    """Count, for every destination, the spans up to `last` that were for it and that it did not get yet."""
    lost = 0
    behind = connection.rows("SELECT destination, seq FROM trace_cursors WHERE seq < ?", (last,))
    for destination, seq in behind:
        found = scopes.get(destination)
        if found is None:
            continue
        condition, values = "", []
        if found.scope != "global":
            condition, values = " AND tenant = ?", [found.tenant]
        if found.scope == "app":
            condition, values = condition + " AND app = ?", [*values, found.app]
        count = connection.rows(
            f"SELECT COUNT(*) FROM trace_spans WHERE seq > ? AND seq <= ?{condition}", (seq, last, *values)
        )[0][0]
        connection.run(
            "UPDATE trace_cursors SET seq = ?, lost = lost + ? WHERE destination = ?",
            (last, count, destination),
        )
        lost += count
    if lost:
        add_count(connection, "lost.retention", lost)
    return lost


def _tidy(database: Database, keep: Retention) -> None:
    """Remove what is left of traces without spans: their lines, texts, feedback, resources; and give back
    disk.
    """
    with database.transaction(alone=True) as connection:
        oldest = connection.rows("SELECT MIN(arrived) FROM trace_spans")[0][0] or now_ns()
        # A trace may be written hours after it began; lines go a day after the oldest span that is kept.
        gone = "SELECT id FROM trace_summaries s WHERE start_ns < ? AND NOT EXISTS " \
               "(SELECT 1 FROM trace_spans t WHERE t.trace_id = s.trace_id)"  # fmt: skip
        connection.run(f"DELETE FROM trace_texts WHERE summary IN ({gone})", (oldest,))
        connection.run(f"DELETE FROM trace_summaries WHERE id IN ({gone})", (oldest,))
        connection.run(
            "DELETE FROM trace_feedback WHERE created < ? AND NOT EXISTS "
            "(SELECT 1 FROM trace_spans t WHERE t.trace_id = trace_feedback.trace_id)",
            (oldest,),
        )
        connection.run(
            "DELETE FROM trace_hours WHERE hour < ?",
            ((now_ns() - int(keep.summary_days * DAY_NS)) // summaries.HOUR_NS,),
        )
    if not database.is_postgres:
        with database.connection() as connection:
            connection.rows("PRAGMA incremental_vacuum(20000)")
