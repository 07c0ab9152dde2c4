"""OTLP's JSON form as its protobuf form, so that everything behind it knows one.

Ids are hexadecimal (OTLP's own rule, not protobuf's), 64-bit numbers may be texts. Unknown names are passed
over.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Callable
from typing import Any

from cloudberth.tracing.decoding import MOST_DEPTH, Malformed
from cloudberth.tracing.wire import block, length, text, varint

_MASK = (1 << 64) - 1
_KINDS = {
    "SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3,
    "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
}  # fmt: skip
_STATUSES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def to_protobuf(body: bytes) -> bytes:
    """An ExportTraceServiceRequest. Raises Malformed."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("the body is no JSON, or nested too deeply") from None
    return b"".join(
        block(b"\x0a", _resource_spans(each)) for each in _list(_object(document), "resourceSpans")
    )


def _resource_spans(given: Any) -> bytes:
    held = _object(given)
    parts = [block(b"\x0a", _attributes(b"\x0a", _object(held.get("resource", {}))))]
    parts += [block(b"\x12", _scope_spans(each)) for each in _list(held, "scopeSpans")]
    return b"".join(parts)


def _scope_spans(given: Any) -> bytes:
    held = _object(given)
    scope = _object(held.get("scope", {}))
    parts = [block(b"\x0a", _texts(scope, {"name": b"\x0a", "version": b"\x12"}))]
    parts += [block(b"\x12", _span(_object(each))) for each in _list(held, "spans")]
    return b"".join(parts)


def _span(held: dict[str, Any]) -> bytes:
    parts = [
        _id(held, "traceId", b"\x0a"),
        _id(held, "spanId", b"\x12"),
        _texts(held, {"traceState": b"\x1a"}),
        _id(held, "parentSpanId", b"\x22"),
        _texts(held, {"name": b"\x2a"}),
        b"\x30" + length(_enumerated(held.get("kind", 0), _KINDS)),
        _time(held, "startTimeUnixNano", b"\x39"),
        _time(held, "endTimeUnixNano", b"\x41"),
        _attributes(b"\x4a", held),
    ]
    parts += [block(b"\x5a", _event(_object(each))) for each in _list(held, "events")]
    parts += [block(b"\x6a", _link(_object(each))) for each in _list(held, "links")]
    status = _object(held.get("status", {}))
    if status:
        code = b"\x18" + length(_enumerated(status.get("code", 0), _STATUSES))
        parts.append(block(b"\x7a", _texts(status, {"message": b"\x12"}) + code))
    return b"".join(parts)


def _event(held: dict[str, Any]) -> bytes:
    return _time(held, "timeUnixNano", b"\x09") + _texts(held, {"name": b"\x12"}) + _attributes(b"\x1a", held)


def _link(held: dict[str, Any]) -> bytes:
    ids = _id(held, "traceId", b"\x0a") + _id(held, "spanId", b"\x12")
    return ids + _texts(held, {"traceState": b"\x1a"}) + _attributes(b"\x22", held)


def _attributes(tag: bytes, held: dict[str, Any]) -> bytes:
    return b"".join(block(tag, _pair(_object(each), 0)) for each in _list(held, "attributes"))


def _pair(held: dict[str, Any], depth: int) -> bytes:
    value = _any(_object(held.get("value") or {}), depth)
    return _texts(held, {"key": b"\x0a"}) + block(b"\x12", value)


def _any(held: dict[str, Any], depth: int) -> bytes:
    if depth > MOST_DEPTH:
        raise Malformed("values are nested too deeply")
    for name, value in held.items():
        write = _VALUES.get(name)
        if write is not None and value is not None:
            return write(value, depth)
    return b""


def _string(value: Any, _depth: int) -> bytes:
    if not isinstance(value, str):
        raise Malformed("a stringValue is no text")
    return block(b"\x0a", text(value))


def _bool(value: Any, _depth: int) -> bytes:
    return b"\x10\x01" if value in (True, "true") else b"\x10\x00"


def _int(value: Any, _depth: int) -> bytes:
    return b"\x18" + varint(_whole(value) & _MASK)


def _double(value: Any, _depth: int) -> bytes:
    try:
        return b"\x21" + struct.pack("<d", float(value))
    except (TypeError, ValueError, OverflowError):
        raise Malformed("a doubleValue is no number") from None


def _array(value: Any, depth: int) -> bytes:
    inside = (_any(_object(each), depth + 1) for each in _list(_object(value), "values"))
    return block(b"\x2a", b"".join(block(b"\x0a", each) for each in inside))


def _kvlist(value: Any, depth: int) -> bytes:
    pairs = (_pair(_object(each), depth + 1) for each in _list(_object(value), "values"))
    return block(b"\x32", b"".join(block(b"\x0a", each) for each in pairs))


def _bytes(value: Any, _depth: int) -> bytes:
    try:
        return block(b"\x3a", base64.b64decode(value, validate=True))
    except (TypeError, ValueError):
        raise Malformed("a bytesValue is no base64") from None


_VALUES: dict[str, Callable[[Any, int], bytes]] = {
    "stringValue": _string,
    "boolValue": _bool,
    "intValue": _int,
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
    "bytesValue": _bytes,
}


def _texts(held: dict[str, Any], wanted: dict[str, bytes]) -> bytes:
    parts = []
    for name, tag in wanted.items():
        value = held.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Malformed(f"{name} is no text")
        parts.append(block(tag, text(value)))
    return b"".join(parts)


def _id(held: dict[str, Any], name: str, tag: bytes) -> bytes:
    value = held.get(name)
    if value in (None, ""):
        return b""
    try:
        return block(tag, binascii.unhexlify(value))
    except (TypeError, ValueError):
        raise Malformed(f"{name} is not hexadecimal") from None


def _time(held: dict[str, Any], name: str, tag: bytes) -> bytes:
    return tag + struct.pack("<Q", _whole(held.get(name, 0)) & _MASK)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > 20):
        raise Malformed("a whole number is none")
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise Malformed("a whole number is none") from None


def _enumerated(value: Any, words: dict[str, int]) -> int:
    number = words.get(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 16:
        raise Malformed("a kind or status is none of OTLP's")
    return number


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("an object was expected")
    return value


def _list(held: dict[str, Any], name: str) -> list[Any]:
    value = held.get(name) or []
    if not isinstance(value, list):
        raise Malformed(f"{name} is no list")
    return value
