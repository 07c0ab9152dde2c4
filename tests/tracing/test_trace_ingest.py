"""OTLP from others: what is taken, what is refused, and that no input hurts."""

from __future__ import annotations

import base64
import gzip
import json
import resource
import tracemalloc
import zlib
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from cloudberth.tracing.ingest import JSON, PROTOBUF, Accepted, Ingest, IngestLimits, IngestRefused
from cloudberth.tracing.reading import StoredSpan, TraceFilter, list_traces, read_trace
from cloudberth.tracing.store import TraceStore
from thoroughness import examples

START = 1_764_000_000_000_000_000


@pytest.fixture
def ingest(store: TraceStore) -> Ingest:
    return Ingest(store)


def request(*spans: dict[str, Any], service: str = "dify") -> ExportTraceServiceRequest:
    """A request; a span is given as attributes, ``_name``, ``_id``, ``_parent``, ``_trace``."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    named = resource_spans.resource.attributes.add()
    named.key, named.value.string_value = "service.name", service
    scope = resource_spans.scope_spans.add()
    scope.scope.name = "openinference.instrumentation"
    for number, given_ in enumerate(spans, 1):
        values = dict(given_)
        span = scope.spans.add()
        span.trace_id = values.pop("_trace", b"\1" * 16)
        span.span_id = values.pop("_id", number.to_bytes(8, "big"))
        span.parent_span_id = values.pop("_parent", b"")
        span.name = values.pop("_name", f"span {number}")
        span.start_time_unix_nano = values.pop("_start", START)
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        for name, value in values.items():
            attribute = span.attributes.add()
            attribute.key = name
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = value
    return message


def take(ingest: Ingest, message: ExportTraceServiceRequest, **given_: Any) -> Accepted:
    return ingest.ingest(message.SerializeToString(), PROTOBUF, **{"tenant": "acme", "app": "bot", **given_})


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON: ids are hexadecimal, kinds are numbers."""
    document = json_format.MessageToDict(message, use_integers_for_enums=True)
    for resource_spans in document["resourceSpans"]:
        for scope in resource_spans["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(document).encode()


def stored(store: TraceStore, trace: bytes = b"\1" * 16) -> list[StoredSpan]:
    found = read_trace(store.database, trace.hex())
    return [] if found is None else list(found.walk())


RAG = (
    {"openinference.span.kind": "CHAIN", "input.value": "q", "session.id": "s1", "user.id": "u1"},
    {"_parent": (1).to_bytes(8, "big"), "gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
     "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3, "gen_ai.conversation.id": "s1"},
)  # fmt: skip


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "identity"])
@pytest.mark.parametrize(
    "media", [PROTOBUF, "application/x-protobuf; charset=utf-8", JSON, "Application/JSON; x=1"]
)
def test_both_forms_and_every_encoding_give_the_same_spans(
    ingest: Ingest, store: TraceStore, media: str, encoding: str
) -> None:
    message = request(*RAG)
    body = as_json(message) if "json" in media.lower() else message.SerializeToString()
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding, lambda plain: plain)(body)
    accepted = ingest.ingest(packed, media, encoding, tenant="acme", app="bot")
    assert accepted == Accepted(2)
    root, call = stored(store)
    assert (root.kind, root.session, root.user, root.service, root.tenant, root.app) == (
        "CHAIN", "s1", "u1", "dify", "acme", "bot",
    )  # fmt: skip
    assert (call.kind, call.model, call.input_tokens, call.session, call.depth) == ("LLM", "m", 7, "s1", 1)
    # What providers look for and the sender called otherwise.
    assert call.attributes["openinference.span.kind"] == "LLM"
    assert call.attributes["session.id"] == "s1"
    assert call.attributes["otel.scope.name"] == "openinference.instrumentation"


def test_the_answer_is_in_the_form_of_the_request(ingest: Ingest) -> None:
    accepted = take(ingest, request(*RAG, {"_trace": b"\0" * 16}, {"_id": b"short"}))
    assert (accepted.spans, accepted.rejected) == (2, 2)
    body, media = accepted.answer(PROTOBUF)
    answer = ExportTraceServiceResponse.FromString(body)
    assert (media, answer.partial_success.rejected_spans) == (PROTOBUF, 2)
    assert "trace id" in answer.partial_success.error_message
    body, media = accepted.answer(JSON)
    assert json.loads(body)["partialSuccess"]["rejectedSpans"] == "2"
    assert Accepted(1).answer(JSON) == (b"{}", JSON)
    assert Accepted(1).answer(PROTOBUF) == (b"", PROTOBUF)


def test_what_is_sent_twice_is_stored_once(ingest: Ingest, store: TraceStore) -> None:
    for _ in range(3):
        assert take(ingest, request(*RAG)).spans == 2
    assert len(stored(store)) == 2
    [line] = list_traces(store.database, TraceFilter()).traces
    assert (line.spans, line.input_tokens) == (2, 7)


