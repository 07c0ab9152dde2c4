"""What a courier does with the database: its lease, the next rows, and how far it got."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import NamedTuple

from cloudberth.tracing.cursors import PAUSED
from cloudberth.tracing.database import Database
from cloudberth.tracing.destinations import Destination
from cloudberth.tracing.store import SpanRow, now_ns

# Longer than the deadline of a request: while one is under way, nobody else begins.
LEASE_NS = 30_000_000_000
_WINDOW = 5000  # rows that are looked at for one batch, those of other tenants included
_COLUMNS = (
    "s.tenant, s.app, s.service, s.trace_id, s.span_id, s.parent_id, s.name, s.kind, s.start_ns, "
    "s.duration_ns, s.status, s.session, s.usr, s.model, s.provider, s.input_tokens, "
    "s.output_tokens, s.cached_tokens, s.reasoning_tokens, s.cost, s.first_token_ns, r.data, s.data"
)


_ours: set[str] = set()


class Position(NamedTuple):
    """Where a courier stands. paused_version: the version of the destination that was refused."""

    seq: int
    feedback: int
    state: str
    next_try_ns: int | None
    paused_version: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their numbers. upto: the cursor once they are done, past what was not for it."""

    rows: tuple[tuple[int, SpanRow], ...]
    upto: int
    passed: int  # rows on the way that were not for it


@dataclass(slots=True)
class Progress:
    """What to add to a cursor. before: where it has to stand for `seq` to count; somebody may have moved
    it.
    """

    before: int
    seq: int
    sent: int = 0
    failed: int = 0
    skipped: int = 0
    bytes: int = 0


def owner_name() -> str:
    """Who this process is, in a lease: ``host/pid/random``."""
    name = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
    _ours.add(name)
    return name


def read_position(database: Database, destination: str, owner: str) -> Position | None:
    """The position while the lease of this process is good for some time yet; else None: take it (again)."""
    with database.connection() as connection:
        rows = connection.rows(
            "SELECT seq, feedback, state, next_try, paused_version FROM trace_cursors "
            "WHERE destination = ? AND owner = ? AND lease > ?",
            (destination, owner, now_ns() + LEASE_NS // 2),
        )
    return Position(*rows[0]) if rows else None


def take_lease(database: Database, destination: str, owner: str) -> Position | None:
    """The position, when this process may send; None while another does, or when it is gone."""
    moment = now_ns()
    with database.transaction(alone=True) as connection:
        rows = connection.rows(
            "SELECT owner, lease, seq, feedback, state, next_try, paused_version FROM trace_cursors "
            "WHERE destination = ?",
            (destination,),
        )
        if not rows:
            return None
        holder, lease, *position = rows[0]
        if holder not in ("", owner) and lease > moment and not _is_dead(holder):
            return None
        connection.run(
            "UPDATE trace_cursors SET owner = ?, lease = ? WHERE destination = ?",
            (owner, moment + LEASE_NS, destination),
        )
    return Position(*position)


def give_back(database: Database, owner: str) -> None:
    """End all leases of this process, so that another need not wait."""
    with database.transaction(alone=True) as connection:
        connection.run("UPDATE trace_cursors SET owner = '', lease = 0 WHERE owner = ?", (owner,))


def read_batch(database: Database, destination: Destination, after: int, most: int) -> Batch:
    """The next rows for a destination, at most `most`. Only rows of its own tenant and app are ever read."""
    condition, values = _scope(destination)
    with database.connection() as connection:
        window = connection.rows(
            "SELECT MAX(seq), COUNT(*) FROM ("
            "SELECT seq FROM trace_spans WHERE seq > ? ORDER BY seq LIMIT ?) w",
            (after, _WINDOW if condition else most),
        )[0]
        if window[0] is None:
            return Batch((), after, 0)
        found = connection.rows(
            f"SELECT s.seq, {_COLUMNS} FROM trace_spans s LEFT JOIN trace_resources r "
            "ON r.digest = s.resource "
            f"WHERE s.seq > ? AND s.seq <= ? {condition}ORDER BY s.seq LIMIT ?",
            (after, window[0], *values, most),
        )
    rows = tuple((row[0], SpanRow._make((*row[1:22], row[22] or b"", row[23]))) for row in found)
    if len(rows) == most:
        upto = rows[-1][0]
        return Batch(rows, upto, 0 if not condition else upto - after - len(rows))
    return Batch(rows, window[0], window[1] - len(rows))


def advance(database: Database, destination: str, owner: str, done: Progress) -> bool:
    """Move a cursor; False when the lease went to somebody else meanwhile."""
    moment = now_ns()
    with database.transaction(alone=True) as connection:
        changed = connection.run(
            "UPDATE trace_cursors SET seq = CASE WHEN seq = ? THEN ? ELSE seq END, sent = sent + ?, "
            "failed = failed + ?, skipped = skipped + ?, bytes = bytes + ?, state = 'active', "
            "next_try = NULL, last_ok = CASE WHEN ? > 0 THEN ? ELSE last_ok END, lease = ? "
            "WHERE destination = ? AND owner = ?",
            (
                done.before, done.seq, done.sent, done.failed, done.skipped, done.bytes, done.sent, moment,
                moment + LEASE_NS, destination, owner,
            ),
        )  # fmt: skip
    return changed > 0


def set_state(
    database: Database,
    destination: str,
    owner: str,
    state: str,
    said: str,
    *,
    next_try_ns: int | None = None,
    version: int | None = None,
) -> None:
    """Note a failure."""
    moment = now_ns()
    with database.transaction(alone=True) as connection:
        connection.run(
            "UPDATE trace_cursors SET state = ?, last_error = ?, last_error_at = ?, next_try = ?, "
            "paused_version = ?, lease = ? WHERE destination = ? AND owner = ?",
            (
                state, said, moment, next_try_ns, version if state == PAUSED else None, moment + LEASE_NS,
                destination, owner,
            ),
        )  # fmt: skip


def note_error(database: Database, destination: str, said: str) -> None:
    """Keep what a provider said of spans that it left out; it goes on."""
    with database.transaction(alone=True) as connection:
        connection.run(
            "UPDATE trace_cursors SET last_error = ?, last_error_at = ? WHERE destination = ?",
            (said, now_ns(), destination),
        )


def set_aside(database: Database, destination: str, seq: int, reason: str) -> bool:
    """Remember a span that the provider will never take; the span itself stays in the store. Whether it is
    new.
    """
    with database.transaction(alone=True) as connection:
        known = connection.rows(
            "SELECT 1 FROM trace_poison WHERE destination = ? AND seq = ?", (destination, seq)
        )
        connection.run(
            "INSERT INTO trace_poison (destination, seq, at, reason) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (destination, seq) DO UPDATE SET reason = excluded.reason, at = excluded.at",
            (destination, seq, now_ns(), reason),
        )
    return not known


def _scope(destination: Destination) -> tuple[str, list[str]]:
    if destination.scope == "global":
        return "", []
    if destination.scope == "tenant":
        return "AND s.tenant = ? ", [destination.tenant]
    return "AND s.tenant = ? AND s.app = ? ", [destination.tenant, destination.app]


def _is_dead(holder: str) -> bool:
    """Whether a lease belongs to a process of this machine that is gone."""
    host, _, rest = holder.partition("/")
    number = rest.partition("/")[0]
    if host != socket.gethostname() or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        # Not one of ours: a process before this one had the same number, as after a restart of a container.
        return holder not in _ours
    with contextlib.suppress(PermissionError):
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False
