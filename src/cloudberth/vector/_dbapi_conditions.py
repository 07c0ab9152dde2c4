"""Filters as conditions of SQL: what all SQL stores share. A dialect says how it reads a field of the JSON.

Every condition is two-valued, so that NOT is the opposite also where a field is absent. Values and the names
of fields are always parameters of the statement, never a part of its text.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

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

# Whole numbers of a stored document are compared exactly up to so many digits, and as doubles beyond.
DIGITS = 38


class Conditions(ABC):
    """Renders one filter. parameters: of the rendered condition, in its order.

    true, false: conditions that always and never hold.
    """

    true = "1 = 1"
    false = "1 = 0"

    def __init__(self) -> None:
        self.parameters: list[Any] = []

    @abstractmethod
    def bound(self, value: Any) -> str:
        """A placeholder, whose value is kept."""

    @abstractmethod
    def has(self, field: str) -> str:
        """Whether a field is there and not null."""

    @abstractmethod
    def text(self, field: str, sign: str, values: Sequence[str]) -> str:
        """Whether a field is a text that compares so with a value; ``=`` takes several, one has to fit."""

    @abstractmethod
    def number(self, field: str, sign: str, values: Sequence[float]) -> str:
        """Whether a field is a number that compares so with a value."""

    @abstractmethod
    def boolean(self, field: str, value: bool) -> str:
        """Whether a field is this boolean."""

    def render(self, filter: Filter) -> str:
        """The condition of a filter."""
        match filter:
            case And(parts):
                return self._joined(" AND ", parts) or self.true
            case Or(parts):
                return self._joined(" OR ", parts) or self.false
            case Not(part):
                return f"NOT {self.render(part)}"
            case Compare(field, operator, _):
                return f"({self._compare(field, operator, filter.values)})"
        raise TypeError(f"{filter!r} is no filter")

    def _joined(self, word: str, parts: Sequence[Filter]) -> str:
        return f"({word.join(self.render(part) for part in parts)})" if parts else ""

    def _compare(self, field: str, operator: Operator, values: Sequence[Scalar]) -> str:
        if operator is Operator.EXISTS:
            return self.has(field)
        if operator in SIGNS:
            value = values[0]
            if isinstance(value, str):
                return self.text(field, SIGNS[operator], [value])
            return self.number(field, SIGNS[operator], [value])
        condition = self._one_of(field, values)
        return f"NOT ({condition})" if operator in {Operator.NE, Operator.NIN} else condition

    def _one_of(self, field: str, values: Sequence[Scalar]) -> str:
        parts = []
        texts = [value for value in values if isinstance(value, str)]
        numbers = [value for value in values if kind_of(value) == "number"]
        if texts:
            parts.append(self.text(field, "=", texts))
        if numbers:
            parts.append(self.number(field, "=", [value for value in numbers if not isinstance(value, str)]))
        parts += [
            self.boolean(field, value) for value in (True, False) if any(value is given for given in values)
        ]
        return " OR ".join(parts) or self.false

    def among(self, expression: str, sign: str, values: Sequence[Any]) -> str:
        """``expression sign value``, or ``expression IN (values)``."""
        if sign == "=" and len(values) != 1:
            return f"{expression} IN ({', '.join(map(self.bound, values))})" if values else self.false
        return f"{expression} {sign} {self.bound(values[0])}"

    def whole(self, expression: Callable[[], str], sign: str, values: Sequence[float]) -> str:
        """A stored whole number compared with values, exactly as Python compares them.

        expression: called only when it is needed, since it may bind parameters.
        """
        return self._exactly(expression, [against_whole(sign, value) for value in values])

    def broken(self, expression: Callable[[], str], sign: str, values: Sequence[float]) -> str:
        """A stored double compared with values, exactly."""
        return self._exactly(expression, [against_double(sign, value) for value in values])

    def _exactly(self, expression: Callable[[], str], compared: Sequence[tuple[str, float] | bool]) -> str:
        if any(one is True for one in compared):
            return self.true
        pairs = [one for one in compared if not isinstance(one, bool)]
        if not pairs:
            return self.false
        return self.among(expression(), pairs[0][0], [value for _, value in pairs])


def against_whole(sign: str, value: float) -> tuple[str, int] | bool:
    """How a whole number x has to compare with a whole number so that ``x sign value``; or always, never."""
    if abs(value) >= 10**DIGITS:
        return sign != "=" and (value > 0) == (sign in {"<", "<="})
    if value == int(value):
        return sign, int(value)
    if sign == "=":
        return False
    return ("<=", math.floor(value)) if sign in {"<", "<="} else (">=", math.ceil(value))


def against_double(sign: str, value: float) -> tuple[str, float] | bool:
    """How a double x has to compare with a double so that ``x sign value``, value being any number."""
    near = float(value)
    if near == value:
        return sign, near
    if sign == "=":
        return False
    if near > value:
        return (">=", near) if sign in {">", ">="} else ("<", near)
    return (">", near) if sign in {">", ">="} else ("<=", near)
