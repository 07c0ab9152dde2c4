"""What happened, for those who watch: rows in the order of their writing, for an hour."""

from __future__ import annotations

import time

from cloudberth.database import Connection, Database
from cloudberth.knowledge.model import Event
from cloudberth.knowledge.state.values import clock, moment, storable

_KEPT = 3600.0
_PAUSE = 0.25


class Events:
    """The table of events. It is written in transactions that are alone: so a reader that has seen an event
    has seen all that have smaller numbers.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, connection: Connection, dataset_id: str, document_id: str, status: str, *,
        progress: float = 0.0, error: str = "",
    ) -> None:  # fmt: skip
        connection.run(
            "INSERT INTO knowledge_events (at, dataset_id, document_id, status, progress, error)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (clock(connection), dataset_id, document_id, status, progress, storable(error)),
        )

    def after(self, dataset_id: str, after: int | None, wait: float, most: int) -> tuple[Event, ...]:
        """See `Knowledge.events`."""
        end = time.monotonic() + wait
        while True:
            found = self._read(dataset_id, after, most)
            if found or after is None or time.monotonic() >= end:
                return found
            time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))

    def forget(self) -> int:
        """Delete old ones; how many it was. The newest stays, so that readers know where they are."""
        with self._database.transaction(alone=True) as connection:
            return connection.run(
                "DELETE FROM knowledge_events WHERE at < ? AND seq < (SELECT MAX(seq) FROM knowledge_events)",
                (clock(connection) - _KEPT,),
            )

    def _read(self, dataset_id: str, after: int | None, most: int) -> tuple[Event, ...]:
        only, values = ("AND dataset_id = ?", (dataset_id,)) if dataset_id else ("", ())
        order = "seq DESC" if after is None else "seq"
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT seq, at, dataset_id, document_id, status, progress, error FROM knowledge_events"
                f" WHERE seq > ? {only} ORDER BY {order} LIMIT ?",
                (0 if after is None else after, *values, 1 if after is None else most),
            )
        return tuple(Event(int(row[0]), moment(row[1]), *row[2:]) for row in rows)
