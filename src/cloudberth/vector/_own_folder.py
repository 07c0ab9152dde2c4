"""Folders that one process may have open at a time: guarded by a lock of the kernel, which dies with it."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from cloudberth.errors import InvalidInput, Unavailable

_LOCK = ".cloudberth.lock"
_held: dict[Path, tuple[int, int]] = {}
_guard = threading.Lock()


class OwnFolder:
    """The right of this process to a folder (or to a file, whose lock then lies beside it).

    Several of one process share it. Where another process has it, taking it raises Unavailable, which is
    tried again: the other may end.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self._taken = False

    def take(self) -> None:
        """Make the folder, and take the lock. Taking it twice is once."""
        lock = self._lock_file()
        with _guard:
            if self._taken:
                return
            descriptor, holders = _held.get(lock, (-1, 0))
            if holders == 0:
                descriptor = self._locked(lock)
            _held[lock] = (descriptor, holders + 1)
            self._taken = True

    def give_back(self) -> None:
        lock = self._lock_file()
        with _guard:
            if not self._taken:
                return
            self._taken = False
            descriptor, holders = _held.pop(lock)
            if holders > 1:
                _held[lock] = (descriptor, holders - 1)
            else:
                os.close(descriptor)

    def _lock_file(self) -> Path:
        path = self.path.absolute()
        return path.with_name(path.name + ".lock") if path.suffix == ".db" else path / _LOCK

    def _locked(self, lock: Path) -> int:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidInput(f"the folder cannot be used: {error.strerror}", where=str(self.path)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise Unavailable(
                "another process has it open, and this store loses records when two do",
                where=str(self.path),
                hint=f"end the other process, or run a {self.kind} server, or use the local or lancedb store",
            ) from None
        return descriptor
