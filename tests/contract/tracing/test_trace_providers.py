"""Every provider's profile against a server that enforces what that provider documents.

The golden files (`golden/<provider>.json`) hold a whole trace of six spans as it arrives there: headers,
resource, every attribute. After a change that is meant: ``WRITE_GOLDEN=1 pytest tests/contract/tracing``.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from provider_rules import KEY, RIGS, Rig, settings_of

from cloudberth.errors import InvalidInput
from cloudberth.tracing import Tracer
from cloudberth.tracing.batches import owner_name
from cloudberth.tracing.checks import check_provider_now
from cloudberth.tracing.courier import Courier, Pacing
from cloudberth.tracing.cursors import DestinationState, read_states
from cloudberth.tracing.destinations import Destination, Destinations, Draft
from cloudberth.tracing.guard import Guard
from cloudberth.tracing.providers import PROVIDERS, profile
from cloudberth.tracing.store import TraceStore
from doubles.trace_provider import Provider, provider, values

GOLDEN = Path(__file__).parent / "golden"
START = 1_764_000_000_000_000_000
WRITE = os.environ.get("WRITE_GOLDEN") == "1"
each_provider = pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.provider)


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ids and times in every run."""
    ids = iter(range(1, 1000))
    clock = iter(range(START, START + 10**12, 10**7))
    monkeypatch.setattr("cloudberth.tracing.span.getrandbits", lambda _bits: next(ids))
    monkeypatch.setattr("cloudberth.tracing.span.time.time_ns", lambda: next(clock))


def record(url: str) -> None:
    """A RAG trace of six spans with everything in it."""
    tracer = Tracer(url, service="shop", app="assistant", tenant="acme")
    question = "How long can I return it?"
    with tracer.workflow("answer", session="chat-1", user="ann", input=question) as work:
        work.tags("beta", "web").metadata(channel="web")
        with tracer.guardrail("moderation", input=question) as check:
            check.output({"flagged": False})
        with tracer.embedding(
            "embed", model="text-embedding-3-small", provider="openai", input=question
        ) as embed:
            embed.usage(8)
        with tracer.retriever("search", input=question) as search:
            search.documents(
                [{"id": "kb-1", "content": "Thirty days.", "score": 0.83, "metadata": {"page": 2}}]
            )
        with tracer.reranker("rank", model="rerank-3", input=question) as rank:
            rank.documents([{"id": "kb-1", "content": "Thirty days.", "score": 0.97}])
        messages = [{"role": "user", "content": question}]
        with tracer.llm("chat", model="gpt-4o", provider="openai", input=messages) as call:
            call.first_token(0.2).output("Within thirty days.").usage(120, 30, cached=40, reasoning=10).cost(
                0.004
            )
        work.output("Within thirty days.")
    assert tracer.close(10)


def deliver(url: str, draft: Draft, until: Any) -> tuple[Destination, DestinationState]:
    """What is stored, through a courier in this process."""
    with TraceStore.open(url) as store:
        found = Destinations(store.database)
        made = found.create(draft, backlog=True)
        pacing = Pacing(timeout=5, idle=0.01, first_wait=0.05, longest_wait=0.2)
        settings = found.complete_settings(made.id)
        courier = Courier(store.database, made, settings, found.guard, owner_name(), pacing)

        async def work() -> None:
            task = asyncio.create_task(courier.run())
            deadline = time.monotonic() + 60
            while not until(read_states(store.database)[made.id]) and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(work())
        return made, read_states(store.database)[made.id]


def as_document(double: Provider, rig: Rig) -> dict[str, Any]:
    """What arrived, for people to read and for comparison."""
    [request] = [each for each in double.requests if each.path == rig.path and each.body]
    varying = {"host", "content-length"}
    [resource] = request.export.resource_spans
    spans = [span for scope in resource.scope_spans for span in scope.spans]
    return {
        "path": request.path,
        "headers": {name: value for name, value in sorted(request.headers.items()) if name not in varying},
        "resource": values(resource.resource.attributes),
        "spans": [
            {
                "name": span.name,
                "trace_id": span.trace_id.hex(),
                "span_id": span.span_id.hex(),
                "parent_id": span.parent_span_id.hex(),
                "attributes": dict(sorted(values(span.attributes).items())),
            }
            for span in sorted(spans, key=lambda each: each.start_time_unix_nano)
        ],
    }


def test_every_provider_has_a_rig() -> None:
    assert [rig.provider for rig in RIGS] == list(PROVIDERS)


@each_provider
@pytest.mark.usefixtures("fixed")
def test_a_trace_arrives_as_the_provider_wants_it(rig: Rig, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'traces.db'}"
    record(url)
    with provider(rig.judge) as double:
        draft = Draft(rig.provider, settings=settings_of(rig, double.url))
        _, state = deliver(url, draft, lambda state: not state.queued)
    assert (state.sent, state.failed, state.last_error) == (6, 0, "")
    found = as_document(double, rig)
    golden = GOLDEN / f"{rig.provider}.json"
    if WRITE:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(golden.read_text())


@each_provider
def test_the_test_of_a_destination_says_yes_and_where_to_look(rig: Rig) -> None:
    with provider(rig.judge) as double:
        settings = profile(rig.provider).completed(settings_of(rig, double.url))
        result = check_provider_now(profile(rig.provider), settings, Guard.of_environment())
        assert result.good, result
        assert result.project_url == rig.project_url.format(base=double.url)
    assert [step.name for step in result.steps] == (["credentials"] if rig.check else []) + ["spans"]
    assert not double.taken, "a test writes nothing"


