"""What surrounds every primitive of every backend: repeats, metrics, traces, and the place in an error."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cloudberth import spans
from cloudberth.errors import BackendError, NotFound, PreconditionFailed
from cloudberth.exposition import by_operation, counter
from cloudberth.retry import RetryPolicy
from cloudberth.vector.contract import (
    Collection,
    DenseQuery,
    Health,
    Hit,
    Page,
    Record,
    TextQuery,
    VectorBackend,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.options import Options

T = TypeVar("T")


@dataclass(slots=True)
class Metrics:
    """Sums so far, by primitive."""

    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, operation: str, seconds: float, *, failed: bool) -> None:
        with self.lock:
            self.calls[operation] += 1
            self.seconds[operation] = self.seconds.get(operation, 0.0) + seconds
            if failed or operation not in self.failures:
                self.failures[operation] += failed

    def prometheus(self, labels: str = "") -> str:
        """The sums in the text format of Prometheus. labels: ``type="pgvector"``."""
        lines: list[str] = []
        for name in ("calls", "failures", "retries", "seconds"):
            lines += counter(f"cloudberth_vector_{name}_total", by_operation(getattr(self, name)), labels)
        return "\n".join(lines) + "\n"


class Layered:
    """The primitives of a backend, each with its layers. Has the methods of `VectorBackend`."""

    def __init__(self, backend: VectorBackend, options: Options) -> None:
        self.backend = backend
        self.capabilities = backend.capabilities
        self.policy = RetryPolicy.of(options)
        self.metrics = Metrics()

    def create(self, collection: Collection) -> None:
        """A repeat that finds the collection of an attempt whose answer was lost is a success."""
        attempts = 0

        def once() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self.backend.create(collection)
            except PreconditionFailed:
                if attempts == 1 or self.backend.count(collection, None):
                    raise

        self._call("create", collection.name, once)

    def describe(self, name: str) -> Collection:
        return self._call("describe", name, lambda: self.backend.describe(name))

    def collections(self) -> tuple[str, ...]:
        return self._call("collections", "", self.backend.collections)

    def drop(self, name: str) -> None:
        attempts = 0

        def once() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self.backend.drop(name)
            except NotFound:
                if attempts == 1:
                    raise

        self._call("drop", name, once)

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        self._call("upsert", collection.name, lambda: self.backend.upsert(collection, records))

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        return self._call("get", collection.name, lambda: self.backend.get(collection, ids, vectors=vectors))

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        return self._call("delete", collection.name, lambda: self.backend.delete(collection, ids))

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self._call(
            "delete_where", collection.name, lambda: self.backend.delete_where(collection, filter)
        )

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        return self._call(
            "search_dense", collection.name, lambda: self.backend.search_dense(collection, query)
        )

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        return self._call("search_text", collection.name, lambda: self.backend.search_text(collection, query))

    def count(self, collection: Collection, filter: Filter | None) -> int:
        return self._call("count", collection.name, lambda: self.backend.count(collection, filter))

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        return self._call(
            "scan",
            collection.name,
            lambda: self.backend.scan(collection, filter=filter, after=after, limit=limit, vectors=vectors),
        )

    def begin_bulk(self, collection: Collection) -> None:
        self._call("begin_bulk", collection.name, lambda: self.backend.begin_bulk(collection))

    def end_bulk(self, collection: Collection) -> None:
        self._call("end_bulk", collection.name, lambda: self.backend.end_bulk(collection))

    def health(self) -> Health:
        return self._call("health", "", self.backend.health)

    def _call(self, operation: str, name: str, once: Callable[[], T]) -> T:
        began = time.perf_counter()
        failed = True
        try:
            tracer = spans.tracer("cloudberth.vector")
            if tracer is None:
                result = self.policy.run(once, failed=lambda *_: self._retried(operation))
            else:
                with self._span(tracer, operation, name):
                    result = self.policy.run(once, failed=lambda *_: self._retried(operation))
            failed = False
            return result
        except BackendError as error:
            self._place(error, name)
            raise
        finally:
            self.metrics.add(operation, time.perf_counter() - began, failed=failed)

    def _retried(self, operation: str) -> None:
        with self.metrics.lock:
            self.metrics.retries[operation] += 1

    def _place(self, error: BackendError, name: str) -> None:
        """Say where it happened, when the backend did not."""
        if not error.where:
            error.where = f"{self.backend.place} {name}".strip()
            error.args = (f"{error.where}: {error.what}",)

    def _span(self, tracer: Any, operation: str, name: str) -> AbstractContextManager[Any]:
        """An OpenTelemetry span; only when the application has set OpenTelemetry up."""
        span: AbstractContextManager[Any] = tracer.start_as_current_span(
            f"vector {operation}",
            attributes={
                "db.system.name": self.backend.id,
                "db.collection.name": name,
                "db.operation.name": operation,
            },
        )
        return span
