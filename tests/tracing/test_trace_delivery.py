"""Delivery: a separate process per store, one courier per destination, providers that misbehave in every
way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudberth.tracing import Tracer, open_tracer
from cloudberth.tracing.content import Policy
from cloudberth.tracing.cursors import DestinationState, read_states, send_backlog, skip_backlog
from cloudberth.tracing.destinations import Destination, Destinations, Draft
from cloudberth.tracing.health import read_health
from cloudberth.tracing.store import SpanRow, TraceStore
from cloudberth.tracing.supervision import Supervisor
from doubles.trace_provider import Provider, Reply, Request, closed_port, partial, provider, values


@pytest.fixture
def destinations(store: TraceStore) -> Destinations:
    return Destinations(store.database)


@pytest.fixture
def exporter(url: str, store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """An exporter that is quick to try again; not started yet."""
    monkeypatch.setenv("BERTH_TRACES_TIMEOUT", "1.5")
    monkeypatch.setenv("BERTH_TRACES_LONGEST_WAIT", "0.5")
    found = Supervisor(url)
    yield found
    found.stop()


@pytest.fixture
def tracer(url: str) -> Iterator[Tracer]:
    found = open_tracer(url, service="shop", app="assistant", tenant="acme")
    yield found
    found.close()


pytestmark = pytest.mark.slow


def otlp(url: str, **settings: Any) -> Draft:
    return Draft("otlp", settings={"url": f"{url}/v1/traces"}, **settings)


def some_spans(tracer: Tracer, count: int, **settings: Any) -> None:
    for number in range(count):
        with tracer.llm(f"call {number}", model="m", input="hello", **settings) as span:
            span.output("world").usage(3, 4)
    assert tracer.flush(10)


def state_of(store: TraceStore, destination: Destination) -> DestinationState:
    return read_states(store.database)[destination.id]


def wait_state(
    store: TraceStore, destination: Destination, seconds: float = 15.0, **wanted: Any
) -> DestinationState:
    deadline = time.monotonic() + seconds
    while True:
        state = state_of(store, destination)
        if all(getattr(state, name) == value for name, value in wanted.items()):
            return state
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def test_six_destinations_one_of_each_kind(
    url: str, store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    """The healthy ones get everything while the others fail; who heals catches up; nothing is lost."""
    modes = ("ok", "hang", "503", "reset", "slow")
    doubles = {mode: Provider(mode=mode) for mode in modes}
    made = {mode: destinations.create(otlp(each.url, name=mode)) for mode, each in doubles.items()}
    made["refusing"] = destinations.create(otlp(closed_port(), name="refusing"))
    exporter.start()
    some_spans(tracer, 1200)
    try:
        assert doubles["ok"].wait_for(1200) == 1200
        assert doubles["slow"].wait_for(1200) == 1200
        assert set(doubles["ok"].taken.values()) == {1}
        for mode, said in {
            "hang": "no answer within 1.5 s", "503": "503 overloaded", "reset": "the connection was reset",
            "refusing": "the connection was refused",
        }.items():  # fmt: skip
            state = wait_state(store, made[mode], state="waiting")
            assert said in state.last_error
            assert (state.sent, state.queued) == (0, 1200)
        for each in doubles.values():
            each.mode = "ok"
        doubles["hang"].healed.set()
        for mode in ("hang", "503", "reset"):
            assert doubles[mode].wait_for(1200) == 1200
            assert wait_state(store, made[mode], queued=0).sent == 1200
    finally:
        for each in doubles.values():
            each.close()


def test_an_exporter_that_is_killed_loses_nothing(
    url: str, store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider(mode="slow") as double:
        made = destinations.create(otlp(double.url))
        exporter.start()
        for _ in range(3):
            some_spans(tracer, 700)
            pid = exporter.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while exporter.pid in (None, pid):
                time.sleep(0.05)
        double.mode = "ok"
        assert double.wait_for(2100) == 2100
        assert wait_state(store, made, queued=0).failed == 0
    assert exporter.restarts == 3


def test_the_exporter_ends_with_its_supervisor(url: str, store: TraceStore) -> None:
    """Also when that is killed without a chance to say so."""
    program = (
        "import time\nfrom cloudberth.tracing.supervision import Supervisor\n"
        f"s = Supervisor({url!r})\ns.start()\nwhile s.pid is None: time.sleep(0.01)\n"
        "time.sleep(1.5)\nprint(s.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the exporter outlived its supervisor")


def test_a_span_that_is_refused_stops_nothing(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    """Halved until it stands alone; set aside with the provider's words; the rest arrives."""

    def judge(request: Request) -> Reply | None:
        return (400, {}, b"call 77 is bad") if b"call 77" in request.body else None

    with provider(judge) as double:
        made = destinations.create(otlp(double.url))
        some_spans(tracer, 200)
        exporter.start()
        state = wait_state(store, made, queued=0)
    assert len(double.taken) == 199
    assert (state.sent, state.failed) == (199, 1)
    with store.database.connection() as connection:
        [[reason]] = connection.rows("SELECT reason FROM trace_poison")
    assert reason == "400 call 77 is bad"


