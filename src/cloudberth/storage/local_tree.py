"""The folder that serves as a bucket: opened one name at a time, so that no link leads out of it.

Every folder on the way is opened relative to the one before, and never through a symbolic link
(O_NOFOLLOW): a key stays below the root whatever stands there, also when somebody swaps a folder for a link
meanwhile. It costs one open and one close (about 3 µs) for each folder of the key. Links are refused with
an error that says so, not passed over: a list that leaves out what a link leads to would make a migration
lose it.

No descriptor is kept between calls, so the root may be mounted, moved or restored under a running process.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from cloudberth.errors import BackendError, BucketNotFound, Kind
from cloudberth.storage.local_failures import failure
from cloudberth.storage.local_names import ODD, Names, odd, plain

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking, or opening a pipe that somebody put there would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_GONE = (errno.ENOENT, errno.ENOTDIR)


class Blocked(Exception):
    """A file stands where a folder would have to be, or a folder where the file would: no plain path."""


class Link(BackendError):
    """A symbolic link stands on the way."""

    def __init__(self, name: bytes, where: str) -> None:
        super().__init__(
            f"{os.fsdecode(name)} is a symbolic link, and links are not followed",
            kind=Kind.INVALID,
            where=where,
            hint="mount the other folder there (mount --bind), or make it the root",
        )


@dataclass(frozen=True, slots=True)
class Tree:
    """A root. sync: whether what is written is on the disk, and not in the kernel, when a call returns."""

    root: str
    sync: bool

    @property
    def place(self) -> str:
        return f"file://{self.root}"

    def where(self, key: str) -> str:
        return f"{self.place}/{key}"

    def open_root(self) -> int:
        """A descriptor of the root. Raises BucketNotFound, PermissionDenied, …"""
        try:
            return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _GONE:
                what = "there is no such folder" if error.errno == errno.ENOENT else "this is no folder"
                hint = "make it, or let it be made: berth storage doctor"
                raise BucketNotFound(what, where=self.place, hint=hint) from None
            raise failure(error, self.place) from None

    def open_folder(self, start: int, names: Sequence[bytes], *, create: bool = False) -> int:
        """A descriptor of the folder `names` below the folder `start`, which stays open.

        Raises FileNotFoundError, Blocked (a file is in the way), Link, or another OSError.
        """
        current = os.dup(start) if not names else start
        for name in names:
            try:
                below = self._enter(current, name, create)
            finally:
                if current != start:
                    os.close(current)
            current = below
        return current

    def _enter(self, current: int, name: bytes, create: bool) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=current)
        except FileNotFoundError:
            if not create:
                raise
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            self._explain(current, name)
            raise Blocked from None
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=current)
            if self.sync:
                os.fsync(current)
        return self._enter(current, name, False)

    def _explain(self, current: int, name: bytes) -> None:
        """Raise Link when that is what is in the way."""
        with suppress(FileNotFoundError):
            if stat.S_ISLNK(os.stat(name, dir_fd=current, follow_symlinks=False).st_mode):
                raise Link(name, self.place)

    def open_file(self, start: int, names: Names) -> tuple[int, os.stat_result] | None:
        """The regular file `names` below `start`, to read; None when there is none. Raises Link, OSError."""
        folder = -1
        try:
            folder = self.open_folder(start, names[:-1]) if len(names) > 1 else start
            return self.open_here(folder, names[-1])
        except (FileNotFoundError, Blocked):
            return None
        finally:
            if folder not in (-1, start):
                os.close(folder)

    def open_here(self, folder: int, name: bytes) -> tuple[int, os.stat_result] | None:
        """The regular file of one name in a folder, for reading; None when there is none."""
        try:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        except OSError as error:
            # ENXIO: a socket, or a pipe without a reader.
            if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENAMETOOLONG):
                return None
            if error.errno == errno.ELOOP:
                raise Link(name, self.place) from None
            raise
        facts = os.fstat(descriptor)
        if stat.S_ISREG(facts.st_mode):
            return descriptor, facts
        os.close(descriptor)
        return None

    def locate(self, root: int, key: bytes) -> tuple[int, os.stat_result] | None:
        """The file of a key, for reading, be it plain or in the odd area; None when there is none."""
        names = plain(key)
        found = self.open_file(root, names) if names else None
        return found or self.open_file(root, ODD + odd(key))

    def remove(self, root: int, names: Names) -> os.stat_result | None:
        """Remove a file, and the folders that it leaves empty. What it was; None when there was none."""
        try:
            folder = self.open_folder(root, names[:-1])
        except (FileNotFoundError, Blocked):
            return None
        try:
            facts = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                return None
            os.unlink(names[-1], dir_fd=folder)
            if self.sync:
                os.fsync(folder)
        except FileNotFoundError:
            return None
        finally:
            os.close(folder)
        self.prune(root, names[:-1])
        return facts

    def prune(self, root: int, names: Names) -> None:
        """Remove the folders `names` as far as they are empty, from the innermost outwards.

        A writer who has just made one of them finds it gone and makes it again (Draft.place).
        """
        while names and names not in ((ODD[0],), ODD):
            try:
                above = self.open_folder(root, names[:-1])
                try:
                    os.rmdir(names[-1], dir_fd=above)
                finally:
                    os.close(above)
            except (OSError, Blocked):
                return
            names = names[:-1]


def names_in(folder: int) -> list[str]:
    """The names of an open folder, sorted."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def etag(facts: os.stat_result) -> str:
    """Changes with every write: the time of the write (ns), the size, the inode."""
    return f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"
