"""The durable table of spans: writing. `reading` holds the questions, `schema` the tables.

``TraceStore.open("sqlite:///traces.db")`` or a ``postgresql://`` URL. What `append` has taken is on disk
and will reach every destination that wants it (at least once), whatever happens to this process.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import NamedTuple

from cloudberth.tracing import schema
from cloudberth.tracing.database import Connection, Database


class SpanRow(NamedTuple):
    """One span as it is stored. Times are nanoseconds since 1970, tokens are counts, cost is in US dollars.

    data: an OTLP Span message; resource: KeyValue fields of an OTLP Resource, kept once per distinct content.
    status: 0 unset, 1 ok, 2 error. kind: a `Kind`, or empty when nothing said what the span is.
    """

    tenant: str
    app: str
    service: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    status: int
    session: str | None
    user: str | None
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost: float | None
    first_token_ns: int | None
    resource: bytes
    data: bytes


class Feedback(NamedTuple):
    """What somebody thought of a trace, or of one span in it. score: any scale that the application keeps
    to.
    """

    tenant: str
    app: str
    trace_id: bytes
    span_id: bytes | None
    name: str
    score: float | None
    label: str | None
    comment: str | None
    source: str = "user"
    user: str | None = None


COLUMNS = (
    "tenant", "app", "service", "trace_id", "span_id", "parent_id", "name", "kind", "start_ns", "duration_ns",
    "status", "session", "usr", "model", "provider", "input_tokens", "output_tokens", "cached_tokens",
    "reasoning_tokens", "cost", "first_token_ns", "arrived", "size", "resource", "data",
)  # fmt: skip
_FEEDBACK = (
    "tenant", "app", "trace_id", "span_id", "name", "score", "label", "comment", "source", "usr", "created",
)  # fmt: skip
# Distinct resources that are remembered as written; past it one of them is written again, which does no harm.
_MOST_RESOURCES = 10_000


RECORDED, STORED_BYTES, STORED_SPANS = "recorded", "stored.bytes", "stored.spans"


def now_ns() -> int:
    return time.time_ns()


class TraceStore:
    """The table of spans. Thread-safe; open a new one after a fork."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._resources: dict[bytes, bytes] = {}

    @classmethod
    def open(cls, url: str) -> TraceStore:
        """The store at a URL, its tables made when they are missing. Raises InvalidInput, Refused,
        Unavailable.
        """
        database = Database(url)
        schema.create(database)
        return cls(database)

    def __enter__(self) -> TraceStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    def append(self, spans: Sequence[SpanRow]) -> None:
        """Store spans, all or none. Raises Unavailable (locked for too long, disk full, PostgreSQL away)."""
        if not spans:
            return
        arrived = now_ns()
        fresh: dict[bytes, bytes] = {}  # resource → digest, of those not known to be written
        rows = [
            (*span[:21], arrived, len(span.data), self._digest(span.resource, fresh), span.data)
            for span in spans
        ]
        # Alone: in PostgreSQL a number is taken before its row can be seen, and a reader that went past it
        # would never come back. One writer at a time makes the order of numbers the order of appearance.
        with self.database.transaction(alone=True) as connection:
            _keep_resources(connection, fresh)
            connection.copy("trace_spans", COLUMNS, rows)
            add_count(connection, STORED_BYTES, sum(len(span.data) for span in spans))
            add_count(connection, STORED_SPANS, len(spans))
            add_count(connection, RECORDED, len(spans))
        if len(self._resources) + len(fresh) > _MOST_RESOURCES:
            self._resources.clear()
        self._resources.update(fresh)

    def add_feedback(self, given: Iterable[Feedback]) -> None:
        """Store feedback; destinations that can take feedback get it after the spans."""
        created = now_ns()
        with self.database.transaction(alone=True) as connection:
            connection.copy("trace_feedback", _FEEDBACK, [(*each, created) for each in given])

    def count(self, name: str, number: int) -> None:
        """Add to a counter of this database, such as ``lost.queue_full``. Counters only grow."""
        if number:
            with self.database.transaction(alone=True) as connection:
                add_count(connection, name, number)

    def _digest(self, resource: bytes, fresh: dict[bytes, bytes]) -> bytes | None:
        if not resource:
            return None
        digest = self._resources.get(resource) or fresh.get(resource)
        if digest is None:
            digest = fresh[resource] = hashlib.blake2b(resource, digest_size=16).digest()
        return digest


def add_count(connection: Connection, name: str, number: int) -> None:
    """The same within a transaction."""
    connection.run(
        "INSERT INTO trace_counters (name, value, at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
        "SET value = trace_counters.value + excluded.value, at = excluded.at",
        (name, number, now_ns()),
    )


def _keep_resources(connection: Connection, fresh: dict[bytes, bytes]) -> None:
    connection.run_many(
        "INSERT INTO trace_resources (digest, data) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
        [(digest, data) for data, digest in fresh.items()],
    )
