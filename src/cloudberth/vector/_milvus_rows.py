"""Rows as Milvus keeps them, and filters in its expressions.

Milvus compares members of JSON otherwise than we do (true equals 1 in Milvus Lite, a `!=` of an absent member
depends on the version), and has no list of values for them everywhere. So beside Dify's fields stand two of
ours: `facets`, one short word for each (field, kind, value), and `ordered`, JSON of texts and numbers.
Declared fields have a column each besides (`_milvus_columns`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.vector import _milvus_columns as columns
from cloudberth.vector._milvus_columns import literal, member
from cloudberth.vector.contract import Record
from cloudberth.vector.filters import (
    SIGNS,
    And,
    Compare,
    Filter,
    Not,
    Operator,
    Or,
    Scalar,
    kind_of,
)

PRIMARY = "id"
CONTENT = "page_content"
METADATA = "metadata"
VECTOR = "vector"
SPARSE = "sparse_vector"
# Ours: the record's id, and what filters compare.
RECORD_ID = "record_id"
FACETS = "facets"
# Of Milvus Lite, instead: the same words in one text. It looks into arrays row by row, in Python.
FACET_TEXT = "facet_text"
ORDERED_VALUES = "ordered"
LONGEST_TEXT = 65_535
MOST_FACETS = 1024


def row(record: Record, fields: frozenset[str]) -> dict[str, Any]:
    """A record as a row. fields: those of the collection."""
    if len(record.text.encode()) > LONGEST_TEXT:
        raise InvalidInput(
            f"Milvus keeps texts of at most {LONGEST_TEXT} bytes, not {len(record.text.encode())}",
            where=f"record {record.id!r}",
            hint="cut the text into smaller parts",
        )
    assert record.vector is not None  # noqa: S101 — the facade
    made: dict[str, Any] = {
        CONTENT: record.text,
        METADATA: dict(record.metadata),
        VECTOR: record.vector,
    }
    if RECORD_ID in fields:
        facets = list(_facets(record.metadata))
        if len(facets) > MOST_FACETS:
            raise InvalidInput("the metadata has too many fields for Milvus", where=f"record {record.id!r}")
        made |= {RECORD_ID: record.id, ORDERED_VALUES: _ordered(record.metadata)}
        made |= {FACET_TEXT: " ".join(facets)} if FACET_TEXT in fields else {FACETS: facets}
        made |= columns.values(record.metadata, fields)
    return made


def record_of(found: Mapping[str, Any], vector: Any = None) -> Record:
    """A row as a record. Its id is the one in the metadata, where Dify has it too."""
    metadata = found.get(METADATA) or {}
    if isinstance(metadata, str | bytes):
        metadata = json.loads(metadata)
    metadata = {name: value for name, value in metadata.items() if value is not None}
    id = metadata.get("doc_id") or found.get(RECORD_ID) or found.get(PRIMARY)
    return Record(str(id), vector, found.get(CONTENT) or "", metadata)


def _word(field: str, kind: str, value: object) -> str:
    """The word of a value."""
    if kind == "number":
        value = repr(int(value)) if _is_whole(value) else repr(value)  # type: ignore[call-overload]
    return _digest([field, kind, str(value)])


@lru_cache(4096)
def _word_of_field(field: str, kind: str) -> str:
    """The word of a field that is there (kind ``exists``), or has this kind."""
    return _digest([field, kind, None])


def _digest(what: list[str | None]) -> str:
    return blake2b(json.dumps(what).encode(), digest_size=10).hexdigest()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) or float(value).is_integer()


def _facets(metadata: Mapping[str, Any]) -> Iterator[str]:
    for field, value in metadata.items():
        if value is None:
            continue
        yield _word_of_field(field, "exists")
        if kind := kind_of(value):
            yield _word_of_field(field, kind)
            yield _word(field, kind, value)


def _ordered(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Texts and numbers under names that need no quoting."""
    return {
        member(field, kind_of(value)): value
        for field, value in metadata.items()
        if kind_of(value) in {"text", "number"}
    }


# ── filters


def expression(filter: Filter, fields: frozenset[str], *, guarded: bool = False) -> str:
    """A filter over our fields, for rows that have them.

    fields: those of the collection. guarded: where it stands (under `or`, `not`), a null has to be false.
    """
    match filter:
        case And(parts):
            made = [expression(part, fields, guarded=guarded) for part in parts]
            return _joined(" and ", made, empty=f"{PRIMARY} >= 0")
        case Or(parts):
            made = [expression(part, fields, guarded=True) for part in parts]
            return _joined(" or ", made, empty=NOTHING)
        case Not(part):
            return f"(not {expression(part, fields, guarded=True)})"
        case Compare(field, operator, _):
            by_column = columns.compared(field, operator, filter.values, fields, guarded=guarded)
            return by_column or _compared(field, operator, filter.values, in_text=FACET_TEXT in fields)
    raise TypeError(f"{filter!r} is no filter")


# Primary keys that Milvus gives are above 0.
NOTHING = f"({PRIMARY} < 0)"


def _joined(word: str, parts: list[str], *, empty: str) -> str:
    return f"({word.join(parts)})" if parts else f"({empty})"


def _compared(field: str, operator: Operator, values: tuple[Scalar, ...], *, in_text: bool) -> str:
    has = _has_in_text if in_text else _has
    match operator:
        case Operator.EXISTS:
            return has([_word_of_field(field, "exists")])
        case Operator.EQ | Operator.IN:
            return has([_word(field, kind_of(value), value) for value in values])
        case Operator.NE | Operator.NIN:
            return f"(not {has([_word(field, kind_of(value), value) for value in values])})"
    kind = kind_of(values[0])
    value = f'{ORDERED_VALUES}["{member(field, kind)}"]'
    return f"({has([_word_of_field(field, kind)])} and {value} {SIGNS[operator]} {literal(values[0])})"


def _has(words: list[str]) -> str:
    """Words are hexadecimal: nothing of a value stands in an expression."""
    if not words:
        return NOTHING
    if len(words) == 1:
        return f'(array_contains({FACETS}, "{words[0]}"))'
    return f"(array_contains_any({FACETS}, {json.dumps(words)}))"


def _has_in_text(words: list[str]) -> str:
    """The same in one text: all words have one length, with spaces between them, so only whole ones match."""
    likes = [f'{FACET_TEXT} like "%{word}%"' for word in words]
    return f"({' or '.join(likes)})" if likes else NOTHING


def known_of_dify(part: Compare) -> bool:
    """Whether a comparison narrows rows without our fields: equal texts. What is found is compared here."""
    plain = part.field.replace("_", "").isalnum() and part.field.isascii()
    return (
        plain
        and part.operator in {Operator.EQ, Operator.IN}
        and 0 < len(part.values) <= 200
        and all(isinstance(value, str) for value in part.values)
    )


def expression_of_dify(filter: Filter) -> str:
    """A filter of `known_of_dify` comparisons over Dify's metadata."""
    match filter:
        case And(parts):
            return f"({' and '.join(expression_of_dify(part) for part in parts)})" if parts else "(id >= 0)"
        case Or(parts):
            return f"({' or '.join(expression_of_dify(part) for part in parts)})" if parts else NOTHING
        case Compare(field, _, _):
            return is_one_of(field, [str(value) for value in filter.values])
    raise TypeError(f"{filter!r} is no narrowing filter")


def is_one_of(field: str, values: list[str]) -> str:
    """One by one: Milvus Lite has no lists of values for members of JSON."""
    return "(" + " or ".join(f'{METADATA}["{field}"] == {literal(value)}' for value in values) + ")"
