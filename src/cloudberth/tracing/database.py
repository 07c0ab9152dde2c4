"""The database of traces: `cloudberth.database`, told what it is for."""

from __future__ import annotations

from cloudberth import database
from cloudberth.database import Connection, Purpose, Row

__all__ = ["Connection", "Database", "Row"]
_TRACES = Purpose("trace", "traces", lock=7_261_034_115)


class Database(database.Database):
    """Connections to the database of traces. Safe to use from several threads; not across a fork."""

    def __init__(self, url: str) -> None:
        super().__init__(url, _TRACES)

    def size(self, table: str = "trace_spans") -> int:
        """Bytes on disk: of the spans in PostgreSQL, of the whole file in SQLite."""
        return super().size(table)
