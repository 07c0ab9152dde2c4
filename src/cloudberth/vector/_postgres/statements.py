"""The SQL, rendered from a dialect. Names are quoted, values are bound; numbers that stand in it are ours."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cloudberth.vector._postgres.conditions import condition
from cloudberth.vector._postgres.dialect import Dialect
from cloudberth.vector._postgres.naming import cut, index_hash, literal, quoted, table_name
from cloudberth.vector.contract import DOC_ID, Collection, FieldType, Metric
from cloudberth.vector.filters import Filter

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.NUMBER})
Statement = tuple[str, list[Any]]
# The score of a token that is found in a text which has no tsvector: about what ts_rank gives a word.
_PART = 0.06


@dataclass(frozen=True, slots=True)
class Statements:
    """schema: where the tables are; empty: the first of the search path. vendor: see `PostgresSettings`.

    configuration: of the text search that fills the column of Dify's own.
    """

    dialect: Dialect
    schema: str = ""
    vendor: bool = True
    configuration: str = "simple"

    # ── names

    def plain_table(self, name: str) -> str:
        return table_name(self.dialect.prefix, name)

    def table(self, name: str) -> str:
        table = quoted(self.plain_table(name))
        return f"{quoted(self.schema)}.{table}" if self.schema else table

    def ann_index(self, collection: Collection) -> str:
        name = self.dialect.index_name.format(
            metric=collection.metric.value,
            collection=collection.name,
            table=self.plain_table(collection.name),
            hash=index_hash(self.dialect.prefix, collection.name),
        )
        return cut(name)

    def _side_index(self, collection: Collection, purpose: str) -> str:
        """Name of an index over something else than vectors."""
        table = self.plain_table(collection.name)
        digits = hashlib.md5(f"{table} {purpose}".encode(), usedforsecurity=False).hexdigest()[:12]
        return quoted(f"{table[:48]}_{digits}")

    @property
    def meta(self) -> str:
        """The metadata as jsonb."""
        column = quoted(self.dialect.columns.meta)
        return column if self.dialect.json == "jsonb" else f"{column}::jsonb"

    @property
    def doc_id(self) -> str:
        """Where Dify keeps a record's id when its primary key is another."""
        dialect = self.dialect
        return quoted(dialect.doc_column) if dialect.doc_column else f"({self.meta} ->> '{DOC_ID}')"

    # ── definitions

    def create(self, collection: Collection) -> list[str]:
        """The table with its note and the indexes that are not over vectors."""
        dialect, columns = self.dialect, self.dialect.columns
        table = self.table(collection.name)
        vector = f"{quoted(columns.vector)} {dialect.type.format(dimension=collection.dimension)} NOT NULL"
        if dialect.checked:
            name = quoted(columns.vector)
            vector += f" CHECK (array_ndims({name}) = 1 AND array_length({name}, 1) = {collection.dimension})"
        parts = [
            f"{quoted(columns.id)} {'uuid' if dialect.uuid else 'text'} PRIMARY KEY",
            f"{quoted(columns.text)} text NOT NULL",
            f"{quoted(columns.meta)} {dialect.json} NOT NULL",
            vector,
            *dialect.extra,
        ]
        if dialect.words:
            parts.append(f"{quoted(columns.words)} tsvector")
        ending = f" {dialect.vendor}" if dialect.vendor and self.vendor else ""
        note = json.dumps({**json.loads(collection.note()), "name": collection.name}, separators=(",", ":"))
        return [
            f"CREATE TABLE {table} ({', '.join(parts)}){ending}",
            f"COMMENT ON TABLE {table} IS {literal(note)}",
            *self._side_indexes(collection),
        ]

    def _side_indexes(self, collection: Collection) -> list[str]:
        dialect, columns, table = self.dialect, self.dialect.columns, self.table(collection.name)
        made: list[str] = []
        if dialect.words:
            words = quoted(columns.words)
            made += [
                f"CREATE INDEX {self._side_index(collection, 'words')} ON {table} USING gin ({words})",
                # Few or none: what Dify wrote after us. Without it every search by words reads the table.
                f"CREATE INDEX {self._side_index(collection, 'wordless')} ON {table} "
                f"({quoted(columns.id)}) WHERE {words} IS NULL",
            ]
        if not dialect.own_key:
            made.append(f"CREATE INDEX {self._side_index(collection, 'doc')} ON {table} ({self.doc_id})")
        if dialect.fields:
            made += self._field_indexes(collection)
        return made

    def _field_indexes(self, collection: Collection) -> list[str]:
        """Texts in a hash, whose entries are short however long the text; numbers in order."""
        made: list[str] = []
        table = self.table(collection.name)
        for field, kind in collection.fields.items():
            name = self._side_index(collection, f"field {field}")
            value = f"{self.meta} -> {literal(field)}"
            if kind is FieldType.KEYWORD:
                made.append(f"CREATE INDEX {name} ON {table} USING hash (({value}))")
            elif kind in _NUMBERS:
                made.append(
                    f"CREATE INDEX {name} ON {table} (({value})) WHERE jsonb_typeof({value}) = 'number'"
                )
        return made

    def _numbers(self, collection: Collection) -> frozenset[str]:
        """Fields whose numbers have an index."""
        if not self.dialect.fields:
            return frozenset()
        return frozenset(field for field, kind in collection.fields.items() if kind in _NUMBERS)

    def statistics(self, collection: Collection) -> list[str]:
        """How often a number stands in a field, for the planner: it learns that from no partial index."""
        made: list[str] = []
        for field in sorted(self._numbers(collection)):
            value = f"{self.meta} -> {literal(field)}"
            made.append(
                f"CREATE STATISTICS IF NOT EXISTS {self._side_index(collection, f'numbers {field}')} "
                f"ON ({value}), (jsonb_typeof({value})) FROM {self.table(collection.name)}"
            )
        return made

    def ann(self, collection: Collection) -> str:
        """The index over the vectors; empty when there is none to be."""
        dialect, size = self.dialect, collection.dimension
        if not self.vendor or not dialect.index or collection.index.kind == "exact":
            return ""
        vector, operators = quoted(dialect.columns.vector), dialect.operators
        if dialect.indexed and size > dialect.indexed:
            if not dialect.half or size > 2 * dialect.indexed:
                return ""
            vector, operators = f"({vector}::halfvec({size}))", "halfvec_{operators}_ops"
        distance = dialect.distances[collection.metric]
        return dialect.index.format(
            index=quoted(self.ann_index(collection)),
            table=self.table(collection.name),
            vector=vector,
            operators=operators.format(operators=distance.operators),
            measure=distance.operators,
            dimension=size,
            links=max(2, collection.index.links),
            construction=max(collection.index.construction, 2 * collection.index.links),
        )

    # ── writing

    def insert(self, name: str, vectors: str, *, words: bool, conflict: bool) -> str:
        """Rows from arrays, in the order of `written`. vectors: the expression that gives one array."""
        dialect, columns = self.dialect, self.dialect.columns
        kind = "uuid" if dialect.uuid else "text"
        given = {
            columns.id: f"unnest((%s::text[])::{kind}[])",
            columns.text: "unnest(%s::text[])",
            columns.meta: f"unnest((%s::text[])::{dialect.json}[])",
            columns.vector: vectors,
        }
        if words:
            given[columns.words] = "unnest((%s::text[])::tsvector[])"
        given.update(self._extra_values())
        sql = (
            f"INSERT INTO {self.table(name)} ({', '.join(map(quoted, given))}) "
            f"SELECT {', '.join(given.values())}"
        )
        if conflict:
            changes = ", ".join(
                f"{quoted(column)} = EXCLUDED.{quoted(column)}" for column in given if column != columns.id
            )
            sql += f" ON CONFLICT ({quoted(columns.id)}) DO UPDATE SET {changes}"
        return sql

    def _extra_values(self) -> dict[str, str]:
        """In the order of `PostgresBackend._extra_values`."""
        made: dict[str, str] = {}
        if self.dialect.doc_column:
            made[self.dialect.doc_column] = "unnest(%s::text[])"
        if self.dialect.parsed_column:
            configuration = literal(self.configuration)
            made[self.dialect.parsed_column] = f"to_tsvector({configuration}, unnest(%s::text[]))"
        return made

    def these(self, ids: list[str], docs: list[str]) -> Statement:
        """The condition for records by id, whoever wrote them."""
        kind = "uuid" if self.dialect.uuid else "text"
        sql, values = f"{quoted(self.dialect.columns.id)} = ANY ((%s::text[])::{kind}[])", [ids]
        if self.dialect.own_key:
            return sql, list(values)
        return f"({sql} OR {self.doc_id} = ANY (%s::text[]))", [*values, docs]

    def delete(self, name: str, where: str) -> str:
        return f"DELETE FROM {self.table(name)} WHERE {where}"

    # ── reading

    def where(self, *conditions: str) -> str:
        kept = [f"({one})" for one in conditions if one]
        return f" WHERE {' AND '.join(kept)}" if kept else ""

    def filtered(self, filter: Filter | None, collection: Collection | None = None) -> Statement:
        """A filter; the collection says which fields have indexes."""
        if filter is None:
            return "", []
        return condition(filter, self.meta, self._numbers(collection) if collection else frozenset())

    def row(self, *, vector: str = "") -> str:
        """What makes a record: id, text, metadata, and the vector as something to be read."""
        columns = self.dialect.columns
        parts = [f"{quoted(columns.id)}::text", quoted(columns.text), quoted(columns.meta)]
        return ", ".join([*parts, vector] if vector else parts)

    def select(self, name: str, where: str, *, vector: str) -> str:
        return f"SELECT {self.row(vector=vector)} FROM {self.table(name)} WHERE {where}"

    def count(self, name: str, where: str) -> str:
        return f"SELECT count(*) FROM {self.table(name)}{where}"

    def page(self, name: str, where: str, limit: int, *, vector: str) -> str:
        order = quoted(self.dialect.columns.id)
        return (
            f"SELECT {self.row(vector=vector)} FROM {self.table(name)}{where} ORDER BY {order} LIMIT {limit}"
        )

    def after(self) -> str:
        kind = "uuid" if self.dialect.uuid else "text"
        return f"{quoted(self.dialect.columns.id)} > %s::{kind}"

    def nearest(
        self, name: str, metric: Metric, query: str, condition: str, k: int, *, exact: bool, half: int
    ) -> str:
        """The k nearest with their distances. query: the bound vector; `exact` or `half`: it stands twice.

        exact: an order that no index has. half: the dimension, where the index is one of half precision: its
        candidates are measured anew; else 0.
        """
        dialect, columns = self.dialect, self.dialect.columns
        distance = dialect.distances[metric]
        measured = distance.sql.format(vector=quoted(columns.vector), query=query)
        source = self.table(name) + self.where(condition)
        direction = " DESC" if distance.descending else ""
        if half and not exact:
            small = f"halfvec({half})"
            near = distance.sql.format(vector=f"{quoted(columns.vector)}::{small}", query=f"{query}::{small}")
            source = f"(SELECT * FROM {source} ORDER BY {near}{direction} LIMIT {2 * k}) AS near"
        order = f"distance{direction}"
        if exact:
            order = f"({measured}) + 0{direction}, {quoted(columns.id)}"
        return f"SELECT {self.row()}, {measured} AS distance FROM {source} ORDER BY {order} LIMIT {k}"

    def by_words(self, name: str, condition: str, k: int) -> str:
        """Values: tsquery, tsquery, the filter's; patterns, patterns, the filter's."""
        words, text = quoted(self.dialect.columns.words), quoted(self.dialect.columns.text)
        table = self.table(name)
        ranked = (
            f"SELECT {self.row()}, ts_rank({words}, %s::tsquery, 1)::float8 AS score FROM {table}"
            + self.where(f"{words} @@ %s::tsquery", condition)
            + f" ORDER BY score DESC LIMIT {k}"
        )
        rest = self._by_parts(name, condition, f"{words} IS NULL", text)
        return f"({ranked}) UNION ALL ({rest} ORDER BY score DESC LIMIT {k}) ORDER BY score DESC LIMIT {k}"

    def by_parts(self, name: str, condition: str, k: int) -> str:
        """For tables without tsvectors. Values: patterns, patterns, the filter's."""
        text = quoted(self.dialect.columns.text)
        return f"{self._by_parts(name, condition, '', text)} ORDER BY score DESC LIMIT {k}"

    def _by_parts(self, name: str, condition: str, also: str, text: str) -> str:
        found = f"(SELECT count(*) FROM unnest(%s::text[]) AS part WHERE lower({text}) ~ part)"
        return (
            f"SELECT {self.row()}, {found}::float8 * {_PART} AS score FROM {self.table(name)}"
            + self.where(f"lower({text}) ~ ANY (%s::text[])", also, condition)
        )
