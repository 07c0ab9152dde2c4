"""Terraform values on the wire: MessagePack with an extension type for "known after apply".

In Python a value is None, bool, int, float, str, list or dict; UNKNOWN stands for a value that Terraform
does not know yet. Lists, sets and tuples are lists; maps and objects are dicts. A value whose schema type
is "dynamic" is kept as the pair [type, value] that the wire has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgpack

UNKNOWN_CODES: Final = frozenset({0, 12})
"""MessagePack extension codes of an unknown value: plain, and with refinements (which we need not read)."""

Value = Any
"""A Terraform value, see above."""

Path = tuple[str | int, ...]
"""Where in a value: attribute names and list positions."""


class Unknown:
    """The type of UNKNOWN; compare with `is`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(known after apply)"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Unknown()


def _decode_extension(code: int, data: bytes) -> Unknown:
    if code not in UNKNOWN_CODES:
        raise ValueError(f"MessagePack extension {code} with {len(data)} bytes is not a Terraform value")
    return UNKNOWN


def _encode_extension(value: object) -> Any:
    if value is UNKNOWN:
        return msgpack.ExtType(0, b"\x00")
    raise TypeError(f"{type(value).__name__} is not a Terraform value")


def decode(data: bytes) -> Value:
    return msgpack.unpackb(data, ext_hook=_decode_extension, raw=False, strict_map_key=False)


def encode(value: Value) -> bytes:
    packed: bytes = msgpack.packb(value, default=_encode_extension, use_bin_type=True)
    return packed


def from_message(message: Any) -> Value:
    """The value in a DynamicValue message; None where it is empty."""
    if message.msgpack:
        return decode(message.msgpack)
    return json.loads(message.json) if message.json else None


def known(value: Value) -> bool:
    """Whether no part of the value is unknown."""
    if value is UNKNOWN:
        return False
    if isinstance(value, Mapping):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return True


def strings(value: Value) -> Iterator[str]:
    """Every string in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
