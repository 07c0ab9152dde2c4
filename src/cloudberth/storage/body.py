"""Bytes on their way: bodies that can be sent again, and readers that know when they were cut short.

A body is re-readable, because whatever is sent may have to be sent again. A stream that can be read once is
cut into parts in memory before it becomes bodies (`Storage.save`).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from cloudberth.errors import Unavailable

CHUNK = 256 * 1024
Buffer = bytes | bytearray | memoryview


class Body(ABC):
    """What is sent with a request. size: bytes."""

    size: int

    @abstractmethod
    def chunks(self) -> Iterator[Buffer]:
        """The bytes from the start, as often as asked. No chunk is empty; each holds until the next one."""

    @property
    def view(self) -> memoryview | None:
        """All bytes at once when they are in memory, else None."""
        return None

    def read(self) -> bytes:
        """All bytes, in memory."""
        view = self.view
        return bytes(view) if view is not None else b"".join(bytes(chunk) for chunk in self.chunks())


class BytesBody(Body):
    """Bytes in memory; they are not copied, and must not change until the request is done."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data).cast("B") if not isinstance(data, bytes) else memoryview(data)
        self.size = len(self._view)

    @property
    def view(self) -> memoryview:
        return self._view

    def chunks(self) -> Iterator[Buffer]:
        if self.size:
            yield self._view


EMPTY = BytesBody(b"")


class FileBody(Body):
    """A file or a range of it, read while it is sent. length None: to the end it has now.

    A file that has become shorter raises OSError while it is read, so that nothing is padded or cut.
    """

    def __init__(self, path: Path, start: int = 0, length: int | None = None) -> None:
        self.path = path
        self.start = start
        self.size = length if length is not None else max(0, path.stat().st_size - start)

    def chunks(self) -> Iterator[Buffer]:
        left = self.size
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.start)
            buffer = bytearray(min(CHUNK, left))
            while left:
                view = memoryview(buffer)[: min(len(buffer), left)]
                count = file.readinto(view)
                if not count:
                    raise OSError(f"{self.path} became shorter while it was read")
                left -= count
                yield view[:count]


class Reader(ABC):
    """Bytes that arrive. Raises Unavailable when the connection breaks, CorruptData when too few came.

    Not thread-safe. Closing it early is allowed.
    """

    @abstractmethod
    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all that is left when negative); b"" at the end, and only there."""

    @abstractmethod
    def readinto(self, buffer: memoryview) -> int:
        """Fill up to all of `buffer`; how many bytes came, 0 at the end."""

    @abstractmethod
    def close(self) -> None: ...

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """What is left, in pieces of up to `size` bytes."""
        while data := self.read(size):
            yield data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BytesReader(Reader):
    """Bytes that are here already."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data)
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else self._at + size
        data = bytes(self._view[self._at : end])
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        piece = self._view[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        pass


def _failed(error: OSError) -> Unavailable:
    """What a disk says while it is read."""
    return Unavailable(f"reading failed: {error.strerror or error}", hint="look at the disk, or the mount")


class FileReader(Reader):
    """An open file descriptor, which it owns; `size` bytes from where it stands."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        pieces: list[bytes] = []
        while wanted:
            try:
                piece = os.read(self._descriptor, min(wanted, 1 << 24))
            except OSError as error:
                raise _failed(error) from None
            if not piece:
                self._left = 0
                break
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview) -> int:
        if not self._left:
            return 0
        try:
            count = os.readv(self._descriptor, [buffer[: self._left]])
        except OSError as error:
            raise _failed(error) from None
        self._left -= count
        return count

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