def test_a_sender_cannot_say_that_it_is_somebody_else(ingest: Ingest, store: TraceStore) -> None:
    forged = {"cloudberth.tenant.id": "rival", "cloudberth.app.id": "theirs", "input.value": "x"}
    take(ingest, request(forged))
    [span] = stored(store)
    assert (span.tenant, span.app) == ("acme", "bot")
    assert "rival" not in json.dumps(span.attributes)
    # The same ids from another tenant are other spans.
    take(ingest, request({"input.value": "y"}), tenant="rival")
    assert [each.tenant for each in list_traces(store.database, TraceFilter()).traces] == ["rival", "acme"]


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ({"_trace": b"\1" * 15}, "trace id"), ({"_trace": b""}, "trace id"), ({"_id": b"\0" * 8}, "span id"),
        ({"_parent": b"\1" * 7}, "parent"), ({"_start": 0}, "time"), ({"_start": 2**63 + 5}, "time"),
    ],
)  # fmt: skip
def test_a_bad_span_does_not_take_the_others_along(
    ingest: Ingest, store: TraceStore, span: dict[str, Any], reason: str
) -> None:
    accepted = take(ingest, request({"_name": "good"}, {"_name": "bad", **span}))
    assert (accepted.spans, accepted.rejected) == (1, 1)
    assert reason in accepted.reason
    assert [each.name for each in stored(store)] == ["good"]


@pytest.mark.parametrize(
    ("body", "media", "encoding", "status"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", PROTOBUF, "", 400),
        (b"\x0a\x05abc", PROTOBUF, "", 400),
        (b"\xff" * 50, PROTOBUF, "", 400),
        (b"not gzip", PROTOBUF, "gzip", 400),
        (gzip.compress(b"\x0a\x00" * 100, mtime=0)[:-20], PROTOBUF, "gzip", 400),
        (b"", PROTOBUF, "gzip", 400),
        (b"{", JSON, "", 400),
        (b"[]", JSON, "", 400),
        (b'{"resourceSpans": 7}', JSON, "", 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', JSON, "", 400),
        (b"[" * 200_000, JSON, "", 400),
        (b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, "", 400),
        (b"\xff\xfe{}", JSON, "", 400),
        (b"{}", "text/plain", "", 415),
        (b"{}", "", "", 415),
        (b"{}", JSON, "br", 415),
        (b"x" * (17 << 20), PROTOBUF, "", 413),
        (gzip.compress(b"\0" * (100 << 20), mtime=0), PROTOBUF, "gzip", 413),
        (zlib.compress(b"\0" * (100 << 20)), PROTOBUF, "deflate", 413),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_cannot_be_read_is_refused_with_a_status(
    ingest: Ingest, store: TraceStore, body: bytes, media: str, encoding: str, status: int
) -> None:
    take(ingest, request(*RAG))
    with pytest.raises(IngestRefused) as caught:
        ingest.ingest(body, media, encoding, tenant="acme", app="bot")
    assert caught.value.status == status
    assert len(stored(store)) == 2


def deep_json(depth: int) -> bytes:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    span = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "n", "startTimeUnixNano": str(START),
            "endTimeUnixNano": str(START + 1), "attributes": [{"key": "deep", "value": value}]}  # fmt: skip
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def test_deep_values_are_taken_to_a_depth(ingest: Ingest, store: TraceStore) -> None:
    assert ingest.ingest(deep_json(10), JSON, tenant="", app="").spans == 1
    for depth in (40, 200):
        with pytest.raises(IngestRefused, match="deeply"):
            ingest.ingest(deep_json(depth), JSON, tenant="", app="")


def test_too_many_or_too_large_spans(store: TraceStore) -> None:
    small = Ingest(store, limits=IngestLimits(spans=3, span=2000))
    with pytest.raises(IngestRefused, match="more than 3 spans") as caught:
        take(small, request(*({"n": number} for number in range(5))))
    assert caught.value.status == 413
    accepted = take(small, request({"_name": "small"}, {"input.value": "x" * 3000}))
    assert (accepted.spans, accepted.rejected) == (1, 1)


VALID = request(*RAG, {"input.value": "é" * 50}).SerializeToString()
VALID_JSON = as_json(request(*RAG))


@settings(max_examples=examples(400, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_gives_spans_or_a_clean_refusal(ingest: Ingest, data: st.DataObject) -> None:
    """Bytes changed, cut out, put in; both forms, with and without compression that does or does not fit."""
    media, valid = data.draw(st.sampled_from([(PROTOBUF, VALID), (JSON, VALID_JSON)]))
    body = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(0, len(body) - 1)))
        action = data.draw(st.integers(0, 3))
        if action == 0 and body:
            body[at] = data.draw(st.integers(0, 255))
        elif action == 1:
            del body[at : at + data.draw(st.integers(1, 40))]
        elif action == 2:
            body[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            del body[at:]
    encoding = data.draw(st.sampled_from(["", "gzip"]))
    packed = gzip.compress(bytes(body), mtime=0) if encoding and data.draw(st.booleans()) else bytes(body)
    try:
        ingest.ingest(packed, media, encoding, tenant="acme", app="bot")
    except IngestRefused as refused:
        assert refused.status in (400, 413, 415)


def test_bad_requests_leave_no_memory_behind(ingest: Ingest, store: TraceStore) -> None:
    bomb = gzip.compress(b"\0" * (100 << 20), mtime=0)
    bad = [(bomb, "gzip"), (VALID[:-7], ""), (b"\xff" * 1_000_000, ""), (b"garbage", "gzip")]

    def all_of_them() -> None:
        for body, encoding in bad:
            with pytest.raises(IngestRefused):
                ingest.ingest(body, PROTOBUF, encoding, tenant="acme", app="bot")

    all_of_them()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        all_of_them()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000, f"{grown} bytes stay"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100 * 1024
    take(ingest, request(*RAG))
    assert len(stored(store)) == 2


def test_losses_of_senders_are_counted(ingest: Ingest, store: TraceStore) -> None:
    from cloudberth.tracing.health import read_health

    take(ingest, request(*RAG, {"_start": 0}))
    assert read_health(store.database).losses["lost.ingest_malformed"] == 1
