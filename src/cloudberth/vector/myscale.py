"""MyScale: a MergeTree table a collection, over ClickHouse's HTTP interface, as Dify lays it out."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput, NotFound
from cloudberth.vector._clickhouse import ClickHouse, Place, Values
from cloudberth.vector._dbapi_conditions import Conditions
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
from cloudberth.vector.settings import VectorSettings, revealed
from cloudberth.vector.text import tokenized

_WORDS = {Metric.COSINE: "Cosine", Metric.L2: "L2", Metric.INNER: "IP"}
_MEASURES = {
    Metric.COSINE: "1 - cosineDistance(vector, {})",
    Metric.L2: "L2Distance(vector, {})",
    Metric.INNER: "arraySum(arrayMap((x, y) -> x * y, vector, {}))",
}
# Of tables of ours: the metadata to the letter, which a column of the type JSON does not keep.
_EXACT = "exact"
_TOKENS = "words"


class MyScaleSettings(VectorSettings):
    """fts_params: of MyScale's full-text index (which tokenizer). secure, ca_file: TLS, and whom to trust.

    engine: a plain ClickHouse is at that address; searches compare every vector then.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user", "path": "database"}

    host: str = Field("localhost", alias="MYSCALE_HOST")
    port: int = Field(8123, alias="MYSCALE_PORT", ge=1, le=65535)
    user: str = Field("default", alias="MYSCALE_USER")
    password: SecretStr | None = Field(None, alias="MYSCALE_PASSWORD")
    database: str = Field("default", alias="MYSCALE_DATABASE", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    fts_params: str = Field("", alias="MYSCALE_FTS_PARAMS")
    secure: bool = Field(False, alias="MYSCALE_SECURE")
    ca_file: str = Field("", alias="MYSCALE_CA_FILE")
    engine: Literal["", "clickhouse"] = ""

    def place(self) -> Place:
        """Raises InvalidInput for a CA file that is not there."""
        context = None
        if self.secure or self.ca_file:
            if self.ca_file and not Path(self.ca_file).is_file():
                raise InvalidInput(f"there is no file {self.ca_file}", where="MYSCALE_CA_FILE")
            context = ssl.create_default_context(cafile=self.ca_file or None)
        return Place(self.host, self.port, self.user, revealed(self.password), self.database, context)


class ClickHouseConditions(Conditions):
    """Filters over a JSON text. `multiIf` looks at the second only where the first does not hold."""

    true = "1"
    false = "0"

    def __init__(self, document: str, values: Values) -> None:
        super().__init__()
        self._document = document
        self._values = values

    def bound(self, value: Any) -> str:
        return self._values.bound(value)

    def among(self, expression: str, sign: str, values: Sequence[Any]) -> str:
        if sign == "=" and len(values) > 1 and all(isinstance(value, str) for value in values):
            return f"{expression} IN {self._values.texts(values)}"
        return super().among(expression, sign, values)

    def has(self, field: str) -> str:
        return f"{self._type(field)} != 'Null'"

    def text(self, field: str, sign: str, values: Sequence[str]) -> str:
        found = f"JSONExtractString({self._document}, {self.bound(field)})"
        return f"({self._type(field)} = 'String' AND {self.among(found, sign, values)})"

    def number(self, field: str, sign: str, values: Sequence[float]) -> str:
        name = self.bound(field)
        whole = self.whole(lambda: f"JSONExtract({self._document}, {name}, 'Int128')", sign, values)
        broken = self.broken(lambda: f"JSONExtractFloat({self._document}, {name})", sign, values)
        kind = self._type(field)
        return f"multiIf({kind} IN ('Int64', 'UInt64'), {whole}, {kind} = 'Double', {broken}, 0)"

    def boolean(self, field: str, value: bool) -> str:
        found = f"JSONExtractBool({self._document}, {self.bound(field)})"
        return f"({self._type(field)} = 'Bool' AND {found} = {int(value)})"

    def _type(self, field: str) -> str:
        return f"toString(JSONType({self._document}, {self.bound(field)}))"


class MyScale(OpenableVectorBackend):
    """MyScaleDB 1.6 or later, and MyScale Cloud.

    Tested against ClickHouse 26 in one process behind a small HTTP front; what is MyScale's alone, the vector
    index with `distance()` and the full-text index with `TextSearch()`, is proved by the statements. A table
    of MergeTree has no unique keys: a record that is there is deleted, then written anew, and is missing
    when the client dies in between until it is written again. A column of the type JSON takes names apart at
    their dots and forgets empty lists, so tables of ours keep the metadata as text beside it; of rows that
    Dify wrote into them that text is taken from the JSON column.
    """

    id = "myscale"
    settings = MyScaleSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=65_536
    )

    def __init__(self, settings: MyScaleSettings, options: Options) -> None:
        self.place = f"myscale://{settings.host}:{settings.port}/{settings.database}"
        self._settings = settings
        self._vendor = not settings.engine
        self._client = ClickHouse(settings.place(), options.timeout, options.connections)

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        if not isinstance(settings, MyScaleSettings):
            raise TypeError(f"{cls.id} takes {cls.settings.__name__}")
        return cls(settings, options)

    # ── collections

    def create(self, collection: Collection) -> None:
        self._client.run(f"CREATE DATABASE IF NOT EXISTS {self._settings.database}", database=False)
        self._client.run(self.create_table(collection))

    def create_table(self, collection: Collection) -> str:
        """The statement that makes a table."""
        clauses = [
            "id String",
            "text String",
            "vector Array(Float32)",
            "metadata JSON",
            f"{_EXACT} String DEFAULT ''",
            f"{_TOKENS} String DEFAULT ''",
            f"CONSTRAINT cons_vec_len CHECK length(vector) = {collection.dimension}",
        ]
        if self._vendor:
            parameters = f"({_literal(self._settings.fts_params)})" if self._settings.fts_params else ""
            if collection.index.kind != "exact":
                metric = f"metric_type = {_WORDS[collection.metric]}"
                clauses.append(f"VECTOR INDEX vidx vector TYPE DEFAULT('{metric}')")
            clauses.append(f"INDEX text_idx text TYPE fts{parameters}")
            clauses.append(f"INDEX words_idx {_TOKENS} TYPE fts")
        return (
            f"CREATE TABLE {_quoted(collection.name)} ({', '.join(clauses)}) ENGINE = MergeTree ORDER BY id "
            f"COMMENT {_literal(collection.note())}"
        )

    def describe(self, name: str) -> Collection:
        values = Values()
        rows = self._client.rows(
            "SELECT create_table_query, comment FROM system.tables "
            f"WHERE database = currentDatabase() AND name = {values.bound(name)}",
            values,
        )
        dimension = re.search(r"length\(vector\) = (\d+)", rows[0][0]) if rows else None
        if dimension is None:
            raise NotFound(f"there is no collection {name}")
        found = re.search(r"metric_type\s*=\s*(\w+)", rows[0][0])
        by_word = {word.lower(): metric for metric, word in _WORDS.items()}
        metric = by_word.get(found[1].lower(), Metric.COSINE) if found else Metric.COSINE
        return Collection(name, int(dimension[1]), metric).noted(rows[0][1])

    def collections(self) -> tuple[str, ...]:
        rows = self._client.rows(
            "SELECT table FROM system.columns WHERE database = currentDatabase() "
            "AND name IN ('id', 'text', 'vector', 'metadata') "
            "GROUP BY table HAVING count() = 4 ORDER BY table"
        )
        return tuple(row[0] for row in rows)

    def drop(self, name: str) -> None:
        self._client.run(f"DROP TABLE {_quoted(name)} SYNC")

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        self.delete(collection, [record.id for record in records])
        names = "id, text, vector, metadata" + ("" if collection.dify else f", {_EXACT}, {_TOKENS}")
        self._client.insert(
            f"INSERT INTO {_quoted(collection.name)} ({names}) FORMAT JSONEachRow",
            [self._row(collection, record) for record in records],
        )

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        values = Values()
        where = f" WHERE id IN {values.texts(ids)}"
        return self._records(collection, where, values, vectors)

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        values = Values()
        return self._deleted(collection, f"id IN {values.texts(ids)}", values) if ids else 0

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        values = Values()
        return self._deleted(collection, self._condition(collection, filter, values), values)

    def count(self, collection: Collection, filter: Filter | None) -> int:
        values = Values()
        where = self._where(collection, filter, values)
        return int(self._client.rows(f"SELECT count() FROM {_quoted(collection.name)}{where}", values)[0][0])

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        values = Values()
        where = self._where(collection, filter, values)
        if after is not None:
            where += f"{' AND' if where else ' WHERE'} id > {values.bound(after)}"
        rest = f"{where} ORDER BY id LIMIT {int(limit)}"
        records = tuple(self._records(collection, rest, values, vectors))
        return Page(records, records[-1].id if len(records) == limit else None)

    # ── searches

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        values = Values()
        given = values.vector(query.vector.tolist())
        where = self._where(collection, query.filter, values)
        measure = _MEASURES[collection.metric].format(given)
        down = "" if collection.metric is Metric.L2 else " DESC"
        columns = f"id, text, {self._document(collection)} AS document"
        table = _quoted(collection.name)
        if self._vendor and query.effort is not Effort.EXACT and collection.index.kind != "exact":
            order = "DESC" if collection.metric is Metric.INNER else "ASC"
            nearest = (
                f"SELECT {columns}, vector, distance(vector, {given}) AS dist FROM {table}{where} "
                f"ORDER BY dist {order} LIMIT {int(query.k)}"
            )
            statement = f"SELECT id, text, document, {measure} AS raw FROM ({nearest}) ORDER BY raw{down}, id"
        else:
            statement = (
                f"SELECT {columns}, {measure} AS raw FROM {table}{where} ORDER BY raw{down}, id "
                f"LIMIT {int(query.k)}"
            )
        return [Hit(_record(row), float(row[3])) for row in self._client.rows(statement, values)]

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        words = " ".join(re.findall(r"\w+", query.text)) if collection.dify else tokenized(query.text)
        if not words:
            return []
        values = Values()
        relevance = self._relevance("text" if collection.dify else _TOKENS, words, values)
        where = self._where(collection, query.filter, values)
        inner = (
            f"SELECT id, text, {self._document(collection)} AS document, {relevance} AS raw "
            f"FROM {_quoted(collection.name)}{where}"
        )
        if self._vendor:
            statement = f"{inner} ORDER BY raw DESC, id LIMIT {int(query.k)}"
        else:
            statement = f"SELECT * FROM ({inner}) WHERE raw > 0 ORDER BY raw DESC, id LIMIT {int(query.k)}"
        return [Hit(_record(row), float(row[3])) for row in self._client.rows(statement, values)]

    # ── the store

    def health(self) -> Health:
        row = self._client.rows("SELECT version(), currentDatabase()")[0]
        return Health(row[0], {"database": row[1]})

    def close(self) -> None:
        self._client.close()

    # ── inside

    def _row(self, collection: Collection, record: Record) -> dict[str, Any]:
        vector: Any = record.vector
        row: dict[str, Any] = {
            "id": record.id,
            "text": record.text,
            "vector": [float(format(number, ".9g")) for number in vector.tolist()],
            "metadata": dict(record.metadata),
        }
        if not collection.dify:
            row[_EXACT] = json.dumps(dict(record.metadata), ensure_ascii=False, separators=(",", ":"))
            row[_TOKENS] = tokenized(record.text)
        return row

    def _deleted(self, collection: Collection, condition: str, values: Values) -> int:
        """Delete and wait until it is done. Nothing to delete costs a count, not a mutation."""
        table = _quoted(collection.name)
        number = int(self._client.rows(f"SELECT count() FROM {table} WHERE {condition}", values)[0][0])
        if number:
            self._client.run(f"DELETE FROM {table} WHERE {condition} SETTINGS mutations_sync = 2", values)
        return number

    def _records(self, collection: Collection, rest: str, values: Values, vectors: bool) -> list[Record]:
        import numpy

        columns = f"id, text, {self._document(collection)} AS document" + (", vector" if vectors else "")
        rows = self._client.rows(f"SELECT {columns} FROM {_quoted(collection.name)}{rest}", values)
        return [_record(row, numpy.array(row[3], numpy.float32) if vectors else None) for row in rows]

    def _document(self, collection: Collection) -> str:
        """The metadata as text."""
        kept = "toJSONString(metadata)"
        return kept if collection.dify else f"if({_EXACT} = '', {kept}, {_EXACT})"

    def _condition(self, collection: Collection, filter: Filter, values: Values) -> str:
        return ClickHouseConditions(self._document(collection), values).render(filter)

    def _where(self, collection: Collection, filter: Filter | None, values: Values) -> str:
        return "" if filter is None else f" WHERE {self._condition(collection, filter, values)}"

    def _relevance(self, column: str, words: str, values: Values) -> str:
        if self._vendor:
            return f"TextSearch('enable_nlq=false')({column}, {values.bound(words)})"
        known = f"splitByChar(' ', lower({column}))"
        asked = f"splitByChar(' ', lower({values.bound(words)}))"
        # How often the words occur, rare ones as much as frequent ones, against the length of the text.
        found = f"arrayCount(word -> has({asked}, word), {known})"
        return f"{found} / (1 + log(1 + length({known})))"


def _record(row: Sequence[Any], vector: Any = None) -> Record:
    return Record(row[0], vector, row[1], json.loads(row[2]))


def _quoted(name: str) -> str:
    """An identifier. Names of collections are checked before; this is the second lock on that door."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(text: str) -> str:
    """A text as a literal of the definition of a table, where no parameters are taken."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
