"""How far each destination has got, and how it fares. One row per destination in `trace_cursors`."""

from __future__ import annotations

from typing import NamedTuple

from cloudberth.tracing.database import Connection, Database
from cloudberth.tracing.store import add_count, now_ns

# States: `active`, `waiting` (it failed, and will be tried again) and `paused` (401 or 403: only new
# settings help).
ACTIVE, WAITING, PAUSED = "active", "waiting", "paused"
# Sequence numbers up to which backlogs are counted exactly; past it the number is an estimate.
_COUNTED = 100_000


class DestinationState(NamedTuple):
    """sent, failed, skipped, lost: spans since the destination was made.

    failed: refused by the provider and set aside. skipped: not for it (another tenant, not in its sample,
    told to). lost: deleted by retention before they were sent. queued: numbers that are still ahead, spans
    of other tenants included. lag_ns: the age of the oldest of them.
    """

    destination: str
    state: str
    sent: int
    failed: int
    skipped: int
    lost: int
    bytes: int
    queued: int
    lag_ns: int
    last_ok_ns: int | None
    last_error: str
    last_error_ns: int | None
    next_try_ns: int | None


_STATE = (
    "c.destination, c.state, c.sent, c.failed, c.skipped, c.lost, c.bytes, c.seq, c.last_ok, c.last_error, "
    "c.last_error_at, c.next_try"
)


def read_states(database: Database) -> dict[str, DestinationState]:
    """Destination → how it fares."""
    with database.connection() as connection:
        newest = connection.rows("SELECT MAX(seq) FROM trace_spans")[0][0] or 0
        rows = connection.rows(f"SELECT {_STATE} FROM trace_cursors c")
        found = {}
        for row in rows:
            oldest = connection.rows(
                "SELECT arrived FROM trace_spans WHERE seq > ? ORDER BY seq LIMIT 1", (row[7],)
            )
            lag = max(0, now_ns() - oldest[0][0]) if oldest else 0
            values = (*row[:7], max(0, newest - row[7]), lag, *row[8:])
            found[row[0]] = DestinationState(*values)
    return found


def add_cursor(connection: Connection, destination: str, backlog: bool) -> None:
    """A fresh cursor: behind everything that is stored, or before it."""
    spans, feedback = (0, 0) if backlog else _ends(connection)
    connection.run(
        "INSERT INTO trace_cursors (destination, seq, feedback, sent, failed, skipped, lost, bytes, state, "
        "last_error, owner, lease) VALUES (?, ?, ?, 0, 0, 0, 0, 0, ?, '', '', 0)",
        (destination, spans, feedback, ACTIVE),
    )


def drop_cursor(connection: Connection, destination: str) -> None:
    connection.run("DELETE FROM trace_cursors WHERE destination = ?", (destination,))
    connection.run("DELETE FROM trace_poison WHERE destination = ?", (destination,))


def wake(connection: Connection, destination: str) -> None:
    """Try again at once, whatever happened before."""
    connection.run(
        "UPDATE trace_cursors SET state = ?, next_try = NULL WHERE destination = ?", (ACTIVE, destination)
    )


def skip_backlog(database: Database, destination: str) -> int:
    """Pass over what is stored; how many numbers that were."""
    with database.transaction(alone=True) as connection:
        spans, feedback = _ends(connection)
        rows = connection.rows("SELECT seq FROM trace_cursors WHERE destination = ?", (destination,))
        passed = max(0, spans - rows[0][0]) if rows else 0
        connection.run(
            "UPDATE trace_cursors SET seq = ?, feedback = ?, skipped = skipped + ?, state = ?, "
            "next_try = NULL WHERE destination = ?",
            (spans, feedback, passed, ACTIVE, destination),
        )
        add_count(connection, "skipped.by_hand", passed)
    return passed


def send_backlog(database: Database, destination: str, since_ns: int = 0) -> int:
    """Send again what is stored and arrived since; how many numbers are ahead now."""
    with database.transaction(alone=True) as connection:
        first = connection.rows("SELECT MIN(seq) FROM trace_spans WHERE arrived >= ?", (since_ns,))[0][0]
        newest = _ends(connection)[0]
        start = newest if first is None else first - 1
        connection.run(
            "UPDATE trace_cursors SET seq = ?, state = ?, next_try = NULL WHERE destination = ?",
            (start, ACTIVE, destination),
        )
    return int(newest - start)


def _ends(connection: Connection) -> tuple[int, int]:
    # The counters of the tables, not the greatest row: retention may have taken that away.
    spans = connection.rows("SELECT MAX(seq) FROM trace_spans")[0][0] or 0
    feedback = connection.rows("SELECT MAX(id) FROM trace_feedback")[0][0] or 0
    return int(spans), int(feedback)
