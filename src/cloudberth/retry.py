"""When to try again, and how long to wait before: one pure decision for everything that can fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cloudberth.errors import BackendError

T = TypeVar("T")


class RetryOptions(Protocol):
    """What a client's options say of repeats. retries: after the first attempt. deadline: seconds."""

    @property
    def retries(self) -> int: ...

    @property
    def deadline(self) -> float: ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential waits with full jitter. retries: after the first attempt. Times in seconds.

    deadline: no further attempt begins that would end its wait later than this after the first began.
    """

    retries: int = 6
    deadline: float = 300.0
    base: float = 0.1
    longest: float = 20.0

    @classmethod
    def of(cls, options: RetryOptions) -> RetryPolicy:
        return cls(retries=options.retries, deadline=options.deadline)

    def wait(self, error: BackendError, attempt: int, elapsed: float) -> float | None:
        """Seconds to wait before the next attempt; None: give up. attempt: that just failed, from 1."""
        if not error.retryable or attempt > self.retries:
            return None
        most = min(self.longest, self.base * 2 ** (attempt - 1))
        seconds = random.uniform(0, most)  # noqa: S311 — spreads clients, guards nothing
        if error.retry_after is not None:
            seconds += error.retry_after
        return seconds if elapsed + seconds < self.deadline else None

    def run(self, call: Callable[[], T], *, failed: Callable[[BackendError, float], None] | None = None) -> T:
        """Call until it succeeds or the policy gives up. failed: hears of failures that are tried again."""
        began = time.monotonic()
        attempt = 1
        while True:
            try:
                return call()
            except BackendError as error:
                seconds = self.wait(error, attempt, time.monotonic() - began)
                if seconds is None:
                    raise
                if failed is not None:
                    failed(error, seconds)
            time.sleep(seconds)
            attempt += 1
