"""The tracer: what an application writes, and what stands in the table afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudberth.errors import InvalidInput
from cloudberth.tracing import Kind, QueueLimits, Span, Tracer, current_span, open_tracer
from cloudberth.tracing.reading import StoredSpan, Trace, TraceFilter, list_traces, read_trace
from cloudberth.tracing.store import TraceStore


@pytest.fixture
def tracer(url: str) -> Iterator[Tracer]:
    found = open_tracer(url, service="shop", app="assistant", tenant="acme")
    yield found
    found.close()


def recorded(tracer: Tracer, url: str) -> list[Trace]:
    assert tracer.flush(10)
    with TraceStore.open(url) as store:
        page = list_traces(store.database, TraceFilter())
        found = [read_trace(store.database, each.trace_id) for each in page.traces]
    return [trace for trace in found if trace is not None]


def only(tracer: Tracer, url: str) -> StoredSpan:
    [trace] = recorded(tracer, url)
    [root] = trace.roots
    return root


def test_every_kind_becomes_a_span_of_its_kind(tracer: Tracer, url: str) -> None:
    opened = [
        tracer.workflow, tracer.llm, tracer.retriever, tracer.embedding, tracer.reranker, tracer.tool,
        tracer.agent, tracer.guardrail,
    ]  # fmt: skip
    with tracer.workflow("all"):
        for number, kind in enumerate(opened):
            with kind(f"step {number}"):
                pass
    children = only(tracer, url).children
    assert [child.kind for child in children] == [kind.value for kind in Kind]
    assert [child.attributes["openinference.span.kind"] for child in children] == [
        each.value for each in Kind
    ]
    assert [child.attributes.get("gen_ai.operation.name") for child in children] == [
        "invoke_workflow", "chat", "retrieval", "embeddings", None, "execute_tool", "invoke_agent", None,
    ]  # fmt: skip


def test_a_model_call_carries_everything_in_both_vocabularies(tracer: Tracer, url: str) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Wie geht's? 你好"}]
    with tracer.llm(
        "chat", model="gpt-4o", provider="openai", session="s1", user="u1", input=messages
    ) as call:
        call.first_token(0.25).output("Gut.").usage(100, 20, cached=40, cache_write=5, reasoning=7).cost(
            0.0125
        )
        call.tags("a", "b").metadata(shop=7).set("own.list", [1, 2]).set("own.object", {"x": [1]})
    span = only(tracer, url)
    assert (span.model, span.provider, span.session, span.user) == ("gpt-4o", "openai", "s1", "u1")
    assert (span.input_tokens, span.output_tokens, span.cached_tokens, span.reasoning_tokens) == (
        100,
        20,
        40,
        7,
    )
    assert (span.cost, span.first_token_ns, span.app, span.tenant, span.service) == (
        0.0125, 250_000_000, "assistant", "acme", "shop",
    )  # fmt: skip
    found = span.attributes
    expected = {
        "gen_ai.request.model": "gpt-4o", "llm.model_name": "gpt-4o", "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 100, "llm.token_count.prompt": 100, "llm.token_count.completion": 20,
        "llm.token_count.total": 120, "gen_ai.usage.cache_read.input_tokens": 40,
        "llm.token_count.prompt_details.cache_read": 40, "llm.token_count.completion_details.reasoning": 7,
        "gen_ai.usage.cost": 0.0125, "gen_ai.response.time_to_first_chunk": 0.25, "session.id": "s1",
        "gen_ai.conversation.id": "s1", "user.id": "u1", "tag.tags": ["a", "b"], "own.list": [1, 2],
        "output.value": "Gut.", "output.mime_type": "text/plain", "input.mime_type": "application/json",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Wie geht's? 你好",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert json.loads(found["input.value"]) == messages
    assert json.loads(found["metadata"]) == {"shop": 7}
    assert json.loads(found["own.object"]) == {"x": [1]}


def test_documents_of_a_search_and_of_a_ranking(tracer: Tracer, url: str) -> None:
    with tracer.workflow("rag"):
        with tracer.retriever("search", input="q") as search:
            search.documents([{"id": 7, "content": "seven", "score": 0.5, "metadata": {"page": 1}}, "plain"])
        with tracer.reranker("rank", model="rerank-3", input="q") as rank:
            rank.documents([{"id": "7", "content": "seven", "score": 0.9}])
    search_span, rank_span = only(tracer, url).children
    found = search_span.attributes
    assert found["retrieval.documents.0.document.content"] == "seven"
    assert found["retrieval.documents.0.document.score"] == 0.5
    assert json.loads(found["retrieval.documents.0.document.metadata"]) == {"page": 1}
    assert found["retrieval.documents.1.document.content"] == "plain"
    assert rank_span.attributes["reranker.output_documents.0.document.score"] == 0.9
    assert rank_span.attributes["reranker.query"] == "q"


def test_session_user_tenant_and_app_hold_for_what_is_below(tracer: Tracer, url: str) -> None:
    with (
        tracer.workflow("outer", session="s", user="u", tenant="other", app="second"),
        tracer.tool("inner"),
        tracer.llm("innermost") as call,
    ):
        assert current_span() is call
    assert current_span() is None
    inner = only(tracer, url).children[0].children[0]
    assert (inner.session, inner.user, inner.tenant, inner.app) == ("s", "u", "other", "second")


def test_an_exception_is_recorded_and_goes_on(tracer: Tracer, url: str) -> None:
    with pytest.raises(ValueError, match="no luck"), tracer.tool("fails"):
        raise ValueError("no luck")
    span = only(tracer, url)
    assert (span.status, span.status_message) == ("error", "ValueError: no luck")
    [event] = span.events
    assert event.attributes["exception.type"] == "ValueError"
    assert "test_trace_recording.py" in event.attributes["exception.stacktrace"]


def test_decorators_around_every_kind_of_function(tracer: Tracer, url: str) -> None:
    @tracer.tool
    def plain(city: str, days: int = 1) -> str:
        """Its words."""
        return f"{city} {days}"

    @tracer.llm("stream", model="m")
    def stream(prompt: str) -> Iterator[str]:
        assert current_span() is not None
        yield from ("a", "b")

    @tracer.agent("later")
    async def later(task: str) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"done": 1}

    @tracer.llm("async stream")
    async def pieces(prompt: str) -> AsyncIterator[str]:
        for piece in ("x", "y"):
            await asyncio.sleep(0)
            yield piece

    async def use() -> list[str]:
        assert await later("t") == {"done": 1}
        return [piece async for piece in pieces("p")]

    with tracer.workflow("all") as work:
        assert plain("Bern", days=2) == "Bern 2"
        reading = stream("hi")
        assert next(reading) == "a"
        assert current_span() is work  # not the generator's, while its reader runs
        assert list(reading) == ["b"]
        assert asyncio.run(use()) == ["x", "y"]
    assert (plain.__name__, plain.__doc__) == ("plain", "Its words.")
    by_name = {child.name: child for child in only(tracer, url).children}
    assert json.loads(by_name["plain"].attributes["input.value"]) == {"city": "Bern", "days": 2}
    assert by_name["plain"].attributes["output.value"] == "Bern 2"
    assert by_name["stream"].attributes["output.value"] == "ab"
    assert by_name["stream"].first_token_ns is not None
    assert json.loads(by_name["later"].attributes["output.value"]) == {"done": 1}
    assert by_name["async stream"].attributes["output.value"] == "xy"


def test_a_generator_that_is_left_early_is_no_error(tracer: Tracer, url: str) -> None:
    closed = []

    @tracer.llm("stream")
    def stream() -> Iterator[str]:
        try:
            yield from ("a", "b")
        finally:
            closed.append(True)

    reading = stream()
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    span = only(tracer, url)
    assert (span.status, span.attributes["output.value"], closed) == ("unset", "a", [True])


def test_tasks_do_not_mix_their_spans(tracer: Tracer, url: str) -> None:
    async def one(number: int) -> None:
        async with tracer.workflow(f"w{number}"):
            await asyncio.sleep(0.01 * (number % 3))
            async with tracer.tool(f"t{number}"):
                await asyncio.sleep(0)

    async def many() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(many())
    traces = recorded(tracer, url)
    assert len(traces) == 20
    for trace in traces:
        [root] = trace.roots
        assert [child.name for child in root.children] == [f"t{root.name[1:]}"]


def test_a_trace_goes_on_in_another_service(tracer: Tracer, url: str) -> None:
    headers: dict[str, str] = {}
    with tracer.workflow("caller"):
        tracer.inject(headers)
    with tracer.workflow(
        "called", parent={"Traceparent": headers["traceparent"], "TraceState": "a=1"}
    ) as called:
        passed: dict[str, str] = {}
        tracer.inject(passed)
    assert passed["tracestate"] == "a=1"
    root = only(tracer, url)
    assert [child.name for child in root.children] == ["called"]
    assert passed["traceparent"].split("-")[1] == headers["traceparent"].split("-")[1]
    assert called.parent_id is not None


@pytest.mark.parametrize(
    "header",
    [
        "", "00", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "1" * 32 + "-" + "1" * 16 + "-01", "00-" + "1" * 32 + "-" + "1" * 16 + "-01-more",
        "00-" + "A" * 32 + "-" + "1" * 16 + "-01", "00-" + "1" * 31 + "-" + "1" * 16 + "-01",
    ],
)  # fmt: skip
def test_a_header_that_is_not_well_formed_begins_a_new_trace(tracer: Tracer, header: str) -> None:
    with tracer.workflow("w", parent={"traceparent": header}) as span:
        assert span.parent_id is None
        assert any(span.trace_id)


def test_a_newer_version_of_the_header_is_read(tracer: Tracer) -> None:
    with tracer.workflow("w", parent=f"cc-{'1' * 32}-{'2' * 16}-01-later") as span:
        assert span.trace_id.hex() == "1" * 32


def test_an_unsampled_caller_is_followed(tracer: Tracer, url: str) -> None:
    with tracer.workflow("w", parent=f"00-{'1' * 32}-{'2' * 16}-00") as span, tracer.tool("t"):
        assert span.traceparent.endswith("-00")
    assert recorded(tracer, url) == []


def test_whole_traces_are_sampled(url: str) -> None:
    tracer = open_tracer(url, sample=0.3)
    for _ in range(400):
        with tracer.workflow("w"), tracer.tool("t"):
            pass
    tracer.flush()
    tracer.close()
    with TraceStore.open(url) as store:
        traces = list_traces(store.database, TraceFilter(limit=500)).traces
    assert 60 < len(traces) < 180
    assert {trace.spans for trace in traces} == {2}


def test_the_global_tracer_of_opentelemetry_stays_as_it_is(tracer: Tracer, url: str) -> None:
    """Ours is nobody's global, and takes no spans of other libraries in the process."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    before = trace.get_tracer_provider()
    foreign = TracerProvider().get_tracer("http")
    with tracer.workflow("ours"), foreign.start_as_current_span("GET /"), tracer.tool("ours too"):
        pass
    assert trace.get_tracer_provider() is before
    root = only(tracer, url)
    assert [span.name for span in (root, *root.children)] == ["ours", "ours too"]


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", b"\xff", 2**70, float("nan"), {1: {2, 3}}, [None], Odd()]
)
def test_no_value_hurts_the_application_or_other_spans(tracer: Tracer, url: str, value: Any) -> None:
    with tracer.workflow("w", input=value, session=value if isinstance(value, str) else None) as span:
        span.set("odd", value).output({"deep": value}).documents([value]).metadata(odd=value)
        span.error(value if isinstance(value, str) else ValueError(value))
    with tracer.workflow("fine"):
        pass
    names = {trace.roots[0].name for trace in recorded(tracer, url)}
    assert "fine" in names
    assert len(names) + tracer.state.unwritable == 2


