"""What surrounds every primitive of every backend: limits, repeats, metrics, traces, and words for errors.

One class, because the layers share one moment in time: the attempt. Each of them is a piece of its own that
can be read and tested alone (retry.py, limits.py, metrics and traces below).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from cloudberth import spans
from cloudberth.errors import BackendError, Throttled
from cloudberth.exposition import by_operation, counter
from cloudberth.retry import RetryPolicy
from cloudberth.storage.body import Body, Reader
from cloudberth.storage.calls import Call, Outcome, outcome_of
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    BucketFacts,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.limits import Limits
from cloudberth.storage.options import Options

T = TypeVar("T")


@dataclass(slots=True)
class Metrics:
    """Sums so far: by primitive `calls`, `failures` and `seconds`, by kind of error `retries`."""

    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    waited: float = 0.0

    def add(self, operation: str, seconds: float) -> None:
        self.calls[operation] += 1
        self.seconds[operation] = self.seconds.get(operation, 0.0) + seconds

    def prometheus(self, labels: str = "") -> str:
        """The sums in the text format of Prometheus. labels: ``type="s3"``."""
        lines: list[str] = []
        for name, values in (("calls", self.calls), ("failures", self.failures), ("seconds", self.seconds)):
            lines += counter(f"cloudberth_storage_{name}_total", by_operation(values), labels)
        for name, amount in (("bytes_in", self.bytes_in), ("bytes_out", self.bytes_out)):
            lines += [f"# TYPE cloudberth_storage_{name}_total counter"]
            lines += [f"cloudberth_storage_{name}_total{{{labels}}} {amount}"]
        return "\n".join(lines) + "\n"


def _span(operation: str, backend: Backend, key: str) -> Any:
    """An OpenTelemetry span when the application has set OpenTelemetry up, else None."""
    if (tracer := spans.tracer("cloudberth.storage")) is None:
        return None
    span = tracer.start_span(f"storage {operation}")
    span.set_attribute("cloudberth.storage.type", backend.id)
    span.set_attribute("cloudberth.storage.place", backend.place)
    span.set_attribute("cloudberth.storage.key", key)
    return span


class Layered(Backend):
    """A backend with all layers around it. `inner` is the bare one."""

    def __init__(self, inner: Backend, options: Options) -> None:
        self.inner = inner
        self.id = inner.id
        self.place = inner.place
        self.capabilities = inner.capabilities
        self.options = options
        self.metrics = Metrics()
        self.limits = Limits(options)
        self.policy = RetryPolicy.of(options)
        self._slots: threading.BoundedSemaphore = self.limits.slots

    # -- around one primitive --------------------------------------------------------------------------------

    def around(self, operation: str, key: str, size: int, call: Callable[[], T]) -> T:
        """Make a call with everything around it. size: bytes that it sends."""
        span = _span(operation, self.inner, key)
        began = time.monotonic()
        attempt = 1
        try:
            while True:
                self._wait(size)
                try:
                    with self._slots:
                        value = call()
                except BackendError as error:
                    self._explain(error, operation, key)
                    if isinstance(error, Throttled):
                        self.limits.throttled(time.monotonic())
                    seconds = self.policy.wait(error, attempt, time.monotonic() - began)
                    if seconds is None:
                        raise
                    self.metrics.retries[error.kind.value] += 1
                else:
                    self.metrics.add(operation, time.monotonic() - began)
                    self.metrics.bytes_out += size
                    return value
                self.metrics.waited += seconds
                self.limits.pause(seconds)
                attempt += 1
        except BaseException as error:
            self.metrics.failures[operation] += 1
            if span is not None:
                span.set_attribute("error.type", getattr(error, "kind", type(error).__name__))
            raise
        finally:
            if span is not None:
                span.end()

    def _wait(self, size: int) -> None:
        now = time.monotonic()
        seconds = self.limits.wait_for_request(now)
        if size:
            seconds = max(seconds, self.limits.wait_for_bytes(size, now))
        if seconds > 0:
            self.metrics.waited += seconds
            self.limits.pause(seconds, cleaning_up=not size)

    def _explain(self, error: BackendError, operation: str, key: str) -> None:
        """Every error says where it happened, also one that knows only a connection."""
        if not error.where:
            error.where = f"{self.place}/{key}" if key else self.place
            error.args = (f"{error.where}: {error.what}",)
        error.add_note(f"while: {operation}")

    # -- around many at once (what the lanes ask) ------------------------------------------------------------

    def many(self, calls: Iterable[Call], width: int = 0) -> Iterator[Outcome]:
        """Make many calls of small things at once; what came of each, in the order in which they end.

        Calls are taken from the iterable as there is room. width: how many at once.
        """
        from cloudberth.storage.lanes import Lanes

        lanes: Lanes[Outcome] = Lanes(width or self.options.concurrency)
        return lanes.run((call.size, outcome_of(self, call)) for call in calls)

    def before(self, call: Call) -> float:
        """Seconds to wait before an attempt."""
        now = time.monotonic()
        seconds = self.limits.wait_for_request(now)
        if call.size and self.limits.limited:
            seconds = max(seconds, self.limits.wait_for_bytes(call.size, now))
        self.metrics.waited += seconds
        return seconds

    def succeeded(self, call: Call, seconds: float) -> None:
        """Count it."""
        self.metrics.add(call.primitive, seconds)
        self.metrics.bytes_out += call.size

    def failed(self, call: Call, error: BackendError, attempt: int, seconds: float) -> float | None:
        """Seconds to wait before the next attempt; None: give up."""
        self._explain(error, call.primitive, call.key)
        if isinstance(error, Throttled):
            self.limits.throttled(time.monotonic())
        wait = self.policy.wait(error, attempt, seconds)
        if wait is None:
            self.metrics.failures[call.primitive] += 1
        else:
            self.metrics.retries[error.kind.value] += 1
            self.metrics.waited += wait
        return wait

    # -- the primitives --------------------------------------------------------------------------------------

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        return self.around("put", key, body.size, lambda: self.inner.put(key, body, attributes, condition))

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        opened = self.around("get", key, 0, lambda: self.inner.get(key, span, match))
        return Opened(opened.info, MeasuredReader(opened.reader, self))

    def head(self, key: str) -> ObjectInfo:
        return self.around("head", key, 0, lambda: self.inner.head(key))

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        return self.around(
            "list", prefix, 0,
            lambda: self.inner.list(prefix, delimiter=delimiter, after=after, cursor=cursor, limit=limit),
        )  # fmt: skip

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        name = keys[0] if len(keys) == 1 else ""
        return self.around("delete", name, 0, lambda: self.inner.delete(keys))

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        return self.around("copy", key, 0, lambda: self.inner.copy(source, key, attributes))

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        bare = bare_backend(other)
        return self.around("copy", key, 0, lambda: self.inner.copy_from(bare, source, key, attributes))

    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> str:
        return self.around("start_upload", key, 0, lambda: self.inner.start_upload(key, attributes))

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        return self.around("put_part", key, body.size, lambda: self.inner.put_part(key, upload, number, body))

    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Part:
        bare = bare_backend(other) if other else None
        return self.around(
            "copy_part", key, 0, lambda: self.inner.copy_part(key, upload, number, source, span, bare)
        )

    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Written:  # fmt: skip
        return self.around(
            "finish_upload", key, 0,
            lambda: self.inner.finish_upload(key, upload, parts, attributes, condition),
        )  # fmt: skip

    def abort_upload(self, key: str, upload: str) -> None:
        self.around("abort_upload", key, 0, lambda: self.inner.abort_upload(key, upload))

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        return iter(self.around("list_parts", key, 0, lambda: list(self.inner.list_parts(key, upload))))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        return iter(self.around("list_uploads", prefix, 0, lambda: list(self.inner.list_uploads(prefix))))

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        return self.around("presign", key, 0, lambda: self.inner.presign(method, key, seconds, attributes))

    def check_bucket(self) -> None:
        self.around("check_bucket", "", 0, self.inner.check_bucket)

    def create_bucket(self) -> None:
        self.around("create_bucket", "", 0, self.inner.create_bucket)

    def facts(self) -> BucketFacts:
        return self.around("facts", "", 0, self.inner.facts)

    def close(self) -> None:
        self.inner.close()


class MeasuredReader(Reader):
    """Counts what is read, and keeps to the bandwidth."""

    def __init__(self, inner: Reader, layered: Layered) -> None:
        self._inner = inner
        self._layered = layered

    def read(self, size: int = -1) -> bytes:
        data = self._inner.read(size)
        self._count(len(data))
        return data

    def readinto(self, buffer: memoryview) -> int:
        count = self._inner.readinto(buffer)
        self._count(count)
        return count

    def _count(self, count: int) -> None:
        self._layered.metrics.bytes_in += count
        if self._layered.limits.limited:
            seconds = self._layered.limits.wait_for_bytes(count, time.monotonic())
            if seconds > 0:
                self._layered.limits.pause(seconds)

    def close(self) -> None:
        self._inner.close()


def bare_backend(backend: Backend) -> Backend:
    """The backend without its layers."""
    return backend.inner if isinstance(backend, Layered) else backend
