"""Points as Qdrant keeps them, and filters as it knows them: the JSON of its REST API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cloudberth.vector._word_ranking import weights
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.filters import ORDERED, And, Compare, Filter, Not, Operator, Or, Scalar, kind_of

CONTENT = "page_content"
METADATA = "metadata"
GROUP = "group_id"
# What Dify does not keep: the length of the vector before Qdrant made it 1, and lists and objects of the
# metadata, whose members Qdrant would compare one by one.
OURS = "cloudberth"
TOKENS = "tokens"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_EXACT = 2**53
_BOUNDS = {Operator.GT: "gt", Operator.GTE: "gte", Operator.LT: "lt", Operator.LTE: "lte"}

Condition = dict[str, Any]


def point(record: Record, metric: Metric, group: str, *, with_tokens: bool) -> dict[str, Any]:
    """A record as a point. group: Dify's data set, empty for what the metadata says."""
    assert record.vector is not None  # noqa: S101 — the facade
    scalars: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for name, value in record.metadata.items():
        (scalars if kind_of(value) else nested)[name] = value
    ours: dict[str, Any] = {}
    if nested:
        ours |= {"nested": nested, "names": sorted(nested)}
    if metric is Metric.COSINE:
        ours["length"] = float((record.vector @ record.vector) ** 0.5)
    payload = {CONTENT: record.text, METADATA: scalars, GROUP: group or str(scalars.get("dataset_id", ""))}
    vector: Any = record.vector.tolist()
    if with_tokens:
        vector = {"": vector}
        indices, values = weights(record.text)
        if indices:
            vector[TOKENS] = {"indices": indices, "values": values}
    return {"id": record.id, "vector": vector, "payload": {**payload, **({OURS: ours} if ours else {})}}


def record_of(found: Mapping[str, Any], *, vectors: bool = False) -> Record:
    """A point as a record."""
    payload = found.get("payload") or {}
    ours = payload.get(OURS) or {}
    written = payload.get(METADATA) or {}
    if nested := ours.get("nested"):
        written = {**written, **nested}
    metadata = {name: value for name, value in written.items() if value is not None}
    vector = _vector(found.get("vector"), ours.get("length")) if vectors else None
    return Record(str(found["id"]), vector, payload.get(CONTENT) or "", metadata)


def _vector(given: Any, length: Any) -> Any:
    import numpy

    if isinstance(given, Mapping):
        given = given.get("")
    if given is None:
        return None
    vector = numpy.asarray(given, dtype=numpy.float32)
    return vector * numpy.float32(length) if isinstance(length, int | float) and length else vector


def known(part: Compare) -> bool:
    """Whether Qdrant evaluates a comparison as we mean it: it orders numbers only."""
    if '"' in part.field or "\\" in part.field:
        return False
    return part.operator not in ORDERED or kind_of(part.value) == "number"


def condition(filter: Filter) -> Condition:
    """A filter of `known` comparisons."""
    match filter:
        case And(parts):
            return {"must": [condition(part) for part in parts]}
        case Or(parts):
            return {"should": [condition(part) for part in parts]} if parts else NOTHING
        case Not(part):
            return {"must_not": [condition(part)]}
        case Compare(field, operator, _):
            return _compared(field, operator, filter.values)
    raise TypeError(f"{filter!r} is no filter")


NOTHING: Condition = {"must": [{"has_id": []}]}


def both(first: Condition | None, second: Condition | None) -> Condition | None:
    if first is None or second is None:
        return first or second
    return {"must": [first, second]}


def in_group(group: str) -> Condition:
    return {"must": [{"key": GROUP, "match": {"value": group}}]}


def has_words(words: list[str]) -> Condition:
    """Texts with at least one of the words."""
    return {"should": [{"key": CONTENT, "match": {"text": word}} for word in words]}


def _compared(field: str, operator: Operator, values: tuple[Scalar, ...]) -> Condition:
    key = f"{METADATA}.{field}" if _PLAIN.fullmatch(field) else f'{METADATA}."{field}"'
    match operator:
        case Operator.EXISTS:
            nested = {"key": f"{OURS}.names", "match": {"value": field}}
            return {"should": [{"must_not": [{"is_empty": {"key": key}}]}, nested]}
        case Operator.EQ | Operator.IN:
            return _any_of(key, values)
        case Operator.NE | Operator.NIN:
            return {"must_not": [_any_of(key, values)]}
        case _:
            return {"must": [{"key": key, "range": {_BOUNDS[operator]: values[0]}}]}


def _any_of(key: str, values: tuple[Scalar, ...]) -> Condition:
    texts = [value for value in values if isinstance(value, str)]
    parts = [_equal(key, value) for value in values if not isinstance(value, str)]
    if texts:
        parts.append({"key": key, "match": {"any": texts} if len(texts) > 1 else {"value": texts[0]}})
    return {"should": parts} if parts else NOTHING


def _equal(key: str, value: Any) -> Condition:
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) >= _EXACT):
        return {"key": key, "match": {"value": value}}
    return {"key": key, "range": {"gte": value, "lte": value}}
