"""Tables as LanceDB keeps them, and filters in its SQL (DataFusion's).

LanceDB takes filters as text, without bound parameters. Values therefore stand in them only as numbers and
as texts with their quotes doubled; names of fields only as texts, never as names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloudberth.vector.contract import Record
from cloudberth.vector.filters import SIGNS, And, Compare, Filter, Not, Operator, Or, Scalar, kind_of
from cloudberth.vector.text import tokenized

ID = "id"
TEXT = "text"
WORDS = "words"
VECTOR = "vector"
METADATA = "metadata"
# What filters compare: names of all fields, and values by kind.
NAMES = "names"
KINDS = {"text": "texts", "number": "numbers", "boolean": "booleans"}


def schema(dimension: int, note: Mapping[bytes, bytes]) -> Any:
    import pyarrow

    text = pyarrow.string()
    return pyarrow.schema(
        [
            pyarrow.field(ID, text, nullable=False),
            pyarrow.field(TEXT, text),
            pyarrow.field(WORDS, text),
            pyarrow.field(METADATA, text),
            pyarrow.field(NAMES, pyarrow.list_(text)),
            pyarrow.field(KINDS["text"], pyarrow.map_(text, text)),
            pyarrow.field(KINDS["number"], pyarrow.map_(text, pyarrow.float64())),
            pyarrow.field(KINDS["boolean"], pyarrow.map_(text, pyarrow.bool_())),
            pyarrow.field(VECTOR, pyarrow.list_(pyarrow.float32(), dimension)),
        ],
        metadata=dict(note),
    )


def table(records: Sequence[Record], schema: Any) -> Any:
    """Records as an Arrow table."""
    import numpy
    import pyarrow

    dimension = schema.field(VECTOR).type.list_size
    flat = numpy.concatenate([record.vector for record in records if record.vector is not None])
    columns: dict[str, Any] = {
        ID: [record.id for record in records],
        TEXT: [record.text for record in records],
        WORDS: [tokenized(record.text) for record in records],
        METADATA: [json.dumps(dict(record.metadata), ensure_ascii=False) for record in records],
        NAMES: [list(record.metadata) for record in records],
        VECTOR: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat), dimension),
    }
    for kind, column in KINDS.items():
        columns[column] = [_of_kind(record.metadata, kind) for record in records]
    arrays = [
        column if isinstance(column, pyarrow.Array) else pyarrow.array(column, schema.field(name).type)
        for name in schema.names
        for column in (columns[name],)
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _of_kind(metadata: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    convert: Any = float if kind == "number" else lambda value: value
    return [(name, convert(value)) for name, value in metadata.items() if kind_of(value) == kind]


def records(found: Any) -> list[Record]:
    """The rows of an answer, with vectors where it has them."""
    ids, texts, metadata = (found.column(name).to_pylist() for name in (ID, TEXT, METADATA))
    vectors: Iterable[Any] = [None] * len(ids)
    if VECTOR in found.schema.names and ids:
        column = found.column(VECTOR).combine_chunks()
        vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(ids), -1)
    return [
        Record(id, vector, text or "", json.loads(known or "{}"))
        for id, text, known, vector in zip(ids, texts, metadata, vectors, strict=True)
    ]


# ── filters


def literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(float(value))


def is_one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(literal(value) for value in values)})"


def condition(filter: Filter) -> str:
    """A filter. It is true or false for every row, never null."""
    match filter:
        case And(parts):
            return f"({' AND '.join(condition(part) for part in parts)})" if parts else "(true)"
        case Or(parts):
            return f"({' OR '.join(condition(part) for part in parts)})" if parts else "(false)"
        case Not(part):
            return f"(NOT {condition(part)})"
        case Compare(field, operator, _):
            return _compared(field, operator, filter.values)
    raise TypeError(f"{filter!r} is no filter")


def _compared(field: str, operator: Operator, values: tuple[Scalar, ...]) -> str:
    match operator:
        case Operator.EXISTS:
            return f"coalesce(array_has({NAMES}, {literal(field)}), false)"
        case Operator.EQ | Operator.IN:
            return _any_of(field, values)
        case Operator.NE | Operator.NIN:
            return f"(NOT {_any_of(field, values)})"
    return f"coalesce({_value(field, kind_of(values[0]))} {SIGNS[operator]} {literal(values[0])}, false)"


def _any_of(field: str, values: tuple[Scalar, ...]) -> str:
    by_kind: dict[str, list[str]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(literal(value))
    parts = [
        f"coalesce({_value(field, kind)} IN ({', '.join(listed)}), false)" for kind, listed in by_kind.items()
    ]
    return f"({' OR '.join(parts)})" if parts else "(false)"


def _value(field: str, kind: str) -> str:
    return f"map_extract({KINDS[kind]}, {literal(field)})[1]"
