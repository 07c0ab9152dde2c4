"""Filters of search engines: every field of a record's metadata as one keyword, so that order and kinds stay.

A fact is ``name TAB kind value``: ``year TAB n c09f…`` of a number, ``lang TAB t zh`` of a text, ``draft
TAB b1`` of a boolean, and ``name TAB x`` of every field that is there. Keywords are compared byte by byte,
numbers are written so that this is their order: one field of one type answers every operator, for any name
and for fields that have now this kind and now that, where mappings of their own would refuse what does not
fit.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

from cloudberth.vector._comparing_metadata import comparisons
from cloudberth.vector.filters import ORDERED, And, Compare, Filter, Not, Operator, Or, kind_of

Query = dict[str, Any]

FACTS = "cloudberth.facts"
ALL: Query = {"match_all": {}}
NONE: Query = {"match_none": {}}
MARKED: Query = {"exists": {"field": FACTS}}
UNMARKED: Query = {"bool": {"must_not": [MARKED]}}
# Filters know no longer names; Lucene's longest term has 32,766 bytes.
_LONGEST_NAME = 128
_LONGEST_TEXT = 4000
_LETTERS = {"text": "t", "number": "n", "boolean": "b"}
_RANGES = {Operator.GT: "gt", Operator.GTE: "gte", Operator.LT: "lt", Operator.LTE: "lte"}


def facts_of(metadata: Mapping[str, Any]) -> list[str]:
    """The facts of a record, in the order of its fields."""
    found: list[str] = []
    for name, value in metadata.items():
        if value is None or len(name) > _LONGEST_NAME or not name.isprintable():
            continue
        found.append(f"{name}\tx")
        if kind_of(value):
            found.append(fact(name, value))
    return found


def fact(name: str, value: Any) -> str:
    """The fact of a text, number or boolean."""
    kind = kind_of(value)
    return f"{name}\t{_LETTERS[kind]}{_written(kind, value)}"


def query_of(filter: Filter) -> Query:
    """A filter over records that have facts."""
    match filter:
        case And(parts):
            return {"bool": {"filter": [query_of(part) for part in parts]}} if parts else ALL
        case Or(parts):
            if not parts:
                return NONE
            return {"bool": {"should": [query_of(part) for part in parts], "minimum_should_match": 1}}
        case Not(part):
            return _not(query_of(part))
        case Compare():
            return _comparison(filter)
    raise TypeError(f"{filter!r} is no filter")


def _comparison(part: Compare) -> Query:
    if part.operator is Operator.EXISTS:
        return {"term": {FACTS: f"{part.field}\tx"}}
    if part.operator in ORDERED:
        value = part.values[0]
        letter = _LETTERS[kind_of(value)]
        return _range(FACTS, part.operator, fact(part.field, value), f"{part.field}\t{letter}")
    terms = {"terms": {FACTS: [fact(part.field, value) for value in part.values]}} if part.values else NONE
    return _not(terms) if part.operator in {Operator.NE, Operator.NIN} else terms


def native_query(filter: Filter, fields: Mapping[str, str]) -> Query | None:
    """A filter over records as Dify writes them; None when it asks for fields that have no keyword.

    fields: names of metadata that are texts → the keyword that holds them.
    """
    if any(part.field not in fields for part in comparisons(filter)):
        return None
    return _native(filter, fields)


def _native(filter: Filter, fields: Mapping[str, str]) -> Query:
    match filter:
        case And(parts):
            return {"bool": {"filter": [_native(part, fields) for part in parts]}} if parts else ALL
        case Or(parts):
            if not parts:
                return NONE
            inner = [_native(part, fields) for part in parts]
            return {"bool": {"should": inner, "minimum_should_match": 1}}
        case Not(part):
            return _not(_native(part, fields))
        case Compare(field, operator, _):
            path = fields[field]
            if operator is Operator.EXISTS:
                return {"exists": {"field": path}}
            texts = [value for value in filter.values if isinstance(value, str)]
            if operator in ORDERED:
                return {"range": {path: {_RANGES[operator]: texts[0]}}} if texts else NONE
            terms = {"terms": {path: texts}} if texts else NONE
            return _not(terms) if operator in {Operator.NE, Operator.NIN} else terms
    raise TypeError(f"{filter!r} is no filter")


def _not(query: Query) -> Query:
    return {"bool": {"must_not": [query]}}


def _range(path: str, operator: Operator, bound: str, start: str) -> Query:
    """Values between a bound and the end of those of its field and kind. start: what they begin with."""
    end = start[:-1] + chr(ord(start[-1]) + 1)
    limits = {_RANGES[operator]: bound}
    if operator in {Operator.GT, Operator.GTE}:
        limits["lt"] = end
    else:
        limits["gte"] = start
    return {"range": {path: limits}}


def _written(kind: str, value: Any) -> str:
    if kind == "boolean":
        return "1" if value else "0"
    if kind == "number":
        return _number(value)
    text = str(value)
    if len(text) <= _LONGEST_TEXT:
        return text
    # Equal where the whole is equal; in order as far as the first characters tell it.
    return text[:_LONGEST_TEXT] + hashlib.sha256(text.encode()).hexdigest()


def _number(value: int | float) -> str:
    """Hexadecimal digits in the order of numbers: of the float, then of what an integer has beyond it."""
    try:
        near = float(value) or 0.0
    except OverflowError:
        near = float("inf") if value > 0 else float("-inf")
    (bits,) = struct.unpack(">Q", struct.pack(">d", near))
    ordered = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    beyond = int(value) - int(near) if isinstance(value, int) and abs(near) < float("inf") else 0
    return f"{ordered:016x}{max(0, min(0xFFFF, beyond + 0x8000)):04x}"