def test_an_address_that_refuses_everything_loses_nothing(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    """400 for every span and also for none: that is the address, so the spans wait until it is put right."""
    wrong = [True]
    with provider(lambda request: (400, {}, b"no such project") if wrong[0] else None) as double:
        made = destinations.create(otlp(double.url))
        some_spans(tracer, 40)
        exporter.start()
        state = wait_state(store, made, state="waiting")
        time.sleep(1.5)
        assert "every span is refused: 400 no such project" in state.last_error
        assert state_of(store, made).failed == 0
        wrong[0] = False
        assert double.wait_for(40) == 40


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_pauses_until_new_settings(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer, status: int
) -> None:
    def judge(request: Request) -> Reply | None:
        # It repeats the key, as some servers do.
        key = request.headers["x-key"]
        return None if key == "right-key-0123456789" else (status, {}, f"who is {key}?".encode())

    draft = Draft("otlp")
    with provider(judge) as double:
        settings = {"url": f"{double.url}/v1/traces", "headers": "x-key: wrong-key-0123456789"}
        made = destinations.create(replace(draft, settings=settings))
        some_spans(tracer, 10)
        exporter.start()
        state = wait_state(store, made, state="paused")
        asked = len(double.requests)
        time.sleep(1.5)
        assert len(double.requests) == asked, "a paused destination is left alone"
        assert f"{status} who is" in state.last_error
        assert "wrong-key" not in state.last_error
        destinations.update(
            made.id, replace(draft, settings={**settings, "headers": "x-key: right-key-0123456789"})
        )
        assert double.wait_for(10) == 10


def test_retry_after_is_kept_to(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as double:
        double.judge = lambda request: (429, {"Retry-After": "3"}, b"") if len(double.requests) < 1 else None
        destinations.create(otlp(double.url))
        some_spans(tracer, 5)
        exporter.start()
        assert double.wait_for(5) == 5
        first, second = double.requests[:2]
    assert second.at - first.at >= 2.9


def test_spans_that_a_provider_leaves_out_are_counted(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider(lambda request: partial(2, "two were too old")) as double:
        made = destinations.create(otlp(double.url))
        some_spans(tracer, 10)
        exporter.start()
        state = wait_state(store, made, queued=0)
    assert (state.sent, state.failed, state.last_error) == (8, 2, "two were too old")


def test_requests_keep_to_the_size_and_count_of_the_provider(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as double:
        made = destinations.create(otlp(double.url))
        for number in range(12):
            with tracer.llm(f"large {number}") as span:
                span.input("x" * 900_000)
        some_spans(tracer, 1100)
        exporter.start()
        wait_state(store, made, queued=0, seconds=30)
        limits = made.profile.limits
        for request in double.requests:
            assert len(request.body) <= limits.body + 4096
            assert (
                sum(len(s.spans) for r in request.export.resource_spans for s in r.scope_spans)
                <= limits.spans
            )
    assert len(double.taken) == 1112


def test_a_span_larger_than_the_provider_takes_is_cut(
    store: TraceStore, destinations: Destinations, exporter: Supervisor
) -> None:
    from cloudberth.tracing import wire

    with provider() as double:
        made = destinations.create(otlp(double.url))
        attributes = {"input.value": "y" * 5_000_000, "small": "kept"}
        data = wire.span(b"\1" * 16, b"\2" * 8, None, "huge", 1, 2, attributes)
        store.append([row(data, b"\2" * 8)])
        exporter.start()
        wait_state(store, made, queued=0)
    found = values(double.spans[b"\2" * 8].attributes)
    assert found["small"] == "kept"
    assert "characters cut" in found["input.value"]
    assert len(found["input.value"]) < made.profile.limits.span


def row(data: bytes, span_id: bytes, tenant: str = "", app: str = "", trace: bytes = b"\1" * 16) -> SpanRow:
    return SpanRow(
        tenant, app, "s", trace, span_id, None, "n", "LLM", 1, 1, 0, None, None, None, None, None, None, None,
        None, None, None, b"", data,
    )  # fmt: skip


def test_spans_of_a_tenant_never_reach_another(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as everybody, provider() as acme, provider() as other, provider() as one_app:
        destinations.create(otlp(everybody.url))
        destinations.create(otlp(acme.url, scope="tenant", tenant="acme"))
        made = destinations.create(otlp(other.url, scope="tenant", tenant="other"))
        destinations.create(otlp(one_app.url, scope="app", tenant="acme", app="second"))
        exporter.start()
        for number in range(300):
            some = {"tenant": "other"} if number % 3 == 0 else {"app": "second"} if number % 3 == 1 else {}
            with tracer.workflow("w", **some):  # type: ignore[arg-type]
                pass
        tracer.flush()
        assert everybody.wait_for(300) == 300
        assert (acme.wait_for(200), other.wait_for(100), one_app.wait_for(100)) == (200, 100, 100)
        state = wait_state(store, made, queued=0)
        assert (state.sent, state.skipped) == (100, 200)
        time.sleep(0.5)
        for double, wanted in ((acme, "acme"), (other, "other"), (one_app, "acme")):
            tenants = {values(span.attributes)["cloudberth.tenant.id"] for span in double.spans.values()}
            assert tenants == {wanted}
        assert (len(acme.taken), len(other.taken), len(one_app.taken)) == (200, 100, 100)


def test_every_destination_samples_the_same_traces(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as half, provider() as tenth:
        made = [
            destinations.create(otlp(half.url, sample=0.5)),
            destinations.create(otlp(tenth.url, sample=0.1)),
        ]
        for _ in range(300):
            with tracer.workflow("w"), tracer.tool("t"):
                pass
        tracer.flush()
        exporter.start()
        states = [wait_state(store, each, queued=0) for each in made]
    traces = [{span.trace_id for span in each.spans.values()} for each in (half, tenth)]
    assert 100 < len(traces[0]) < 200
    assert 10 < len(traces[1]) < 60
    assert traces[1] <= traces[0]
    assert [each.sent + each.skipped for each in states] == [600, 600]
    assert len(half.taken) == 2 * len(traces[0])


@pytest.mark.parametrize("content", ["full", "truncated", "none"])
def test_the_content_policy_of_a_destination(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer, content: str
) -> None:
    policy = Policy(content, 20, ("email", "attribute:own.secret*"))
    with provider() as double:
        destinations.create(otlp(double.url, policy=policy))
        with pytest.raises(RuntimeError), tracer.llm("call", model="m") as span:
            span.input([{"role": "user", "content": "mail to ann@example.org " + "x" * 100}])
            span.usage(5, 6).documents([{"id": 1, "content": "a document " * 10}]).set("own.secret.number", 7)
            raise RuntimeError("about ann@example.org")
        tracer.flush()
        exporter.start()
        double.wait_for(1)
        [found] = double.spans.values()
    written = found.SerializeToString().decode("utf-8", "replace")
    assert "ann@example.org" not in written
    assert "own.secret" not in written
    assert values(found.attributes)["gen_ai.usage.input_tokens"] == 5
    assert values(found.attributes)["gen_ai.request.model"] == "m"
    shown = {"full": "x" * 100, "truncated": "characters cut", "none": None}[content]
    assert (shown in written) if shown else ("mail to" not in written and "document a" not in written)


def test_a_backlog_is_sent_or_skipped(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as old, provider() as new:
        some_spans(tracer, 30)
        destinations.create(otlp(old.url), backlog=True)
        made = destinations.create(otlp(new.url))
        exporter.start()
        assert old.wait_for(30) == 30
        some_spans(tracer, 5)
        assert new.wait_for(5) == 5
        assert send_backlog(store.database, made.id) == 35
        assert new.wait_for(35) == 35
        destinations.enable(made.id, False)
        time.sleep(3)
        some_spans(tracer, 4)
        assert skip_backlog(store.database, made.id) == 4
        destinations.enable(made.id, True)
        some_spans(tracer, 1)
        assert new.wait_for(36) == 36
        assert wait_state(store, made, queued=0).skipped == 4
        assert len(new.taken) == 36


def test_a_destination_that_is_switched_off_gets_it_later(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as double:
        made = destinations.create(otlp(double.url, enabled=False))
        exporter.start()
        some_spans(tracer, 20)
        time.sleep(1.0)
        assert not double.taken
        destinations.enable(made.id, True)
        assert double.wait_for(20) == 20


def test_two_exporters_do_not_send_twice(
    url: str, store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    second = Supervisor(url)
    with provider() as double:
        destinations.create(otlp(double.url))
        exporter.start()
        second.start()
        try:
            for _ in range(4):
                some_spans(tracer, 300)
            assert double.wait_for(1200) == 1200
            time.sleep(0.5)
            assert set(double.taken.values()) == {1}
        finally:
            second.stop()


def test_redirects_are_not_followed(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as elsewhere, provider(lambda _: (307, {"Location": elsewhere.url}, b"")) as double:
        made = destinations.create(otlp(double.url))
        some_spans(tracer, 3)
        exporter.start()
        wait_state(store, made, state="waiting")
        assert not elsewhere.requests


def test_health_tells_what_happened(
    store: TraceStore, destinations: Destinations, exporter: Supervisor, tracer: Tracer
) -> None:
    with provider() as double:
        made = destinations.create(otlp(double.url))
        exporter.start()
        some_spans(tracer, 12)
        wait_state(store, made, queued=0)
        health = read_health(store.database)
    assert (health.spans, health.stored, health.exporter_alive) == (12, 12, True)
    assert health.destinations[made.id].sent == 12
    assert health.shown()["losses"]["lost.retention"] == 0
