"""Writing a file so that it is there as a whole or not at all: in ``.berth/tmp`` first, then renamed.

Two kinds of locks hold conditions: *absent* is a link(2), which the kernel refuses when the name is taken;
*match* compares and renames under an exclusive flock that every other writer shares, so two writers over
the same etag never both win. (On file systems without flock, some NFS, that comparison is not atomic.)
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from secrets import token_hex
from types import TracebackType
from typing import Self

from cloudberth.errors import BackendError, Kind, PreconditionFailed, Unavailable, Unsupported
from cloudberth.storage import local_attributes
from cloudberth.storage.body import Body, FileBody
from cloudberth.storage.contract import Attributes, Condition
from cloudberth.storage.local_failures import failure
from cloudberth.storage.local_names import AREA, ODD, Names, odd, plain, raw
from cloudberth.storage.local_tree import Blocked, Tree, etag, names_in

TEMPORARY = (AREA, b"tmp")
STALE = 24 * 3600.0
_ATTEMPTS = 20
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KERNEL_CANNOT = frozenset(
    (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM)
)
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


class Draft:
    """A file that is not yet an object; leaving it as a context removes it unless it was placed.

    `where` stands in errors.
    """

    def __init__(self, tree: Tree, where: str) -> None:
        self._tree = tree
        self._where = where
        self._placed = False
        self.root = tree.open_root()
        self._folder = self.descriptor = -1
        try:
            self._folder = tree.open_folder(self.root, TEMPORARY, create=True)
            self._name = f"{os.getpid():x}-{token_hex(8)}".encode()
            self.descriptor = os.open(self._name, _NEW, 0o666, dir_fd=self._folder)
        except BaseException as error:
            self.close()
            raise self._meaning(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0 and not self._placed:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
        for descriptor in (self.descriptor, self._folder, self.root):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._folder = self.root = -1

    def _meaning(self, error: BaseException) -> BaseException:
        if isinstance(error, Blocked):
            return BackendError(
                "a file is in the way of the folder .berth", kind=Kind.INVALID, where=self._where
            )
        if isinstance(error, OSError) and not isinstance(error, BackendError) and error.errno:
            return failure(error, self._where)
        return error

    # -- filling ---------------------------------------------------------------------------------------------

    def fill(self, body: Body) -> None:
        """Append a body. What reading the body raises comes through as it is."""
        if isinstance(body, FileBody):
            with body.path.open("rb", buffering=0) as source:
                self.append(source.fileno(), body.start, body.size, str(body.path))
            return
        for chunk in body.chunks():
            left = memoryview(chunk)
            while left:
                try:
                    left = left[os.write(self.descriptor, left) :]
                except OSError as error:
                    raise failure(error, self._where) from None

    def append(self, source: int, start: int, size: int, name: str) -> None:
        """Append a range of an open file, inside the kernel where it can (a reflink where the disk can)."""
        left = self._copied(source, start, size)
        start += size - left
        while left:
            piece = os.pread(source, min(left, 1 << 20), start)
            if not piece:
                raise OSError(f"{name} became shorter while it was read")
            try:
                done = os.write(self.descriptor, piece)
            except OSError as error:
                raise failure(error, self._where) from None
            start += done
            left -= done

    def _copied(self, source: int, start: int, size: int) -> int:
        """Copy in the kernel as far as that goes; how many bytes are left."""
        if not hasattr(os, "copy_file_range"):
            return size
        try:
            while size:
                done = os.copy_file_range(source, self.descriptor, min(size, 1 << 30), start)
                if not done:
                    break
                start += done
                size -= done
        except OSError as error:
            if error.errno not in _KERNEL_CANNOT:
                raise failure(error, self._where) from None
        return size

    # -- placing ---------------------------------------------------------------------------------------------

    def place(self, key: str, attributes: Attributes, condition: Condition = Condition()) -> str:
        """Make it the object `key`; its etag."""
        try:
            self._seal(attributes)
            facts = os.fstat(self.descriptor)
            fcntl_lock(self._folder, exclusive=condition.match is not None)
            self._put_in_place(raw(key), condition)
        except (OSError, Blocked) as error:
            raise self._meaning(error) from None
        return etag(facts)

    def place_at(self, names: Names) -> os.stat_result:
        """Make it the file `names` of the area's own, whose folder is there. Raises FileNotFoundError."""
        self._seal(Attributes())
        facts = os.fstat(self.descriptor)
        folder = self._tree.open_folder(self.root, names[:-1])
        try:
            os.rename(self._name, names[-1], src_dir_fd=self._folder, dst_dir_fd=folder)
            self._placed = True
            if self._tree.sync:
                os.fsync(folder)
        finally:
            os.close(folder)
        return facts

    def _seal(self, attributes: Attributes) -> None:
        # The kernel's own clock ticks every 4 ms; with this one no two writes share a time, so etags differ.
        now = time.time_ns()
        os.utime(self.descriptor, ns=(now, now))
        local_attributes.keep(self._tree, self.root, self.descriptor, attributes)
        if self._tree.sync:
            os.fsync(self.descriptor)

    def _put_in_place(self, key: bytes, condition: Condition) -> None:
        names = plain(key)
        if condition.match is not None or condition.absent:
            self._check(key, condition)
        for _ in range(_ATTEMPTS):
            try:
                if names is not None:
                    try:
                        self._move(names, condition)
                    except Blocked:
                        names = None
                    else:
                        self._forget_odd_twin(key)
                        return
                self._move(ODD + odd(key), condition)
                return
            except FileNotFoundError:
                # Somebody removed the folder, which was empty, between our making it and our rename.
                continue
        raise Unavailable("the folder is removed as often as it is made", where=self._where)

    def _check(self, key: bytes, condition: Condition) -> None:
        found = self._tree.locate(self.root, key)
        if found is not None:
            os.close(found[0])
        if condition.absent and found is not None:
            raise PreconditionFailed("the object exists already", where=self._where)
        if condition.match is not None and (found is None or etag(found[1]) != condition.match):
            raise PreconditionFailed("the object was changed meanwhile, or is gone", where=self._where)

    def _move(self, names: Names, condition: Condition) -> None:
        """Raises Blocked, FileNotFoundError (the folder went away), PreconditionFailed, OSError."""
        folder = self._tree.open_folder(self.root, names[:-1], create=True)
        try:
            old = self._replaced(folder, names[-1])
            if condition.absent:
                self._link(folder, names[-1])
            else:
                self._rename(folder, names[-1])
                self._placed = True
            if self._tree.sync:
                os.fsync(folder)
            if old is not None:
                local_attributes.drop(self._tree, self.root, old)
        finally:
            os.close(folder)

    def _replaced(self, folder: int, name: bytes) -> os.stat_result | None:
        """The file that will be replaced, when something is kept beside it."""
        if not local_attributes.in_use(self.root):
            return None
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _rename(self, folder: int, name: bytes) -> None:
        try:
            os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            self._clear_folder(folder, name)
            os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)

    def _link(self, folder: int, name: bytes) -> None:
        try:
            os.link(self._name, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        except FileExistsError:
            if not is_folder(folder, name):
                raise PreconditionFailed("the object exists already", where=self._where) from None
            self._clear_folder(folder, name)
            self._link(folder, name)
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise Unsupported("this file system cannot write on condition", where=self._where) from None
            raise

    def _clear_folder(self, folder: int, name: bytes) -> None:
        """Remove an empty folder that is in the way. Raises Blocked when it is not empty."""
        try:
            os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            raise Blocked from None

    def _forget_odd_twin(self, key: bytes) -> None:
        """An object of this key from a time when there was no plain path for it is replaced now."""
        try:
            os.stat(b"/".join(ODD), dir_fd=self.root, follow_symlinks=False)
        except OSError:
            return
        self._tree.remove(self.root, ODD + odd(key))


def is_folder(folder: int, name: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def fcntl_lock(descriptor: int, *, exclusive: bool) -> None:
    """Hold off writers on condition (shared), or everybody (exclusive), until the descriptor is closed."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)


def sweep(tree: Tree) -> int:
    """Remove what writers that were killed left behind, once it is a day old. How many files it was."""
    removed = 0
    with suppress(OSError, Blocked, BackendError):
        root = tree.open_root()
        try:
            folder = tree.open_folder(root, TEMPORARY)
        finally:
            os.close(root)
        try:
            for name in names_in(folder):
                with suppress(OSError):
                    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < time.time() - STALE:
                        os.unlink(name, dir_fd=folder)
                        removed += 1
        finally:
            os.close(folder)
    return removed
