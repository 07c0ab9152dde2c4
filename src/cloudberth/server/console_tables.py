"""The server's own table: sessions, by the hash of their token.

It is in a SQLite file of its own, or, when traces are kept in PostgreSQL, in that database, so that several
servers share it.
"""

from __future__ import annotations

from pathlib import Path

from cloudberth.tracing.database import Database

TABLES = (
    """CREATE TABLE IF NOT EXISTS console_session (
        hash TEXT PRIMARY KEY, form_token TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL, used DOUBLE PRECISION NOT NULL)""",
)


def open_tables(place: Path | Database) -> Database:
    """A database with the table in it: a SQLite file, readable by its owner only, or one that is open."""
    if isinstance(place, Path):
        place.touch(mode=0o600, exist_ok=True)
        place = Database(str(place))
    with place.transaction(alone=True) as connection:
        for statement in TABLES:
            connection.run(statement)
    return place
