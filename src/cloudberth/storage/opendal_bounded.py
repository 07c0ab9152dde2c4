"""OpenDAL's operator with an end to every wait.

Its blocking calls cannot be interrupted, and its own time-outs do not see a server that trickles or hangs
inside of an answer (measured with 0.47). So its asynchronous twin does the work, on an event loop of a thread
of ours, and whoever waits for it waits for so long and no longer; what is given up is cancelled there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from cloudberth.errors import TimedOut
from cloudberth.storage.options import Options

T = TypeVar("T")
_ENTRIES = 500


class _Loop:
    """One event loop for all operators of the process, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="cloudberth-opendal", daemon=True
                ).start()
            return self._loop


_LOOP = _Loop()


class Bounded:
    """The blocking methods of an operator that we use. They raise TimedOut, and what OpenDAL raises."""

    def __init__(self, operator: Any, options: Options) -> None:
        self._operator = operator
        self._options = options

    def call(self, work: Callable[[], Awaitable[T]], size: int = 0) -> T:
        """Do something that sends or brings so many bytes, within the time that this may take."""
        seconds = self._options.read_timeout + size / self._options.slowest

        async def awaited() -> T:
            return await work()

        future = asyncio.run_coroutine_threadsafe(awaited(), _LOOP.get())
        try:
            return future.result(seconds)
        except FutureTimeout:
            future.cancel()
            raise TimedOut(f"no answer within {seconds:.0f} seconds") from None

    def write(self, path: str, data: bytes, **named: Any) -> None:
        self.call(lambda: self._operator.write(path, data, **named), len(data))

    def read(self, path: str, *, offset: int, size: int, **named: Any) -> bytes:
        data: bytes = self.call(lambda: self._operator.read(path, offset=offset, size=size, **named), size)
        return data

    def stat(self, path: str) -> Any:
        return self.call(lambda: self._operator.stat(path))

    def delete(self, path: str) -> None:
        self.call(lambda: self._operator.delete(path))

    def copy(self, source: str, target: str) -> None:
        # The service may have to move all bytes before it answers.
        self.call(
            lambda: self._operator.copy(source, target), int(self._options.deadline) * self._options.slowest
        )

    def check(self) -> None:
        self.call(self._operator.check)

    def open(self, path: str, mode: str, **named: Any) -> BoundedFile:
        return BoundedFile(self, self.call(lambda: self._operator.open(path, mode, **named)))

    def list(self, path: str, **named: Any) -> Iterator[Any]:
        """Entries, some hundred at a time."""
        entries = self.call(lambda: self._operator.list(path, **named))

        async def some() -> tuple[list[Any], bool]:
            found: list[Any] = []
            async for entry in entries:
                found.append(entry)
                if len(found) == _ENTRIES:
                    return found, True
            return found, False

        more = True
        while more:
            batch, more = self.call(some)
            yield from batch

    def presign(self, method: str, path: str, seconds: int, **named: Any) -> Any:
        call = self._operator.presign_write if method == "PUT" else self._operator.presign_read
        return self.call(lambda: call(path, seconds, **named))


class BoundedFile:
    """A file of an operator, open for reading or writing."""

    def __init__(self, operator: Bounded, file: Any) -> None:
        self._operator = operator
        self._file = file

    def read(self, size: int) -> bytes:
        data: bytes = self._operator.call(lambda: self._file.read(size), size)
        return data

    def write(self, data: bytes) -> None:
        self._operator.call(lambda: self._file.write(data), len(data))

    def close(self) -> None:
        self._operator.call(self._file.close)
