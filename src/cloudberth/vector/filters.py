"""Filters over metadata: one small language, the same on every store.

As text, in the manner of Python::

    year >= 2020 and lang in ["zh", "en"] and not exists(draft)
    2020 <= year < 2024 or field("doc type") != "note"

as JSON, in the manner of MongoDB::

    {"year": {"$gte": 2020}, "lang": {"$in": ["zh", "en"]}, "$not": {"draft": {"$exists": true}}}

or as values: ``And((Compare("year", Operator.GTE, 2020), …))``.

Meaning (`matches` is the reference that every store is held to):

- A field is a name at the top of the metadata, taken as it is. Absent and null are the same.
- Values are texts, numbers and booleans. A comparison of different kinds is false: 1 is not "1" nor true.
- ``ne`` and ``nin`` are the opposites of ``eq`` and ``in``: they hold where the field is absent.
- ``gt, gte, lt, lte`` are false where the field is absent; texts are compared by code points.
- ``not`` is true exactly where its filter is false.

A filter has at most 300 parts, and, or and not counted; one ``in`` takes thousands of values.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from cloudberth.errors import InvalidInput

Scalar: TypeAlias = str | int | float | bool
_DEEPEST = 24
_MOST_VALUES = 20_000
# SQLite takes expressions of 1,000 levels, and a chain of conditions is one level for each.
_MOST_CONDITIONS = 300
_LONGEST_NAME = 128
_SURROGATE = re.compile("[\ud800-\udfff]")


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    EXISTS = "exists"
    AND = "and"
    OR = "or"
    NOT = "not"


ORDERED = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})
LISTS = frozenset({Operator.IN, Operator.NIN})
# As nearly every query language writes them.
SIGNS = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}


@dataclass(frozen=True, slots=True)
class Compare:
    """field operator value. The value: of IN and NIN a tuple of scalars, of EXISTS True, else a scalar."""

    field: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The values as a tuple, whatever the operator."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True, slots=True)
class And:
    """All of them; true when there are none."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them; false when there are none."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Filter


Filter: TypeAlias = Compare | And | Or | Not


def equals(field: str, value: Scalar) -> Compare:
    return Compare(field, Operator.EQ, value)


def one_of(field: str, values: Sequence[Scalar]) -> Compare:
    return Compare(field, Operator.IN, tuple(values))


def both(first: Filter | None, second: Filter | None) -> Filter | None:
    """Both filters, where None matches everything."""
    if first is None or second is None:
        return first or second
    return And((first, second))


def parse(given: str | Mapping[str, Any] | Filter | None) -> Filter | None:
    """A checked filter from any of its forms; None and empty match everything. Raises InvalidInput."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if isinstance(given, str):
        found = _from_json_text(given) if given.lstrip().startswith("{") else _from_expression(given)
    elif isinstance(given, Mapping):
        found = _from_mapping(given, 0)
    else:
        found = given
    check(found)
    return found


def check(filter: Filter) -> None:
    """Raise InvalidInput when a filter is too deep, too large, or has values that no store compares."""
    values = 0
    for number, (depth, part) in enumerate(_walk(filter, 0), 1):
        if depth > _DEEPEST:
            raise InvalidInput(f"the filter is nested deeper than {_DEEPEST} levels", where="filter")
        if number > _MOST_CONDITIONS:
            raise InvalidInput(
                f"the filter has more than {_MOST_CONDITIONS} conditions", where="filter",
                hint="one `in` takes many values",
            )  # fmt: skip
        if isinstance(part, Compare):
            _check_compare(part)
            values += len(part.values)
    if values > _MOST_VALUES:
        raise InvalidInput(f"the filter has {values} values; {_MOST_VALUES} are the most", where="filter")


def operators(filter: Filter) -> frozenset[Operator]:
    """Every operator in a filter."""
    kinds = {And: Operator.AND, Or: Operator.OR, Not: Operator.NOT}
    return frozenset(
        part.operator if isinstance(part, Compare) else kinds[type(part)] for _, part in _walk(filter, 0)
    )


def matches(filter: Filter | None, metadata: Mapping[str, Any]) -> bool:
    """Whether a record's metadata fits: the meaning of the language."""
    match filter:
        case None:
            return True
        case And(parts):
            return all(matches(part, metadata) for part in parts)
        case Or(parts):
            return any(matches(part, metadata) for part in parts)
        case Not(part):
            return not matches(part, metadata)
        case Compare(field, operator, _):
            return _compared(metadata.get(field), operator, filter.values)
    raise TypeError(f"{filter!r} is no filter")


