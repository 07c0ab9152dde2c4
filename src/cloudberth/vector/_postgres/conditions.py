"""Filters as SQL over a JSONB column. Every name and value is bound; nothing of a filter becomes text.

An expression is NULL where the field is absent; AND, OR and WHERE take that for false, and what has to be
true there says so (IS NOT TRUE). A comparison of jsonb with jsonb is one of kind and value: 1 is not "1".
"""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

from cloudberth.vector.filters import ORDERED, SIGNS, And, Compare, Filter, Not, Operator, Or, Scalar, kind_of


def condition(filter: Filter, meta: str, numbers: Set[str] = frozenset()) -> tuple[str, list[Any]]:
    """SQL and its values. meta: an expression of type jsonb. numbers: fields whose numbers have an index."""
    match filter:
        case And(parts):
            return _joined(parts, " AND ", "TRUE", meta, numbers)
        case Or(parts):
            return _joined(parts, " OR ", "FALSE", meta, numbers)
        case Not(part):
            sql, values = condition(part, meta, numbers)
            return f"({sql}) IS NOT TRUE", values
        case Compare():
            return _compare(filter, meta, numbers)
    raise TypeError(f"{filter!r} is no filter")


def _joined(
    parts: tuple[Filter, ...], sign: str, empty: str, meta: str, numbers: Set[str]
) -> tuple[str, list[Any]]:
    if not parts:
        return empty, []
    each = [condition(part, meta, numbers) for part in parts]
    return "(" + sign.join(f"({sql})" for sql, _ in each) + ")", [value for _, some in each for value in some]


def _compare(filter: Compare, meta: str, numbers: Set[str]) -> tuple[str, list[Any]]:
    field = f"{meta} -> %s::text"
    name, operator = filter.field, filter.operator
    if operator is Operator.EXISTS:
        return f"jsonb_typeof({field}) <> 'null'", [name]
    if operator in ORDERED:
        return _ordered(filter, meta)
    if operator in {Operator.EQ, Operator.NE}:
        sql = f"({field}) = %s::jsonb"
        values: list[Any] = [name, _json(filter.values[0])]
    else:
        sql = f"({field}) = ANY ((%s::text[])::jsonb[])"
        values = [name, [_json(value) for value in filter.values]]
    if operator in {Operator.NE, Operator.NIN}:
        return f"({sql}) IS NOT TRUE", values
    if name in numbers and all(kind_of(value) == "number" for value in filter.values):
        # The index has numbers only: it serves what says so, and only then.
        return f"jsonb_typeof({field}) = 'number' AND {sql}", [name, *values]
    return sql, values


def _ordered(filter: Compare, meta: str) -> tuple[str, list[Any]]:
    """Numbers are compared as jsonb, which never fails; texts by the order of their bytes in UTF-8."""
    field = f"{meta} -> %s::text"
    name, value, sign = filter.field, filter.values[0], SIGNS[filter.operator]
    if isinstance(value, str):
        return (
            f"jsonb_typeof({field}) = 'string' AND ({meta} ->> %s::text) COLLATE \"C\" {sign} %s::text",
            [name, name, value],
        )
    return f"jsonb_typeof({field}) = 'number' AND ({field}) {sign} %s::jsonb", [name, name, _json(value)]


def _json(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)
