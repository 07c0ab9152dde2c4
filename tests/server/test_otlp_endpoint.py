"""`POST /v1/traces`: what it takes, and how it refuses what nobody should send."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import zlib

import pytest

from cloudberth.server import otlp
from cloudberth.tracing import wire
from cloudberth.tracing.decoding import fields, read_text, read_varint
from cloudberth.tracing.ingest import JSON, PROTOBUF
from cloudberth.tracing.reading import TraceFilter, list_traces, read_trace
from doubles.rag_spans import rag_trace

MEBIBYTE = 1 << 20


def request_of(number: int) -> bytes:
    """One trace of six spans as an ExportTraceServiceRequest."""
    rows = rag_trace(number)
    return wire.resource_spans(rows[0].resource, [row.data for row in rows])


class Sender:
    """An application with a key. Its client carries no cookies."""

    def __init__(self, visitor) -> None:
        self.services = visitor.services
        self.client = visitor.client
        self.key = visitor.services.keys.create("acme", "support-bot")

    def send(self, body, content_type: str = PROTOBUF, **headers: str):
        given = {"content-type": content_type, "authorization": f"Bearer {self.key}", **headers}
        return self.client.post("/v1/traces", content=body, headers=given)

    def count(self) -> int:
        with self.services.store.database.connection() as connection:
            return int(connection.rows("SELECT COUNT(*) FROM trace_spans")[0][0])


@pytest.fixture
def sender(visitor) -> Sender:
    return Sender(visitor)


def status_message(answer) -> tuple[int, str]:
    """Code and message of a google.rpc.Status in protobuf."""
    assert answer.headers["content-type"] == PROTOBUF
    code, message = 0, ""
    for number, kind, start, stop in fields(answer.content, 0, len(answer.content)):
        if (number, kind) == (1, 0):
            code = read_varint(answer.content, start, stop)[0]
        elif (number, kind) == (2, 2):
            message = read_text(answer.content, start, stop)
    return code, message


def test_protobuf_arrives_under_the_tenant_and_app_of_the_key(sender) -> None:
    answer = sender.send(request_of(1))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    page = list_traces(sender.services.store.database, TraceFilter())
    assert [(one.tenant, one.app, one.spans) for one in page.traces] == [("acme", "support-bot", 6)]
    trace = read_trace(sender.services.store.database, page.traces[0].trace_id)
    assert trace is not None
    assert [span.name for span in trace.walk()][:2] == ["answer question", "embed query"]


def test_gzip_arrives(sender) -> None:
    assert sender.send(gzip.compress(request_of(2)), **{"content-encoding": "gzip"}).status_code == 200
    assert sender.count() == 6


def test_json_arrives_and_is_answered_in_json(sender) -> None:
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat",
        "kind": 1,
        "startTimeUnixNano": "1764000000000000000",
        "endTimeUnixNano": "1764000001000000000",
        "attributes": [{"key": "user.id", "value": {"stringValue": "小明"}}],
    }
    bad = {**span, "spanId": "00"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span, bad]}]}]}
    answer = sender.send(json.dumps(body), f"{JSON}; charset=utf-8")
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1" and "span id" in partial["errorMessage"]
    page = list_traces(sender.services.store.database, TraceFilter())
    assert [one.user for one in page.traces] == ["小明"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "berth_x", "Bearer \u00e9"],
)
def test_without_a_key_nothing_is_taken(sender, header: str) -> None:
    given = {"content-type": PROTOBUF, "authorization": header.encode("latin-1")}
    answer = sender.client.post("/v1/traces", content=request_of(3), headers=given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert status_message(answer)[0] == 16
    assert sender.count() == 0


def test_a_session_of_the_console_is_no_key(console) -> None:
    answer = console.client.post("/v1/traces", content=request_of(3), headers={"content-type": PROTOBUF})
    assert answer.status_code == 401


def test_a_revoked_key_is_worthless_at_once(sender) -> None:
    assert sender.send(request_of(1)).status_code == 200
    sender.services.keys.revoke(sender.services.keys.list()[0].id)
    assert sender.send(request_of(2)).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"", "text/plain", "", 415),
        (b"{}", "application/xml", "", 415),
        (request_of(1), PROTOBUF, "br", 415),
        (request_of(1)[:-7], PROTOBUF, "", 400),
        (b"\xff" * 64, PROTOBUF, "", 400),
        (request_of(1), PROTOBUF, "gzip", 400),
        (gzip.compress(request_of(1))[:-10], PROTOBUF, "gzip", 400),
        (zlib.compress(request_of(1))[:-10], PROTOBUF, "deflate", 400),
        (b"{", JSON, "", 400),
        (b"[" * 100_000, JSON, "", 400),
        (b'{"resourceSpans":' * 50_000, JSON, "", 400),
        (b'{"resourceSpans": 7}', JSON, "", 400),
        (b"\xc3\x28", JSON, "", 400),
        (gzip.compress(b"\0" * (48 * MEBIBYTE), 1), PROTOBUF, "gzip", 413),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_senders_format(
    sender, body: bytes, content_type: str, encoding: str, status: int
) -> None:
    answer = sender.send(body, content_type, **({"content-encoding": encoding} if encoding else {}))
    assert answer.status_code == status, answer.content
    if content_type == JSON:
        assert answer.json()["code"] == 3 and answer.json()["message"]
    else:
        code, message = status_message(answer)
        assert code == 3 and message
    assert sender.count() == 0
    assert sender.send(request_of(4)).status_code == 200, "the next one is taken"


def test_whatever_bytes_come_the_answer_is_clean_and_others_lose_nothing(sender) -> None:
    """Mutations of good requests: never a 5xx, never a lost span of the request after it."""
    chance = random.Random(5)
    good = [request_of(number) for number in range(5)]
    for number in range(400):
        body = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(body))
            if chance.random() < 0.3:
                del body[place : place + chance.randrange(1, 40)]
            else:
                body[place] = chance.randrange(256)
        packed = chance.random() < 0.5
        sent = gzip.compress(bytes(body), 1) if packed else bytes(body)
        if packed and chance.random() < 0.3:
            sent = sent[: chance.randrange(len(sent))]
        answer = sender.send(sent, **({"content-encoding": "gzip"} if packed else {}))
        assert answer.status_code in {200, 400}, f"mutation {number}: {answer.status_code} {answer.content!r}"
    for number in range(1000, 1020):
        assert sender.send(request_of(number)).status_code == 200
    for number in range(1000, 1020):
        trace = read_trace(sender.services.store.database, rag_trace(number)[0].trace_id.hex())
        assert trace is not None and sum(1 for _ in trace.walk()) == 6


def test_a_hundred_megabytes_are_refused_with_and_without_their_length(sender) -> None:
    """That they are not held either is seen from outside, in `test_serve_command.py`."""

    def pieces():
        for _ in range(100):
            yield b"\x0a" * MEBIBYTE

    assert sender.send(pieces()).status_code == 413
    assert sender.send(b"", **{"content-length": str(100 * MEBIBYTE)}).status_code == 413
    assert sender.count() == 0


def test_more_requests_than_places_are_asked_to_come_again(sender) -> None:
    async def take_all() -> None:
        for _ in range(sender.services.settings.otlp_together):
            await sender.services.otlp_places.acquire()

    asyncio.run(take_all())
    answer = sender.send(request_of(1))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(otlp.RETRY_SECONDS))
    assert status_message(answer)[0] == 8
    for _ in range(sender.services.settings.otlp_together):
        sender.services.otlp_places.release()
    assert sender.send(request_of(1)).status_code == 200


def test_a_database_that_is_away_is_our_fault_and_the_sender_comes_again(sender, monkeypatch) -> None:
    from cloudberth.errors import Unavailable

    def away(_spans: object) -> None:
        raise Unavailable("the disk is full", where="/secret/place")

    monkeypatch.setattr(sender.services.store, "append", away)
    answer = sender.send(request_of(1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(otlp.RETRY_SECONDS))
    assert status_message(answer) == (14, "the disk is full")


def test_browsers_of_other_sites_get_no_permission(sender) -> None:
    asked = sender.client.options(
        "/v1/traces", headers={"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 405
    sent = sender.send(request_of(1), Origin="https://evil.test")
    for answer in (asked, sent):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_span_that_is_sent_twice_is_kept_once(sender) -> None:
    for _ in range(2):
        assert sender.send(request_of(1)).status_code == 200
    assert sender.count() == 6
