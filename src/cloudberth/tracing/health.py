"""The counters of tracing, for a metrics page, a log line and `berth traces status`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cloudberth.tracing.cursors import DestinationState, read_states
from cloudberth.tracing.database import Database
from cloudberth.tracing.store import RECORDED, STORED_SPANS, now_ns

HEARTBEAT = "exporter.heartbeat"
_ALIVE_NS = 15_000_000_000
# Reasons for which spans may be lost, as counters of the database.
LOSSES = {
    "lost.queue_count": "the application's queue was full by count",
    "lost.queue_bytes": "the application's queue was full by bytes",
    "lost.unwritable": "a span could not be encoded",
    "lost.ingest_malformed": "a sender's span was no valid span",
    "lost.retention": "removed by age or size before a destination got them",
}


@dataclass(frozen=True, slots=True)
class Health:
    """spans: recorded so far; stored: kept now; bytes: on disk. exporter_alive: whether one gave a sign
    lately.
    """

    spans: int
    stored: int
    bytes: int
    exporter_alive: bool
    exporter_seen_ns: int | None
    losses: dict[str, int]
    counters: dict[str, int]
    destinations: dict[str, DestinationState]

    def shown(self) -> dict[str, Any]:
        """For a log line or an API."""
        return {
            "spans": self.spans, "stored": self.stored, "bytes": self.bytes,
            "exporter_alive": self.exporter_alive, "losses": self.losses,
            "destinations": {
                name: {
                    "state": each.state, "sent": each.sent, "failed": each.failed, "lost": each.lost,
                    "queued": each.queued, "lag_seconds": round(each.lag_ns / 1e9, 1),
                    "last_error": each.last_error,
                }
                for name, each in self.destinations.items()
            },
        }  # fmt: skip


def read_health(database: Database) -> Health:
    """All of it, from the database alone: any process may ask."""
    with database.connection() as connection:
        counters = {row[0]: int(row[1]) for row in connection.rows("SELECT name, value FROM trace_counters")}
    beat = counters.pop(HEARTBEAT, None)
    counters.pop("summary.seq", None)
    return Health(
        counters.get(RECORDED, 0),
        counters.get(STORED_SPANS, 0),
        database.size(),
        beat is not None and now_ns() - beat < _ALIVE_NS,
        beat,
        {name: counters.get(name, 0) for name in LOSSES},
        counters,
        read_states(database),
    )


def beat(database: Database) -> None:
    """A sign of life of an exporter."""
    with database.transaction(alone=True) as connection:
        connection.run(
            "INSERT INTO trace_counters (name, value, at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET value = excluded.value, at = excluded.at",
            (HEARTBEAT, now_ns(), now_ns()),
        )


def log_line(database: Database) -> str:
    """One JSON line with the counters, for logs that metrics are made from."""
    return json.dumps({"message": "traces", "severity": "INFO", **read_health(database).shown()})