@each_provider
def test_the_test_of_a_destination_finds_a_wrong_key(rig: Rig) -> None:
    with provider(rig.judge) as double:
        settings = {**settings_of(rig, double.url), **rig.wrong}
        complete = profile(rig.provider).completed(settings)
        result = check_provider_now(profile(rig.provider), complete, Guard.of_environment())
    assert not result.good
    assert result.steps[-1].status == (404 if rig.provider == "aliyun" else 401)
    assert result.steps[-1].said
    assert "wrong-0123456789" not in repr(result)


@each_provider
def test_a_wrong_key_pauses_or_waits_and_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    """Alibaba Cloud's key is part of the path, so a wrong one is a wrong address: that is tried again."""
    url = f"sqlite:///{tmp_path / 'traces.db'}"
    record(url)
    wanted = "waiting" if rig.provider == "aliyun" else "paused"
    with provider(rig.judge) as double:
        draft = Draft(rig.provider, settings={**settings_of(rig, double.url), **rig.wrong})
        _, state = deliver(url, draft, lambda state: state.state == wanted)
    assert (state.state, state.sent, state.queued) == (wanted, 0, 6)
    assert "wrong-0123456789" not in state.last_error


@each_provider
def test_settings_are_checked_before_anything_is_written(rig: Rig) -> None:
    known = profile(rig.provider)
    required = next(each for each in known.fields if each.required)
    with pytest.raises(InvalidInput, match="has no setting 'colour'"):
        known.completed({**settings_of(rig, "https://example.com"), "colour": "red"})
    if not required.default:
        with pytest.raises(InvalidInput, match="needs"):
            known.completed({**settings_of(rig, "https://example.com"), required.name: " "})


@each_provider
def test_no_secret_is_in_what_is_shown(rig: Rig, tmp_path: Path) -> None:
    database = TraceStore.open(f"sqlite:///{tmp_path / 'traces.db'}")
    with database:
        made = Destinations(database.database).create(
            Draft(rig.provider, settings=settings_of(rig, "https://example.com"))
        )
        assert made.secrets
        assert KEY not in repr(made) + json.dumps(made.shown())
    assert KEY.encode() not in (tmp_path / "traces.db").read_bytes()
    wal = tmp_path / "traces.db-wal"
    assert not wal.exists() or KEY.encode() not in wal.read_bytes()


def headers(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    return profile(name).request_headers(profile(name).completed(settings))


def test_a_self_hosted_provider_without_a_key_gets_no_empty_header() -> None:
    assert headers("phoenix", {"endpoint": "http://phoenix:6006"}) == {}
    assert headers("opik", {"endpoint": "http://opik:5173/api"}) == {
        "Comet-Workspace": "default", "projectName": "Default Project",
    }  # fmt: skip
    assert headers("mlflow", {"url": "http://mlflow:5000"}) == {"x-mlflow-experiment-id": "0"}


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://tracing-analysis-dc-hz.aliyuncs.com/", "/adapt_k%2F1/api/otlp/traces"),
        ("https://proj.cn-hangzhou.log.aliyuncs.com", "/adapt_k%2F1/api/v1/traces"),
    ],
)
def test_the_two_addresses_of_alibaba_cloud(endpoint: str, path: str) -> None:
    url = profile("aliyun").url(profile("aliyun").completed({"endpoint": endpoint, "license_key": "k/1"}))
    assert url == endpoint.rstrip("/") + path


def test_weaves_two_views() -> None:
    weave = profile("weave")
    settings = {"api_key": "k", "entity": "e", "project": "p"}
    assert weave.url(weave.completed(settings)) == "https://trace.wandb.ai/otel/v1/traces"
    agents = weave.completed({**settings, "view": "agents"})
    assert weave.url(agents) == "https://trace.wandb.ai/agents/otel/v1/traces"
    with pytest.raises(InvalidInput, match="cannot be 'charts'"):
        weave.completed({**settings, "view": "charts"})


@pytest.mark.parametrize("name", ["phoenix", "langfuse", "mlflow"])
def test_feedback_reaches_the_providers_that_take_it(name: str, tmp_path: Path) -> None:
    rig = next(each for each in RIGS if each.provider == name)
    url = f"sqlite:///{tmp_path / 'traces.db'}"
    tracer = Tracer(url)
    with tracer.workflow("w", input="q") as span:
        pass
    tracer.feedback(span.trace_id, "helpful", 0.5, comment="so so", user="ann")
    assert tracer.close(10)
    trace, root = span.trace_id.hex(), span.span_id.hex()
    expected = {
        "phoenix": (
            "/v1/span_annotations?sync=true",
            {
                "data": [
                    {
                        "span_id": root, "name": "helpful", "annotator_kind": "HUMAN",
                        "result": {"score": 0.5, "explanation": "so so"},
                    }
                ]
            },
        ),
        "langfuse": (
            "/api/public/scores",
            {
                "traceId": trace, "name": "helpful", "value": 0.5, "comment": "so so", "dataType": "NUMERIC",
                "id": f"cloudberth-1-{trace}",
            },
        ),
        "mlflow": (
            f"/api/3.0/mlflow/traces/tr-{trace}/assessments",
            {
                "assessment": {
                    "assessment_name": "helpful", "trace_id": f"tr-{trace}",
                    "source": {"source_type": "HUMAN", "source_id": "ann"}, "feedback": {"value": 0.5},
                    "rationale": "so so",
                }
            },
        ),
    }  # fmt: skip
    path, document = expected[name]
    with provider(lambda request: None if request.path == path else rig.judge(request)) as double:
        draft = Draft(name, settings=settings_of(rig, double.url))

        def is_there(_state: DestinationState) -> bool:
            return any(each.path == path for each in double.requests)

        deliver(url, draft, is_there)
        [request] = [each for each in double.requests if each.path == path]
    assert json.loads(request.body) == document
    for header, value in rig.headers.items():
        assert request.headers[header] == value
