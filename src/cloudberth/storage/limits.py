"""How fast: requests and bytes a second, how many at once; slower when a server says that it is too much."""

from __future__ import annotations

import threading
import time

from cloudberth.errors import BackendError, Kind
from cloudberth.storage.options import Options

_SLOWEST_RATE = 1.0
_GROWTH = 1.05  # a second without a complaint


class Pace:
    """Amounts a second, shared by all threads: the wait of one is the sum of what the others took.

    A reservation moves a point in time forward and needs no thread of its own; rate None: no limit.
    """

    def __init__(self, rate: float | None, burst: float = 1.0) -> None:
        self.rate = rate
        self._burst = burst
        self._free_at = 0.0
        self._lock = threading.Lock()

    def reserve(self, amount: float, now: float) -> float:
        """Take an amount; seconds to wait before it may be used."""
        if self.rate is None:
            return 0.0
        with self._lock:
            start = max(self._free_at, now - self._burst)
            self._free_at = start + amount / self.rate
            return max(0.0, self._free_at - amount / self.rate - now)


class Limits:
    """The limits of one client. adaptive rate: none until the server complains, then half of what it was,
    growing slowly again (additive increase, multiplicative decrease, as TCP does).
    """

    def __init__(self, options: Options) -> None:
        self._requests = Pace(options.request_rate)
        self._bytes = Pace(options.bandwidth, burst=0.25)
        self._ceiling = options.request_rate
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._count = 0
        self._changed = 0.0
        self.slots = threading.BoundedSemaphore(max(1, options.concurrency))
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let nothing wait any longer: what would have, ends with an error. Cleaning up goes through."""
        self._stopped.set()

    def pause(self, seconds: float, *, cleaning_up: bool = False) -> None:
        """Wait for a turn. Raises BackendError when `stop` was called, before or meanwhile."""
        if self._stopped.wait(seconds) and not cleaning_up:
            raise BackendError("stopped", kind=Kind.UNAVAILABLE)

    @property
    def limited(self) -> bool:
        """Whether anything has to be waited for at all."""
        return self._requests.rate is not None or self._bytes.rate is not None

    @property
    def rate(self) -> float | None:
        """Requests a second that are allowed now; None: as many as there are."""
        return self._requests.rate

    def wait_for_request(self, now: float) -> float:
        """Seconds until a request may go out."""
        self._count += 1  # a lost count under a race only makes the estimate a little lower
        if self._requests.rate is not None:
            self._grow(now)
        return self._requests.reserve(1, now)

    def wait_for_bytes(self, count: int, now: float) -> float:
        """Seconds until so many bytes may go through."""
        return self._bytes.reserve(count, now)

    def throttled(self, now: float) -> None:
        """The server said that it is too much: halve the rate, once for all complaints of the same second."""
        with self._lock:
            if now - self._changed < 1.0:
                return
            seen = self._requests.rate
            if seen is None:
                seen = self._count / max(now - self._since, 0.05)
            self._requests.rate = max(_SLOWEST_RATE, seen / 2)
            self._changed = self._since = now
            self._count = 0

    def _grow(self, now: float) -> None:
        if now - self._changed < 1.0:
            return
        with self._lock:
            rate = self._requests.rate
            if rate is None or now - self._changed < 1.0:
                return
            grown = rate * _GROWTH + 1.0
            self._requests.rate = grown if self._ceiling is None else min(grown, self._ceiling)
            self._changed = now