def test_a_queue_that_is_full_drops_and_counts(tmp_path: Path) -> None:
    # A path that cannot be a database: nothing is ever written.
    (tmp_path / "traces.db").mkdir()
    limits = QueueLimits(spans=50, interval=0.01)
    tracer = Tracer(f"sqlite:///{tmp_path / 'traces.db'}", queue=limits)
    started = time.perf_counter()
    for _ in range(1000):
        with tracer.tool("t"):
            pass
    took = time.perf_counter() - started
    state = tracer.state
    assert took < 20, "it waits for nothing"
    assert state.recorded == 1000
    assert state.dropped_count >= 1000 - 50 - limits.batch
    started = time.perf_counter()
    assert tracer.close(1.0) is False
    assert time.perf_counter() - started < 20
    assert "trace database" in state.last_error


def test_losses_are_counted_in_the_database_once_it_works(tmp_path: Path) -> None:
    from cloudberth.tracing.health import read_health

    path = tmp_path / "traces.db"
    path.mkdir()
    tracer = Tracer(f"sqlite:///{path}", queue=QueueLimits(spans=10, interval=0.01, batch=5))
    for _ in range(100):
        with tracer.tool("t"):
            pass
    path.rmdir()
    assert tracer.flush(15)
    tracer.close()
    with TraceStore.open(f"sqlite:///{path}") as store:
        health = read_health(store.database)
    assert health.spans + health.losses["lost.queue_count"] == 100
    assert health.losses["lost.queue_count"] >= 80


