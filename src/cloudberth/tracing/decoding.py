"""Reading OTLP's protobuf by hand: from bytes that anybody may have sent.

Whatever the bytes are, the answer is a value or `Malformed`; depth, and so the stack, is bounded. The time
is linear in the size of the input.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MOST_DEPTH = 24  # AnyValues in AnyValues; OpenTelemetry's own clients make two or three
_FIXED64 = struct.Struct("<Q").unpack_from
_DOUBLE = struct.Struct("<d").unpack_from


class Malformed(ValueError):
    """The bytes are not what they should be."""


@dataclass(slots=True)
class Event:
    """Something that happened during a span."""

    time_ns: int = 0
    name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Link:
    """Another span that this one has to do with."""

    trace_id: bytes = b""
    span_id: bytes = b""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class DecodedSpan:
    """A Span message. kind and status are the numbers of the wire format; times are ns since 1970."""

    trace_id: bytes = b""
    span_id: bytes = b""
    parent_id: bytes = b""
    trace_state: str = ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    status: int = 0
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number and where it ends."""
    number = shift = 0
    while True:
        if at >= end:
            raise Malformed("the message ends within a number")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise Malformed("a number is longer than ten bytes")


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: number, wire type, and where the value is (start, end).

    For a varint, start and end enclose the varint itself.
    """
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = read_varint(data, at - 1, end)
        wire = tag & 7
        start = at
        if wire == 2:
            if at >= end:
                raise Malformed("the message ends within a number")
            size = data[at]
            at += 1
            if size > 127:
                size, at = read_varint(data, at - 1, end)
            start, at = at, at + size
        elif wire == 0:
            _, at = read_varint(data, at, end)
        elif wire == 1:
            at += 8
        elif wire == 5:
            at += 4
        else:
            raise Malformed(f"there is no wire type {wire} in OTLP")
        if at > end:
            raise Malformed("the message is cut short")
        if tag < 8:
            raise Malformed("a field has the number 0")
        yield tag >> 3, wire, start, at


def read_any(data: bytes, at: int, end: int, depth: int = 0) -> Any:
    """An AnyValue: str, bool, int, float, bytes, list, dict or None."""
    if depth > MOST_DEPTH:
        raise Malformed("values are nested too deeply")
    value: Any = None
    for number, wire, start, stop in fields(data, at, end):
        if wire == 2:
            if number == 1:
                value = read_text(data, start, stop)
            elif number == 5:
                value = [
                    read_any(data, first, last, depth + 1)
                    for each, kind, first, last in fields(data, start, stop)
                    if each == 1 and kind == 2
                ]
            elif number == 6:
                value = {}
                for each, kind, first, last in fields(data, start, stop):
                    if each == 1 and kind == 2:
                        name, held = read_pair(data, first, last, depth + 1)
                        value[name] = held
            elif number == 7:
                value = data[start:stop]
        elif number == 2 and wire == 0:
            value = read_varint(data, start, stop)[0] != 0
        elif number == 3 and wire == 0:
            value = _signed(read_varint(data, start, stop)[0])
        elif number == 4 and wire == 1:
            value = _DOUBLE(data, start)[0]
    return value


def read_pair(data: bytes, at: int, end: int, depth: int = 0) -> tuple[str, Any]:
    """A KeyValue."""
    name, value = "", None
    for number, wire, start, stop in fields(data, at, end):
        if wire == 2:
            if number == 1:
                name = read_text(data, start, stop)
            elif number == 2:
                value = read_any(data, start, stop, depth)
    return name, value


def read_text(data: bytes, start: int, stop: int) -> str:
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError:
        raise Malformed("a text is not UTF-8") from None


def read_attributes(data: bytes, number: int = 1) -> dict[str, Any]:
    """KeyValues in the field `number`, as in a Resource (1)."""
    found: dict[str, Any] = {}
    for each, wire, start, stop in fields(data, 0, len(data)):
        if each == number and wire == 2:
            name, value = read_pair(data, start, stop)
            found[name] = value
    return found


def read_span(data: bytes) -> DecodedSpan:
    """A Span message. Raises Malformed. Fields of the future are passed over."""
    span = DecodedSpan()
    put = span.attributes.__setitem__
    for number, wire, start, stop in fields(data, 0, len(data)):
        if number == 9 and wire == 2:
            name, value = read_pair(data, start, stop)
            put(name, value)
        elif wire == 2:
            _read_part(span, data, number, start, stop)
        elif wire == 1:
            if number == 7:
                span.start_ns = _FIXED64(data, start)[0]
            elif number == 8:
                span.end_ns = _FIXED64(data, start)[0]
        elif number == 6 and wire == 0:
            span.kind = read_varint(data, start, stop)[0]
    return span


def _read_part(span: DecodedSpan, data: bytes, number: int, start: int, stop: int) -> None:
    if number == 1:
        span.trace_id = data[start:stop]
    elif number == 2:
        span.span_id = data[start:stop]
    elif number == 3:
        span.trace_state = read_text(data, start, stop)
    elif number == 4:
        span.parent_id = data[start:stop]
    elif number == 5:
        span.name = read_text(data, start, stop)
    elif number == 11:
        span.events.append(_event(data, start, stop))
    elif number == 13:
        span.links.append(_link(data, start, stop))
    elif number == 15:
        for each, wire, first, last in fields(data, start, stop):
            if each == 2 and wire == 2:
                span.status_message = read_text(data, first, last)
            elif each == 3 and wire == 0:
                span.status = read_varint(data, first, last)[0]


def _event(data: bytes, at: int, end: int) -> Event:
    event = Event()
    for number, wire, start, stop in fields(data, at, end):
        if number == 1 and wire == 1:
            event.time_ns = _FIXED64(data, start)[0]
        elif number == 2 and wire == 2:
            event.name = read_text(data, start, stop)
        elif number == 3 and wire == 2:
            name, value = read_pair(data, start, stop)
            event.attributes[name] = value
    return event


def _link(data: bytes, at: int, end: int) -> Link:
    link = Link()
    for number, wire, start, stop in fields(data, at, end):
        if wire != 2:
            continue
        if number == 1:
            link.trace_id = data[start:stop]
        elif number == 2:
            link.span_id = data[start:stop]
        elif number == 4:
            name, value = read_pair(data, start, stop)
            link.attributes[name] = value
    return link


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
