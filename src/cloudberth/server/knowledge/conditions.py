"""Dify's metadata conditions, evaluated over the metadata of documents.

The operators are those of the External Knowledge API (docs.dify.ai, read 2026-11-26); what they mean follows
Dify's own search in its metadata: a field that a document does not have fits `empty` and nothing else, texts
are compared letter by letter, `=` and its kin compare numbers where both sides are numbers. `before` and
`after` compare dates: numbers are seconds since 1970, texts are ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field

from cloudberth.knowledge.model import Document
from cloudberth.knowledge.service import Knowledge

Operator = Literal[
    "contains", "not contains", "start with", "end with", "is", "is not", "in", "not in", "empty",
    "not empty", "=", "≠", ">", "<", "≥", "≤", "before", "after",
]  # fmt: skip
OPERATORS: tuple[str, ...] = get_args(Operator)
_PAGE = 200
MOST_IDS = 20_000
Value = str | int | float | bool
Given = str | bool | int | float | list[str | int | float]


def _names(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Condition(BaseModel):
    """One condition. name: a field, or several of which one has to fit (the older form of the interface)."""

    name: Annotated[str | list[str], AfterValidator(_names)] = Field(examples=["year"])
    comparison_operator: Operator = Field(examples=["≥"])
    value: Given | None = Field(default=None, examples=[2024])

    def fits(self, metadata: Mapping[str, Value]) -> bool:
        return any(_fits(metadata.get(name), self.comparison_operator, self.value) for name in self.name)


class MetadataCondition(BaseModel):
    """All of the conditions, or one of them. None at all: everything fits."""

    logical_operator: Literal["and", "or"] | None = "and"
    conditions: list[Condition] | None = Field(default=None, max_length=100)

    def fits(self, metadata: Mapping[str, Value]) -> bool:
        if not self.conditions:
            return True
        together = any if self.logical_operator == "or" else all
        return together(condition.fits(metadata) for condition in self.conditions)


def matching(service: Knowledge, dataset_id: str, condition: MetadataCondition) -> tuple[list[str], int]:
    """The identifiers of the documents that fit, and how many documents there are."""
    fitting: list[str] = []
    total = 0
    for document in _all(service, dataset_id):
        total += 1
        if condition.fits(document.metadata):
            fitting.append(document.id)
    return fitting, total


def _all(service: Knowledge, dataset_id: str) -> Iterator[Document]:
    number = 1
    seen: set[str] = set()
    while True:
        page = service.documents(dataset_id, page=number, size=_PAGE)
        for document in page.items:
            # An upload meanwhile moves the pages by one.
            if document.id not in seen:
                seen.add(document.id)
                yield document
        if number >= page.pages or not page.items:
            return
        number += 1


def _fits(known: Value | None, operator: str, value: Given | None) -> bool:
    if operator == "empty":
        return known is None or known == ""
    if known is None:
        return False
    if operator == "not empty":
        return known != ""
    return value is not None and _TESTS[operator](known, value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _same(known: Value, value: Given) -> bool:
    first, second = _number(known), _number(value)
    if first is not None and second is not None:
        return first == second
    return _text(known) == _text(value)


def _ordered(test: Callable[[float, float], bool]) -> Callable[[Value, Given], bool]:
    def compare(known: Value, value: Given) -> bool:
        first, second = _number(known), _number(value)
        return first is not None and second is not None and test(first, second)

    return compare


def _dated(test: Callable[[float, float], bool]) -> Callable[[Value, Given], bool]:
    def compare(known: Value, value: Given) -> bool:
        first, second = _moment(known), _moment(value)
        return first is not None and second is not None and test(first, second)

    return compare


def _moment(value: object) -> float | None:
    """Seconds since 1970; a date without a zone is one of UTC."""
    number = _number(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _listed(known: Value, value: Given) -> bool:
    """Whether it is one of several; a text is a list with commas, as Dify has it."""
    choices: Sequence[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        choices = [one.strip() for one in value.split(",")]
    return any(_same(known, one) for one in choices)


def _part(known: Value, value: Given) -> bool:
    wanted = value if isinstance(value, list) else [value]
    return any(_text(one) in _text(known) for one in wanted)


_TESTS: Mapping[str, Callable[[Value, Given], bool]] = {
    "contains": _part,
    "not contains": lambda known, value: not _part(known, value),
    "start with": lambda known, value: _text(known).startswith(_text(value)),
    "end with": lambda known, value: _text(known).endswith(_text(value)),
    "is": _same,
    "is not": lambda known, value: not _same(known, value),
    "in": _listed,
    "not in": lambda known, value: not _listed(known, value),
    "=": _same,
    "≠": lambda known, value: not _same(known, value),
    ">": _ordered(lambda first, second: first > second),
    "<": _ordered(lambda first, second: first < second),
    "≥": _ordered(lambda first, second: first >= second),
    "≤": _ordered(lambda first, second: first <= second),
    "before": _dated(lambda first, second: first < second),
    "after": _dated(lambda first, second: first > second),
}
