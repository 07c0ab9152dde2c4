"""The filter language: its three forms, its meaning, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.vector.filters import And, Compare, Not, Operator, Or, matches, operators, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("year >= 2020", Compare("year", Operator.GTE, 2020)),
        ("2020 <= year", Compare("year", Operator.GTE, 2020)),
        ("2020 <= year < 2024",
         And((Compare("year", Operator.GTE, 2020), Compare("year", Operator.LT, 2024)))),
        ('lang in ["zh", "en"]', Compare("lang", Operator.IN, ("zh", "en"))),
        ("not exists(draft)", Not(Compare("draft", Operator.EXISTS, True))),
        ('field("doc type") == "x"', Compare("doc type", Operator.EQ, "x")),
        ('exists("doc type")', Compare("doc type", Operator.EXISTS, True)),
        ("draft == true", Compare("draft", Operator.EQ, True)),
        ("x == -1.5", Compare("x", Operator.EQ, -1.5)),
        ('a == 1 or b != "x" and c < 3',
         Or((Compare("a", Operator.EQ, 1),
             And((Compare("b", Operator.NE, "x"), Compare("c", Operator.LT, 3)))))),
    ],
)  # fmt: skip
def test_expressions(text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"lang": "zh"}, Compare("lang", Operator.EQ, "zh")),
        ({"lang": None}, Not(Compare("lang", Operator.EXISTS, True))),
        ({"year": {"$gte": 1, "$lt": 3}},
         And((Compare("year", Operator.GTE, 1), Compare("year", Operator.LT, 3)))),
        ({"$or": [{"a": 1}, {"b": {"$in": [1, "x"]}}]},
         Or((Compare("a", Operator.EQ, 1), Compare("b", Operator.IN, (1, "x"))))),
        ({"$not": {"a": {"$exists": False}}}, Not(Not(Compare("a", Operator.EXISTS, True)))),
        ({}, And(())),
    ],
)  # fmt: skip
def test_json(given: dict[str, Any], value: Any) -> None:
    assert parse(given) == value


def test_nothing_matches_everything() -> None:
    assert parse(None) is None
    assert parse("  ") is None
    assert matches(None, {})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("year >=", "not understood"),
        ("year", "not understood: year"),
        ("1 == 2", "not understood: 1 == 2"),
        ("__import__('os').system('x')", "not understood"),
        ("a == b'x'", "not understood"),
        ("a is 1", "not understood"),
        ("exists()", "not understood"),
        ("lang in 'zh'", "in takes a list"),
        ("a == [1]", "eq takes one value"),
        ("a < true", "booleans have no order"),
        ("a == 99999999999999999999", "more than 64 bits"),
        ("a == 'x\\0'", "NUL"),
        ("a == 1e999", "cannot be compared"),
        ("(" * 300 + "a == 1" + ")" * 300, "not understood"),
        ("not " * 40 + "a == 1", "nested deeper"),
        (" and ".join(["a == 1"] * 301), "more than 300 conditions"),
        ('a == "\\ud83d\\ude00"', "half a character"),
        ('{"a": "\\ud83d"}', "half a character"),
        ('{"a": ', "no JSON"),
        ('{"$where": "1"}', "there is no $where"),
        ('{"a": {"$regex": "x"}}', "no operator $regex"),
        ('{"$and": {"a": 1}}', "takes a list"),
        ('{"a": {"$exists": {"b": "\\ud83d"}}}', "$exists takes true or false"),
        ('{"": 1}', "1 to 128 printable"),
    ],
)
def test_what_is_wrong_is_said(given: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(given)
    assert said in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_clear_error(text: str) -> None:
    try:
        parse(text)
    except InvalidInput as error:
        assert "\n" not in error.what[:20]


METADATA = {"a": 1, "b": "x", "c": True, "d": None, "e": 1.0, "f": [1]}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a == 1", True), ("a == true", False), ('a == "1"', False), ("e == 1", True), ("c == 1", False),
        ("c == true", True), ("exists(d)", False), ("d != 5", True), ("missing not in [1]", True),
        ("missing > 0", False), ("not missing > 0", True), ("exists(f)", True), ("f == 1", False),
        ('b > "w"', True), ("b > 3", False), ("a in [1, 2]", True), ("a in []", False), ("a not in []", True),
    ],
)  # fmt: skip
def test_meaning(text: str, truth: bool) -> None:
    assert matches(parse(text), METADATA) is truth


def test_operators_are_told() -> None:
    found = parse("a == 1 and not (b in [1] or exists(c))")
    assert found is not None
    assert operators(found) == {
        Operator.EQ, Operator.AND, Operator.NOT, Operator.OR, Operator.IN, Operator.EXISTS,
    }  # fmt: skip
