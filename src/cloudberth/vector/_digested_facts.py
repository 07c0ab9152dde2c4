"""Filters for stores that only tell whether a list holds a text: digests of facts (_search_facts.py).

A digest has letters and digits only, whatever it stands for: nothing has to be quoted, nothing can break out.
Order cannot be told from digests: such comparisons are left to be made here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.vector._comparing_metadata import split, without_not
from cloudberth.vector._search_facts import fact, facts_of
from cloudberth.vector.filters import ORDERED, And, Compare, Filter, Not, Operator, Or

# What every list holds: records without it were written by somebody else.
ALWAYS = "0" * 24
# What the fact that a field is there ends with.
_THERE = "\tx"


def digests_of(metadata: Mapping[str, Any]) -> list[str]:
    """The list of a record."""
    return [ALWAYS, *(_digest(one) for one in facts_of(metadata))]


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a store writes it. any, none: conditions with ``{}`` for quoted digests with commas between.

    one: a condition takes one digest only.
    """

    any: str
    none: str
    one: bool = False
    conjunction: str = " and "
    disjunction: str = " or "
    quote: str = '"'


def compiled(filter: Filter, syntax: Syntax) -> tuple[str | None, bool]:
    """What the store evaluates of a filter, and whether that is all."""
    part, is_all = split(without_not(filter), lambda compare: compare.operator not in ORDERED)
    return (None if part is None else _written(part, syntax)), is_all


def every(syntax: Syntax) -> str:
    """The condition that holds for every record of ours."""
    return _listed(syntax.any, [ALWAYS], syntax)


def _written(filter: Filter, syntax: Syntax) -> str:
    match filter:
        case And(parts):
            texts = [_written(part, syntax) for part in parts]
            return f"({syntax.conjunction.join(texts)})" if texts else every(syntax)
        case Or(parts):
            texts = [_written(part, syntax) for part in parts]
            return f"({syntax.disjunction.join(texts)})" if texts else _listed(syntax.none, [ALWAYS], syntax)
        case Not(Compare(field, Operator.EXISTS, _)):
            return _listed(syntax.none, [_digest(field + _THERE)], syntax)
        case Compare(field, Operator.EXISTS, _):
            return _listed(syntax.any, [_digest(field + _THERE)], syntax)
        case Compare(field, operator, _):
            digests = [_digest(fact(field, value)) for value in filter.values]
            positive = operator in {Operator.EQ, Operator.IN}
            if not digests:
                return _listed(syntax.none if positive else syntax.any, [ALWAYS], syntax)
            return _listed(syntax.any if positive else syntax.none, digests, syntax)
    raise TypeError(f"{filter!r} is not told by digests")


def _listed(condition: str, digests: list[str], syntax: Syntax) -> str:
    quoted = [f"{syntax.quote}{one}{syntax.quote}" for one in digests]
    if not syntax.one or len(quoted) == 1:
        return condition.format(", ".join(quoted))
    sign = syntax.disjunction if condition == syntax.any else syntax.conjunction
    return f"({sign.join(condition.format(one) for one in quoted)})"


def _digest(one: str) -> str:
    """96 bits."""
    return hashlib.sha256(one.encode()).hexdigest()[:24]
