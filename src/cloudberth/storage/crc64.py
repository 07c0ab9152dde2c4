"""CRC-64/XZ, which Chinese vendors call ECMA and tell of every object, multipart or not; without a C library.

A byte at a time, Python does 8 MB/s. So the bytes are taken as one polynomial over GF(2), a Python integer,
and folded in halves: ``high·x^d + low ≡ high·(x^d mod P) + low``, where the product is one shift and one xor
of large integers for each bit of ``x^d mod P`` (30 MB/s). Distances whose remainder has few bits are looked
for once. crcmod in C, which the vendors' SDKs bring, is used where it is installed (350 MB/s).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from cloudberth.storage.body import Buffer

POLYNOMIAL = 0x142F0E1EBA9EA3693
ALL = 0xFFFFFFFFFFFFFFFF
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_BLOCK = 64 * 1024
_SMALL = 192  # bits that are divided bit by bit
_LOOKED_AT = 1500


class Crc64:
    """What hashlib's objects are, for CRC-64/XZ."""

    def __init__(self) -> None:
        self._value = 0
        self._update = compiled() or updated

    def update(self, data: Buffer, /) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _BLOCK):
            self._value = self._update(bytes(view[start : start + _BLOCK]), self._value)

    def hexdigest(self) -> str:
        return f"{self._value:016x}"


def updated(data: bytes, value: int) -> int:
    """The checksum of what `value` is the checksum of, followed by data."""
    bits = 8 * len(data)
    # The state so far is added to the first 64 bits of what follows; bits are sent lowest first.
    state = _mirrored(value ^ ALL)
    message = (int.from_bytes(data.translate(_REVERSED), "big") << 64) ^ (state << bits)
    return _mirrored(_remainder(message)) ^ ALL


def _remainder(message: int) -> int:
    """Of a division by the polynomial."""
    for distance, shifts in _folds():
        if message.bit_length() <= distance + 64:
            continue
        high = message >> distance
        message ^= high << distance
        for shift in shifts:
            message ^= high << shift
    while (excess := message.bit_length() - 65) >= 0:
        message ^= POLYNOMIAL << excess
    return message


@cache
def _folds() -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Distances in falling order, and the bits of x^distance mod P."""
    found = []
    power, exponent = 2, 1  # x^1
    while exponent < 8 * _BLOCK + 64:
        if exponent > _SMALL // 2:
            found.append(_sparsest(power, exponent))
        power, exponent = _square(power), 2 * exponent
    return tuple(reversed(found))


def _sparsest(power: int, exponent: int) -> tuple[int, tuple[int, ...]]:
    """The least dense remainder at the exponent or a little below."""
    best, best_exponent = power, exponent
    for below in range(1, min(_LOOKED_AT, exponent // 8)):
        # A division by x: P has a constant term, so adding it makes an odd polynomial even.
        power = (power ^ POLYNOMIAL if power & 1 else power) >> 1
        if power.bit_count() < best.bit_count():
            best, best_exponent = power, exponent - below
    return best_exponent, tuple(bit for bit in range(64) if best >> bit & 1)


def _square(power: int) -> int:
    square = 0
    for bit in range(64):
        if power >> bit & 1:
            square |= 1 << 2 * bit
    while (excess := square.bit_length() - 65) >= 0:
        square ^= POLYNOMIAL << excess
    return square


def _mirrored(value: int) -> int:
    """64 bits in the opposite order."""
    return int.from_bytes(value.to_bytes(8, "little").translate(_REVERSED), "big")


@cache
def compiled() -> Callable[[bytes, int], int] | None:
    """crcmod in C; None when it is missing, or was installed without a compiler."""
    try:
        crcmod = import_module("crcmod")
        import_module("crcmod._crcfunext")
    except ImportError:
        return None
    function: Callable[[bytes, int], int] = crcmod.mkCrcFun(POLYNOMIAL, initCrc=0, xorOut=ALL)
    return function
