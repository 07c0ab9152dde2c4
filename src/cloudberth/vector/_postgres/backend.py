"""The primitives over PostgreSQL's protocol."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound, PreconditionFailed, Unsupported
from cloudberth.vector._postgres import catalog, vectors, words
from cloudberth.vector._postgres.catalog import Facts, Table
from cloudberth.vector._postgres.connecting import (
    Pool,
    checked_cursor,
    driver,
    meant,
    opened,
    tell,
    tell_local,
)
from cloudberth.vector._postgres.dialect import Dialect
from cloudberth.vector._postgres.settings import PostgresSettings
from cloudberth.vector._postgres.statements import Statements
from cloudberth.vector.contract import (
    DOC_ID,
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    Health,
    Hit,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings

if TYPE_CHECKING:
    from cloudberth.vector._postgres.connecting import Connection
    from cloudberth.vector.contract import Vector

# Rows up to which dropping the index before a bulk load, and building it afterwards, is cheaper.
_FEW = 10_000
# Seconds that what a table is (columns, indexes) is remembered.
_REMEMBERED = 60.0
# Of the memory for building an index: its least and its most.
_BUILD_MEGABYTES = (64, 1024)
# Rows of an answer up to which a cursor keeps them until the next one.
_KEPT_ROWS = 100
_NO_SHARED_MEMORY = {"53100", "53200"}


class PostgresBackend(OpenableVectorBackend):
    """What all stores of the family share. A type brings its dialect, settings and capabilities."""

    settings: ClassVar[type[PostgresSettings]]
    dialect: ClassVar[Dialect]
    capabilities: Capabilities
    # Whether a table and its indexes are made in one transaction.
    transactional: ClassVar[bool] = True

    def __init__(self, settings: PostgresSettings, options: Options, *, schema: str = "") -> None:
        self._settings = settings
        self._options = options
        self._statements = Statements(self.dialect, schema, settings.vendor_ddl)
        self.place = settings.place(self.id.replace("_", "-"))
        self._pool = Pool(self._open, min(settings.max_connection, options.connections), options.timeout)
        self._nearest = lru_cache(maxsize=256)(self._statements.nearest)
        self._facts: Facts | None = None
        self._tables: dict[str, tuple[Table, float]] = {}
        self._guard = threading.Lock()

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, cls.settings):
            raise InvalidInput(f"these are no settings of {cls.id}")
        driver(cls.id)
        settings.connection_parameters()
        return cls(settings, options)

    # ── collections

    def create(self, collection: Collection) -> None:
        self._forget(collection.name)
        with self._connection() as connection:
            self._prepare(connection)
            statements = [
                *self._statements.create(collection),
                *self._statistics(connection, collection),
                *self._ann(collection),
            ]
            try:
                if self.transactional:
                    with connection.transaction():
                        for statement in statements:
                            connection.execute(statement)
                else:
                    for statement in statements:
                        connection.execute(statement)
            except driver(self.id).errors.UniqueViolation:
                # Another process makes the same table at this moment: the catalogue's own index says so.
                raise PreconditionFailed("there is such a collection already") from None

    def describe(self, name: str) -> Collection:
        self._forget(name)
        return self._table(name).collection

    def collections(self) -> tuple[str, ...]:
        with self._connection() as connection:
            return tuple(catalog.tables(connection, self._statements))

    def drop(self, name: str) -> None:
        self._forget(name)
        with self._connection() as connection:
            # Types without a prefix share the names of all tables: only one of this layout is dropped.
            catalog.columns_of(connection, self._statements, name)
            connection.execute(f"DROP TABLE {self._statements.table(name)}")

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        if not records:
            return
        # In one order, so that two writers of the same records wait for each other and do not deadlock.
        ordered = sorted(records, key=lambda record: record.id)
        table = self._table(collection.name)
        one_step = self.dialect.upsert and self.dialect.own_key
        with self._connection() as connection:
            expression, sent = self._many(connection, [record.vector for record in ordered])
            sql = self._statements.insert(collection.name, expression, words=table.words, conflict=one_step)
            values = self._rows(ordered, sent, table.words)
            if one_step:
                connection.execute(sql, values)
                return
            where, keys = self._statements.these(
                [record.id for record in ordered], [_doc_id(record) for record in ordered]
            )
            with connection.transaction():
                connection.execute(self._statements.delete(collection.name, where), keys)
                connection.execute(sql, values)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        where, values = self._statements.these(list(ids), list(ids))
        sql = self._statements.select(collection.name, where, vector=self._reading if vectors else "")
        return [self._record(row) for row in self._rows_of(sql, values)]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        where, values = self._statements.these(list(ids), list(ids))
        return self._changed(self._statements.delete(collection.name, where), values)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        where, values = self._statements.filtered(filter, collection)
        return self._changed(self._statements.delete(collection.name, where), values)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        condition, values = self._statements.filtered(filter, collection)
        sql = self._statements.count(collection.name, self._statements.where(condition))
        return int(self._rows_of(sql, values)[0][0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        condition, values = self._statements.filtered(filter, collection)
        since = ""
        if checked_cursor(after) is not None:
            since, values = self._statements.after(), [*values, after]
        sql = self._statements.page(
            collection.name,
            self._statements.where(condition, since),
            limit,
            vector=self._reading if vectors else "",
        )
        records = tuple(self._record(row) for row in self._rows_of(sql, values))
        return Page(records, records[-1].id if len(records) == limit else None)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        exact = query.effort is Effort.EXACT
        half = 0 if exact else self._halves(collection)
        condition, values = self._statements.filtered(query.filter, collection)
        with self._connection() as connection:
            if self.dialect.extension and self._facts is None:
                self._looked_up(connection)
            placeholder, sent = self._one(connection, query.vector)
            sql = self._nearest(
                collection.name, collection.metric, placeholder, condition, query.k, exact=exact, half=half
            )
            # In the order of the placeholders: the distance, the filter, then every order.
            bound = [sent, *values, sent] if half or exact else [sent, *values]
            rows = self._found(connection, self._search_settings(collection, query), sql, bound, not values)
        raw = self.dialect.distances[collection.metric].raw
        return [Hit(_record(id, text, meta), raw(distance)) for id, text, meta, distance in rows]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        found = words.query_tokens(query.text)
        if not found:
            return []
        condition, values = self._statements.filtered(query.filter, collection)
        parts = [words.pattern(token) for token in found]
        if self._table(collection.name).words:
            asked = words.tsquery(found)
            sql = self._statements.by_words(collection.name, condition, query.k)
            bound = [asked, asked, *values, parts, parts, *values]
        else:
            sql = self._statements.by_parts(collection.name, condition, query.k)
            bound = [parts, parts, *values]
        return [Hit(_record(*row[:3]), row[3], source="text") for row in self._rows_of(sql, bound)]

    # ── bulk

    def begin_bulk(self, collection: Collection) -> None:
        table = self._table(collection.name)
        source = f"SELECT 1 FROM {self._statements.table(collection.name)} LIMIT {_FEW + 1}"
        if not table.ann or not self._ann(collection):
            return
        with self._connection() as connection:
            if self._fetched(connection, f"SELECT count(*) FROM ({source}) AS few", [])[0][0] > _FEW:
                return
            schema = f"{self._statements.schema}." if self._statements.schema else ""
            for index in table.ann:
                connection.execute(f'DROP INDEX IF EXISTS {schema}"{index}"')
        self._forget(collection.name)

    def end_bulk(self, collection: Collection) -> None:
        self._forget(collection.name)
        missing = not self._table(collection.name).ann
        with self._connection() as connection:
            limit, connection.limit = connection.limit, None
            try:
                for statement in self._ann(collection) if missing else []:
                    self._build(connection, collection, statement)
                for statement in self._statistics(connection, collection):
                    connection.execute(statement)
                connection.execute(f"ANALYZE {self._statements.table(collection.name)}")
            finally:
                connection.limit = limit
        self._forget(collection.name)

    def _build(self, connection: Connection, collection: Collection, statement: str) -> None:
        """Build an index without a limit of time, with memory that holds the graph."""
        rows = self._fetched(connection, self._statements.count(collection.name, ""), [])[0][0]
        needed = int(rows * (4 * collection.dimension + 20 * collection.index.links) * 1.3 / 2**20) + 1
        least, most = _BUILD_MEGABYTES
        settings = {
            "statement_timeout": "0",
            "maintenance_work_mem": f"{min(most, max(least, needed))}MB",
        }
        try:
            self._with_settings(connection, settings, statement)
        except driver(self.id).Error as error:
            if error.sqlstate not in _NO_SHARED_MEMORY:
                raise
            # Workers share the memory through /dev/shm, which is 64 MB in a container: build without them.
            alone = {**settings, "max_parallel_maintenance_workers": "0"}
            self._with_settings(connection, alone, statement)

    def _with_settings(self, connection: Connection, settings: dict[str, str], statement: str) -> None:
        with connection.transaction():
            for name, value in settings.items():
                with connection.transaction():
                    tell_local(connection, name, value)
            connection.execute(statement)

    # ── the store

    def health(self) -> Health:
        with self._connection() as connection:
            found = self._looked_up(connection, anew=True)
            detail = {"server": found.version}
            if self.dialect.extension:
                detail[f"extension {self.dialect.extension}"] = found.extension or "not installed"
            return Health(found.short_version, detail)

    def close(self) -> None:
        self._pool.close()

    # ── what a type may add

    def _prepare(self, connection: Connection) -> None:
        """What a database needs before its first collection: the extension."""
        name = self.dialect.extension
        if not name or not self._settings.vendor_ddl or self._looked_up(connection, anew=True).extension:
            return
        try:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {name}")
        except driver(self.id).errors.UniqueViolation:
            pass  # Another process made it at this moment.
        except driver(self.id).errors.InsufficientPrivilege:
            raise Unsupported(
                f"the extension {name} is not installed, and this user may not install it",
                hint=f"as an administrator of the database: CREATE EXTENSION {name}",
            ) from None
        self._looked_up(connection, anew=True)

    def _ann(self, collection: Collection) -> list[str]:
        """Statements that index the vectors."""
        statement = self._statements.ann(collection)
        return [statement] if statement else []

    def _statistics(self, connection: Connection, collection: Collection) -> list[str]:
        """Of expressions; PostgreSQL has them from version 14 on."""
        known = connection.info.server_version >= 140_000
        return self._statements.statistics(collection) if known else []

    def _search_settings(self, collection: Collection, query: DenseQuery) -> dict[str, str]:
        """Settings of the session for one search."""
        name, most = self.dialect.search, self.dialect.most_candidates
        if not name or query.effort is Effort.EXACT:
            return {}
        wanted = max(collection.index.search, query.k)
        if query.effort is Effort.WIDE:
            wanted = max(8 * wanted, 10 * query.k)
        return {name: str(min(most, wanted))}

    # ── inside

    def _parameters(self) -> dict[str, str]:
        return self._settings.connection_parameters()

    def _open(self) -> Connection:
        psycopg = driver(self.id)
        return opened(
            self.id,
            self._parameters(),
            timeout=self._options.timeout,
            session=self.dialect.session,
            pooler=self._settings.pooler,
            user_adapters=lambda connection: vectors.teach(connection, psycopg),
        )

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection, and the driver's errors as ours. One step, not several: every search takes it."""
        try:
            connection = self._pool.borrow()
            sound = False
            try:
                yield connection
                sound = True
            finally:
                self._pool.give_back(connection, sound=sound)
        except UnicodeEncodeError as error:
            raise InvalidInput(f"a text is no valid Unicode: {error.reason}", where=self.place) from None
        except Exception as error:
            found = meant(error, self.id, self._pool, self._options.timeout)
            if isinstance(found, NotFound):
                self._tables.clear()
            if found is error:
                raise
            raise found from None

    def _found(
        self, connection: Connection, wanted: dict[str, str], sql: str, bound: list[Any], prepare: bool
    ) -> list[Any]:
        """Rows of a search with the settings that it wants; those the session has are not sent again."""
        if self._settings.pooler and wanted:
            with connection.transaction():
                for name, value in wanted.items():
                    tell_local(connection, name, value)
                return self._fetched(connection, sql, bound, prepare=prepare)
        for name, value in wanted.items():
            if connection.told.get(name) != value:
                tell(connection, f"SET {name} = '{value}'")
                connection.told[name] = value
        return self._fetched(connection, sql, bound, prepare=prepare)

    def _looked_up(self, connection: Connection, *, anew: bool = False) -> Facts:
        if self._facts is None or anew:
            self._facts = catalog.facts(connection, self.dialect.extension, self.dialect.cast)
        return self._facts

    def _table(self, name: str) -> Table:
        known = self._tables.get(name)
        if known is not None and time.monotonic() - known[1] < _REMEMBERED:
            return known[0]
        with self._connection() as connection:
            found = catalog.table(connection, self._statements, name)
        self._tables[name] = (found, time.monotonic())
        return found

    def _forget(self, name: str) -> None:
        self._tables.pop(name, None)

    def _halves(self, collection: Collection) -> int:
        """The dimension, where the index over the vectors is one of half precision; else 0."""
        dialect, size = self.dialect, collection.dimension
        return size if dialect.half and size > dialect.indexed and self._table(collection.name).half else 0

    @property
    def _reading(self) -> str:
        """The vector as it is read: pgvector's binary form as bytes, or text."""
        column = f'"{self.dialect.columns.vector}"'
        return f"vector_send({column})" if self.dialect.binary else f"{column}::text"

    def _one(self, connection: Connection, vector: Vector) -> tuple[str, Any]:
        """Placeholder and value of a vector that is searched with."""
        if self.dialect.binary:
            oid = self._vector_type(connection).oid
            return "%s", vectors.parameter(connection, driver(self.id), oid, vectors.one(vector))
        return f"%s::text::{self.dialect.cast}", vectors.as_text(vector, self.dialect.open_close)

    def _many(self, connection: Connection, given: Sequence[Vector | None]) -> tuple[str, Any]:
        """Expression and value of the vectors of a batch."""
        present = [vector for vector in given if vector is not None]
        if len(present) != len(given):
            raise InvalidInput("a record needs a vector", where=self.place)
        if self.dialect.binary:
            found = self._vector_type(connection)
            array = vectors.many(present, found.oid)
            return "unnest(%s)", vectors.parameter(connection, driver(self.id), found.array_oid, array)
        texts = [vectors.as_text(vector, self.dialect.open_close) for vector in present]
        return f"unnest(%s::text[])::{self.dialect.cast}", texts

    def _vector_type(self, connection: Connection) -> Facts:
        found = self._looked_up(connection)
        if not found.oid:
            found = self._looked_up(connection, anew=True)
        if not found.oid:
            raise Unsupported(
                f"the database has no type {self.dialect.cast}",
                hint=f"CREATE EXTENSION {self.dialect.extension}",
            )
        return found

    def _rows(self, records: Sequence[Record], sent: Any, with_words: bool) -> list[Any]:
        """The values of `Statements.insert`: one array for each column."""
        values: list[Any] = [
            [record.id for record in records],
            [record.text for record in records],
            [json.dumps(dict(record.metadata), ensure_ascii=False) for record in records],
            sent,
        ]
        if with_words:
            values.append([words.tsvector(record.text) for record in records])
        return values + self._extra_values(records)

    def _extra_values(self, records: Sequence[Record]) -> list[Any]:
        made: list[Any] = []
        if self.dialect.doc_column:
            made.append([_doc_id(record) for record in records])
        if self.dialect.parsed_column:
            made.append([record.text for record in records])
        return made

    def _rows_of(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self._connection() as connection:
            return self._fetched(connection, sql, values)

    def _fetched(
        self, connection: Connection, sql: str, values: Sequence[Any], *, prepare: bool | None = None
    ) -> list[Any]:
        """All rows. prepare: none for filters, whose plan depends on their values."""
        if self._settings.pooler:
            prepare = False
        # One cursor for all: making one takes longer than what it then does, and it knows the last statement.
        cursor = connection.reader
        if cursor is None:
            cursor = connection.reader = connection.cursor(binary=self.dialect.binary)
        rows = cursor.execute(sql, values, prepare=prepare).fetchall()
        if len(rows) > _KEPT_ROWS:
            connection.reader = None
        return rows

    def _changed(self, sql: str, values: Sequence[Any]) -> int:
        with self._connection() as connection:
            return int(connection.execute(sql, values).rowcount)

    def _record(self, row: Sequence[Any]) -> Record:
        """A record of ``(id, text, metadata)`` and, where it was asked for, its vector."""
        id, text, metadata = row[:3]
        if len(row) == 3:
            return _record(id, text, metadata)
        vector = vectors.of_binary(row[3]) if self.dialect.binary else vectors.of_text(row[3])
        return _record(id, text, metadata, vector)


def _record(id: str, text: str | None, metadata: Any, vector: Vector | None = None) -> Record:
    if type(metadata) is not dict:
        # A store that calls its JSON a text.
        metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
        if not isinstance(metadata, dict):
            raise BackendError(f"the metadata of {id!r} is no object", kind=Kind.UNEXPECTED)
    return Record(id, vector, text or "", metadata)


def _doc_id(record: Record) -> str:
    return str(record.metadata.get(DOC_ID, record.id))
