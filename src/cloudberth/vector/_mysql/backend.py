"""The backend of all stores with MySQL's protocol; a type is a layout and an engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from cloudberth.errors import CorruptData, InvalidInput, NotFound
from cloudberth.vector._dbapi_pool import Pool
from cloudberth.vector._mysql import connecting, vectors
from cloudberth.vector._mysql.conditions import MySqlConditions
from cloudberth.vector._mysql.dialect import Engine, Layout, create_table, has_index, parts, quoted
from cloudberth.vector._mysql.engines import MARIADB, OCEANBASE
from cloudberth.vector._mysql.settings import MySqlSettings
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
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
from cloudberth.vector.text import tokens

_WORD = re.compile(r"\w+")
_LONGEST_NAME = 64
_LONGEST_NOTE = 2048
# Bytes of one statement; servers take 16 MB and more, some proxies less.
_STATEMENT = 2_000_000
# Before each of our own tokens: so that none is a stop word, or shorter than the least length of a word.
_MARK = "z_"


def _capabilities(engine: Engine, layout: Layout, *, searchable: bool) -> Capabilities:
    full_text = FullText.NONE
    if searchable:
        full_text = FullText.CJK if engine.cjk or layout.words else FullText.WORDS
    return Capabilities(
        metrics=frozenset(engine.distances),
        full_text=full_text,
        ids="uuid",
        lower=True,
        dimensions=engine.dimensions,
    )


class MySqlBackend(OpenableVectorBackend):
    """Tables in one database. layout, engine: of the type. searchable: whether it has full text."""

    layout: ClassVar[Layout]
    engine: Engine
    searchable: bool = True

    def __init_subclass__(cls) -> None:
        """What a type can do with its own engine and default settings."""
        cls.capabilities = _capabilities(cls.engine, cls.layout, searchable=cls.searchable)

    def __init__(
        self,
        settings: MySqlSettings,
        options: Options,
        engine: Engine,
        *,
        searchable: bool = True,
        metric: Metric = Metric.COSINE,
    ) -> None:
        """metric: of collections of Dify's that do not tell theirs."""
        self.engine = engine
        self.searchable = searchable
        self._metric = metric
        self.place = settings.place(self.id.replace("_", "-"))
        self.capabilities = _capabilities(engine, self.layout, searchable=searchable)
        self._out = engine.out
        parameters = settings.connection_parameters()
        connecting.driver(self.id)
        self._pool = Pool(
            lambda: connecting.opened(self.id, parameters, options.timeout, engine.session),
            options.connections,
            options.timeout,
            connecting.is_quiet,
        )

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, MySqlSettings):
            raise TypeError(f"{cls.id} takes {cls.settings.__name__}")
        return cls._of(settings, options)

    @classmethod
    def _of(cls, settings: MySqlSettings, options: Options) -> Self:
        return cls(settings, options, engine_at(settings, cls.engine))

    # ── collections

    def create(self, collection: Collection) -> None:
        if len(collection.name) > _LONGEST_NAME:
            raise InvalidInput(
                f"the name of a collection has at most {_LONGEST_NAME} characters here", where=collection.name
            )
        if len(collection.note()) > _LONGEST_NOTE:
            raise InvalidInput(
                f"what is to be remembered of it has more than {_LONGEST_NOTE} characters",
                where=collection.name,
                hint="name fewer fields",
            )
        statement = create_table(self.engine, self.layout, collection, words=self.searchable)
        with self._cursor(collection.name) as cursor:
            cursor.execute(statement)
            if self.searchable and self.engine.add_words:
                cursor.execute(self.engine.add_words.format(**parts(self.engine, self.layout, collection)))

    def describe(self, name: str) -> Collection:
        definition = self._definition(name)
        column = re.search(
            rf"^\s*[`\"]?{self.layout.vector}[`\"]?\s+vec\w*\s*(?:<\w+>)?\s*\((\d+)\)",
            definition,
            re.IGNORECASE | re.MULTILINE,
        )
        if column is None:
            raise NotFound(f"the table {name} is no collection: it has no column {self.layout.vector}")
        metric = self.engine.metric_of(definition) or self._metric
        return Collection(name, int(column[1]), metric).noted(self._comment(name))

    def collections(self) -> tuple[str, ...]:
        known = (self.layout.vector, self.layout.text, self.layout.metadata)
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() "
                "AND column_name IN (%s, %s, %s) GROUP BY table_name HAVING COUNT(*) = 3",
                known,
            )
            return tuple(sorted(str(row[0]) for row in cursor.fetchall()))

    def drop(self, name: str) -> None:
        with self._cursor(name) as cursor:
            cursor.execute(f"DROP TABLE {quoted(name)}")

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        columns = self._written_columns()
        names = ", ".join(map(quoted, columns))
        changed = ", ".join(f"{quoted(name)} = VALUES({quoted(name)})" for name in columns[1:])
        row = (
            "("
            + ", ".join(self.engine.into if name == self.layout.vector else "%s" for name in columns)
            + ")"
        )
        with self._cursor(collection.name) as cursor:
            cursor.execute("BEGIN")
            for values, number in self._chunks(records):
                rows = ", ".join([row] * number)
                cursor.execute(
                    f"INSERT INTO {quoted(collection.name)} ({names}) VALUES {rows} "
                    f"ON DUPLICATE KEY UPDATE {changed}",
                    values,
                )
            cursor.execute("COMMIT")

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        rest = f" WHERE {quoted(self.layout.id)} IN ({_placeholders(ids)})"
        rows = self._select(collection, self._columns(vectors), rest, ids)
        return [self._record(row, vectors) for row in rows]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        with self._cursor(collection.name) as cursor:
            return int(
                cursor.execute(
                    f"DELETE FROM {quoted(collection.name)} "
                    f"WHERE {quoted(self.layout.id)} IN ({_placeholders(ids)})",
                    tuple(ids),
                )
            )

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        where, parameters = self._where(filter)
        with self._cursor(collection.name) as cursor:
            return int(cursor.execute(f"DELETE FROM {quoted(collection.name)}{where}", parameters))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        where, parameters = self._where(filter)
        return int(self._select(collection, "COUNT(*)", where, parameters)[0][0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        where, parameters = self._where(filter)
        if after is not None:
            where += f"{' AND' if where else ' WHERE'} {quoted(self.layout.id)} > %s"
            parameters = [*parameters, after]
        rest = f"{where} ORDER BY {quoted(self.layout.id)} LIMIT %s"
        rows = self._select(collection, self._columns(vectors), rest, [*parameters, limit])
        records = tuple(self._record(row, vectors) for row in rows)
        return Page(records, records[-1].id if len(records) == limit else None)

    # ── searches

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        distance = self.engine.distances[collection.metric]
        where, parameters = self._where(query.filter)
        measured = f"{distance.function}({quoted(self.layout.vector)}, {self.engine.into})"
        exact = query.effort is Effort.EXACT or not has_index(self.engine, collection)
        # An expression that no index serves.
        order = "distance + 0" if exact else "distance"
        approximate = "" if exact else self.engine.approximate
        columns = f"{self._columns(False)}, {measured} AS distance"
        rest = f"{where} ORDER BY {order} {approximate} LIMIT %s"
        values = [self._written_vector(query.vector), *parameters, query.k]
        effort = 0 if exact else self._effort(collection, query)
        return [
            Hit(self._record(row, False), _raw(collection.metric, float(row[3])))
            for row in self._select(collection, columns, rest, values, effort)
        ]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        if not self.searchable:
            return super().search_text(collection, query)
        # Signs are left out: some analysers take them for a query language, and fail on what is none.
        words = self._words(query.text) if self.layout.words else " ".join(_WORD.findall(query.text))
        if not words:
            return []
        where, parameters = self._where(query.filter)
        match = self.engine.match.format(column=quoted(self.layout.searched))
        columns = f"{self._columns(False)}, {match} AS relevance"
        rest = (
            f" WHERE {match}{where.replace(' WHERE', ' AND', 1)} "
            f"ORDER BY relevance DESC, {quoted(self.layout.id)} LIMIT %s"
        )
        rows = self._select(collection, columns, rest, [words, words, *parameters, query.k])
        return [Hit(self._record(row, False), max(0.0, float(row[3]))) for row in rows]

    # ── much at once

    def begin_bulk(self, collection: Collection) -> None:
        """Of an empty collection of ours, drop the index. Dify's keep it: nothing else tells their metric."""
        if collection.dify or not has_index(self.engine, collection) or not self._indexed(collection):
            return
        if self._select(collection, "1", " LIMIT 1", ()):
            return
        with self._cursor(collection.name) as cursor:
            cursor.execute(self.engine.drop.format(**parts(self.engine, self.layout, collection)))

    def end_bulk(self, collection: Collection) -> None:
        if not has_index(self.engine, collection) or self._indexed(collection):
            return
        with self._cursor(collection.name) as cursor:
            try:
                cursor.execute(self.engine.add.format(**parts(self.engine, self.layout, collection)))
            except connecting.driver(self.id).MySQLError as error:
                # Another process was first.
                if "uplicate" not in str(error) and "xist" not in str(error):
                    raise

    # ── the store

    def health(self) -> Health:
        with self._cursor() as cursor:
            cursor.execute("SELECT VERSION(), DATABASE()")
            version, database = cursor.fetchone()
        return Health(str(version), {"database": str(database)})

    def close(self) -> None:
        self._pool.close()

    # ── inside

    @contextmanager
    def _cursor(self, name: str = "") -> Iterator[Any]:
        with (
            connecting.translated(self.id, self._pool, name),
            self._pool.lend() as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def _select(
        self, collection: Collection, columns: str, rest: str, values: Sequence[Any], effort: int = 0
    ) -> list[tuple[Any, ...]]:
        """Rows of ``SELECT columns FROM the table rest``."""
        mysql_error = connecting.driver(self.id).MySQLError
        statement = f"SELECT {columns} FROM {quoted(collection.name)}{rest}"
        with self._cursor(collection.name) as cursor:
            if effort and self.engine.effort:
                connecting.tell(cursor.connection, self.engine.effort, effort)
            try:
                cursor.execute(statement, tuple(values))
            except mysql_error as error:
                plain = self._with_plain_vectors(statement, error)
                if not plain:
                    raise
                cursor.execute(plain, tuple(values))
            return list(cursor.fetchall())

    def _with_plain_vectors(self, statement: str, error: Exception) -> str:
        """The statement for a server without the function that shows all digits; empty if that was not it."""
        column = quoted(self.layout.vector)
        precise = self._out.format(column=column)
        if error.args[0] != connecting.NO_SUCH_FUNCTION or precise not in statement or precise == column:
            return ""
        self._out = "{column}"
        return statement.replace(precise, column)

    def _columns(self, vectors: bool) -> str:
        layout = self.layout
        names = [quoted(layout.id), quoted(layout.text), quoted(layout.metadata)]
        if vectors:
            names.append(self._out.format(column=quoted(layout.vector)))
        return ", ".join(names)

    def _record(self, row: Sequence[Any], with_vector: bool) -> Record:
        vector = vectors.read(row[3]) if with_vector and row[3] is not None else None
        return Record(_text(row[0]), vector, _text(row[1]), _metadata(row[2]))

    def _written_columns(self) -> tuple[str, ...]:
        layout = self.layout
        own = (layout.words,) if layout.words else ()
        return (layout.id, layout.text, layout.metadata, layout.vector, *own)

    def _written_vector(self, vector: Any) -> str | bytes:
        return vectors.as_bytes(vector) if self.engine.binary else vectors.as_text(vector)

    def _chunks(self, records: Sequence[Record]) -> Iterator[tuple[list[Any], int]]:
        """Values of rows, and how many rows, for statements that no server finds too long."""
        values: list[Any] = []
        number = size = 0
        for record in records:
            metadata = json.dumps(dict(record.metadata), ensure_ascii=False, separators=(",", ":"))
            row = [record.id, record.text, metadata, self._written_vector(record.vector)]
            if self.layout.words:
                row.append(self._words(record.text))
            length = sum(len(str(value)) for value in row)
            if number and size + length > _STATEMENT:
                yield values, number
                values, number, size = [], 0, 0
            values += row
            number += 1
            size += length
        yield values, number

    def _words(self, text: str) -> str:
        return " ".join(_MARK + token for token in tokens(text))

    def _where(self, filter: Filter | None) -> tuple[str, list[Any]]:
        """`` WHERE …`` with its parameters, or nothing."""
        if filter is None:
            return "", []
        conditions = MySqlConditions(quoted(self.layout.metadata), self.engine.bytes_of)
        return f" WHERE {conditions.render(filter)}", conditions.parameters

    def _effort(self, collection: Collection, query: DenseQuery) -> int:
        wanted = max(collection.index.search, query.k)
        if query.effort is Effort.WIDE:
            wanted = max(10 * collection.index.search, 4 * query.k)
        return min(wanted, self.engine.most_effort)

    def _definition(self, name: str) -> str:
        with self._cursor(name) as cursor:
            cursor.execute(f"SHOW CREATE TABLE {quoted(name)}")
            return _text(cursor.fetchone()[1])

    def _comment(self, name: str) -> str:
        with self._cursor(name) as cursor:
            cursor.execute(
                "SELECT table_comment FROM information_schema.tables "
                "WHERE table_schema = DATABASE() AND table_name = %s",
                (name,),
            )
            row = cursor.fetchone()
        return _text(row[0]) if row else ""

    def _indexed(self, collection: Collection) -> bool:
        return self.engine.metric_of(self._definition(collection.name)) is not None


def engine_at(settings: MySqlSettings, own: Engine) -> Engine:
    """The engine that a type's settings name; its own without a name."""
    return {"": own, "mariadb": MARIADB, "seekdb": OCEANBASE}[settings.engine]


def _placeholders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _raw(metric: Metric, distance: float) -> float:
    """What the contract calls raw: cosine similarity, Euclidean distance, inner product."""
    if metric is Metric.COSINE:
        return 1.0 - distance
    return -distance if metric is Metric.INNER else distance


def _text(found: Any) -> str:
    if isinstance(found, bytes | bytearray):
        return bytes(found).decode()
    return "" if found is None else str(found)


def _metadata(found: Any) -> dict[str, Any]:
    """The metadata of a row; Dify's writers may have encoded it twice."""
    try:
        known = json.loads(found) if isinstance(found, str | bytes | bytearray) else found
        known = json.loads(known) if isinstance(known, str) else known
    except ValueError:
        raise CorruptData(f"the metadata of a record is no JSON: {str(found)[:60]!r}") from None
    return dict(known) if isinstance(known, dict) else {}
