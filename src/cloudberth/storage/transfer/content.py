"""Whether bytes are the same: by what stores vouch for, by hashing what is here, by reading again.

A checksum that a store vouches for is compared with one of the bytes that went out. An etag that equals the
MD5 of those bytes proves as much, one that does not says nothing: etags are an MD5 at some stores, for some
objects.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache

from cloudberth.errors import BackendError, CorruptData
from cloudberth.storage.body import CHUNK, Body, Buffer, Reader
from cloudberth.storage.checksums import PREFERENCE, Hasher, hasher
from cloudberth.storage.contract import Backend, Checksum, ObjectInfo, Opened, Span
from cloudberth.storage.crc64 import compiled as crc64_compiled
from cloudberth.storage.transfer.rules import same_by_checksum

ATTEMPTS = 4
# Bytes up to which a checksum without fast code costs less than reading again.
_SLOW_UP_TO = 256 * 1024
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


class Verify(StrEnum):
    """How sure a copy has to be before it counts as done."""

    SIZE = "size"
    """The destination took it, and its size is right."""
    CHECKSUM = "checksum"
    """A checksum that the destination vouches for is that of the source's bytes; where there is none:
    READ.
    """
    READ = "read"
    """The destination's bytes are read again and compared."""


class Digests:
    """Checksums of bytes in memory, each computed once and only when it is asked for."""

    __slots__ = ("_data", "_known")

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._known: dict[str, str] = {}

    def get(self, algorithm: Checksum) -> str | None:
        """The checksum; None when there is no fast code for it here."""
        found = self._known.get(algorithm)
        if found is None:
            found = digest(algorithm, self._data)
            if found is not None:
                self._known[algorithm] = found
        return found

    def agree(
        self, vouched: Mapping[Checksum, str], also: Mapping[Checksum, str] | None = None
    ) -> bool | None:
        """Whether the bytes have one of these checksums; None when none can be computed.

        also: what will be compared later; an algorithm of both is taken, so that it is computed once.
        """
        if not vouched:
            return None
        for algorithm in (*(name for name in PREFERENCE if also and name in also), *PREFERENCE):
            expected = vouched.get(algorithm)
            if expected and algorithm == "crc64ecma" and len(self._data) > _SLOW_UP_TO:
                expected = expected if computable(algorithm) else None
            if expected and (found := self.get(algorithm)) is not None:
                return found == expected.lower()
        return None


def digest(algorithm: Checksum, data: Buffer) -> str | None:
    """One checksum of bytes in memory."""
    if algorithm == "md5":
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
    if algorithm == "crc32":
        return f"{zlib.crc32(data):08x}"
    if algorithm == "sha256":
        return hashlib.sha256(data).hexdigest()
    one = hasher(algorithm)
    if one is None:
        return None
    one.update(data)
    return one.hexdigest()


def looks_like_md5(etag: str | None) -> bool:
    """Whether an etag may be the MD5 of the content."""
    return etag is not None and _MD5.fullmatch(etag) is not None


@cache
def computable(algorithm: Checksum) -> bool:
    """Whether there is fast code for a checksum on this machine."""
    if algorithm == "crc64ecma" and not crc64_compiled():
        return False
    return hasher(algorithm) is not None


def read_again(
    backend: Backend, key: str, size: int, span: Span | None = None, match: str | None = None
) -> Iterator[Buffer]:
    """The bytes of an object, or of a range of it, opened again behind what has come when a read breaks.

    size: how many bytes it has to be. The pieces are views of one buffer: each is valid until the next is
    asked for. Raises CorruptData when fewer come, PreconditionFailed when the object has changed.
    """
    start = span.start if span else 0
    at = failures = 0
    buffer = memoryview(bytearray(min(CHUNK, max(size, 1))))
    while at < size:
        before = at
        # Outside of the try: the layers have repeated it already as often as it makes sense.
        opened = backend.get(key, Span(start + at, size - at) if span or at else None, match)
        try:
            with opened.reader as reader:
                while at < size and (count := reader.readinto(buffer[: size - at])):
                    at += count
                    yield buffer[:count]
            if at < size:
                raise CorruptData(f"{size - at} bytes are missing", where=f"{backend.place}/{key}")
        except BackendError as error:
            failures = 1 if at > before else failures + 1
            if not error.retryable or failures >= ATTEMPTS:
                raise


