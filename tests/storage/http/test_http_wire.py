"""Bytes of HTTP: requests exactly as they were meant, answers only when they are HTTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudberth.errors import BackendError, InvalidInput
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http import wire
from cloudberth.storage.http.incoming import Incoming
from cloudberth.storage.http.message import Origin, Request, Response, encode_key, encode_query

ORIGIN = Origin("https", "example.com", 443)


def answer(raw: bytes, method: str = "GET", *, step: int | None = None) -> Response:
    """The answer that these bytes are, fed at once or in steps of so many."""
    incoming = Incoming(method)
    for at in range(0, len(raw), step or len(raw)):
        response = incoming.feed(raw[at : at + (step or len(raw))])
        if response is not None:
            return response
    response = incoming.feed(b"")
    assert response is not None
    return response


def test_a_key_is_sent_as_it_is() -> None:
    request = Request("PUT", ORIGIN, "/bucket/" + encode_key("a//b/../ü +%"), (("x", "a b&c"),))
    first = wire.head_of(request).split(b"\r\n")[0]
    assert first == b"PUT /bucket/a//b/../%C3%BC%20%2B%25?x=a%20b%26c HTTP/1.1"


def test_a_request_says_how_long_it_is() -> None:
    put = wire.head_of(Request("PUT", ORIGIN, "/k", body=BytesBody(b"12345")))
    assert b"content-length: 5\r\n" in put
    assert b"content-length: 0\r\n" in wire.head_of(Request("PUT", ORIGIN, "/k"))
    assert b"content-length" not in wire.head_of(Request("GET", ORIGIN, "/k"))
    assert put.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b"])
def test_a_header_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(BackendError, match="line break"):
        wire.head_of(Request("GET", ORIGIN, "/k", headers={"x": value}))


def test_the_port_is_named_only_when_it_is_not_the_usual_one() -> None:
    assert Origin.parse("https://s3.example.com").authority == "s3.example.com"
    assert Origin.parse("http://127.0.0.1:9000").authority == "127.0.0.1:9000"
    assert Origin.parse("http://[::1]:9000").authority == "[::1]:9000"
    assert Origin.parse("example.com") == Origin("https", "example.com", 443)


@pytest.mark.parametrize("url", ["ftp://x", "https://", "http://h:99999", "https://h:port", "://"])
def test_what_is_no_web_address_is_said(url: str) -> None:
    with pytest.raises(InvalidInput, match="no web address"):
        Origin.parse(url)


@pytest.mark.parametrize("step", [None, 1, 7])
def test_an_answer_is_the_same_however_it_is_cut(step: int | None) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
    response = answer(raw, step=step)
    assert (response.status, response.body, response.headers["x-a"]) == (200, b"hello", "1, 2")


@pytest.mark.parametrize("step", [None, 1, 3])
def test_chunks_are_joined(step: int | None) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw += b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nA: b\r\n\r\n"
    assert answer(raw, step=step).body == b"Wikipedia"


def test_a_body_without_length_ends_with_the_connection() -> None:
    assert answer(b"HTTP/1.0 200 OK\r\n\r\nall of it").body == b"all of it"


def test_no_body_where_there_is_none() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD").body == b""
    assert answer(b"HTTP/1.1 204 No\r\n\r\n").status == 204


def test_an_interim_answer_is_passed_over() -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    assert answer(raw).body == b"x"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_said(raw: bytes) -> None:
    with pytest.raises(wire.NotHttp):
        answer(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"],
)
def test_an_answer_that_breaks_off_is_no_answer(raw: bytes) -> None:
    incoming = Incoming("GET")
    if raw:
        assert incoming.feed(raw) is None
    with pytest.raises(ConnectionResetError):
        incoming.feed(b"")


def test_more_than_was_asked_for_closes_the_connection() -> None:
    incoming = Incoming("GET")
    response = incoming.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n")
    assert response is not None
    assert response.body == b"x"
    assert not incoming.open_afterwards


@given(some.binary(max_size=300))
def test_random_bytes_never_end_in_anything_else(raw: bytes) -> None:
    incoming = Incoming("GET")
    try:
        incoming.feed(b"HTTP/1.1 200 OK\r\n" + raw)
        incoming.feed(b"")
    except (wire.NotHttp, ConnectionResetError):
        pass


@given(some.text(min_size=1, max_size=50))
def test_encoding_loses_nothing(text: str) -> None:
    from urllib.parse import parse_qsl, unquote

    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        return
    assert unquote(encode_key(text)) == text
    assert parse_qsl(encode_query([("k", text)]), keep_blank_values=True) == [("k", text)]
