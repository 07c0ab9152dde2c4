"""What a cache did, in sums: hits and misses by namespace, calls and seconds by operation, errors by kind."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


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
            for name, counter in by_namespace:
                lines += _lines(name, [({"namespace": key}, count) for key, count in counter.items()], labels)
            errors = [({"namespace": key, "kind": kind}, count) for (key, kind), count in self.errors.items()]
            lines += _lines("errors", errors, labels)
            lines += _lines(
                "retries", [({"kind": kind}, count) for kind, count in self.retries.items()], labels
            )
            lines += _lines("calls", [({"operation": name}, n) for name, n in self.calls.items()], labels)
            lines += _lines("seconds", [({"operation": name}, n) for name, n in self.seconds.items()], labels)
        open_now = f"{{{labels}}}" if labels else ""
        lines += ["# TYPE cloudberth_cache_open gauge", f"cloudberth_cache_open{open_now} {int(self.open)}"]
        return "\n".join(lines) + "\n"


def _lines(name: str, values: Sequence[tuple[dict[str, str], float]], labels: str) -> list[str]:
    metric = f"cloudberth_cache_{name}_total"
    found = [f"# TYPE {metric} counter"]
    for own, value in sorted(values, key=lambda pair: sorted(pair[0].items())):
        both = ",".join(filter(None, (labels, *(f'{label}="{text}"' for label, text in own.items()))))
        found.append(f"{metric}{{{both}}} {value}")
    return found