def test_two_thousand_spans_of_a_megabyte_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Bounded by bytes: what does not fit is dropped, counted, and what fits arrives."""
    program = f"""
import resource, sys
from cloudberth.tracing import open_tracer
tracer = open_tracer("sqlite:///{tmp_path}/traces.db")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(2000):
    with tracer.llm("big") as span:
        span.input(str(number % 10) * 1_000_000)
tracer.close(60)
state = tracer.state
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(round(grown), state.written, state.dropped_bytes)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    grown, written, dropped = map(int, answer.stdout.split())
    assert written + dropped == 2000
    assert written >= 60
    assert grown < 400, f"{grown} MB"


def test_a_forked_child_records_its_own_spans_only(url: str) -> None:
    tracer = open_tracer(url)
    with tracer.workflow("parent"):
        child = os.fork()
        if child == 0:
            with tracer.workflow("child"):
                pass
            os._exit(0 if tracer.flush(10) else 1)
        assert os.waitpid(child, 0)[1] == 0
    tracer.close()
    with TraceStore.open(url) as store:
        traces = list_traces(store.database, TraceFilter()).traces
    [trace] = traces
    assert trace.spans == 2


def test_the_end_of_a_process_writes_what_is_left(tmp_path: Path) -> None:
    program = f"""
from cloudberth.tracing import open_tracer
tracer = open_tracer("{tmp_path}/traces.db")
for _ in range(300):
    with tracer.tool("t"): pass
"""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    assert time.perf_counter() - started < 60
    with TraceStore.open(f"{tmp_path}/traces.db") as store:
        assert list_traces(store.database, TraceFilter(limit=500)).traces[0].name == "t"
        assert store.database.size() > 0
        with store.database.connection() as connection:
            assert connection.rows("SELECT COUNT(*) FROM trace_spans") == [(300,)]


def test_feedback_is_stored_with_its_trace(tracer: Tracer, url: str) -> None:
    with tracer.workflow("w") as span:
        pass
    tracer.feedback(span.trace_id.hex(), "helpful", 1.0, comment="good", user="u")
    [trace] = recorded(tracer, url)
    [told] = trace.feedback
    assert (told.name, told.score, told.comment, told.span_id) == ("helpful", 1.0, "good", None)
    with pytest.raises(InvalidInput, match="score or a label"):
        tracer.feedback(span.trace_id, "empty")


def test_a_tracer_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BERTH_TRACES_URL", raising=False)
    with pytest.raises(InvalidInput, match="no trace store"):
        open_tracer()
    with pytest.raises(InvalidInput, match="cannot be kept in 'mysql'"):
        open_tracer("mysql://x/y")


def test_a_span_that_no_block_encloses(tracer: Tracer, url: str) -> None:
    span: Span = tracer.tool("by hand").start()
    assert current_span() is None
    with tracer.llm("inside", parent=span):
        pass
    span.end()
    span.end()
    assert [child.name for child in only(tracer, url).children] == ["inside"]
