"""Milvus: declared fields have columns, which decide exactly what filters mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cloudberth import vector
from cloudberth.vector import FieldType, filters
from cloudberth.vector import _milvus_columns as columns
from cloudberth.vector import _milvus_rows as rows
from cloudberth.vector.contract import Collection, Record
from cloudberth.vector.filters import Compare, Operator
from thoroughness import examples

FIELDS = {
    "number": FieldType.NUMBER, "whole": FieldType.INTEGER, "word": FieldType.KEYWORD,
    "yes": FieldType.BOOLEAN,
}  # fmt: skip
NAMES = frozenset(column for column, _, _ in columns.declared(FIELDS))
LONG = "z" * columns.LONGEST
METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"number": 1, "whole": 1, "word": "a", "yes": True},
    {"number": 1.5, "whole": 2.5, "word": "A", "yes": False},
    {"number": -0.0, "whole": 2**53 + 1, "word": LONG},
    {"number": 1e-07, "whole": -(2**53) - 1, "word": LONG + "b"},
    {"number": 2**63 - 1, "whole": 2**53, "word": 'quote " and \\ and\nline'},
    {"number": "1", "whole": True, "word": 1, "yes": "true"},
    {"number": -3, "whole": 0, "word": "字", "yes": 1},
)
FILTERS = (
    "number == 1", "number == 0", "number != 1", "not (number == 1)", "number > 1", "number >= -3",
    "number < 0.0000002", "number > 1e18", "number in [1, 1.5]", "number in []", "not (number in [1, 1.5])",
    "number == '1'", "number in [1, '1']", "exists(number)", "whole == 1", "whole == true",
    "whole == 9007199254740992",
    "whole == 9007199254740993", "whole > 9007199254740992", "whole > 9007199254740991", "whole < 0",
    "word == 'a'", "word == '字'", "word > 'b'", "word <= 'a'", "word in ['a', 'A']", "word != 'a'",
    f"word == '{LONG}'", f"word > '{LONG}'", f"word == '{LONG}b'", f"word > '{LONG[:-1]}'",
    "yes == true", "yes != true", "yes in [true, false]", "not (yes == false) and exists(yes)",
    "not (not (number > 1))", "not (number > 1 and word == 'a')", "not (number > 1 or yes == true)",
    "number == 1 or word == '字'", "whole > 0 and not (yes == true)",
)  # fmt: skip
NUMBERS = some.one_of(
    some.integers(-(2**70), 2**70), some.floats(allow_nan=False, allow_infinity=False),
    some.sampled_from([2**53 - 1, 2**53, 2**53 + 1, 10**400, -(10**400), -0.0]), some.integers(-3, 3),
)  # fmt: skip
TEXTS = some.builds(
    lambda start, end: start + end,
    some.sampled_from(["", "a" * 254, "a" * 255, "a" * 256, "字" * 255]),
    some.text(some.characters(codec="utf-8"), max_size=3),
)


@given(stored=NUMBERS, asked=NUMBERS)
@settings(max_examples=examples(500, 150), deadline=None)
def test_numbers_as_kept_compare_as_they_are(stored: float, asked: float) -> None:
    _compares_as_it_is("number", stored, asked)


@given(stored=TEXTS, asked=TEXTS)
@settings(max_examples=examples(500, 150), deadline=None)
def test_texts_as_kept_compare_as_they_are(stored: str, asked: str) -> None:
    _compares_as_it_is("word", stored, asked)


def _compares_as_it_is(field: str, stored: Any, asked: Any) -> None:
    """Milvus compares doubles, and the bytes of texts."""
    for operator in (Operator.EQ, Operator.GT, Operator.LTE):
        if not columns.compared(field, operator, (asked,), NAMES, guarded=False):
            continue
        (kept,), (sought,) = (columns.values({field: one}, NAMES).values() for one in (stored, asked))
        if isinstance(kept, str) and isinstance(sought, str):
            assert len(kept.encode()) <= 4 * columns.LONGEST
            assert (kept.encode() > sought.encode()) == (kept > sought)
        wanted = filters.matches(Compare(field, operator, asked), {field: stored})
        assert filters.matches(Compare(field, operator, sought), {field: kept}) == wanted


def test_filters_over_columns_mean_what_the_language_says(tmp_path: Path) -> None:
    with vector.open(f"milvus:///?path={tmp_path / 'm.db'}") as store:
        store.create("notes", 2, fields=FIELDS)
        store.upsert("notes", [_record(at, metadata) for at, metadata in enumerate(METADATA)])
        for text in FILTERS:
            wanted = [str(at) for at, metadata in enumerate(METADATA) if _fits(text, metadata)]
            found = store.search("notes", [1.0, 1.0], 20, filter=text)
            assert sorted(hit.id for hit in found) == wanted, text
            assert store.count("notes", text) == len(wanted), text


def _record(at: int, metadata: dict[str, Any]) -> Record:
    return Record(str(at), numpy.asarray([1.0, at], dtype=numpy.float32), "", metadata)


def _fits(text: str, metadata: dict[str, Any]) -> bool:
    return filters.matches(filters.parse(text), metadata)


def test_a_comparison_is_made_over_the_column_of_its_kind_only() -> None:
    def asked(text: str, *, guarded: bool = False) -> str:
        found = filters.parse(text)
        assert isinstance(found, Compare)
        return columns.compared(found.field, found.operator, found.values, NAMES, guarded=guarded)

    number = columns.member("number", "number")
    assert asked("number == 3") == f"({number} == 3.0)"
    assert asked("number == 3", guarded=True) == f"({number} is not null and ({number} == 3.0))"
    assert asked("number in [3, 4.5]") == f"({number} in [3.0, 4.5])"
    assert asked("number != 3") == f"(not ({number} is not null and ({number} == 3.0)))"
    assert asked("word > 'it\"s'").endswith(' > "it\\"s")')
    both = filters.parse("number == 3 and (number < 1 or word == 'a')")
    assert both is not None
    assert rows.expression(both, NAMES).count("is not null") == 2
    for other in ("other == 3", "number == '3'", "number in [3, '3']", "exists(number)", "number in []"):
        assert asked(other) == "", other
    assert asked(f"number == {2**53}") == asked(f"word == '{LONG}'") == ""


def test_servers_get_an_index_for_each_declared_field() -> None:
    pymilvus = pytest.importorskip("pymilvus")
    from cloudberth.vector import _milvus_schema

    collection = Collection("notes", 2, fields={**FIELDS, **{f"f{at}": FieldType.NUMBER for at in range(60)}})
    made = _milvus_schema.schema(
        pymilvus, collection, words=True, nullable=True, lite=False, analyzer={"tokenizer": "standard"}
    )
    named: dict[str, Any] = {"words": True, "lite": False}
    indexed = _milvus_schema.indexes(pymilvus, collection, "COSINE", nullable=True, **named)
    kinds = {field.name: (field.dtype.name, field.nullable) for field in made.fields}
    assert len(kinds) <= 64
    types = {one.field_name: one.index_type for one in indexed}
    for field, kind, dtype in (
        ("number", "number", "DOUBLE"), ("word", "text", "VARCHAR"), ("yes", "boolean", "BOOL"),
    ):  # fmt: skip
        assert kinds[columns.member(field, kind)] == (dtype, True)
        assert types[columns.member(field, kind)] == "INVERTED"
    assert set(types) <= set(kinds)
    old = _milvus_schema.indexes(pymilvus, collection, "COSINE", nullable=False, **named)
    assert {one.field_name for one in old} == {"vector", "sparse_vector", "record_id", "facets"}
