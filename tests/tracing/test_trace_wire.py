"""What we write is what OpenTelemetry's generated classes read, and the other way round."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1 import trace_pb2

from cloudberth.tracing import wire
from cloudberth.tracing.content import Policy, shrink
from cloudberth.tracing.decoding import Malformed, read_span
from cloudberth.tracing.rewriting import rewrite

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PLAIN = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=9)
)
VALUE = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
ATTRIBUTES = st.dictionaries(TEXT, VALUE, max_size=6)


def plain(value: object) -> object:
    """An AnyValue of the generated classes as Python."""
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    found = getattr(value, kind) if kind else None
    if kind == "array_value":
        return [plain(each) for each in found.values]
    if kind == "kvlist_value":
        return {each.key: plain(each.value) for each in found.values}
    return found


@given(ATTRIBUTES, TEXT, st.integers(0, 2**63), st.sampled_from([0, 1, 2]), TEXT)
def test_a_span_is_read_by_the_generated_classes_as_it_was_written(
    attributes: dict[str, object], name: str, start: int, status: int, said: str
) -> None:
    event = wire.event(7, name, attributes)
    data = wire.span(
        b"\1" * 16, b"\2" * 8, b"\3" * 8, name, start, start + 5, attributes, status, said, [event]
    )
    found = trace_pb2.Span.FromString(data)
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"\1" * 16, b"\2" * 8, b"\3" * 8)
    assert (found.name, found.start_time_unix_nano, found.end_time_unix_nano) == (name, start, start + 5)
    assert (found.status.code, found.status.message) == (status, said)
    assert {each.key: plain(each.value) for each in found.attributes} == attributes
    assert {each.key: plain(each.value) for each in found.events[0].attributes} == attributes
    mine = read_span(data)
    assert (mine.name, mine.attributes, mine.status, mine.status_message) == (name, attributes, status, said)
    assert mine.events[0].attributes == attributes


@given(ATTRIBUTES, TEXT)
def test_a_span_of_the_generated_classes_is_read(attributes: dict[str, object], name: str) -> None:
    theirs = trace_pb2.Span.FromString(wire.span(b"\1" * 16, b"\2" * 8, None, name, 1, 2, attributes))
    assert read_span(theirs.SerializeToString(deterministic=True)).attributes == attributes


@given(ATTRIBUTES)
def test_a_change_that_changes_nothing_changes_nothing(attributes: dict[str, object]) -> None:
    data = wire.span(
        b"\1" * 16, b"\2" * 8, None, "n", 1, 2, attributes, 2, "m", [wire.event(1, "e", attributes)]
    )
    assert rewrite(data, lambda _name, value: value) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_a_span_or_malformed(data: bytes) -> None:
    try:
        read_span(data)
    except Malformed:
        return


@given(ATTRIBUTES, st.data())
def test_a_span_cut_anywhere_is_a_span_or_malformed(
    attributes: dict[str, object], data: st.DataObject
) -> None:
    whole = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, attributes)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        read_span(cut)
    except Malformed:
        return


def test_fields_behind_a_message_belong_to_it() -> None:
    """What a provider wants more is appended to what is stored."""
    data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"a": 1})
    found = trace_pb2.Span.FromString(data + wire.attributes(wire.SPAN_ATTRIBUTE, {"b": 2, "c": None}))
    assert {each.key: each.value.int_value for each in found.attributes} == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2**80, str(2**80)), ({1, 2}, "{1, 2}"), ("\ud800", "?"), (float("inf"), math.inf)],
)
def test_what_otlp_has_no_form_for_becomes_text(value: object, expected: object) -> None:
    found = trace_pb2.Span.FromString(wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"a": value}))
    shown = plain(found.attributes[0].value)
    assert shown in (expected, f'"{expected}"')


def test_deep_values_are_malformed_and_not_a_crash() -> None:
    value = wire.any_value("x")
    for _ in range(500):
        value = wire.block(b"\x2a", wire.block(b"\x0a", value))
    data = wire.block(wire.SPAN_ATTRIBUTE, wire.block(b"\x0a", b"a") + wire.block(b"\x12", value))
    with pytest.raises(Malformed, match="too deeply"):
        read_span(data)


def test_a_large_span_is_cut_where_it_is_long() -> None:
    data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {"long": "x" * 100_000, "short": "y"})
    small = shrink(data, 10_000)
    assert small is not None
    assert len(small) <= 10_000
    assert read_span(small).attributes["short"] == "y"
    many = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, {f"k{n}": "x" for n in range(1000)})
    assert shrink(many, 1000) is None


def test_a_policy_takes_content_and_leaves_numbers() -> None:
    attributes = {
        "input.value": "q", "llm.input_messages.0.message.content": "q", "gen_ai.usage.input_tokens": 5,
        "retrieval.documents.0.document.content": "d", "metadata": "m", "session.id": "s",
    }  # fmt: skip
    data = wire.span(b"\1" * 16, b"\2" * 8, None, "n", 1, 2, attributes, 2, "the message")
    found = read_span(Policy("none").apply(data))
    assert found.attributes == {"gen_ai.usage.input_tokens": 5, "session.id": "s"}
    assert (found.status, found.status_message, found.name) == (2, "", "n")
