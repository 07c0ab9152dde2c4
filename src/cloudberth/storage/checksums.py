"""Checksums that a store vouches for, compared with what was really read or written."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from cloudberth.errors import CorruptData
from cloudberth.storage.body import Buffer
from cloudberth.storage.contract import Checksum, Part
from cloudberth.storage.crc64 import Crc64
from cloudberth.storage.crc64 import compiled as crc64_compiled


class Hasher(Protocol):
    """What hashlib's objects are."""

    def update(self, data: Buffer, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _Crc32c:
    """By google-crc32c, whose C code is the reason why this needs a library."""

    def __init__(self, library: Any) -> None:
        self._value = 0
        self._extend = library.extend

    def update(self, data: Buffer, /) -> None:
        self._value = self._extend(self._value, bytes(data))

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


@cache
def _crc32c_library() -> Any:
    """google-crc32c in C, or None: its pure Python is 300 times slower than the network."""
    try:
        import google_crc32c
    except ModuleNotFoundError:
        return None
    return google_crc32c if google_crc32c.implementation == "c" else None


def hasher(algorithm: Checksum) -> Hasher | None:
    """A hasher of an algorithm; None for one that has no fast code on this machine."""
    if algorithm == "crc32":
        return _Crc32()
    if algorithm == "crc32c":
        library = _crc32c_library()
        return _Crc32c(library) if library else None
    if algorithm in {"md5", "sha1", "sha256"}:
        return hashlib.new(algorithm, usedforsecurity=False)
    if algorithm == "crc64ecma":
        return Crc64()
    return None


# The cheapest first (measured per core: crc32 1.9, sha256 1.3, md5 0.6 GiB/s; crc64: see crc64.py).
PREFERENCE: tuple[Checksum, ...] = ("crc32c", "crc32", "sha256", "sha1", "md5", "crc64ecma")
SLOW_UP_TO = 64 * 1024 * 1024
"""Bytes of an object up to which a checksum is computed that has no fast code on this machine."""


class Verifier:
    """Compares what goes through it with one checksum of a store."""

    def __init__(self, algorithm: Checksum, expected: str, inner: Hasher) -> None:
        self.algorithm = algorithm
        self.expected = expected
        self._inner = inner

    @classmethod
    def of(cls, checksums: Mapping[Checksum, str], size: int = 0) -> Verifier | None:
        """For the cheapest that can be computed here; None when there is none. size: of the object."""
        for algorithm in PREFERENCE:
            expected = checksums.get(algorithm)
            if algorithm == "crc64ecma" and size > SLOW_UP_TO and not crc64_compiled():
                continue
            if expected and (inner := hasher(algorithm)):
                return cls(algorithm, expected.lower(), inner)
        return None

    def update(self, data: Buffer) -> None:
        self._inner.update(data)

    def check(self, where: str) -> None:
        """Raise CorruptData unless it was the same."""
        found = self._inner.hexdigest()
        if found != self.expected:
            raise CorruptData(
                f"the {self.algorithm} of what arrived is {found}, not {self.expected}", where=where
            )


def etag_of_parts(parts: Sequence[Part]) -> str | None:
    """What S3 makes of the ETags of the parts: the MD5 of their MD5s, and their number."""
    try:
        joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
