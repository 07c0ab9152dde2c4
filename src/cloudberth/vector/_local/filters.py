"""Filters as SQL over the table `facts`. Names and values are bound, never text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cloudberth.vector.filters import SIGNS, And, Compare, Filter, Not, Operator, Or, Scalar, kind_of

OTHER, NUMBER, TEXT, BOOLEAN = range(4)
_KINDS = {"": OTHER, "number": NUMBER, "text": TEXT, "boolean": BOOLEAN}


def facts_of(metadata: Mapping[str, Any]) -> Iterator[tuple[str, int, Any]]:
    """Name, kind and value of every field; of lists and objects only that they are there."""
    for name, value in metadata.items():
        kind = _KINDS[kind_of(value)]
        yield name, kind, value if kind else 0


def compiled(filter: Filter, collection: int) -> tuple[str, list[Any]]:
    """A condition over ``records.key`` and its parameters."""
    match filter:
        case And(parts):
            return _joined(parts, " AND ", "1", collection)
        case Or(parts):
            return _joined(parts, " OR ", "0", collection)
        case Not(part):
            text, values = compiled(part, collection)
            return f"NOT {text}", values
        case Compare(operator=Operator.NE | Operator.NIN):
            text, values = _member(filter, collection)
            return f"NOT {text}", values
        case Compare():
            return _member(filter, collection)
    raise TypeError(f"{filter!r} is no filter")


def keys_of(filter: Filter, collection: int) -> tuple[str, list[Any]] | None:
    """A query for the keys themselves, ascending for one value, where no record has to be looked at."""
    if not isinstance(filter, Compare) or filter.operator in {Operator.NE, Operator.NIN}:
        return None
    text, values = _facts(filter, collection)
    return (text, values) if text else None


def _joined(parts: Iterable[Filter], word: str, empty: str, collection: int) -> tuple[str, list[Any]]:
    compiled_parts = [compiled(part, collection) for part in parts]
    if not compiled_parts:
        return empty, []
    text = word.join(text for text, _ in compiled_parts)
    return f"({text})", [value for _, values in compiled_parts for value in values]


def _member(compare: Compare, collection: int) -> tuple[str, list[Any]]:
    """``key IN (…)`` of the records whose field compares so; of NE and NIN, without the "not"."""
    text, values = _facts(compare, collection)
    return (f"records.key IN ({text})" if text else "0"), values


def _facts(compare: Compare, collection: int) -> tuple[str, list[Any]]:
    """The query for those keys, each once; empty where there can be none."""
    field = "SELECT key FROM facts WHERE field = (SELECT field FROM fields WHERE collection = ? AND name = ?)"
    named: list[Any] = [collection, compare.field]
    if compare.operator is Operator.EXISTS:
        return field, named
    if compare.operator in SIGNS:
        value = compare.values[0]
        text = f"{field} AND kind = ? AND value {SIGNS[compare.operator]} ?"
        return text, [*named, _KINDS[kind_of(value)], value]
    texts, values = [], []
    for kind, group in _by_kind(compare.values).items():
        texts.append(f"{field} AND kind = ? AND value IN ({', '.join('?' * len(group))})")
        values += [*named, kind, *group]
    return " UNION ALL ".join(texts), values


def _by_kind(values: Iterable[Scalar]) -> dict[int, list[Scalar]]:
    groups: dict[int, list[Scalar]] = {}
    for value in values:
        groups.setdefault(_KINDS[kind_of(value)], []).append(value)
    return groups
