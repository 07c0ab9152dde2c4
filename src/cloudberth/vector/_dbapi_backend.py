"""The backend of stores with drivers of their own after Python's DB-API: one table a collection.

What is the vendor's (types, functions, how many rows are asked for) is the subclass's; what is the same,
order of statements, transactions, pages, reading of rows, is here.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudberth.errors import BackendError, CloudberthError, CorruptData, Unsupported
from cloudberth.vector._dbapi_pool import Pool
from cloudberth.vector._mysql.vectors import read as read_vector
from cloudberth.vector.contract import Collection, DenseQuery, Effort, Hit, Metric, Page, Record
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.options import Options

# Ids in one IN list.
_IDS = 500
# Records whose metadata is looked at here, where the store cannot.
_LOOKED_AT_HERE = 200_000


@dataclass(frozen=True, slots=True)
class Columns:
    id: str = "id"
    text: str = "text"
    metadata: str = "meta"
    vector: str = "embedding"


class Statement:
    """A statement while it is put together: its text, and its values in the driver's own style.

    numbered: ``:1, :2``, else ``?``.
    """

    def __init__(self, *, numbered: bool) -> None:
        self.values: list[Any] = []
        self._numbered = numbered

    def bound(self, value: Any) -> str:
        """A placeholder, whose value is kept."""
        self.values.append(value)
        return f":{len(self.values)}" if self._numbered else "?"

    def listed(self, values: Sequence[Any]) -> str:
        return ", ".join(map(self.bound, values))


class DbApiBackend(OpenableVectorBackend):
    """columns: of the table, as Dify names them. numbered: the driver's style of parameters.

    filtered_here: the store cannot tell the kinds of JSON values apart, so filters are evaluated here, over
    the metadata of all records, and the store is asked for their ids.
    """

    columns: ClassVar[Columns] = Columns()
    numbered: ClassVar[bool] = False
    filtered_here: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pool = Pool(self.connect, options.connections, options.timeout)

    # ── what is the vendor's

    @abstractmethod
    def connect(self) -> Any:
        """A new connection that does not commit by itself, where the vendor has transactions."""

    @abstractmethod
    def as_ours(self, error: Exception, name: str) -> CloudberthError:
        """The driver's error in our tree; Unavailable for what a new connection may mend."""

    @abstractmethod
    def driver_errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @abstractmethod
    def table(self, name: str) -> str:
        """The table of a collection, as it stands in statements."""

    @abstractmethod
    def placed(self, statement: Statement, collection: Collection, vector: Any) -> str:
        """A vector as a parameter."""

    @abstractmethod
    def measure(self, metric: Metric, vector: str) -> tuple[str, bool]:
        """What is measured between the column and a vector, and whether more is nearer; see `raw`."""

    @abstractmethod
    def first(self, columns: str, rest: str, number: int, *, approximate: bool = False) -> str:
        """A SELECT of the first rows. rest: from FROM on."""

    def where(self, collection: Collection, filter: Filter, statement: Statement) -> str:
        """The condition of a filter, where the store evaluates it."""
        raise Unsupported(f"{self.id} does not evaluate filters", where=self.place)

    def statement(self) -> Statement:
        """A new statement, in the driver's style."""
        return Statement(numbered=self.numbered)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        columns = self.columns
        names = ", ".join((columns.id, columns.text, columns.metadata, columns.vector))
        with self._cursor(collection.name) as cursor:
            self._delete(cursor, collection, [record.id for record in records])
            for record in records:
                statement = self.statement()
                metadata = json.dumps(dict(record.metadata), ensure_ascii=False, separators=(",", ":"))
                places = ", ".join(
                    (
                        statement.bound(record.id),
                        self.placed_text(statement, record.text),
                        self.placed_metadata(statement, metadata),
                        self.placed(statement, collection, record.vector),
                    )
                )
                self.execute(
                    cursor,
                    f"INSERT INTO {self.table(collection.name)} ({names}) VALUES ({places})",
                    statement.values,
                )

    def placed_text(self, statement: Statement, text: str) -> str:
        return statement.bound(text)

    def placed_metadata(self, statement: Statement, metadata: str) -> str:
        return statement.bound(metadata)

    def execute(self, cursor: Any, text: str, values: Sequence[Any]) -> None:
        """Run one statement."""
        cursor.execute(text, list(values))

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        found: list[Record] = []
        for start in range(0, len(ids), _IDS):
            statement = self.statement()
            some = statement.listed(ids[start : start + _IDS])
            rest = f"FROM {self.table(collection.name)} WHERE {self.columns.id} IN ({some})"
            rows = self._rows(collection.name, f"SELECT {self._selected(vectors)} {rest}", statement.values)
            found += [self._record(row, vectors) for row in rows]
        return found

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        with self._cursor(collection.name) as cursor:
            return self._delete(cursor, collection, ids)

    def _delete(self, cursor: Any, collection: Collection, ids: Sequence[str]) -> int:
        number = 0
        for start in range(0, len(ids), _IDS):
            statement = self.statement()
            some = statement.listed(ids[start : start + _IDS])
            condition = f"{self.columns.id} IN ({some})"
            number += self.deleted(cursor, collection, condition, statement)
        return number

    def deleted(self, cursor: Any, collection: Collection, condition: str, statement: Statement) -> int:
        """Delete by a condition; how many there were."""
        self.execute(cursor, f"DELETE FROM {self.table(collection.name)} WHERE {condition}", statement.values)
        return int(cursor.rowcount)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        if self.filtered_here:
            return self.delete(collection, self._ids_here(collection, filter))
        statement = self.statement()
        condition = self.where(collection, filter, statement)
        with self._cursor(collection.name) as cursor:
            return self.deleted(cursor, collection, condition, statement)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        if filter is not None and self.filtered_here:
            return len(self._ids_here(collection, filter))
        statement = self.statement()
        condition = self._conditions(collection, filter, statement)
        rows = self._rows(
            collection.name,
            f"SELECT COUNT(*) FROM {self.table(collection.name)}{condition}",
            statement.values,
        )
        return int(rows[0][0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        if filter is None or not self.filtered_here:
            return self._page(collection, filter, after, limit, vectors)
        records: list[Record] = []
        while True:
            page = self._page(collection, None, after, limit, vectors)
            for record in page.records:
                if matches(filter, record.metadata):
                    records.append(record)
                    if len(records) == limit:
                        return Page(tuple(records), record.id)
            if page.next is None:
                return Page(tuple(records))
            after = page.next

    def _page(
        self, collection: Collection, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        statement = self.statement()
        condition = self._conditions(collection, filter, statement)
        if after is not None:
            condition += f"{' AND' if condition else ' WHERE'} {self.columns.id} > {statement.bound(after)}"
        rest = f"FROM {self.table(collection.name)}{condition} ORDER BY {self.columns.id}"
        rows = self._rows(collection.name, self.first(self._selected(vectors), rest, limit), statement.values)
        records = tuple(self._record(row, vectors) for row in rows)
        return Page(records, records[-1].id if len(records) == limit else None)

    # ── searches

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        if query.filter is None or not self.filtered_here:
            exact = query.effort is Effort.EXACT or collection.index.kind == "exact"
            return self._nearest(collection, query, query.filter, (), exact=exact)
        ids = self._ids_here(collection, query.filter)
        hits = [
            hit
            for start in range(0, len(ids), _IDS)
            for hit in self._nearest(collection, query, None, ids[start : start + _IDS], exact=True)
        ]
        nearer = -1 if collection.metric is Metric.L2 else 1
        return sorted(hits, key=lambda hit: (-nearer * hit.raw, hit.record.id))[: query.k]

    def _nearest(
        self,
        collection: Collection,
        query: DenseQuery,
        filter: Filter | None,
        ids: Sequence[str],
        *,
        exact: bool,
    ) -> list[Hit]:
        statement = self.statement()
        given = self.placed(statement, collection, query.vector)
        measure, more_is_nearer = self.measure(collection.metric, given)
        condition = self._conditions(collection, filter, statement)
        if ids:
            condition = f" WHERE {self.columns.id} IN ({statement.listed(ids)})"
        order = "raw DESC" if more_is_nearer else "raw"
        rows = self._rows(
            collection.name,
            self.first(
                f"{self._selected(False)}, {measure} AS raw",
                f"FROM {self.table(collection.name)}{condition} ORDER BY {order}",
                query.k,
                approximate=not exact,
            ),
            statement.values,
        )
        return [
            Hit(self._record(row, False), self.raw(collection.metric, float(row[3])))
            for row in rows
            if row[3] is not None
        ]

    def raw(self, metric: Metric, measured: float) -> float:
        """The contract's number for what was measured."""
        return measured

    def close(self) -> None:
        self._pool.close()

    # ── inside

    @contextmanager
    def _cursor(self, name: str = "") -> Iterator[Any]:
        """A cursor in a transaction of its own."""
        try:
            with self._pool.lend() as connection:
                cursor = connection.cursor()
                try:
                    yield cursor
                    self.commit(connection)
                except BaseException:
                    with suppress(Exception):
                        connection.rollback()
                    raise
                finally:
                    with suppress(Exception):
                        cursor.close()
        except self.driver_errors() as error:
            found = self.as_ours(error, name)
            if isinstance(found, BackendError) and found.retryable:
                self._pool.forget()
            raise found from None

    def commit(self, connection: Any) -> None:
        connection.commit()

    def _rows(self, name: str, text: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        with self._cursor(name) as cursor:
            self.execute(cursor, text, values)
            return [tuple(map(_plain, row)) for row in cursor.fetchall()]

    def _selected(self, vectors: bool) -> str:
        columns = self.columns
        names = [columns.id, columns.text, self.shown_metadata()]
        return ", ".join([*names, self.shown_vector()] if vectors else names)

    def shown_metadata(self) -> str:
        return self.columns.metadata

    def shown_vector(self) -> str:
        return self.columns.vector

    def _record(self, row: Sequence[Any], with_vector: bool) -> Record:
        vector = self.read_vector(row[3]) if with_vector else None
        return Record(str(row[0]), vector, "" if row[1] is None else str(row[1]), _metadata(row[2]))

    def read_vector(self, found: Any) -> Any:
        return read_vector(found)

    def _conditions(self, collection: Collection, filter: Filter | None, statement: Statement) -> str:
        return "" if filter is None else f" WHERE {self.where(collection, filter, statement)}"

    def _ids_here(self, collection: Collection, filter: Filter) -> list[str]:
        """Ids of the records that a filter matches, by looking at the metadata of all."""
        found: list[str] = []
        seen = 0
        after: str | None = None
        while True:
            page = self._page(collection, None, after, 1000, False)
            found += [record.id for record in page.records if matches(filter, record.metadata)]
            seen += len(page.records)
            if page.next is None:
                return found
            if seen >= _LOOKED_AT_HERE:
                raise Unsupported(
                    f"{self.id} does not evaluate filters, and {seen} records are too many to look at here",
                    where=self.place,
                )
            after = page.next


def _plain(value: Any) -> Any:
    """A value of a row; large texts are read while the connection is there."""
    return value.read() if hasattr(value, "read") else value


def _metadata(found: Any) -> dict[str, Any]:
    """The metadata of a row: text, or what the driver made of it."""
    try:
        known = json.loads(found) if isinstance(found, str | bytes | bytearray) else found
        known = json.loads(known) if isinstance(known, str) else known
    except ValueError:
        raise CorruptData(f"the metadata of a record is no JSON: {str(found)[:60]!r}") from None
    return dict(known) if isinstance(known, dict) else {}
