"""A RAG trace of six spans into a real Phoenix and a real MLflow, and read back through their own interfaces.

    .venv/bin/python tests/tracing/real_providers.py [phoenix] [mlflow]

Not part of `./check`: each server takes about 850 MB and minutes to install, into an environment of its own
below ``.servers/``, where it stays. Everything runs on the loopback. The exit code is 1 when anything is not
as it should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cloudberth.tracing import Tracer
from cloudberth.tracing.checks import check_provider_now
from cloudberth.tracing.cursors import read_states
from cloudberth.tracing.destinations import Destinations, Draft
from cloudberth.tracing.guard import Guard
from cloudberth.tracing.store import TraceStore
from cloudberth.tracing.supervision import Supervisor

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"phoenix": "arize-phoenix==20.26.1", "mlflow": "mlflow==3.17.2"}
QUESTION = "How long can I return it? 可以退货吗?"
ANSWER = "Within thirty days."
START_SECONDS = 240
SEEN_SECONDS = 120


def main() -> int:
    wanted = sys.argv[1:] or list(VERSIONS)
    failed = 0
    for name in wanted:
        print(f"== {VERSIONS[name]}")
        with tempfile.TemporaryDirectory() as folder, server(name, Path(folder)) as base:
            for what, good in {"phoenix": try_phoenix, "mlflow": try_mlflow}[name](
                base, Path(folder)
            ).items():
                print(f"  {'ok  ' if good else 'FAIL'} {what}")
                failed += not good
    print(f"{failed} failed" if failed else "everything is as it should be")
    return 1 if failed else 0


def program(name: str) -> Path:
    """The server's program; installs it when it is missing."""
    folder = Path(os.environ.get("BERTH_REAL_PROVIDERS", ROOT / ".servers" / "tracing")) / name
    found = folder / "bin" / name
    if not found.exists():
        print(f"  installing {VERSIONS[name]} into {folder} (minutes)")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "-q", VERSIONS[name]]
        subprocess.run(install, check=True)
    return found


