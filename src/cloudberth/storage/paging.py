"""Pages of a list, for stores that cannot make them: a place to begin, folding by a delimiter, a place to go
on.

A source gives the first object at or above a floor (UTF-8 bytes of a key), so folding can leave out all
that it folds. Cursors tell the last entry: ``k`` and a key, or ``p`` and a prefix.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from cloudberth.storage.contract import ObjectInfo, Page, Prefix

T = TypeVar("T")
# A list that goes on within this time goes on where it stands; later it looks at the store anew.
_SECONDS = 30.0
_MOST = 16


class Source(Protocol):
    """Objects in the order of their keys' bytes."""

    def next(self, floor: bytes) -> ObjectInfo | None:
        """The first object at or above `floor` that was not given yet; None at the end."""


def successor(prefix: bytes) -> bytes:
    """The smallest bytes above all that starts with `prefix` (which is not empty, nor ends in 255)."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def floor_of(prefix: str, after: str, cursor: str | None) -> bytes:
    """Where a list begins."""
    floor = max(prefix.encode(), after.encode() + b"\0" if after else b"")
    if cursor is None:
        return floor
    last = cursor[1:].encode()
    return max(floor, successor(last) if cursor[:1] == "p" else last + b"\0")


def cursor_of(entry: ObjectInfo | Prefix) -> str:
    """Where a list goes on behind an entry."""
    return ("p" if isinstance(entry, Prefix) else "k") + entry.key


def entries(source: Source, prefix: str, delimiter: str, floor: bytes) -> Iterator[ObjectInfo | Prefix]:
    """What a list has to say from a floor on."""
    while (found := source.next(floor)) is not None:
        if not found.key.startswith(prefix):
            return
        at = found.key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            yield found
            floor = found.key.encode() + b"\0"
        else:
            folded = found.key[: at + len(delimiter)]
            yield Prefix(folded)
            floor = successor(folded.encode())


class Resting(Generic[T]):
    """Lists that were left after a page, so that the next one does not look for its place. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[float, T]] = OrderedDict()

    def take(self, *name: str) -> T | None:
        """What was left under this name, once, and not for long."""
        with self._lock:
            found = self._kept.pop(name, None)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def leave(self, value: T, *name: str) -> None:
        with self._lock:
            self._kept[name] = (time.monotonic() + _SECONDS, value)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


class Pages:
    """The pages of a backend whose `source` begins at a prefix and a floor."""

    def __init__(self, source: Callable[[str, bytes], Source]) -> None:
        self._source = source
        self._resting: Resting[tuple[Iterator[ObjectInfo | Prefix], ObjectInfo | Prefix]] = Resting()

    def page(self, prefix: str, delimiter: str, after: str, cursor: str | None, limit: int) -> Page:
        """As `Backend.list`."""
        resting = self._resting.take(prefix, delimiter, after, cursor) if cursor else None
        if resting is not None:
            going, ahead = resting
            found = [ahead]
        else:
            floor = floor_of(prefix, after, cursor)
            going = entries(self._source(prefix, floor), prefix, delimiter, floor)
            found = []
        for entry in going:
            if len(found) == limit:
                following = cursor_of(found[-1])
                self._resting.leave((going, entry), prefix, delimiter, after, following)
                return Page(tuple(found), following)
            found.append(entry)
        return Page(tuple(found))


class Walk:
    """A source made of folders that are listed one at a time.

    children: what is directly in a folder (its path ends in ``/``, empty: the top): the whole path of each,
    with what is known of an object, or None for a folder, whose path ends in ``/``. Of each folder on the way
    all names are in memory.
    """

    def __init__(self, prefix: str, children: Callable[[str], Mapping[str, ObjectInfo | None]]) -> None:
        self._children = children
        self._prefix = prefix
        self._stack: list[list[tuple[bytes, str, ObjectInfo | None]]] = []
        self._open(prefix[: prefix.rfind("/") + 1])

    def next(self, floor: bytes) -> ObjectInfo | None:
        while self._stack:
            folder = self._stack[-1]
            if not folder:
                self._stack.pop()
                continue
            key, path, info = folder.pop()
            if info is not None:
                if key >= floor:
                    return info
            elif key >= floor or floor.startswith(key):
                self._open(path)
        return None

    def _open(self, folder: str) -> None:
        """Put what is in a folder on the stack, the last first, without what cannot match."""
        found = [
            (path.encode(), path, info)
            for path, info in self._children(folder).items()
            if path.startswith(self._prefix) or (info is None and self._prefix.startswith(path))
        ]
        found.sort(key=lambda one: one[0], reverse=True)
        self._stack.append(found)


class Straight:
    """A source that is one list of the service, begun anew where a fold has to be left out."""

    def __init__(self, begin: Callable[[str, str], Iterator[ObjectInfo]], prefix: str) -> None:
        self._begin = begin
        self._prefix = prefix
        self._going: Iterator[ObjectInfo] | None = None
        self._last = b""

    def next(self, floor: bytes) -> ObjectInfo | None:
        if self._going is None or floor > self._last + b"\0":
            # Just below the floor: the list goes on behind a key, and the floor itself belongs to it.
            self._going = self._begin(self._prefix, just_below(floor))
        for info in self._going:
            if info.key.encode() >= floor:
                self._last = info.key.encode()
                return info
        return None


def just_below(floor: bytes) -> str:
    """A text that is smaller than all keys from a floor on, and not by much."""
    if not floor or floor.endswith(b"\0"):
        return floor[:-1].decode()
    below = floor[:-1].decode("utf-8", "ignore")
    return f"{below}{chr(floor[-1] - 1)}\U0010ffff" if 0x21 <= floor[-1] <= 0x7F else below
