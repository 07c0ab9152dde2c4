"""Rows of Tablestore as its protocol carries them: PlainBuffer, a format of cells with checksums.

The format: https://help.aliyun.com/zh/tablestore/developer-reference/plainbuffer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from cloudberth.errors import CorruptData

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Bound(IntEnum):
    """What stands before and after every key."""

    LEAST = 0x9
    MOST = 0xA


Value: TypeAlias = str | int | float | bool | bytes | Bound
Cells: TypeAlias = Sequence[tuple[str, Value]]

_HEADER = 0x75
_KEY, _DATA, _CELL, _NAME, _VALUE, _KIND, _TIME, _DELETED, _ROW_SUM, _CELL_SUM = range(1, 11)
_INTEGER, _DOUBLE, _BOOLEAN, _STRING, _BLOB = 0, 1, 2, 3, 7
# Where the sum of a cell is taken at once: below that numpy is slower than a loop.
_LONG = 96
# The polynomial's order: so many bytes later a byte has the same influence again.
_PERIOD = 127


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read: its key and its columns by name."""

    key: dict[str, Value]
    columns: dict[str, Value] = field(default_factory=dict)
    deleted: bool = False


def row(key: Cells, columns: Cells = (), *, deleted: bool = False) -> bytes:
    """One row, or one key. deleted: the mark that stands in a request to remove it."""
    return struct.pack("<i", _HEADER) + _row(key, columns, deleted, None)


def rows(given: Iterable[tuple[Cells, Cells]], *, timestamp: int | None = None) -> bytes:
    """Several rows, as answers hold them. timestamp: milliseconds, the version of every cell."""
    return struct.pack("<i", _HEADER) + b"".join(
        _row(key, columns, False, timestamp) for key, columns in given
    )


def value(given: Value) -> bytes:
    """A value alone, as queries hold it."""
    kind, data = _typed(given)
    return bytes([kind]) + data


def _row(key: Cells, columns: Cells, deleted: bool, timestamp: int | None) -> bytes:
    made = bytearray([_KEY])
    sums = bytearray()
    for name, given in key:
        _add_cell(made, sums, name, given, None)
    if columns:
        made.append(_DATA)
        for name, given in columns:
            _add_cell(made, sums, name, given, timestamp)
    if deleted:
        made.append(_DELETED)
    sums.append(1 if deleted else 0)
    return bytes(made) + bytes([_ROW_SUM, checksum(sums)])


def _add_cell(made: bytearray, sums: bytearray, name: str, given: Value, timestamp: int | None) -> None:
    kind, data = _typed(given)
    encoded = name.encode()
    made += bytes([_CELL, _NAME]) + struct.pack("<i", len(encoded)) + encoded
    made += bytes([_VALUE]) + struct.pack("<ib", 1 + len(data), kind) + data
    summed = encoded + bytes([kind]) + data
    if timestamp is not None:
        made += bytes([_TIME]) + struct.pack("<q", timestamp)
        summed += struct.pack("<q", timestamp)
    total = checksum(summed)
    made += bytes([_CELL_SUM, total])
    sums.append(total)


def _typed(given: Value) -> tuple[int, bytes]:
    if isinstance(given, Bound):
        return int(given), b""
    if isinstance(given, bool):
        return _BOOLEAN, bytes([given])
    if isinstance(given, int):
        return _INTEGER, struct.pack("<q", given)
    if isinstance(given, float):
        return _DOUBLE, struct.pack("<d", given)
    data = given.encode() if isinstance(given, str) else given
    return _STRING if isinstance(given, str) else _BLOB, struct.pack("<i", len(data)) + data


def read(data: bytes) -> list[Row]:
    """Every row in an answer; none when it is empty. Raises CorruptData.

    Sums are not taken again: the whole answer has a stronger one, which was compared (_tablestore_calls.py).
    """
    if not data:
        return []
    try:
        if struct.unpack_from("<i", data)[0] != _HEADER:
            raise ValueError("no rows")
        found, at = [], 4
        while at < len(data):
            one, at = _read_row(data, at)
            found.append(one)
    except (ValueError, IndexError, struct.error):
        raise CorruptData("the answer holds no rows that can be read") from None
    return found


def read_value(data: bytes) -> Value:
    """A value alone."""
    return _value_of(data[0], data[1:])


def _read_row(data: bytes, at: int) -> tuple[Row, int]:
    parts: dict[int, dict[str, Value]] = {_KEY: {}, _DATA: {}}
    deleted = False
    section = _KEY
    while True:
        tag = data[at]
        at += 1
        if tag in (_KEY, _DATA):
            section = tag
        elif tag == _CELL:
            name, given, at = _read_cell(data, at)
            # Newest versions come first.
            parts[section].setdefault(name, given)
        elif tag == _DELETED:
            deleted = True
        elif tag == _ROW_SUM and at < len(data):
            return Row(parts[_KEY], parts[_DATA], deleted), at + 1
        else:
            raise ValueError(f"the tag {tag} is not known")


def _read_cell(data: bytes, at: int) -> tuple[str, Value, int]:
    name: str = ""
    given: Value = ""
    while True:
        tag = data[at]
        at += 1
        if tag in (_NAME, _VALUE):
            (length,) = struct.unpack_from("<i", data, at)
            content = data[at + 4 : at + 4 + length]
            if len(content) != length:
                raise ValueError("it ends too early")
            at += 4 + length
            if tag == _NAME:
                name = content.decode()
            else:
                given = _value_of(content[0], content[1:])
        elif tag == _KIND:
            at += 1
        elif tag == _TIME:
            at += 8
        elif tag == _CELL_SUM:
            return name, given, at + 1
        else:
            raise ValueError(f"the tag {tag} is not known")


def _value_of(kind: int, data: bytes) -> Value:
    if kind == _INTEGER:
        return int(struct.unpack("<q", data)[0])
    if kind == _DOUBLE:
        return float(struct.unpack("<d", data)[0])
    if kind == _BOOLEAN:
        return bool(data[0])
    if kind in (_STRING, _BLOB):
        return data[4:].decode() if kind == _STRING else data[4:]
    return Bound(kind)


def checksum(data: bytes | bytearray) -> int:
    """CRC-8 (x⁸+x²+x+1) of bytes."""
    if len(data) < _LONG:
        found = 0
        for byte in data:
            found = _TABLE[found ^ byte]
        return found
    import numpy

    given = numpy.frombuffer(bytes(data), dtype=numpy.uint8)
    later = numpy.arange(len(given) - 1, -1, -1) % _PERIOD
    return int(numpy.bitwise_xor.reduce(_influences()[later, given]))


def _table() -> list[int]:
    made = []
    for byte in range(256):
        for _ in range(8):
            byte = byte << 1 ^ (0x107 if byte & 0x80 else 0)
        made.append(byte)
    return made


_TABLE = _table()


@cache
def _influences() -> NDArray[numpy.uint8]:
    """What a byte adds to the sum, by how many bytes follow it: the sum is linear."""
    import numpy

    step = numpy.asarray(_TABLE, dtype=numpy.uint8)
    made = numpy.empty((_PERIOD, 256), dtype=numpy.uint8)
    made[0] = step
    for later in range(1, _PERIOD):
        made[later] = step[made[later - 1]]
    return made
