"""The table of the embedded twin and its connections: SQLite in a file (WAL) or in memory."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudberth.errors import BackendError, CorruptData, InvalidInput, Kind, TimedOut, Unavailable

# Keys are bytes, so that they are ordered and compared as bytes whatever they hold. expires, used:
# milliseconds since 1970. kept: never evicted (locks, generations). Totals are kept by triggers, so that the
# bound is known without counting, in every process.
SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    expires INTEGER,
    used INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,
    size INTEGER GENERATED ALWAYS AS (length(key) + length(value) + 64) STORED
);
CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS entry_used ON entry (used) WHERE kept = 0;
CREATE TABLE IF NOT EXISTS total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entry BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entry BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - OLD.size;
END;
CREATE TRIGGER IF NOT EXISTS entry_changed AFTER UPDATE OF value ON entry BEGIN
    UPDATE total SET bytes = bytes + NEW.size - OLD.size;
END;
"""
VERSION = 1


class Tables:
    """Connections to the table: one a thread to a file, one for all threads in memory. Survives a fork."""

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self.place = f"local://{path}" if path else "memory://"
        self._timeout = timeout
        self._lock = threading.RLock()
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._memory = None if path else self._connect()
        if path:
            self._check_folder()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement."""
        try:
            if self._memory is not None:
                with self._lock:
                    yield self._memory
            else:
                yield self._of_thread()
        except sqlite3.Error as error:
            raise failure_of(error, self.place) from None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction that no other writer is in."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                for connection in self._all:
                    connection.close()
            self._all.clear()
            self._own = threading.local()

    def _of_thread(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is not None and self._own.pid == os.getpid():
            return found
        # A connection may not be used, nor closed, in the child of a fork.
        connection = self._connect()
        self._own.connection, self._own.pid = connection, os.getpid()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path or ":memory:", timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            if self._pid != os.getpid():
                self._all.clear()
                self._pid = os.getpid()
            self._all.append(connection)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")
        if self.path:
            connection.execute("PRAGMA journal_mode = WAL")
        # With WAL: a killed process loses nothing; a power cut loses the last moments, the file stays whole.
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            return
        if version > VERSION:
            raise InvalidInput(
                "the file was written by a newer version", where=self.place, hint="name another file"
            )
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def _check_folder(self) -> None:
        path = Path(self.path)
        if path.is_dir():
            raise InvalidInput("this is a folder, not a file", where=self.place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                # What is in a cache is nobody else's: sessions, tokens, answers.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise InvalidInput(f"cannot be made: {error.strerror}", where=self.place) from None


def failure_of(error: sqlite3.Error, place: str) -> BackendError:
    """SQLite's errors in our words."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return TimedOut("another process has been writing for too long", where=place)
    if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return CorruptData(
            f"the file is damaged: {text}", where=place, hint="delete it: a cache fills itself again"
        )
    if "too big" in text:
        return BackendError("the value is too large", kind=Kind.INVALID, where=place)
    return Unavailable(
        f"the file cannot be used: {text}", where=place, hint="is the disk full, or read-only?"
    )
