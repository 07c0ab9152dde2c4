"""A lock across threads, processes and machines, with a fencing token.

::

    with Lock(cache, "reindex:42", seconds=30, wait=5) as lock:
        for batch in work:
            lock.check()                          # raises when it was lost
            target.write(batch, fence=lock.token) # the target refuses a smaller token than it has seen

A lock that expires while its holder is paused is no lock any more; no renewal can help there. What keeps the
result right is the token: it only grows, so whoever is protected refuses an older one
(`Cache.set_versioned` does). On Redis a confirmed lock may be lost in a failover (replication is not waited
for); the token stays larger all the same, because it is at least the server's time in microseconds.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
import weakref
from types import TracebackType
from typing import Self

from cloudberth.cache.cache import Cache
from cloudberth.errors import BackendError, PreconditionFailed

_POLL = (0.02, 0.5)  # seconds between attempts: at first, at most


class Lock:
    """One lock, to be taken once at a time. Not re-entrant.

    seconds: after which it is free if its holder is gone; while it is held it is renewed. wait: seconds to
    wait for somebody else's.
    """

    def __init__(
        self, cache: Cache, name: str, seconds: float = 30.0, wait: float = 0.0, *, renew: bool = True
    ) -> None:
        self._cache = cache
        self.name = name
        self.seconds = seconds
        self._wait = wait
        self._renew = renew
        self._owner = ""
        self._token = 0
        self._until = 0.0
        self._lost = False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def token(self) -> int:
        """The fencing token; larger than that of any holder before."""
        return self._token

    @property
    def lost(self) -> bool:
        """Whether somebody else may have it. Counted from before it was asked for, so never too late."""
        return self._lost or time.monotonic() >= self._until

    def check(self) -> None:
        """Raise PreconditionFailed when the lock was lost."""
        if self.lost:
            raise PreconditionFailed("the lock was lost while it was held", where=self.name)

    def acquire(self) -> int:
        """Take it; the fencing token. Raises PreconditionFailed when somebody else keeps it for `wait`."""
        token = self.try_acquire()
        until, pause = time.monotonic() + self._wait, _POLL[0]
        while token is None:
            left = until - time.monotonic()
            if left <= 0:
                raise PreconditionFailed("somebody else holds the lock", where=self.name)
            time.sleep(min(left, random.uniform(pause / 2, pause)))  # noqa: S311
            pause = min(_POLL[1], pause * 2)
            token = self.try_acquire()
        return token

    def try_acquire(self) -> int | None:
        """Take it if it is free; the fencing token."""
        owner, began = secrets.token_hex(16), time.monotonic()
        token = self._cache.acquire(self.name, owner, self.seconds)
        if token is None:
            return None
        self._owner, self._token, self._lost = owner, token, False
        self._until = began + self.seconds
        if self._renew:
            _renewals.add(self)
        return token

    def release(self) -> bool:
        """Give it back; False when it was lost. A store that is out lets it expire."""
        _renewals.remove(self)
        owner, self._owner = self._owner, ""
        self._until = 0.0
        if not owner:
            return False
        return self._cache.attempt(lambda: self._cache.release(self.name, owner), False)

    def renew(self) -> bool:
        """Give it new time. False: it was lost. A store that is out is no loss until the time is over."""
        owner, began = self._owner, time.monotonic()
        if not owner:
            return False
        try:
            if not self._cache.renew(self.name, owner, self.seconds):
                self._lost = True
            elif self._owner == owner:
                self._until = began + self.seconds
        except BackendError:
            pass  # tried again soon; `lost` goes by the time
        return not self.lost


class _Renewals:
    """One thread of a process that renews every lock held in it, each at a third of its time."""

    def __init__(self) -> None:
        self._locks: weakref.WeakSet[Lock] = weakref.WeakSet()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def add(self, lock: Lock) -> None:
        with self._changed:
            if self._pid != os.getpid():  # the child of a fork holds none of its parent's locks
                self._locks = weakref.WeakSet()
                self._thread, self._pid = None, os.getpid()
            self._locks.add(lock)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cache-locks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, lock: Lock) -> None:
        with self._changed:
            self._locks.discard(lock)

    def _run(self) -> None:
        while True:
            with self._changed:
                held = list(self._locks)
                if not held:
                    if not self._changed.wait(timeout=10.0) and not self._locks:
                        self._thread = None
                        return
                    continue
                pause = min(lock.seconds for lock in held) / 3
                del held
                self._changed.wait(timeout=pause)
                held = list(self._locks)
            for lock in held:
                if not lock._lost:
                    lock.renew()
            del held


_renewals = _Renewals()
