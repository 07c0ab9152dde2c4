"""Changing values in an encoded span without touching the rest of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudberth.tracing import wire
from cloudberth.tracing.decoding import fields, read_pair, read_text

# name of the attribute, its value → the value to write; `DROP` takes the attribute away.
Change = Callable[[str, Any], Any]
DROP = object()
# What a Change is called with for the two texts that are no attributes.
STATUS_MESSAGE = "exception.message"
SPAN_NAME = "name"


def rewrite(data: bytes, change: Change) -> bytes:
    """A Span message with `change` applied to every attribute, those of events and links included."""
    parts: list[bytes] = []
    at = 0
    for number, kind, start, stop in fields(data, 0, len(data)):
        if kind == 2 and number == 9:
            parts.append(_pair(wire.SPAN_ATTRIBUTE, data, start, stop, change))
        elif kind == 2 and number == 5:
            parts.append(
                wire.block(b"\x2a", wire.text(_text(change, SPAN_NAME, read_text(data, start, stop))))
            )
        elif kind == 2 and number == 11:
            parts.append(wire.block(b"\x5a", _inside(data, start, stop, 3, wire.EVENT_ATTRIBUTE, change)))
        elif kind == 2 and number == 13:
            parts.append(wire.block(b"\x6a", _inside(data, start, stop, 4, b"\x22", change)))
        elif kind == 2 and number == 15:
            parts.append(wire.block(b"\x7a", _status(data, start, stop, change)))
        else:
            parts.append(data[at:stop])
        at = stop
    return b"".join(parts)


def _pair(tag: bytes, data: bytes, start: int, stop: int, change: Change) -> bytes:
    name, value = read_pair(data, start, stop)
    changed = change(name, value)
    if changed is DROP:
        return b""
    body = data[start:stop] if changed is value else wire.key_value(name, changed)
    return wire.block(tag, body)


def _inside(data: bytes, start: int, stop: int, wanted: int, tag: bytes, change: Change) -> bytes:
    parts = []
    at = start
    for number, kind, first, last in fields(data, start, stop):
        if number == wanted and kind == 2:
            parts.append(_pair(tag, data, first, last, change))
        else:
            parts.append(data[at:last])
        at = last
    return b"".join(parts)


def _status(data: bytes, start: int, stop: int, change: Change) -> bytes:
    parts = []
    at = start
    for number, kind, first, last in fields(data, start, stop):
        if number == 2 and kind == 2:
            said = _text(change, STATUS_MESSAGE, read_text(data, first, last))
            parts.append(wire.block(b"\x12", wire.text(said)) if said else b"")
        else:
            parts.append(data[at:last])
        at = last
    return b"".join(parts)


def _text(change: Change, name: str, value: str) -> str:
    changed = change(name, value)
    return "" if changed is DROP else str(changed)
