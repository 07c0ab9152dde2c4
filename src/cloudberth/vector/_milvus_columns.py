"""A column of its own for each metadata field that was declared at `create`: what filters ask most.

Milvus Lite compares a column at once, and members of JSON row by row. A column holds the values of the
declared kind and null for all others, so a comparison with a value of that kind is decided by it alone,
whatever else stands in the field. What does not fit is kept nearest to itself (a number as the nearest
double, a text by its beginning): the order stays, so only comparisons with values that would not fit either
are made elsewhere. Except on its own and under `and`, no null meets an operator (`is not null and …`): what
it gives under a `not` depends on the version.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from cloudberth.vector.contract import FieldType
from cloudberth.vector.filters import SIGNS, Operator, Scalar, kind_of

KINDS = {
    FieldType.KEYWORD: "text", FieldType.INTEGER: "number", FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "boolean",
}  # fmt: skip
# Milvus has 64 fields in a collection, nine of them are taken.
MOST = 40
# Characters of a text that are kept; four bytes each at most.
LONGEST = 256
# Every whole number below has a double of its own.
_EXACT = 2**53


@lru_cache(4096)
def member(field: str, kind: str) -> str:
    """A name that needs no quoting, for the values of one kind in a field of any name."""
    return kind[0] + blake2b(field.encode(), digest_size=8).hexdigest()


def declared(fields: Mapping[str, FieldType]) -> Iterator[tuple[str, str, str]]:
    """Column, kind and field of what gets a column."""
    for field, type in list(fields.items())[:MOST]:
        yield member(field, KINDS[type]), KINDS[type], field


def values(metadata: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Scalar]:
    """What a record has for the columns among `fields`, those of the collection."""
    made: dict[str, Scalar] = {}
    for field, value in metadata.items():
        kind = kind_of(value)
        if kind and (column := member(field, kind)) in fields:
            made[column] = _kept(kind, value)
    return made


def compared(
    field: str, operator: Operator, values: tuple[Scalar, ...], fields: frozenset[str], *, guarded: bool
) -> str:
    """A comparison over a column; empty where none decides it. guarded: with nulls as false."""
    kinds = {kind_of(value) for value in values}
    if operator is Operator.EXISTS or len(kinds) != 1:
        return ""
    kind = kinds.pop()
    column = member(field, kind)
    if column not in fields or not all(_fits(kind, value) for value in values):
        return ""
    literals = [literal(_kept(kind, value)) for value in values]
    if operator in SIGNS:
        found = f"{column} {SIGNS[operator]} {literals[0]}"
    elif len(literals) == 1:
        found = f"{column} == {literals[0]}"
    elif kind == "boolean":
        found = " or ".join(f"{column} == {one}" for one in literals)
    else:
        found = f"{column} in [{', '.join(literals)}]"
    turned = operator in {Operator.NE, Operator.NIN}
    if guarded or turned:
        found = f"{column} is not null and ({found})"
    return f"(not ({found}))" if turned else f"({found})"


def _fits(kind: str, value: Any) -> bool:
    if kind == "number":
        return bool(abs(value) < _EXACT)
    return kind != "text" or len(value) < LONGEST


def _kept(kind: str, value: Any) -> Scalar:
    if kind == "text":
        return str(value[:LONGEST])
    if kind == "boolean":
        return bool(value)
    try:
        # No zero below zero: an index may tell the two apart.
        return float(value) or 0.0
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max


def literal(value: Scalar) -> str:
    """A value in an expression: a text as Milvus quotes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + escaped.replace("\t", "\\t") + '"'
