"""Filters that a store can only evaluate in part: that part goes to the store, the rest is compared here.

What is compared here costs one pass over the metadata (not the vectors) of what the first part leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloudberth.vector.filters import And, Compare, Filter, Not, Operator, Or


def split(filter: Filter | None, known: Callable[[Compare], bool]) -> tuple[Filter | None, bool]:
    """(what the store evaluates, whether that is all). known: comparisons that a store can evaluate."""
    if filter is None or all(known(part) for part in comparisons(filter)):
        return filter, True
    if not isinstance(filter, And):
        return None, False
    parts = tuple(part for part in filter.parts if all(known(leaf) for leaf in comparisons(part)))
    return (And(parts) if parts else None), False


def comparisons(filter: Filter) -> Iterator[Compare]:
    """Every comparison in a filter."""
    match filter:
        case And(parts) | Or(parts):
            for part in parts:
                yield from comparisons(part)
        case Not(part):
            yield from comparisons(part)
        case Compare():
            yield filter


_OPPOSITE = {
    Operator.EQ: Operator.NE,
    Operator.NE: Operator.EQ,
    Operator.IN: Operator.NIN,
    Operator.NIN: Operator.IN,
}


def without_not(filter: Filter, *, opposite: bool = False) -> Filter:
    """The same filter with `not` only around comparisons that have no opposite (order, exists)."""
    match filter:
        case Not(part):
            return without_not(part, opposite=not opposite)
        case And(parts):
            inner = tuple(without_not(part, opposite=opposite) for part in parts)
            return Or(inner) if opposite else And(inner)
        case Or(parts):
            inner = tuple(without_not(part, opposite=opposite) for part in parts)
            return And(inner) if opposite else Or(inner)
        case Compare(field, operator, value):
            if not opposite:
                return filter
            other = _OPPOSITE.get(operator)
            return Compare(field, other, value) if other else Not(filter)
    raise TypeError(f"{filter!r} is no filter")
