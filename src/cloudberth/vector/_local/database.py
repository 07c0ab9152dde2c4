"""The file of the embedded store: SQLite in WAL mode, safe with several processes.

Tables: `collections`; `records`, one row each, a new `key` whenever one is written, so that what is new is
what has a larger key; `removed`, the keys that went away, for those who hold vectors in memory; `facts`, the
scalar metadata of every record, a clustered index for filters; and per collection ``words_<number>``, a
full-text index over our tokens (text.py).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cloudberth.errors import BackendError, CloudberthError, InvalidInput, Kind, PermissionDenied, Unavailable

_APPLICATION = 0x62767631  # "bvv1", in the header of the file
_WAIT = 30.0  # seconds for the write lock
_SCHEMA = """
CREATE TABLE collections (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL,
  note TEXT NOT NULL, change INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
  key INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, id TEXT NOT NULL,
  vector BLOB NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL);
CREATE UNIQUE INDEX records_by_id ON records (collection, id);
CREATE INDEX records_by_key ON records (collection, key);
CREATE TABLE removed (
  place INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, key INTEGER NOT NULL);
CREATE INDEX removed_by_collection ON removed (collection, place);
CREATE TABLE fields (
  field INTEGER PRIMARY KEY AUTOINCREMENT, collection INTEGER NOT NULL, name TEXT NOT NULL,
  UNIQUE (collection, name));
CREATE TABLE facts (
  field INTEGER NOT NULL, kind INTEGER NOT NULL, value NOT NULL, key INTEGER NOT NULL,
  PRIMARY KEY (field, kind, value, key)) WITHOUT ROWID;
CREATE INDEX facts_by_key ON facts (key);
"""


class LocalDatabase:
    """Connections to one file, lent out. Safe to use from several threads and after a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._free: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._ready = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection; each statement stands alone. Raises typed errors."""
        connection = self._take()
        try:
            yield connection
        except BaseException as error:
            connection.close()
            if (found := _as_ours(error, str(self.path))) is None:
                raise
            raise found from None
        self._give(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock; rolled back by any error."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            for connection in self._free:
                connection.close()
            self._free.clear()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._process != os.getpid():
                # Connections of the parent must not be used, nor closed, here.
                self._free, self._process = [], os.getpid()
            if self._free:
                return self._free.pop()
        return self._connect()

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if len(self._free) < 16:
                self._free.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = None
        try:
            self._make_private()
            connection = sqlite3.connect(
                self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            if not self._ready:
                self._prepare(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -8192")
            return connection
        except BaseException as error:
            if connection is not None:
                connection.close()
            if (found := _as_ours(error, str(self.path))) is None:
                raise
            raise found from None

    def _make_private(self) -> None:
        """The file, readable by its owner only, as it holds what documents say."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        known = connection.execute("PRAGMA application_id").fetchone()[0]
        if known == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        elif known != _APPLICATION:
            raise InvalidInput("is a database of something else", where=str(self.path))
        connection.execute("COMMIT")
        self._ready = True


def _as_ours(error: BaseException, where: str) -> CloudberthError | None:
    """SQLite's errors and those of files as ours; None for what is of another kind, or ours already."""
    if isinstance(error, CloudberthError):  # some are also errors of files
        return None
    if isinstance(error, sqlite3.DatabaseError):
        return _of_sqlite(error, where)
    if isinstance(error, PermissionError):
        return PermissionDenied("the file cannot be opened", where=where)
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | FileExistsError):
        return InvalidInput(f"cannot be used: {error.strerror}", where=where)
    return None


def _of_sqlite(error: sqlite3.DatabaseError, where: str) -> CloudberthError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("another process writes for too long", where=where)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return PermissionDenied("the file cannot be written", where=where)
    if name.startswith("SQLITE_NOTADB"):
        return InvalidInput("is no database", where=where, hint="give another file")
    if name.startswith("SQLITE_FULL"):
        return BackendError("the disk is full", kind=Kind.UNAVAILABLE, where=where)
    if name.startswith("SQLITE_CORRUPT"):
        return BackendError(
            "the file is damaged", kind=Kind.CORRUPT, where=where, hint="restore it, or index again"
        )
    return BackendError(f"SQLite says: {error}", kind=Kind.UNEXPECTED, where=where)
