"""Connections of any DB-API driver that are lent out, and closed all at once when the server went away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cloudberth.errors import TimedOut, Unavailable


class Pool:
    """Lends connections, at most `size` at once, the one used last first. Safe with several threads.

    open: a new connection. usable: whether an idle one still is. wait: seconds for a free one.
    """

    def __init__(
        self,
        open: Callable[[], Any],
        size: int,
        wait: float,
        usable: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        self._open = open
        self._usable = usable
        self._size = size
        self._wait = wait
        self._free: list[Any] = []
        self._places = threading.BoundedSemaphore(size)
        self._guard = threading.Lock()
        self._closed = False
        # Connections of an earlier round are closed when they come back.
        self._round = 0

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """A connection; one that is given back after an error is closed, since nobody knows its state."""
        if not self._places.acquire(timeout=self._wait):
            raise TimedOut(f"all {self._size} connections were busy for {self._wait:g} s")
        try:
            with self._guard:
                taken_in = self._round
            connection = self._take()
            sound = False
            try:
                yield connection
                sound = True
            finally:
                self._give(connection, sound, taken_in)
        finally:
            self._places.release()

    def forget(self) -> None:
        """Close what is idle, and what is lent when it comes back: the server was restarted."""
        with self._guard:
            self._round += 1
            free, self._free = self._free, []
        for connection in free:
            _close(connection)

    def close(self) -> None:
        """Close everything; what is lent is closed when it comes back."""
        self._closed = True
        self.forget()

    def _take(self) -> Any:
        if self._closed:
            raise Unavailable("this vector store is closed")
        while True:
            with self._guard:
                connection = self._free.pop() if self._free else None
            if connection is None:
                return self._open()
            if self._usable(connection):
                return connection
            _close(connection)

    def _give(self, connection: Any, sound: bool, taken_in: int) -> None:
        with self._guard:
            if sound and not self._closed and taken_in == self._round:
                self._free.append(connection)
                return
        _close(connection)


def _close(connection: Any) -> None:
    # Whatever a driver says of a connection that is given up changes nothing.
    with suppress(Exception):
        connection.close()