def fill(backend: Backend, key: str, buffer: memoryview, start: int, match: str | None) -> None:
    """Read a range of an object into a buffer, all of it, going on where a read broke."""
    at = failures = 0
    while at < len(buffer):
        before = at
        opened = backend.get(key, Span(start + at, len(buffer) - at), match)
        try:
            with opened.reader as reader:
                at += _filled(reader, buffer[at:])
            if at < len(buffer):
                raise CorruptData(f"{len(buffer) - at} bytes are missing", where=f"{backend.place}/{key}")
        except BackendError as error:
            failures = 1 if at > before else failures + 1
            if not error.retryable or failures >= ATTEMPTS:
                raise


def _filled(reader: Reader, buffer: memoryview) -> int:
    at = 0
    while at < len(buffer) and (count := reader.readinto(buffer[at:])):
        at += count
    return at


class SourceBody(Body):
    """An object of another store as the body of a put: it is read while it is sent, and again for every
    attempt.

    digests: the hashers of the last time it was sent; counted: called with bytes that went through.
    """

    def __init__(
        self,
        backend: Backend,
        info: ObjectInfo,
        algorithms: tuple[Checksum, ...],
        counted: Callable[[int], None],
    ) -> None:
        self.size = info.size
        self.digests: dict[Checksum, str] = {}
        self.span: Span | None = None
        self._backend = backend
        self._info = info
        self._algorithms = algorithms
        self._counted = counted

    def chunks(self) -> Iterator[Buffer]:
        hashers: dict[Checksum, Hasher] = {
            name: one for name in self._algorithms if (one := hasher(name)) is not None
        }
        self.digests = {}
        for piece in read_again(self._backend, self._info.key, self.size, self.span, self._info.etag):
            for one in hashers.values():
                one.update(piece)
            self._counted(len(piece))
            yield piece
        self.digests = {name: one.hexdigest() for name, one in hashers.items()}


def hashed(
    backend: Backend, key: str, size: int, algorithm: Checksum = "sha256", span: Span | None = None
) -> str:
    """The checksum of what a store gives, read now."""
    one = hasher(algorithm)
    assert one is not None
    for piece in read_again(backend, key, size, span):
        one.update(piece)
    return one.hexdigest()


def opened_hash(backend: Backend, key: str) -> tuple[ObjectInfo, str]:
    """An object with its attributes, and its SHA-256, in one read where nothing breaks."""
    opened: Opened = backend.get(key)
    one = hashlib.sha256()
    at = 0
    try:
        with opened.reader as reader:
            buffer = memoryview(bytearray(min(CHUNK, max(opened.info.size, 1))))
            while count := reader.readinto(buffer):
                one.update(buffer[:count])
                at += count
        if at == opened.info.size:
            return opened.info, one.hexdigest()
    except BackendError as error:
        if not error.retryable:
            raise
    for piece in read_again(backend, key, opened.info.size - at, Span(at), opened.info.etag):
        one.update(piece)
    return opened.info, one.hexdigest()


def same_content(source: Backend, mine: ObjectInfo, target: Backend, theirs: ObjectInfo) -> bool:
    """Whether two objects have the same bytes: by what both stores vouch for, else by reading both."""
    vouched = same_by_checksum(mine, theirs)
    if vouched is not None:
        return vouched
    with_all = source.head(mine.key), target.head(theirs.key)
    vouched = same_by_checksum(*with_all)
    if vouched is not None:
        return vouched
    one, other = with_all
    for algorithm in PREFERENCE:
        # One side's word is enough when the other is hashed with the same.
        if algorithm in one.checksums and computable(algorithm):
            return hashed(target, other.key, other.size, algorithm) == one.checksums[algorithm].lower()
        if algorithm in other.checksums and computable(algorithm):
            return hashed(source, one.key, one.size, algorithm) == other.checksums[algorithm].lower()
    return hashed(source, one.key, one.size) == hashed(target, other.key, other.size)
