"""What a table is, from the server's catalogue and the note that we left at it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from cloudberth.errors import NotFound
from cloudberth.vector._postgres.naming import collection_name, literal, quoted
from cloudberth.vector._postgres.statements import Statements
from cloudberth.vector.contract import Collection, Metric

_COLUMNS = """\
SELECT a.attname::text, t.typname::text, a.atttypmod, obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = coalesce(%s::text, current_schema()::text) AND c.relname = %s::text
AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"""
_INDEXES = """\
SELECT x.relname::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = coalesce(%s::text, current_schema()::text) AND c.relname = %s::text AND i.indisvalid"""
_TABLES = """\
SELECT c.relname::text, obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = coalesce(%s::text, current_schema()::text) AND c.relkind IN ('r', 'p')
AND (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
     AND a.attname = ANY (%s::text[])) = %s"""
_FACTS = """\
SELECT version(), (SELECT extversion FROM pg_extension WHERE extname = %s::text),
(SELECT oid::bigint FROM pg_type WHERE typname = %s::text AND pg_type_is_visible(oid)),
(SELECT typarray::bigint FROM pg_type WHERE typname = %s::text AND pg_type_is_visible(oid))"""
_ANN = re.compile(r"\bUSING (?:hnsw|ivfflat|diskann|vectors|ann|graph_index)\b", re.IGNORECASE)
_MEASURES = {"l2": Metric.L2, "ip": Metric.INNER, "dot": Metric.INNER, "cosine": Metric.COSINE}


@dataclass(frozen=True, slots=True)
class Facts:
    """version: of the server, as it says. extension: of the vectors, empty when it is not installed.

    oid, array_oid: numbers of the vector's type; 0: not known. numbers: of the extension's version.
    """

    version: str
    extension: str = ""
    oid: int = 0
    array_oid: int = 0
    numbers: tuple[int, ...] = ()

    @property
    def short_version(self) -> str:
        found = re.match(r"\(?([A-Za-z]+\S* ?[\d.]*)", self.version)
        return found[1].strip() if found else self.version[:60]


@dataclass(frozen=True, slots=True)
class Table:
    """words: it has the column of our tokens. ann: names of the indexes over vectors. half: one of half
    precision.
    """

    collection: Collection
    words: bool
    ann: tuple[str, ...] = ()
    half: bool = False


def facts(connection: Any, extension: str, type_name: str) -> Facts:
    version, found, oid, array = connection.execute(_FACTS, [extension, type_name, type_name]).fetchone()
    numbers = tuple(int(part) for part in re.findall(r"\d+", found or "")[:3])
    return Facts(version, found or "", oid or 0, array or 0, numbers)


def tables(connection: Any, statements: Statements) -> list[str]:
    """Names of the collections."""
    columns = statements.dialect.columns
    layout = [columns.id, columns.text, columns.meta, columns.vector]
    rows = connection.execute(_TABLES, [statements.schema or None, layout, len(layout)]).fetchall()
    names = (
        collection_name(statements.dialect.prefix, table, str(_noted(note).get("name", "")))
        for table, note in rows
    )
    return sorted(name for name in names if name)


def columns_of(connection: Any, statements: Statements, name: str) -> tuple[dict[str, Any], str | None]:
    """Type and modifier by column, and the note. Raises NotFound when there is no table of this layout."""
    key = [statements.schema or None, statements.plain_table(name)]
    rows = connection.execute(_COLUMNS, key).fetchall()
    types = {column: (kind, modifier) for column, kind, modifier, _ in rows}
    columns = statements.dialect.columns
    if not {columns.id, columns.text, columns.meta, columns.vector} <= types.keys():
        raise NotFound("there is no such collection")
    return types, rows[0][3]


def table(connection: Any, statements: Statements, name: str) -> Table:
    """What the table of a collection is. Raises NotFound when there is none of this layout."""
    types, note = columns_of(connection, statements, name)
    columns = statements.dialect.columns
    key = [statements.schema or None, statements.plain_table(name)]
    indexes = [
        (index, definition)
        for index, definition in connection.execute(_INDEXES, key).fetchall()
        if _ANN.search(definition)
    ]
    dimension = types[columns.vector][1]
    if dimension < 1:
        dimension = _dimension(connection, statements, name, note, [text for _, text in indexes])
    found = Collection(name, dimension, _metric(statements, [text for _, text in indexes])).noted(note)
    return Table(
        found,
        statements.dialect.words and types.get(columns.words, ("", 0))[0] == "tsvector",
        tuple(index for index, _ in indexes),
        any("halfvec" in text for _, text in indexes),
    )


def _metric(statements: Statements, definitions: list[str]) -> Metric:
    """Of a collection without a note: what its index is for."""
    dialect = statements.dialect
    if dialect.own_key or dialect.doc_column:
        for text in definitions:
            found = re.search(r"_(l2|ip|dot|cosine)_ops|distancemeasure='?(\w+)", text, re.IGNORECASE)
            if found:
                return _MEASURES.get((found[1] or found[2]).lower(), dialect.default_metric)
    return dialect.default_metric


def _dimension(
    connection: Any, statements: Statements, name: str, note: str | None, definitions: list[str]
) -> int:
    """Where the type of the column does not say it: the note, an index, a constraint, or the first row."""
    known = _noted(note).get("cloudberth", {})
    if isinstance(known, dict) and isinstance(known.get("dimension"), int):
        return int(known["dimension"])
    for text in definitions:
        if found := re.search(r"\bdim='?(\d+)", text, re.IGNORECASE):
            return int(found[1])
    table, vector = statements.table(name), quoted(statements.dialect.columns.vector)
    checks = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' "
        f"AND conrelid = {literal(table)}::regclass"
    ).fetchall()
    for (text,) in checks:
        if found := re.search(r"array_length\(.*\) = (\d+)", text):
            return int(found[1])
    of = "array_length({}, 1)" if "[]" in statements.dialect.cast else "vector_dims({})"
    row = connection.execute(f"SELECT {of.format(vector)} FROM {table} LIMIT 1").fetchone()
    if row is None:
        raise NotFound("the collection is empty and says nowhere how long its vectors are")
    return int(row[0])


def _noted(note: str | None) -> dict[str, Any]:
    try:
        found = json.loads(note or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
