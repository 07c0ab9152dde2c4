"""What surrounds every primitive: repeats, a circuit breaker, metrics, spans, and the place in every error.

A cache is in the way of a request, so waits are short: a store that does not answer is given up after a few
failures in a row, and asked again by one call after a while; meanwhile every call fails at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cloudberth import spans
from cloudberth.cache.metrics import Metrics
from cloudberth.cache.outages import OutageLog
from cloudberth.cache.redis_failures import NOT_DONE, NOT_SENT
from cloudberth.errors import BackendError, Kind, Unavailable

T = TypeVar("T")

# What may be done twice, whether or not the first time happened. `acquire` knows its owner, and an `advance`
# more is only a larger number.
REPEATABLE = frozenset(
    {"get", "get_many", "set", "set_many", "set_newer", "delete", "delete_prefix", "count_prefix", "ttl",
     "expire", "advance", "acquire", "renew", "health"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a cache behaves. Times in seconds.

    retries: further attempts after the first, with waits from backoff_base, doubled up to backoff_cap, and as
    long as the whole call has taken less than deadline. failures: so many in a row open the circuit breaker;
    after cooldown one call tries. failures 0: no breaker.
    """

    retries: int = 3
    backoff_base: float = 0.05
    backoff_cap: float = 1.0
    deadline: float = 5.0
    failures: int = 5
    cooldown: float = 2.0


class Breaker:
    """Closed: calls go through. Open: they fail at once, until one of them is let through to see."""

    def __init__(self, failures: int, cooldown: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        return self._until > 0.0

    def wait(self) -> float:
        """Seconds until somebody may try again; 0: this call may."""
        if not self._until:
            return 0.0
        with self._lock:
            now = self._clock()
            if now < self._until:
                return self._until - now
            self._until = now + self._cooldown  # the others wait for what this one finds
            return 0.0

    def succeeded(self) -> None:
        if self._count or self._until:
            with self._lock:
                self._count, self._until = 0, 0.0

    def failed(self) -> None:
        with self._lock:
            self._count += 1
            if self._failures and self._count >= self._failures:
                self._until = self._clock() + self._cooldown


class Layers:
    """Everything around the calls of one backend, shared by all its namespaces."""

    def __init__(
        self,
        place: str,
        behaviour: Behaviour,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self.behaviour = behaviour
        self.metrics = Metrics()
        self.breaker = Breaker(behaviour.failures, behaviour.cooldown)
        self._pause = pause
        self.outages = OutageLog(place)

    def around(self, operation: str, namespace: str, call: Callable[[], T]) -> T:
        """Make a call with everything around it."""
        span = _span(operation, namespace, self.place)
        began = time.monotonic()
        attempt = 1
        try:
            while True:
                self._check()
                sent = time.monotonic()
                try:
                    value = call()
                except BackendError as error:
                    self._failed(error, operation)
                    seconds = self._wait(error, operation, attempt, time.monotonic() - began)
                    if seconds is None:
                        raise
                    self.metrics.repeated(error.kind.value)
                else:
                    self.breaker.succeeded()
                    self.metrics.open = False
                    self.outages.worked(sent)
                    self.metrics.called(operation, time.monotonic() - began)
                    return value
                self._pause(seconds)
                attempt += 1
        except BaseException as error:
            kind = getattr(error, "kind", None)
            word = str(kind.value) if isinstance(kind, Kind) else type(error).__name__
            self.metrics.failed(namespace, word)
            if span is not None:
                span.set_attribute("error.type", word)
            raise
        finally:
            if span is not None:
                span.end()

    def _check(self) -> None:
        seconds = self.breaker.wait()
        if seconds:
            error = Unavailable(
                f"was not to be reached; it is asked again in {seconds:.1f} s", where=self.place
            )
            error.code = "open"
            raise error

    def _failed(self, error: BackendError, operation: str) -> None:
        if error.code == "open":
            return
        out = error.kind is Kind.UNAVAILABLE or (error.kind is Kind.PERMISSION and error.code != "NOPERM")
        if out:
            self.breaker.failed()
            self.metrics.open = self.breaker.open
        else:
            self.breaker.succeeded()  # it answered
        error.add_note(f"while: cache {operation}")

    def _wait(self, error: BackendError, operation: str, attempt: int, spent: float) -> float | None:
        """Seconds before the next attempt; None: there is none."""
        again = operation in REPEATABLE or error.code in NOT_DONE
        # Connecting that took its whole time will do so again; a full memory does not empty itself.
        slow = (
            error.code != NOT_SENT and isinstance(error, TimeoutError) and spent > self.behaviour.deadline / 2
        )
        ready = error.retryable and error.code not in {"OOM", "open"} and not self.breaker.open
        if not (again and ready) or slow or attempt > self.behaviour.retries:
            return None
        ceiling = min(self.behaviour.backoff_cap, self.behaviour.backoff_base * 2 ** (attempt - 1))
        seconds = random.uniform(ceiling / 2, ceiling)  # noqa: S311 — so that clients do not come back at once
        return seconds if spent + seconds < self.behaviour.deadline else None


def _span(operation: str, namespace: str, place: str) -> Any:
    """An OpenTelemetry span when the application has set OpenTelemetry up, else None.

    Keys are not in it: they may be what nobody should read.
    """
    if (tracer := spans.tracer("cloudberth.cache")) is None:
        return None
    span = tracer.start_span(f"cache {operation}")
    span.set_attribute("cloudberth.cache.namespace", namespace)
    span.set_attribute("cloudberth.cache.place", place)
    return span
