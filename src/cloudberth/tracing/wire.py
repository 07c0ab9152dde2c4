"""Writing OTLP's protobuf by hand.

A span is encoded once, when it is stored; whatever a provider wants more is a few fields behind it, because
protobuf merges what is concatenated. Measured beside generated code: about a third of its time per span
(`benchmarks/tracing_speed.py`). The tests decode every message with OpenTelemetry's own generated classes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

Value = (
    Any  # str, bool, int, float, bytes, None, a list, tuple or dict of these; anything else becomes JSON text
)

_FIXED64 = struct.Struct("<Q").pack
_DOUBLE = struct.Struct("<d").pack
_INT64 = range(-(1 << 63), 1 << 63)
_MASK = (1 << 64) - 1
# More kinds of keys than this come from keys made out of data; they must not grow for ever.
_MOST_KEYS = 4096
_keys: dict[str, bytes] = {}


def varint(number: int) -> bytes:
    """A number of 0 … 2^64-1 as a varint."""
    if number < 128:
        return bytes((number,))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


# Most lengths are short: a table is quicker than the loop.
_LENGTHS = [varint(number) for number in range(16384)]


def length(number: int) -> bytes:
    return _LENGTHS[number] if number < 16384 else varint(number)


def block(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    return tag + length(len(body)) + body


def text(value: str) -> bytes:
    """UTF-8; what is no text (a lone surrogate) becomes a question mark, as receivers refuse the whole
    request.
    """
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def as_json(value: Any) -> str:
    """JSON of anything, for people: what JSON does not know is shown as text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return str(value)


def any_value(value: Value) -> bytes:
    """An AnyValue message."""
    kind = type(value)
    if kind is str:
        body = text(value)
        return b"\x0a" + length(len(body)) + body
    if kind is int and value in _INT64:
        return b"\x18" + varint(value & _MASK)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is float:
        return b"\x21" + _DOUBLE(value)
    if kind is bytes:
        return block(b"\x3a", value)
    if kind is list or kind is tuple:
        return block(b"\x2a", b"".join([block(b"\x0a", any_value(each)) for each in value]))
    if kind is dict:
        pairs = [block(b"\x0a", key_value(str(name), each)) for name, each in value.items()]
        return block(b"\x32", b"".join(pairs))
    if value is None:
        return b""
    if isinstance(value, str):  # a StrEnum
        return any_value(str(value))
    return any_value(as_json(value))


def _key(name: str) -> bytes:
    encoded = block(b"\x0a", text(name))
    if len(_keys) < _MOST_KEYS:
        _keys[name] = encoded
    return encoded


def key_value(name: str, value: Value) -> bytes:
    """A KeyValue message."""
    key = _keys.get(name) or _key(name)
    body = any_value(value)
    return key + b"\x12" + length(len(body)) + body


def attributes(tag: bytes, values: Mapping[str, Value]) -> bytes:
    """KeyValues as repeated fields; None is left out."""
    parts: list[bytes] = []
    add = parts.append
    for name, value in values.items():
        if value is None:
            continue
        key = _keys.get(name) or _key(name)
        if type(value) is str:  # most of them: the same as any_value, without the calls
            encoded = text(value)
            size = length(len(encoded))
            inner = 1 + len(size) + len(encoded)
            add(tag)
            mine = length(inner)
            add(length(len(key) + 1 + len(mine) + inner))
            add(key)
            add(b"\x12")
            add(mine)
            add(b"\x0a")
            add(size)
            add(encoded)
            continue
        body = any_value(value)
        mine = length(len(body))
        add(tag)
        add(length(len(key) + 1 + len(mine) + len(body)))
        add(key)
        add(b"\x12")
        add(mine)
        add(body)
    return b"".join(parts)


SPAN_ATTRIBUTE = b"\x4a"
RESOURCE_ATTRIBUTE = b"\x0a"
EVENT_ATTRIBUTE = b"\x1a"


def event(time_ns: int, name: str, values: Mapping[str, Value]) -> bytes:
    """A Span.Event as a field of a span."""
    body = b"\x09" + _FIXED64(time_ns) + block(b"\x12", text(name)) + attributes(EVENT_ATTRIBUTE, values)
    return block(b"\x5a", body)


def link(trace_id: bytes, span_id: bytes) -> bytes:
    """A Span.Link as a field of a span."""
    return block(b"\x6a", b"\x0a\x10" + trace_id + b"\x12\x08" + span_id)


def span(
    trace_id: bytes,
    span_id: bytes,
    parent_id: bytes | None,
    name: str,
    start_ns: int,
    end_ns: int,
    values: Mapping[str, Value],
    status: int = 0,
    status_message: str = "",
    events: Iterable[bytes] = (),
    trace_state: str = "",
    kind: int = 1,
) -> bytes:
    """A Span message. trace_id: 16 bytes, span_id and parent_id: 8. kind: 1 internal, 3 client."""
    title = text(name)
    parts = [b"\x0a\x10", trace_id, b"\x12\x08", span_id]
    if trace_state:
        parts.append(block(b"\x1a", text(trace_state)))
    if parent_id:
        parts += (b"\x22\x08", parent_id)
    parts += (b"\x2a", length(len(title)), title, b"\x30", length(kind))
    parts += (b"\x39", _FIXED64(start_ns & _MASK), b"\x41", _FIXED64(end_ns & _MASK))
    parts.append(attributes(SPAN_ATTRIBUTE, values))
    parts += events
    if status or status_message:
        said = block(b"\x12", text(status_message)) if status_message else b""
        parts.append(block(b"\x7a", said + b"\x18" + length(status)))
    return b"".join(parts)


def resource_spans(resource: bytes, spans: Iterable[bytes], scope: str = "cloudberth") -> bytes:
    """A ResourceSpans field of a request. resource: KeyValue fields, as `attributes(RESOURCE_ATTRIBUTE,
    …)`.
    """
    inside = [block(b"\x0a", block(b"\x0a", text(scope)))]
    for each in spans:
        inside += (b"\x12", length(len(each)), each)
    scoped = b"".join(inside)
    return block(b"\x0a", block(b"\x0a", resource) + block(b"\x12", scoped))