def kind_of(value: object) -> str:
    """``text``, ``number``, ``boolean``, or empty for what is not compared."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else ""


def _compared(found: Any, operator: Operator, values: tuple[Scalar, ...]) -> bool:
    if operator is Operator.EXISTS:
        return found is not None
    if operator in {Operator.NE, Operator.NIN}:
        return not any(_equal(found, value) for value in values)
    if operator in {Operator.EQ, Operator.IN}:
        return any(_equal(found, value) for value in values)
    value: Any = values[0]
    if not kind_of(found) or kind_of(found) != kind_of(value):
        return False
    return bool(_ORDER[operator](found, value))


_ORDER = {Operator.GT: gt, Operator.GTE: ge, Operator.LT: lt, Operator.LTE: le}


def _equal(found: Any, value: Scalar) -> bool:
    return bool(kind_of(found) == kind_of(value) and found == value)


def _walk(filter: Filter, depth: int) -> Iterator[tuple[int, Filter]]:
    yield depth, filter
    if depth > _DEEPEST:
        return
    match filter:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _walk(part, depth + 1)
        case Not(part):
            yield from _walk(part, depth + 1)


def _check_compare(part: Compare) -> None:
    where = f"filter: {part.field[:40]}"
    if not part.field or len(part.field) > _LONGEST_NAME or not part.field.isprintable():
        raise InvalidInput(
            f"a field's name has 1 to {_LONGEST_NAME} printable characters, not {part.field[:40]!r}",
            where="filter",
        )
    if (part.operator in LISTS) != isinstance(part.value, tuple):
        raise InvalidInput(
            f"{part.operator} takes {'a list' if part.operator in LISTS else 'one value'}", where=where
        )
    for value in part.values:
        if not kind_of(value):
            raise InvalidInput(
                f"{value!r} is neither text nor number nor boolean", where=where, hint="absent: not exists(…)"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput(f"{value} cannot be compared", where=where)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            raise InvalidInput(f"{value} has more than 64 bits", where=where)
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput("a text with a NUL character cannot be compared", where=where)
        if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
            raise InvalidInput("a text with half a character (a surrogate) cannot be compared", where=where)
    if part.operator in ORDERED and kind_of(part.value) == "boolean":
        raise InvalidInput("booleans have no order", where=where)


# ── JSON


def _from_json_text(text: str) -> Filter:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the filter is no JSON: {error}", where="filter") from None
    return _from_mapping(found, 0)


def _from_mapping(given: Any, depth: int) -> Filter:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"a filter is an object, not {json.dumps(given)[:60]}", where="filter")
    if depth > _DEEPEST:
        raise InvalidInput(f"the filter is nested deeper than {_DEEPEST} levels", where="filter")
    parts: list[Filter] = []
    for name, value in given.items():
        if name in {"$and", "$or"}:
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise InvalidInput(f"{name} takes a list of filters", where="filter")
            members = tuple(_from_mapping(part, depth + 1) for part in value)
            parts.append(And(members) if name == "$and" else Or(members))
        elif name == "$not":
            parts.append(Not(_from_mapping(value, depth + 1)))
        else:
            parts += _conditions(str(name), value)
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _conditions(field: str, value: Any) -> Iterator[Filter]:
    """``{"$gte": 1, "$lt": 2}``, or a value alone, which has to be equal."""
    if field.startswith("$"):
        raise InvalidInput(f"there is no {field}", where="filter", hint="$and, $or, $not, or a field's name")
    if not isinstance(value, Mapping):
        value = {"$exists": False} if value is None else {"$eq": value}
    for word, operand in value.items():
        name = str(word).removeprefix("$")
        if name not in set(Operator) - {"and", "or", "not"}:
            raise InvalidInput(
                f"there is no operator {word}",
                where=f"filter: {field[:40]}",
                hint="$eq $ne $gt $gte $lt $lte $in $nin $exists",
            )
        operator = Operator(name)
        if operator is Operator.EXISTS:
            if not isinstance(operand, bool):
                raise InvalidInput("$exists takes true or false", where=f"filter: {field[:40]}")
            exists = Compare(field, operator, True)
            yield exists if operand else Not(exists)
        else:
            yield Compare(field, operator, tuple(operand) if isinstance(operand, list | tuple) else operand)


# ── expressions

_SIGNS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: Operator.EQ,
    ast.NotEq: Operator.NE,
    ast.Gt: Operator.GT,
    ast.GtE: Operator.GTE,
    ast.Lt: Operator.LT,
    ast.LtE: Operator.LTE,
    ast.In: Operator.IN,
    ast.NotIn: Operator.NIN,
}
_MIRRORED = {
    Operator.GT: Operator.LT,
    Operator.GTE: Operator.LTE,
    Operator.LT: Operator.GT,
    Operator.LTE: Operator.GTE,
}
_WORDS = {"true": True, "false": False}


def _from_expression(text: str) -> Filter:
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _node(tree.body)
    except SyntaxError as error:
        place = f"filter: column {error.offset}" if error.offset else "filter"
        raise InvalidInput(f"not understood: {error.msg}", where=place, hint=_EXAMPLE) from None
    except (ValueError, RecursionError, MemoryError):
        raise InvalidInput("the filter is not understood", where="filter", hint=_EXAMPLE) from None


_EXAMPLE = 'like: year >= 2020 and lang in ["zh", "en"] and not exists(draft)'


def _node(node: ast.expr) -> Filter:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return And(tuple(_node(value) for value in values))
        case ast.BoolOp(op=ast.Or(), values=values):
            return Or(tuple(_node(value) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_node(operand))
        case ast.Compare():
            return _comparison(node)
        case ast.Call(func=ast.Name(id="exists"), args=[argument], keywords=[]):
            return Compare(_field(argument, quoted=True), Operator.EXISTS, True)
    raise _not_understood(node)


def _comparison(node: ast.Compare) -> Filter:
    """Also chains: ``2020 <= year < 2024``."""
    sides = [node.left, *node.comparators]
    parts: list[Filter] = []
    for left, sign, right in zip(sides, node.ops, sides[1:], strict=False):
        operator = _SIGNS.get(type(sign))
        if operator is None:
            raise _not_understood(node)
        if _names_field(left):
            parts.append(Compare(_field(left), operator, _value(right)))
        elif _names_field(right) and operator not in LISTS:
            parts.append(Compare(_field(right), _MIRRORED.get(operator, operator), _value(left)))
        else:
            raise _not_understood(node)
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _names_field(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id not in _WORDS
    return isinstance(node, ast.Call)


def _field(node: ast.expr, *, quoted: bool = False) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id="field"), args=[ast.Constant(value=str(name))], keywords=[]):
            return name
        case ast.Constant(value=str(name)) if quoted:
            return name
    raise _not_understood(node)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=str() | int() | float() as value):
            return value
    raise _not_understood(node)


def _not_understood(node: ast.expr) -> InvalidInput:
    return InvalidInput(
        f"not understood: {ast.unparse(node)[:80]}",
        where=f"filter: column {node.col_offset + 1}",
        hint=_EXAMPLE,
    )
