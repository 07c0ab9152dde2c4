"""Listing a folder as a bucket: in the order of the keys' bytes, from anywhere, with constant memory.

A folder ``a`` stands where its keys stand, at ``a/``: behind the file ``a-b``, before the file ``a0``. So a
walk that takes names in that order meets the keys in order, can begin at any key, and can leave out a whole
folder. The odd area is walked in the same way (local_names.py), and the two are merged. Of one folder at
most 50,000 names are in memory; a larger one is read again for the next 50,000.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cloudberth.storage.local_names import AREA, ODD, key_of_odd, odd, successor
from cloudberth.storage.local_tree import Blocked, Link, Tree

NAMES_AT_ONCE = 50_000
_LOST = b"lost+found/"


class File(NamedTuple):
    """A file that a walk met. key: UTF-8 bytes."""

    key: bytes
    facts: os.stat_result


class Fold(NamedTuple):
    """Keys up to a delimiter."""

    key: bytes


class _Folder:
    """A folder under way. path: below the start, with the ``/`` at its end. Names of folders end in ``/``."""

    __slots__ = ("at", "complete", "descriptor", "names", "path")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.descriptor = -1
        self.names: list[bytes] = []
        self.at = 0
        self.complete = False

    def next_name(
        self, floor: bytes, read: Callable[[bytes, bytes], tuple[list[bytes], bool]]
    ) -> bytes | None:
        """The first name not yet given whose keys may be at or above `floor` (relative to this folder)."""
        while True:
            at = bisect_left(self.names, floor, self.at) if floor else self.at
            # The folder that holds the floor stands before it.
            if at > self.at and self.names[at - 1][-1:] == b"/" and floor.startswith(self.names[at - 1]):
                at -= 1
            self.at = at
            if at < len(self.names):
                self.at += 1
                return self.names[at]
            if self.complete:
                return None
            last = self.names[-1] if self.names else b""
            self.names, self.complete = read(floor, last)
            self.at = 0


class Walk:
    """The files below a folder of a tree, by the bytes of their paths. No descriptor stays after `rest`."""

    def __init__(self, tree: Tree, start: tuple[bytes, ...], hidden: bytes, until: bytes | None) -> None:
        self._tree = tree
        self._start = start
        self._hidden = hidden
        self._until = until
        self._folders = [_Folder(b"")]

    def next(self, floor: bytes) -> tuple[bytes, os.stat_result] | None:
        """The next file at or above `floor` (a path below the start), any when empty; None at the end."""
        while self._folders:
            folder = self._folders[-1]
            name: bytes | None
            if not floor and folder.descriptor >= 0 and folder.at < len(folder.names):
                name = folder.names[folder.at]
                folder.at += 1
            else:
                name = self._next_name(folder, floor)
            if name is None:
                self._leave()
                continue
            path = folder.path + name
            if self._until is not None and path >= self._until:
                while self._folders:
                    self._leave()
                return None
            if name[-1] == 47:
                self._folders.append(_Folder(path))
                continue
            try:
                return path, os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
        return None

    def rest(self) -> None:
        """Close what is open; `next` opens it again."""
        for folder in self._folders:
            if folder.descriptor >= 0:
                os.close(folder.descriptor)
                folder.descriptor = -1

    def _leave(self) -> None:
        folder = self._folders.pop()
        if folder.descriptor >= 0:
            os.close(folder.descriptor)

    def _next_name(self, folder: _Folder, floor: bytes) -> bytes | None:
        below = b""
        if floor > folder.path:
            if not floor.startswith(folder.path):
                return None
            below = floor[len(folder.path) :]
        if folder.descriptor < 0 and not self._open(folder):
            return None
        return folder.next_name(below, lambda low, after: self._read(folder, low, after))

    def _open(self, folder: _Folder) -> bool:
        """Whether it could be opened; it may be gone meanwhile."""
        parts = tuple(part for part in folder.path.split(b"/") if part)
        try:
            if len(self._folders) > 1 and self._folders[-1] is folder and self._folders[-2].descriptor >= 0:
                folder.descriptor = self._tree.open_folder(self._folders[-2].descriptor, parts[-1:])
                return True
            root = self._tree.open_root()
            try:
                folder.descriptor = self._tree.open_folder(root, self._start + parts)
            finally:
                os.close(root)
        except (FileNotFoundError, Blocked):
            if not folder.path and not self._start:
                raise
            return False
        except PermissionError:
            # Every ext4 that is mounted has one, and only its administrator may look into it.
            if folder.path != _LOST:
                raise
            return False
        return True

    def _read(self, folder: _Folder, floor: bytes, after: bytes) -> tuple[list[bytes], bool]:
        """Up to NAMES_AT_ONCE sorted names above `after` that may hold `floor` or more; are these all?"""
        kept: list[bytes] = []
        ceiling = b""
        complete = True
        hidden = b"" if folder.path else self._hidden
        with os.scandir(folder.descriptor) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    name += b"/"
                elif not entry.is_file(follow_symlinks=False):
                    if entry.is_symlink():
                        raise Link(folder.path + name, self._tree.place)
                    continue
                if name <= after or name == hidden or (ceiling and name > ceiling):
                    continue
                if name < floor and not (name[-1] == 47 and floor.startswith(name)):
                    continue
                kept.append(name)
                if len(kept) >= 2 * NAMES_AT_ONCE:
                    kept.sort()
                    del kept[NAMES_AT_ONCE:]
                    ceiling = kept[-1]
                    complete = False
        kept.sort()
        if len(kept) > NAMES_AT_ONCE:
            del kept[NAMES_AT_ONCE:]
            complete = False
        return kept, complete


class Listing:
    """All entries of one list, in order; an iterator that can rest between pages."""

    def __init__(self, tree: Tree, prefix: bytes, delimiter: bytes, floor: bytes) -> None:
        self._prefix = prefix
        self._delimiter = delimiter
        until = successor(prefix) if prefix else None
        self._plain = Walk(tree, (), AREA + b"/", until)
        self._odd = Walk(tree, ODD, b"", None)
        self._walks = (self._plain, self._odd)
        self._entries = self._merged(floor, until)
        self._ahead: list[File | Fold] = []

    def page(self, limit: int) -> tuple[list[File | Fold], bool]:
        """The next `limit` entries, and whether there are more."""
        found = self._ahead
        self._ahead = []
        try:
            for entry in self._entries:
                found.append(entry)
                if len(found) > limit:
                    break
        finally:
            for walk in self._walks:
                walk.rest()
        self._ahead = found[limit:]
        return found[:limit], bool(self._ahead)

    def _merged(self, floor: bytes, until: bytes | None) -> Iterator[File | Fold]:
        plain, odd_one = self._next_plain(floor), self._next_odd(floor, until)
        while plain is not None or odd_one is not None:
            first = plain if odd_one is None or (plain and plain.key <= odd_one.key) else odd_one
            assert first is not None
            folded = self._folded(first.key) if self._delimiter else b""
            floor = successor(folded) if folded else first.key + b"\0"
            yield Fold(folded) if folded else first
            if plain is not None and plain.key < floor:
                # The walk stands behind this key anyway; it has to be told only what to leave out.
                plain = self._next_plain(floor if folded else b"")
            if odd_one is not None and odd_one.key < floor:
                odd_one = self._next_odd(floor, until)

    def _folded(self, key: bytes) -> bytes:
        """The key up to the delimiter behind the prefix; empty when there is none."""
        at = key.find(self._delimiter, len(self._prefix))
        return key[: at + len(self._delimiter)] if at >= 0 else b""

    def _next_plain(self, floor: bytes) -> File | None:
        found = self._plain.next(floor)
        return File(*found) if found else None

    def _next_odd(self, floor: bytes, until: bytes | None) -> File | None:
        path = b"/".join(odd(floor))
        while found := self._odd.next(path):
            key = key_of_odd(found[0])
            if key is not None:
                return File(key, found[1]) if until is None or key < until else None
            path = found[0] + b"\0"
        return None
