"""What surrounds every call: repeats of what may be done twice, a breaker, figures, spans without keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudberth import cache as caches
from cloudberth.cache import Behaviour
from cloudberth.cache.layers import Breaker, Layers
from cloudberth.cache.redis_failures import failure_of
from cloudberth.errors import (
    BackendError,
    ExpiredCredentials,
    InvalidInput,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)


def failing(*errors: BackendError) -> tuple[Callable[[], str], list[int]]:
    """Fails so often, then works."""
    left, calls = list(errors), []

    def call() -> str:
        calls.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return call, calls


def unavailable(code: str = "") -> Unavailable:
    error = Unavailable("down")
    error.code = code
    return error


def layers(waits: list[float] | None = None, **more: Any) -> Layers:
    behaviour = Behaviour(**{"failures": 0, **more})
    return Layers("redis://x", behaviour, pause=(waits if waits is not None else []).append)


@pytest.mark.parametrize(
    ("operation", "error", "attempts"),
    [
        ("get", unavailable(), 2),
        ("set", unavailable(), 2),
        ("acquire", unavailable(), 2),
        ("increment", unavailable(), 1),
        ("add", unavailable(), 1),
        ("take", unavailable(), 1),
        ("compare_and_delete", unavailable(), 1),
        ("increment", unavailable("connect"), 2),
        ("increment", unavailable("LOADING"), 2),
        ("get", PermissionDenied("no"), 1),
        ("get", TimedOut("slow"), 2),
    ],
    ids=range(11),
)
def test_what_is_repeated(operation: str, error: BackendError, attempts: int) -> None:
    call, calls = failing(error)
    if attempts == 2:
        assert layers().around(operation, "n", call) == "done"
    else:
        with pytest.raises(type(error)):
            layers().around(operation, "n", call)
    assert len(calls) == attempts


def test_waits_grow_and_end() -> None:
    waits: list[float] = []
    call, calls = failing(*[unavailable() for _ in range(9)])
    with pytest.raises(Unavailable):
        layers(waits, retries=4, backoff_base=0.1, backoff_cap=0.4).around("get", "n", call)
    assert len(calls) == 5
    assert all(low <= wait <= high for wait, (low, high) in zip(
        waits, [(0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.2, 0.4)], strict=True
    ))  # fmt: skip


def test_the_breaker_lets_one_through() -> None:
    now = [0.0]
    breaker = Breaker(2, 5.0, clock=lambda: now[0])
    breaker.failed()
    assert breaker.wait() == 0
    breaker.failed()
    assert breaker.open
    assert breaker.wait() == 5.0
    now[0] = 5.1
    assert breaker.wait() == 0, "one may see"
    assert breaker.wait() > 0, "the others wait for it"
    breaker.succeeded()
    assert not breaker.open
    assert breaker.wait() == 0


def test_an_answer_that_says_no_is_an_answer() -> None:
    found = layers(failures=2)
    denied = PermissionDenied("may not")
    denied.code = "NOPERM"
    for _ in range(5):
        call, _ = failing(denied)
        with pytest.raises(PermissionDenied):
            found.around("get", "n", call)
    assert not found.breaker.open


def test_figures() -> None:
    cache = caches.open("memory://")
    mine = cache.under("sessions")
    mine.set("a", b"")
    mine.get_many(["a", "b", "c"])
    mine.get("a")
    assert mine.metrics.hit_rate("sessions") == 0.5
    assert mine.metrics.hit_rate("other") is None
    mine.set("n", b"x")
    with pytest.raises(BackendError):
        mine.increment("n")
    text = cache.metrics.prometheus('type="local"')
    assert 'cloudberth_cache_hits_total{type="local",namespace="sessions"} 2\n' in text
    assert 'cloudberth_cache_errors_total{type="local",namespace="sessions",kind="invalid"} 1\n' in text
    assert 'cloudberth_cache_calls_total{type="local",operation="get"} 1\n' in text


def test_spans_say_where_and_not_which_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    caches.open("memory://").under("tokens").get("a-secret-name")
    (span,) = exporter.get_finished_spans()
    assert span.name == "cache get"
    assert dict(span.attributes or {}) == {
        "cloudberth.cache.namespace": "tokens", "cloudberth.cache.place": "memory://",
    }  # fmt: skip
    assert "secret" not in span.to_json()


def test_failures_in_our_words() -> None:
    from redis import exceptions

    def mapped(error: Exception, **more: bool) -> BackendError:
        found = failure_of(error, "redis://h", **more)
        assert isinstance(found, BackendError)
        return found

    assert isinstance(mapped(exceptions.TimeoutError("Timeout reading")), TimedOut)
    assert mapped(exceptions.ConnectionError("Error 111 connecting to h:1. Refused.")).code == "connect"
    assert isinstance(mapped(exceptions.AuthenticationError("WRONGPASS invalid")), PermissionDenied)
    assert isinstance(mapped(exceptions.AuthenticationError("WRONGPASS"), expiring=True), ExpiredCredentials)
    assert isinstance(mapped(exceptions.MaxConnectionsError("Too many")), Throttled)
    assert mapped(exceptions.ReadOnlyError("You can't write")).code == "READONLY"
    assert mapped(exceptions.ClusterDownError("CLUSTERDOWN")).code == "CLUSTERDOWN"
    certificate = exceptions.ConnectionError("certificate verify failed: self-signed certificate")
    assert "REDIS_SSL_CA_CERTS" in mapped(certificate).hint
    assert not mapped(exceptions.ResponseError("WRONGTYPE not a string")).retryable
    defect = TypeError("ours")
    assert failure_of(defect, "x") is defect


@pytest.mark.parametrize("name", ["", "a:b", "a b", "{a}", "x" * 65])
def test_a_namespace_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidInput):
        caches.open("memory://").under(name)
