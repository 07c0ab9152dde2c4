"""What a cache did, in sums: hits and misses by namespace, calls and seconds by operation, errors by kind."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudberth.exposition import by_operation, counter


@dataclass(slots=True)
class Metrics:
    """Sums since the cache was opened. namespace: what `Cache.under` was given (``sessions``).

    degraded: how often a use did without the cache. open: whether the circuit breaker is open now.
    """

    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    open: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def found(self, namespace: str, hits: int, misses: int) -> None:
        with self._lock:
            if hits:
                self.hits[namespace] += hits
            if misses:
                self.misses[namespace] += misses

    def called(self, operation: str, seconds: float) -> None:
        with self._lock:
            self.calls[operation] += 1
            self.seconds[operation] = self.seconds.get(operation, 0.0) + seconds

    def failed(self, namespace: str, kind: str) -> None:
        with self._lock:
            self.errors[namespace, kind] += 1

    def repeated(self, kind: str) -> None:
        with self._lock:
            self.retries[kind] += 1

    def did_without(self, namespace: str) -> None:
        with self._lock:
            self.degraded[namespace] += 1

    def hit_rate(self, namespace: str) -> float | None:
        """0 … 1; None before anything was asked for."""
        asked = self.hits[namespace] + self.misses[namespace]
        return self.hits[namespace] / asked if asked else None

    def prometheus(self, labels: str = "") -> str:
        """In the text format of Prometheus. labels: ``type="redis"``."""
        with self._lock:
            by_namespace = (("hits", self.hits), ("misses", self.misses), ("degraded", self.degraded))
            lines: list[str] = []
            for name, sums in by_namespace:
                lines += _lines(name, [({"namespace": key}, count) for key, count in sums.items()], labels)
            errors = [({"namespace": key, "kind": kind}, count) for (key, kind), count in self.errors.items()]
            lines += _lines("errors", errors, labels)
            lines += _lines(
                "retries", [({"kind": kind}, count) for kind, count in self.retries.items()], labels
            )
            lines += _lines("calls", by_operation(self.calls), labels)
            lines += _lines("seconds", by_operation(self.seconds), labels)
        open_now = f"{{{labels}}}" if labels else ""
        lines += ["# TYPE cloudberth_cache_open gauge", f"cloudberth_cache_open{open_now} {int(self.open)}"]
        return "\n".join(lines) + "\n"


def _lines(name: str, values: Iterable[tuple[Mapping[str, str], float]], labels: str) -> list[str]:
    return counter(f"cloudberth_cache_{name}_total", values, labels)
