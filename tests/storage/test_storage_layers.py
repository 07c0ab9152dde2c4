"""Layers: when is tried again, how long is waited, what is counted, and what an error says."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudberth.errors import (
    BackendError,
    CorruptData,
    Kind,
    NotFound,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.retry import RetryPolicy
from cloudberth.storage.body import Body, BytesBody, BytesReader
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    Capabilities,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Span,
    Written,
)
from cloudberth.storage.layers import Layered
from cloudberth.storage.limits import Limits, Pace
from cloudberth.storage.options import Options


class Scripted(Backend):
    """Raises what it is told, then works."""

    id = "scripted"
    place = "scripted://bucket"
    capabilities = Capabilities()

    def __init__(self, *errors: BackendError) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.at_once = self.most_at_once = 0

    def _next(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.005)
        self.at_once -= 1
        self._next()
        return Written("etag")

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        self._next()
        return Opened(ObjectInfo(key, 5), BytesReader(b"hello"))

    def head(self, key: str) -> ObjectInfo:
        self._next()
        return ObjectInfo(key, 5)

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        return Page(())

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        return []

    def check_bucket(self) -> None:
        self._next()


def layered(*errors: BackendError, retries: int = 3, **options: object) -> Layered:
    return Layered(Scripted(*errors), Options(retries=retries, **options))  # type: ignore[arg-type]


def inner(backend: Layered) -> Scripted:
    assert isinstance(backend.inner, Scripted)
    return backend.inner


@pytest.mark.parametrize("error", [Unavailable("x"), TimedOut("x"), Throttled("x"), CorruptData("x")])
def test_what_may_pass_is_tried_again(error: BackendError) -> None:
    backend = layered(error)
    assert backend.head("k").size == 5
    assert inner(backend).calls == 2
    assert backend.metrics.retries[error.kind.value] == 1
    assert backend.metrics.failures["head"] == 0


@pytest.mark.parametrize(
    "error", [NotFound("x"), PermissionDenied("x"), BackendError("x", kind=Kind.INVALID)]
)
def test_what_will_not_pass_is_not_tried_again(error: BackendError) -> None:
    backend = layered(error)
    with pytest.raises(type(error)):
        backend.head("k")
    assert inner(backend).calls == 1
    assert backend.metrics.failures["head"] == 1


def test_it_gives_up_after_so_many() -> None:
    backend = layered(*[Unavailable(str(n)) for n in range(10)], retries=2)
    with pytest.raises(Unavailable, match="2"):
        backend.head("k")
    assert inner(backend).calls == 3


def test_it_gives_up_at_the_deadline() -> None:
    backend = layered(*[Unavailable("x")] * 500, retries=500, deadline=0.3)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        backend.head("k")
    assert time.monotonic() - began < 15


def test_a_server_that_names_a_time_is_given_it() -> None:
    backend = layered(Throttled("x", retry_after=0.4))
    began = time.monotonic()
    backend.head("k")
    assert time.monotonic() - began >= 0.4


def test_a_wait_that_is_longer_than_the_deadline_is_not_begun() -> None:
    backend = layered(Throttled("x", retry_after=3600), deadline=5)
    began = time.monotonic()
    with pytest.raises(Throttled):
        backend.head("k")
    assert time.monotonic() - began < 15


@given(some.integers(1, 30), some.floats(0, 10))
def test_waits_grow_and_have_an_end(attempt: int, elapsed: float) -> None:
    policy = RetryPolicy(retries=30, deadline=1000, base=0.1, longest=20)
    seconds = policy.wait(Unavailable("x"), attempt, elapsed)
    assert seconds is not None
    assert 0 <= seconds <= min(20, 0.1 * 2 ** (attempt - 1))


def test_an_error_says_where_it_happened() -> None:
    backend = layered(Unavailable("the connection broke"), retries=0)
    with pytest.raises(Unavailable) as caught:
        backend.head("a/b")
    assert str(caught.value) == "scripted://bucket/a/b: the connection broke"


def test_no_more_at_once_than_allowed() -> None:
    backend = layered(concurrency=3)
    threads = [threading.Thread(target=backend.put, args=("k", BytesBody(b"x"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inner(backend).most_at_once <= 3
    assert backend.metrics.calls["put"] == 20
    assert backend.metrics.bytes_out == 20


def test_bandwidth_is_kept() -> None:
    backend = layered(bandwidth=1_000_000)
    began = time.monotonic()
    for _ in range(10):
        backend.put("k", BytesBody(bytes(100_000)))
    assert time.monotonic() - began > 0.5


def test_requests_a_second_are_kept() -> None:
    backend = layered(request_rate=50)
    for _ in range(50):
        backend.head("k")  # the burst of the first second
    began = time.monotonic()
    for _ in range(20):
        backend.head("k")
    assert time.monotonic() - began > 0.3


def test_reading_counts() -> None:
    backend = layered()
    assert backend.get("k").reader.read() == b"hello"
    assert backend.metrics.bytes_in == 5
    assert 'cloudberth_storage_calls_total{type="s3",operation="get"} 1' in backend.metrics.prometheus(
        'type="s3"'
    )


def test_a_pace_adds_up() -> None:
    pace = Pace(10.0, burst=0.0)
    assert [round(pace.reserve(1, 100.0), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert pace.reserve(1, 200.0) == 0.0
    assert Pace(None).reserve(1e9, 0.0) == 0.0


def test_complaints_halve_the_rate_and_quiet_raises_it() -> None:
    limits = Limits(Options())
    now = time.monotonic()
    for _ in range(1000):
        assert limits.wait_for_request(now + 1) == 0.0
    limits.throttled(now + 2)
    first = limits.rate
    assert first is not None
    assert 100 <= first <= 300  # a thousand in two to four seconds, halved
    limits.throttled(now + 2.5)
    assert limits.rate == first, "complaints of the same second count once"
    limits.throttled(now + 4)
    assert limits.rate == pytest.approx(first / 2)
    for second in range(5, 60):
        limits.wait_for_request(now + second)
    assert limits.rate is not None
    assert limits.rate > first


def test_a_rate_never_grows_above_what_was_asked_for() -> None:
    limits = Limits(Options(request_rate=10))
    now = time.monotonic()
    limits.throttled(now)
    for second in range(2, 200):
        limits.wait_for_request(now + second)
    assert limits.rate == 10


def test_spans_are_made_when_the_application_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    ended: list[dict[str, object]] = []

    class Span:
        def __init__(self, name: str) -> None:
            self.facts: dict[str, object] = {"name": name}

        def set_attribute(self, name: str, value: object) -> None:
            self.facts[name] = value

        def end(self) -> None:
            ended.append(self.facts)

    tracer = types.SimpleNamespace(start_span=Span)
    module = types.ModuleType("opentelemetry.trace")
    module.get_tracer = lambda name: tracer  # type: ignore[attr-defined]
    module.ProxyTracerProvider = type("ProxyTracerProvider", (), {})  # type: ignore[attr-defined]
    module.get_tracer_provider = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    backend = layered(NotFound("x"))
    with pytest.raises(NotFound):
        backend.head("a")
    backend.head("b")
    assert [span["name"] for span in ended] == ["storage head", "storage head"]
    assert ended[0]["error.type"] == Kind.NOT_FOUND
    assert "error.type" not in ended[1]
    assert ended[1]["cloudberth.storage.key"] == "b"
