"""Checks: filters mean on every store what `filters.matches` says."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from cloudberth.errors import Unsupported
from cloudberth.vector import filters
from cloudberth.vector.conformance.model import Failed, Subject, check, expect_equal, expect_error, vectors
from cloudberth.vector.contract import FieldType, Record
from cloudberth.vector.filters import And, Compare, Filter, Not, Operator, Or

_ODD = (
    "'; DROP TABLE x; --", '" OR "1"="1', "a'b", 'a"b', "a\\b", "%", "_", "100%", "*", "?", "$ne", "{}",
    "[1]", "值", "é", "e\u0301", "E", "e", "null", "true", "1", "1.0", "", " ", "a b", "line\nline",
    "\\u0041",
    "x' OR 'x'='x", "${jndi}", "a:b", "a/b", "a,b", "(a)", "🙂",
)  # fmt: skip
_NAMES = (
    "plain",
    "with space",
    "quote'",
    'double"',
    "back\\slash",
    "dots.in.it",
    "中文",
    "$cash",
    "a:b",
    "UP",
    "up",
)


def _sample() -> list[Record]:
    """Sixty records in which every field is now and then absent, and now and then of another kind."""
    choice = random.Random(7)  # noqa: S311 — the same sample every time
    made = []
    for at, vector in enumerate(vectors(60, seed=21)):
        metadata: dict[str, Any] = {"at": at}
        if choice.random() < 0.8:
            metadata["year"] = choice.choice([2019, 2020, 2021, 2022.5, -1, 0])
        if choice.random() < 0.8:
            metadata["lang"] = choice.choice(["zh", "en", "EN", "de", ""])
        if choice.random() < 0.7:
            metadata["draft"] = choice.random() < 0.5
        if choice.random() < 0.8:
            metadata["mixed"] = choice.choice([1, "1", True, 1.5, "true", False, 0, "b", "B"])
        if choice.random() < 0.5:
            metadata["nested"] = choice.choice([{"a": 1}, [1, 2], []])
        made.append(Record(f"f{at}", vector, f"text {at}", metadata))
    return made


def _odd_sample() -> list[Record]:
    """Odd values under a plain name, and plain values under odd names."""
    everything = vectors(len(_ODD) + len(_NAMES), seed=22)
    values = [Record(f"v{at}", everything[at], "x", {"value": odd}) for at, odd in enumerate(_ODD)]
    names = [
        Record(f"n{at}", everything[len(_ODD) + at], "x", {name: "here", "number": at})
        for at, name in enumerate(_NAMES)
    ]
    return values + names


def _expect_meaning(subject: Subject, name: str, made: list[Record], given: Iterable[Filter | str]) -> None:
    """Count and search with each filter, and compare with its meaning."""
    query = vectors(1, seed=5)[0]
    for one in given:
        filter = filters.parse(one)
        if filter is None:
            raise ValueError(f"{one!r} is no filter")
        if filters.operators(filter) - subject.capabilities.filters:
            with expect_error(Unsupported):
                subject.store.count(name, filter)
            continue
        wanted = sorted(record.id for record in made if filters.matches(filter, record.metadata))
        try:
            found = sorted(hit.id for hit in subject.store.search(name, query, len(made), filter=filter))
            number = subject.store.count(name, filter)
        except Exception as error:
            raise Failed(f"filter {one}: {type(error).__name__}: {error}") from error
        expect_equal(found, wanted, f"ids found with {one}")
        expect_equal(number, len(wanted), f"count with {one}")


def _main(subject: Subject) -> tuple[str, list[Record]]:
    made = _sample()
    fields = {"year": FieldType.NUMBER, "lang": FieldType.KEYWORD, "draft": FieldType.BOOLEAN}
    return subject.shared("filters", lambda: made, fields=fields), made


@check("filters")
def equal_and_not_equal(subject: Subject) -> None:
    _expect_meaning(
        subject,
        *_main(subject),
        ['lang == "zh"', 'lang != "zh"', 'lang == "EN"', 'lang == ""', "year == 2020", "year != 2020",
         "year == 2022.5", "draft == true", "draft == false", "draft != true", 'nowhere == "x"',
         'nowhere != "x"'],
    )  # fmt: skip


@check("filters")
def one_of_a_list_and_none_of_it(subject: Subject) -> None:
    _expect_meaning(
        subject,
        *_main(subject),
        ['lang in ["zh", "en"]', 'lang not in ["zh", "en"]', "year in [2019, 2022.5]", "year not in [2019]",
         "at in [1, 2, 3, 999]", 'mixed in [1, "b", true]', 'mixed not in [1, "b", true]', "lang in []",
         "lang not in []", "nowhere in [1]", "nowhere not in [1]"],
    )  # fmt: skip


@check("filters")
def greater_and_less(subject: Subject) -> None:
    _expect_meaning(
        subject,
        *_main(subject),
        ["year >= 2020", "year > 2020", "year < 2020", "year <= 2020", "year > -0.5", "2019 < year <= 2021",
         "at >= 50", "year >= 2022.5", 'lang > "en"', 'lang <= "en"', "nowhere > 1", 'year > "2020"',
         "lang > 5"],
    )  # fmt: skip


@check("filters")
def there_or_not(subject: Subject) -> None:
    _expect_meaning(
        subject,
        *_main(subject),
        ["exists(year)", "not exists(year)", "exists(nested)", "exists(nowhere)", "not exists(nowhere)",
         "exists(year) and not exists(lang)"],
    )  # fmt: skip


@check("filters")
def different_kinds_are_never_equal(subject: Subject) -> None:
    _expect_meaning(
        subject,
        *_main(subject),
        ["mixed == 1", 'mixed == "1"', "mixed == true", "mixed == false", 'mixed == "true"', "mixed == 1.5",
         "mixed != 1", 'mixed != "1"', "mixed != true", "mixed > 0", 'mixed > "a"', "mixed == 0",
         "nested == 1", "nested != 1", 'mixed == "b"', 'mixed == "B"'],
    )  # fmt: skip


@check("filters")
def and_or_not_nest(subject: Subject) -> None:
    name, made = _main(subject)
    given: list[Filter | str] = [
        'year >= 2020 and lang == "zh"',
        'year >= 2020 or lang == "zh"',
        'not (year >= 2020 and lang == "zh")',
        'not (year >= 2020 or lang == "zh")',
        "not not draft == true",
        'not (lang in ["zh"] or not exists(draft)) and (year < 2021 or mixed == 1)',
        And(()),
        Or(()),
        Not(And(())),
        And((Compare("lang", Operator.EQ, "zh"),)),
        Or((And((Compare("year", Operator.GT, 2019), Not(Compare("draft", Operator.EQ, True)))), Or(()))),
    ]
    _expect_meaning(subject, name, made, given)


@check("filters")
def odd_values_are_only_values(subject: Subject) -> None:
    made = _odd_sample()
    name = subject.shared("odd", _odd_sample)
    _expect_meaning(subject, name, made, [filters.equals("value", odd) for odd in _ODD])
    _expect_meaning(subject, name, made, [filters.one_of("value", _ODD[:12]), filters.one_of("value", _ODD)])


@check("filters")
def odd_names_are_only_names(subject: Subject) -> None:
    made = _odd_sample()
    name = subject.shared("odd", _odd_sample)
    _expect_meaning(subject, name, made, [filters.equals(field, "here") for field in _NAMES])
    _expect_meaning(subject, name, made, [Compare(field, Operator.EXISTS, True) for field in _NAMES])
    injected = ("x') OR 1=1 --", 'x") OR 1=1 --', "a`b", "x' = 'x", "%s", "{0}", ":name", "$1")
    _expect_meaning(subject, name, made, [filters.equals(field, "here") for field in injected])


@check("filters")
def random_filters_mean_what_they_say(subject: Subject) -> None:
    choice = random.Random(13)  # noqa: S311
    name, made = _main(subject)
    _expect_meaning(subject, name, made, [_random_filter(choice, 3) for _ in range(40)])


def _random_filter(choice: random.Random, depth: int) -> Filter:
    kind = choice.choice(["compare"] * 4 + ["and", "or", "not"]) if depth else "compare"
    if kind == "and":
        return And(tuple(_random_filter(choice, depth - 1) for _ in range(choice.randint(0, 3))))
    if kind == "or":
        return Or(tuple(_random_filter(choice, depth - 1) for _ in range(choice.randint(0, 3))))
    if kind == "not":
        return Not(_random_filter(choice, depth - 1))
    field = choice.choice(["year", "lang", "draft", "mixed", "nowhere", "at"])
    values: list[Any] = [2020, 2019, 0, 1, -1, 2022.5, "zh", "en", "", "1", True, False, "true", 30]
    operator = choice.choice([each for each in Operator if each not in {"and", "or", "not"}])
    if operator is Operator.EXISTS:
        return Compare(field, operator, True)
    if operator in filters.LISTS:
        return Compare(field, operator, tuple(choice.sample(values, choice.randint(0, 4))))
    if operator in filters.ORDERED:
        values = [value for value in values if not isinstance(value, bool)]
    return Compare(field, operator, choice.choice(values))