@contextlib.contextmanager
def server(name: str, folder: Path) -> Iterator[str]:
    """A server on a free port, without telemetry, agents or access to anything; its address."""
    port, second = free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    if name == "phoenix":
        command = [program(name), "serve"]
        added = {
            "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(second),
            "PHOENIX_HOST": "127.0.0.1", "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true", "PHOENIX_AGENTS_DISABLE_BASH": "true",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false", "PHOENIX_ENABLE_AUTH": "true",
            "PHOENIX_SECRET": "a-secret-for-this-test-only-0123456789", "PHOENIX_ADMIN_SECRET": ADMIN,
        }  # fmt: skip
        health = f"{base}/healthz"
    else:
        store = f"sqlite:///{folder}/mlflow.db"
        command = [
            program(name),
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--backend-store-uri",
            store,
        ]
        command += ["--workers", "1", "--artifacts-destination", folder / "artifacts"]
        added = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        health = f"{base}/health"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(each) for each in command], env={**os.environ, **added}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        started = time.monotonic()
        while not answers(health):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                raise SystemExit((folder / "log").read_text()[-3000:])
            time.sleep(0.5)
        print(f"  started after {time.monotonic() - started:.0f} s")
        yield base
    finally:
        os.killpg(process.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


ADMIN = "an-admin-secret-for-this-test-9876543210"


def try_phoenix(base: str, folder: Path) -> dict[str, bool]:
    """Phoenix, with authentication switched on."""
    settings = {"endpoint": base, "api_key": ADMIN, "project": "shop"}
    auth = {"authorization": f"Bearer {ADMIN}"}
    results = check_both("phoenix", settings, {**settings, "api_key": "wrong"})
    trace = deliver("phoenix", settings, folder)

    def seen() -> list[Any]:
        found = get(f"{base}/v1/projects/shop/spans?limit=100", auth)
        return [] if found is None else list(found["data"])

    spans = {span["name"]: span for span in wait_for(lambda: seen() if len(seen()) == 6 else [])}
    results["six spans arrived"] = len(spans) == 6
    kinds = {name: span["span_kind"] for name, span in spans.items()}
    results["kinds are right"] = kinds == {
        "answer": "CHAIN", "moderation": "GUARDRAIL", "embed": "EMBEDDING", "search": "RETRIEVER",
        "rank": "RERANKER", "chat": "LLM",
    }  # fmt: skip
    root, chat = spans.get("answer", {}), spans.get("chat", {})
    results["they are one trace under one root"] = {
        span["context"]["trace_id"] for span in spans.values()
    } == {trace} and all(
        span["parent_id"] == root["context"]["span_id"] for span in spans.values() if span is not root
    )
    found = root.get("attributes", {})
    results["input and output of the root are right"] = (
        found.get("input.value") == QUESTION and found.get("output.value") == ANSWER
    )
    numbers = {
        name: chat.get("attributes", {}).get(f"llm.token_count.{name}") for name in ("prompt", "completion")
    }
    results["tokens are right"] = numbers == {"prompt": 120, "completion": 30}
    documents = json.dumps(spans.get("search", {}).get("attributes", {}))
    results["documents are there"] = "Thirty days." in documents and "0.83" in documents
    sessions = get(f"{base}/v1/projects/shop/sessions", auth) or {"data": []}
    results["the session is known"] = [each["session_id"] for each in sessions["data"]] == ["chat-1"]

    def annotated() -> list[Any]:
        number = root["context"]["span_id"]
        answer = get(f"{base}/v1/projects/shop/span_annotations?span_ids={number}", auth)
        return [] if answer is None else list(answer["data"])

    feedback = wait_for(annotated, 60)
    results["feedback arrived"] = [each["name"] for each in feedback] == ["helpful"]
    return results


def try_mlflow(base: str, folder: Path) -> dict[str, bool]:
    """MLflow, with its default experiment."""
    settings = {"url": base, "experiment_id": "0"}
    results = check_both("mlflow", settings, {**settings, "experiment_id": "4711"})
    trace = deliver("mlflow", settings, folder)

    def seen() -> list[Any]:
        found = get(f"{base}/api/3.0/mlflow/traces/get?trace_id=tr-{trace}")
        return [found["trace"]] if found and len(found["trace"].get("spans", [])) == 6 else []

    [document] = wait_for(seen) or [{"spans": []}]
    spans = {span["name"]: span for span in document["spans"]}
    results["six spans arrived"] = len(spans) == 6
    found = {name: attributes_of(span) for name, span in spans.items()}
    kinds = {name: str(each.get("mlflow.spanType", "")).strip('"') for name, each in found.items()}
    results["kinds are right"] = kinds == {
        "answer": "CHAIN", "moderation": "GUARDRAIL", "embed": "EMBEDDING", "search": "RETRIEVER",
        "rank": "RERANKER", "chat": "LLM",
    } or bool(print(f"       {kinds}"))  # fmt: skip
    text = json.dumps(found.get("answer", {}), ensure_ascii=False)
    results["input and output of the root are right"] = "How long can I return it?" in text and ANSWER in text
    usage = json.dumps(found.get("chat", {}))
    results["tokens are right"] = "120" in usage and '"gen_ai.usage.output_tokens": 30' in usage.replace(
        '"30"', "30"
    )
    results["documents are there"] = "Thirty days." in json.dumps(found.get("search", {}))
    info = document.get("trace_info", {})
    results["the session and the user are known"] = (
        info.get("trace_metadata", {}).get("mlflow.trace.session") == "chat-1"
        and info.get("trace_metadata", {}).get("mlflow.trace.user") == "ann"
    )
    results["the list shows the question"] = "How long can I return it?" in str(
        info.get("request_preview", "")
    )

    def assessed() -> list[Any]:
        again = get(f"{base}/api/3.0/mlflow/traces/tr-{trace}") or {}
        return list(again.get("trace", {}).get("trace_info", {}).get("assessments", []))

    feedback = wait_for(assessed, 60)
    results["feedback arrived"] = [each["assessment_name"] for each in feedback] == ["helpful"]
    return results


def check_both(provider: str, right: dict[str, str], wrong: dict[str, str]) -> dict[str, bool]:
    """The test of a destination says yes to what is right and no to what is wrong."""
    from cloudberth.tracing.providers import profile

    guard = Guard.of(["127.0.0.1/32"])
    known = profile(provider)
    results = {}
    for name, settings, expected in (("right", right, True), ("wrong", wrong, False)):
        found = check_provider_now(known, known.completed(settings), guard)
        for step in found.steps:
            print(
                f"       {name} settings, {step.name}: {step.status} in {step.milliseconds} ms "
                f"{step.said[:60]}"
            )
        results[f"the test knows {name} settings"] = found.good is expected
    return results


def deliver(provider: str, settings: dict[str, str], folder: Path) -> str:
    """Record the trace and let an exporter process deliver it; the trace's id."""
    url = f"sqlite:///{folder}/traces.db"
    os.environ["BERTH_TRACES_ALLOW"] = "127.0.0.1/32"
    with TraceStore.open(url) as store:
        made = Destinations(store.database).create(Draft(provider, settings=settings))
        supervisor = Supervisor(url)
        supervisor.start()
        _running.append(supervisor)
        trace = record(url)
        wait_for(lambda: [1] if read_states(store.database)[made.id].sent == 6 else [])
        print(f"       {read_states(store.database)[made.id]}")
    return trace


_running: list[Supervisor] = []


def record(url: str) -> str:
    tracer = Tracer(url, service="shop", app="assistant", tenant="acme")
    with tracer.workflow("answer", session="chat-1", user="ann", input=QUESTION) as work:
        with tracer.guardrail("moderation", input=QUESTION) as check:
            check.output({"flagged": False})
        with tracer.embedding(
            "embed", model="text-embedding-3-small", provider="openai", input=QUESTION
        ) as embed:
            embed.usage(8)
        with tracer.retriever("search", input=QUESTION) as search:
            search.documents([{"id": "kb-1", "content": "Thirty days.", "score": 0.83}])
        with tracer.reranker("rank", model="rerank-3", input=QUESTION) as rank:
            rank.documents([{"id": "kb-1", "content": "Thirty days.", "score": 0.97}])
        with tracer.llm("chat", model="gpt-4o", provider="openai") as call:
            call.input([{"role": "user", "content": QUESTION}]).first_token().output(ANSWER)
            call.usage(120, 30, cached=40, reasoning=10)
        work.output(ANSWER)
    tracer.feedback(work.trace_id, "helpful", 1.0, comment="yes", user="ann")
    tracer.close(10)
    return work.trace_id.hex()


def attributes_of(span: dict[str, Any]) -> dict[str, Any]:
    """MLflow gives attributes as a dictionary, or as OTLP's list."""
    given = span.get("attributes", {})
    if isinstance(given, dict):
        return given
    return {each["key"]: next(iter(each["value"].values()), None) for each in given}


def wait_for(ask: Callable[[], list[Any]], seconds: float = SEEN_SECONDS) -> list[Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(0.5)
    return []


def get(url: str, headers: dict[str, str] | None = None) -> Any:
    """JSON of an address, None for an error."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=20) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ValueError, OSError):
        return None


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    code = main()
    for each in _running:
        each.stop()
    sys.exit(code)
