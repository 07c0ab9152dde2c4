"""One way to SQLite and PostgreSQL: the same statements for both, connections that are lent out.

A URL is ``sqlite:///path/name.db`` (or just a path) or ``postgresql://…``; PostgreSQL needs the extra
`postgres`. Statements are written with ``?``. Traces and the knowledge service keep their tables through it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cloudberth.errors import BackendError, CloudberthError, InvalidInput, Kind, Unavailable

Row = tuple[Any, ...]
_WAIT = 30.0  # seconds for the write lock of SQLite
_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384; PRAGMA journal_size_limit=67108864;"
)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a database is for. name, content: for people ("the trace database", "traces cannot be kept …").

    lock: of transactions that are alone, a number that no other program uses on the same PostgreSQL.
    durable: a transaction that was committed survives a power failure, also on SQLite; every one of them then
    waits for the disk.
    """

    name: str
    content: str
    lock: int
    durable: bool = False


class Database:
    """Connections to one database. Safe to use from several threads; not across a fork."""

    def __init__(self, url: str, purpose: Purpose) -> None:
        self.is_postgres = url.startswith(("postgresql://", "postgres://"))
        self.purpose = purpose
        self._url = url
        self._free: list[Any] = []
        self._guard = threading.Lock()
        self._closed = False
        if not self.is_postgres:
            self.path = _path(url, purpose)

    def __repr__(self) -> str:
        return f"Database({'postgresql' if self.is_postgres else self.path})"

    @property
    def shown(self) -> str:
        """The place for people, without a password."""
        if not self.is_postgres:
            return str(self.path)
        from urllib.parse import urlsplit

        parts = urlsplit(self._url)
        return f"postgresql://{parts.hostname or ''}{parts.path}"

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for reading; each statement stands alone."""
        raw = self._take()
        broken = True
        try:
            yield Connection(raw, self.is_postgres, self.purpose.lock)
            broken = False
        except Exception as error:
            if not _is_driver(error):
                # The caller's own: the connection is sound when its transaction was taken back.
                broken = False
                raise
            broken = _is_broken(error)
            raise self._explained(error) from None
        finally:
            self._give(raw, broken)

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[Connection]:
        """All or nothing. alone: no other `alone` transaction, in any process, overlaps this one."""
        with self.connection() as connection:
            connection.begin(alone)
            try:
                yield connection
            except BaseException:
                connection.roll_back()
                raise
            connection.commit()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            free, self._free = self._free, []
        for raw in free:
            raw.close()

    def size(self, table: str) -> int:
        """Bytes on disk: of a table and its indexes in PostgreSQL, of the whole file in SQLite."""
        if not self.is_postgres:
            names = (self.path, self.path.with_name(self.path.name + "-wal"))
            return sum(name.stat().st_size for name in names if name.exists())
        with self.connection() as connection:
            return int(connection.rows("SELECT pg_total_relation_size(CAST(? AS regclass))", (table,))[0][0])

    def _take(self) -> Any:
        with self._guard:
            if self._closed:
                raise CloudberthError(f"this {self.purpose.name} database is closed", where=self.shown)
            if self._free:
                return self._free.pop()
        try:
            return self._open_postgres() if self.is_postgres else self._open_sqlite()
        except Exception as error:
            if not _is_driver(error):
                raise
            raise self._explained(error) from None

    def _give(self, raw: Any, broken: bool) -> None:
        with self._guard:
            if not broken and not self._closed:
                self._free.append(raw)
                return
        raw.close()

    def _open_sqlite(self) -> sqlite3.Connection:
        if is_new := not self.path.exists():
            # What people wrote is in it: nobody else on this machine reads it.
            self.path.touch(mode=0o600)
        raw = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        if is_new:
            # Later it would wait for the write lock, and change nothing.
            raw.execute("PRAGMA auto_vacuum=INCREMENTAL")
        raw.executescript(_PRAGMAS)
        if self.purpose.durable:
            raw.execute("PRAGMA synchronous=FULL")
        return raw

    def _open_postgres(self) -> Any:
        try:
            import psycopg
        except ModuleNotFoundError:
            raise InvalidInput(
                f"{self.purpose.content} in PostgreSQL need the library psycopg",
                hint='pip install "cloudberth[postgres]"',
            ) from None
        return psycopg.connect(
            self._url, autocommit=True, connect_timeout=10, options="-c statement_timeout=60000"
        )

    def _explained(self, error: Exception) -> CloudberthError:
        """The driver's error as one of ours, without the address's password."""
        lines = str(error).strip().splitlines()
        said = self._without_password(lines[0]) if lines else type(error).__name__
        if _is_broken(error) or "locked" in said or "full" in said:
            return Unavailable(f"the {self.purpose.name} database does not work: {said}", where=self.shown)
        return BackendError(
            f"the {self.purpose.name} database refused a statement: {said}",
            kind=Kind.UNEXPECTED,
            where=self.shown,
        )

    def _without_password(self, said: str) -> str:
        """libpq repeats what it cannot read of an address, the password included."""
        if not self.is_postgres:
            return said
        rest = self._url.partition("://")[2]
        credentials = rest.rpartition("@")[0] or rest.partition("/")[0]
        password = credentials.partition(":")[2]
        for secret in (password, unquote(password), password.partition("@")[0]):
            if secret:
                said = said.replace(secret, "…")
        return said


class Connection:
    """A connection that is lent; the same calls on both engines."""

    def __init__(self, raw: Any, is_postgres: bool, lock: int) -> None:
        self._raw = raw
        self.is_postgres = is_postgres
        self._lock = lock

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        found = self._raw.execute(self._written(statement), values).fetchall()
        return [tuple(row) for row in found] if self.is_postgres else found

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """How many rows it touched."""
        return int(self._raw.execute(self._written(statement), values).rowcount)

    def run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        if self.is_postgres:
            with self._raw.cursor() as cursor:
                cursor.executemany(self._written(statement), rows)
        else:
            self._raw.executemany(statement, rows)

    def copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Many rows into a table, by the quickest way the engine has."""
        names = ",".join(columns)
        if not self.is_postgres:
            marks = ",".join("?" * len(columns))
            self._raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
            return
        with self._raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as into:
            for row in rows:
                into.write_row(row)

    def has_table(self, name: str) -> bool:
        """Whether it is there now, whoever made it."""
        if not self.is_postgres:
            return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)))
        # Not to_regclass(): it answers from what this connection remembers, which may still be "no table"
        # after another process made the table and gave up the lock that this one waited for.
        return bool(
            self.rows(
                "SELECT 1 FROM pg_catalog.pg_tables "
                "WHERE tablename = ? AND schemaname = ANY(current_schemas(false))",
                (name,),
            )
        )

    def begin(self, alone: bool) -> None:
        if not self.is_postgres:
            self._raw.execute("BEGIN IMMEDIATE" if alone else "BEGIN")
            return
        self._raw.execute("BEGIN")
        if alone:
            self._raw.execute("SELECT pg_advisory_xact_lock(%s)", (self._lock,))

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def roll_back(self) -> None:
        # A connection that broke has nothing left to take back.
        try:
            self._raw.execute("ROLLBACK")
        except Exception as error:
            if not _is_driver(error):
                raise

    def _written(self, statement: str) -> str:
        return statement.replace("%", "%%").replace("?", "%s") if self.is_postgres else statement


def _path(url: str, purpose: Purpose) -> Path:
    if "://" in url and not url.startswith("sqlite:///"):
        scheme = url.partition("://")[0]
        raise InvalidInput(
            f"{purpose.content} cannot be kept in {scheme!r}",
            hint="sqlite:///path/name.db, a path, or postgresql://…",
        )
    path = Path(url.removeprefix("sqlite:///"))
    if not path.name:
        raise InvalidInput(f"this is no file for {purpose.content}", where=url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"the folder for {purpose.content} cannot be made: {error.strerror}", where=str(path.parent)
        ) from None
    return path


def _is_driver(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) or type(error).__module__.split(".")[0] == "psycopg"


def _is_broken(error: Exception) -> bool:
    """Whether the connection is of no more use."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, sqlite3.Error):
        return not isinstance(error, sqlite3.IntegrityError)
    return bool(names & {"OperationalError", "InterfaceError"})
