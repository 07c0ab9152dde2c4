"""Metadata as Chroma keeps it, flat, and filters as it knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cloudberth.vector.filters import LISTS, ORDERED, And, Compare, Filter, Not, Operator, Or, kind_of

# One key for all that Chroma does not keep: lists, objects, and names that it keeps for itself.
REST_KEY = "cloudberth_json"
_LARGEST = 2**63
# Numbers from which on neighbours are the same as floating point.
_EXACT = 2**53


def flat(metadata: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Metadata for Chroma. before: what the record had; what is gone has to be told."""
    found: dict[str, Any] = dict.fromkeys(before or {})
    rest: dict[str, Any] = {}
    for name, value in metadata.items():
        fits = kept(name) and kind_of(value) and not (type(value) is int and abs(value) >= _LARGEST)
        (found if fits else rest)[name] = value
    if rest:
        found[REST_KEY] = json.dumps(rest, ensure_ascii=False, separators=(",", ":"))
    return found


def whole(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as it was written."""
    metadata = {name: value for name, value in (found or {}).items() if value is not None}
    rest = metadata.pop(REST_KEY, None)
    if isinstance(rest, str):
        metadata.update(json.loads(rest))
    return metadata


def kept(name: str) -> bool:
    """Whether Chroma takes a name as it is."""
    return name[0] not in "#$" and not name.startswith("chroma:") and name != REST_KEY


def known(part: Compare) -> bool:
    """Whether Chroma evaluates a comparison as we mean it: it orders numbers only, and knows no `exists`."""
    if not kept(part.field) or part.operator is Operator.EXISTS:
        return False
    if any(kind_of(value) == "number" and abs(value) >= _EXACT for value in part.values):  # type: ignore[arg-type]
        return False
    return part.operator not in ORDERED or kind_of(part.value) == "number"


def where(filter: Filter) -> dict[str, Any] | bool:
    """A filter of `known` comparisons, `not` only around order; True or False where it is that for all."""
    match filter:
        case And(parts):
            return _joined("$and", [where(part) for part in parts], neutral=True)
        case Or(parts):
            return _joined("$or", [where(part) for part in parts], neutral=False)
        case Compare(field, operator, value):
            if operator in LISTS:
                return _listed(field, operator, filter.values)
            return _compared(field, operator, value)
    raise TypeError(f"{filter!r} is no filter that Chroma knows")


def _compared(field: str, operator: Operator, value: Any) -> dict[str, Any]:
    """One comparison. Chroma cuts off fractions before it compares with whole numbers: mended here."""
    if not isinstance(value, float):
        return {field: {f"${operator.value}": value}}
    cut = int(value)
    if cut == value:
        return {field: {f"${operator.value}": cut}}
    plain = {field: {f"${operator.value}": value}}
    joined, more = _MENDED.get((operator, value > 0), ("", ""))
    return {joined: [plain, {field: {more: cut}}]} if joined else plain


# (operator, whether the number is positive) → how the plain comparison is joined with one of the cut number.
_MENDED = {
    (Operator.EQ, True): ("$and", "$gt"),
    (Operator.EQ, False): ("$and", "$lt"),
    (Operator.NE, True): ("$or", "$eq"),
    (Operator.NE, False): ("$or", "$eq"),
    (Operator.GT, False): ("$or", "$gte"),
    (Operator.GTE, True): ("$and", "$gt"),
    (Operator.LT, True): ("$or", "$lte"),
    (Operator.LTE, False): ("$and", "$lt"),
}


def _listed(field: str, operator: Operator, values: Sequence[Any]) -> dict[str, Any] | bool:
    """Chroma wants lists of one type, not empty; fractions one by one."""
    by_type: dict[type, list[Any]] = {}
    parts: list[dict[str, Any] | bool] = []
    for value in values:
        if isinstance(value, float) and not value.is_integer():
            parts.append(_compared(field, Operator.EQ if operator is Operator.IN else Operator.NE, value))
        else:
            plain = int(value) if isinstance(value, float) else value
            by_type.setdefault(type(plain), []).append(plain)
    parts += [{field: {f"${operator.value}": group}} for group in by_type.values()]
    if operator is Operator.IN:
        return _joined("$or", parts, neutral=False)
    return _joined("$and", parts, neutral=True)


def _joined(word: str, parts: list[dict[str, Any] | bool], *, neutral: bool) -> dict[str, Any] | bool:
    if any(part is (not neutral) for part in parts):
        return not neutral
    left = [part for part in parts if isinstance(part, dict)]
    if not left:
        return neutral
    return left[0] if len(left) == 1 else {word: left}


def has_negated_order(filter: Filter) -> bool:
    """Whether a `not` is left that Chroma cannot express."""
    match filter:
        case And(parts) | Or(parts):
            return any(has_negated_order(part) for part in parts)
        case Not():
            return True
    return False
