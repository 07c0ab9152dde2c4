"""One computation at a time for a key: across threads by a table, across processes by a lock.

Without it, a value that expires under load is computed by everybody at once (a stampede). Whoever comes
second waits for the first and takes its result. It never waits for ever: past `wait`, or when the store is
out, it computes for itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Generic, TypeVar

from cloudberth.cache.cache import Cache
from cloudberth.cache.locks import Lock
from cloudberth.errors import BackendError

T = TypeVar("T")
_POLL = (0.02, 0.25)


class Flights(Generic[T]):
    """The computations under way of one namespace.

    seconds: after which a process that died is no longer waited for. wait: the longest anybody waits.
    """

    def __init__(self, cache: Cache, seconds: float = 10.0, wait: float = 15.0) -> None:
        self._cache = cache
        self._seconds = seconds
        self._wait = wait
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[T]] = {}

    def run(self, key: str, look: Callable[[], T | None], produce: Callable[[int], T]) -> T:
        """The value of a key. look: whether somebody else has it ready. produce: compute and keep it; it is
        given the fencing token of the lock, or 0 when it has none.

        An error of `produce` is raised to everybody in this process who waited for it.
        """
        with self._lock:
            flight = self._under_way.get(key)
            first = flight is None
            if flight is None:
                flight = self._under_way[key] = Future()
        if not first:
            try:
                return flight.result(timeout=self._wait)
            except CancelledError:  # whoever refreshed found that another process is at it
                return self._as_first(key, look, produce)
            except TimeoutError:
                if flight.done():
                    raise  # the computation's own
                return produce(0)
        with self._told_when_broken(key, flight):
            value = self._as_first(key, look, produce)
        self._landed(key)
        flight.set_result(value)
        return value

    def try_alone(self, key: str, produce: Callable[[int], T]) -> bool:
        """Compute unless somebody is doing it; whether it was done here. For refreshing behind an answer."""
        with self._lock:
            if key in self._under_way:
                return False
            flight = self._under_way[key] = Future()
        with self._told_when_broken(key, flight):
            lock = Lock(self._cache, "f:" + key, self._seconds)
            if self._cache.attempt(lock.try_acquire, None) is None:
                flight.cancel()
                self._landed(key)
                return False
            try:
                value = produce(lock.token)
            finally:
                lock.release()
        self._landed(key)
        flight.set_result(value)
        return True

    @contextmanager
    def _told_when_broken(self, key: str, flight: Future[T]) -> Iterator[None]:
        """Whoever waits for a flight gets the error that ended it."""
        try:
            yield
        except BaseException as error:
            self._landed(key)
            flight.set_exception(error)
            raise

    def _landed(self, key: str) -> None:
        with self._lock:
            self._under_way.pop(key, None)

    def _as_first(self, key: str, look: Callable[[], T | None], produce: Callable[[int], T]) -> T:
        lock = Lock(self._cache, "f:" + key, self._seconds)
        until, pause = time.monotonic() + self._wait, _POLL[0]
        while True:
            try:
                taken = lock.try_acquire() is not None
            except BackendError as error:
                self._cache.did_without(error)
                return produce(0)
            if taken:
                break
            time.sleep(pause)
            pause = min(_POLL[1], pause * 2)
            if (found := look()) is not None:
                return found
            if time.monotonic() >= until:
                return produce(0)
        try:
            # Somebody may have finished between the first look and the lock.
            if (found := look()) is not None:
                return found
            return produce(lock.token)
        finally:
            lock.release()
