"""The CRC of a whole from those of its parts: parts go in parallel, a store vouches for the object.

Appending n bytes to a message multiplies its CRC's polynomial by x^(8n); as a matrix over GF(2) that is
applied in one step for each bit of the CRC. The matrix of a length is kept: all parts of an object but the
last have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

# Reflected polynomials and their widths: IEEE 802.3 (zlib), Castagnoli, ECMA-182 (CRC-64/XZ).
POLYNOMIALS = {"crc32": (0xEDB88320, 32), "crc32c": (0x82F63B78, 32), "crc64ecma": (0xC96C5795D7870F42, 64)}
_Matrix = tuple[int, ...]


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The CRC of parts put together. parts: (CRC in hexadecimal, bytes), in order."""
    polynomial, width = POLYNOMIALS[algorithm]
    value = 0
    for text, size in parts:
        value = _times(_append(polynomial, width, size), value) ^ int(text, 16)
    return f"{value:0{width // 4}x}"


@lru_cache(64)
def _append(polynomial: int, width: int, size: int) -> _Matrix:
    """What appending so many zero bytes does to a CRC."""
    # One zero bit: shift right, and add the polynomial when a one fell out.
    power: _Matrix = (polynomial, *(1 << bit for bit in range(width - 1)))
    result: _Matrix = tuple(1 << bit for bit in range(width))
    bits = size * 8
    while bits:
        if bits & 1:
            result = tuple(_times(power, column) for column in result)
        power = tuple(_times(power, column) for column in power)
        bits >>= 1
    return result


def _times(matrix: _Matrix, vector: int) -> int:
    total = 0
    at = 0
    while vector:
        if vector & 1:
            total ^= matrix[at]
        vector >>= 1
        at += 1
    return total
