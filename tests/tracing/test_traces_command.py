"""`berth traces`: what people see, and what never stands on a command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cloudberth.cli.traces import COMMANDS, traces
from cloudberth.errors import CloudberthError, InvalidInput, NotFound, Refused
from cloudberth.tracing import open_tracer
from cloudberth.tracing.destinations import Destinations
from cloudberth.tracing.store import TraceStore
from doubles.trace_provider import provider

KEY = "api-key-0123456789"


@pytest.fixture(autouse=True)
def _named_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_TRACES_URL", url)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(traces, arguments, input=given, standalone_mode=False)


def said(*arguments: str, given: str | None = None) -> str:
    result = run(*arguments, given=given)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture
def trace(url: str) -> str:
    tracer = open_tracer(url, app="shop")
    with tracer.workflow("answer", session="s1", input="Where is it?") as work:
        with tracer.llm("chat", model="gpt-4o") as call:
            call.usage(10, 5).cost(0.25)
        with pytest.raises(ValueError, match="no stock"), tracer.tool("stock"):
            raise ValueError("no stock")
        work.output("On its way.").feedback("helpful", 1.0, comment="fast")
    assert tracer.close(10)
    return work.trace_id.hex()


def test_every_command_is_there() -> None:
    for name in COMMANDS:
        assert run(name, "--help").exit_code == 0


def test_traces_are_listed_and_shown(trace: str) -> None:
    listed = said("list")
    assert trace in listed
    assert "answer" in listed
    assert "10+5" in listed
    assert "Where is it?" in listed
    assert said("list", "--status", "ok").startswith("no traces")
    assert (
        said("list", "--text", "WHERE", "--since", "1h", "--model", "gpt", "--session", "s1").count(trace)
        == 1
    )
    shown = said("show", trace, "--content").splitlines()
    assert shown[0].startswith("CHAIN answer")
    assert shown[1] == "    input: Where is it?"
    assert shown[3].startswith("  LLM chat")
    assert "gpt-4o  10+5 tokens  $0.2500" in shown[3]
    assert "FAILED ValueError: no stock" in shown[4]
    assert shown[-1] == "feedback  helpful 1.0 fast"
    document = json.loads(said("show", trace, "--json"))
    assert [span["name"] for span in document["spans"]] == ["answer", "chat", "stock"]
    assert json.loads(said("list", "--json"))["traces"][0]["trace_id"] == trace
    with pytest.raises(NotFound):
        said("show", "0" * 31 + "1")
    with pytest.raises(InvalidInput):
        said("show", "nonsense")


def test_a_destination_is_tried_added_watched_and_removed(store: TraceStore, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(f"{KEY}\n")
    with provider(
        lambda request: (
            None if request.headers.get("authorization") == f"Bearer {KEY}" else (401, {}, b"who?")
        )
    ) as double:
        added = said(
            "add",
            "phoenix",
            f"endpoint={double.url}",
            f"api_key=@{secret}",
            "--name",
            "ours",
            "--sample",
            "0.5",
        )
        assert "ok  credentials: 200" in added
        assert "ok  spans: 200" in added
        number = Destinations(store.database).list()[0].id
        assert f"added {number} (ours)" in added
        assert f"{number}  phoenix   ours  global  on  0.5" in " ".join(said("destinations").splitlines()[1:])
        assert KEY not in said("destinations", "--json")
        tried = said("test", number)
        assert f"spans are at {double.url}/projects" in tried
        with pytest.raises(Refused, match="nothing was added"):
            said("add", "phoenix", f"endpoint={double.url}", "api_key=-", given="wrong-key-0123\n")
        assert len(Destinations(store.database).list()) == 1
        assert "is off" in said("disable", number)
        assert "off" in said("status")
        assert "is on" in said("enable", number)
        assert "passed over" in said("backlog", number, "--skip")
        assert "will be sent" in said("backlog", number, "--send")
        with pytest.raises(InvalidInput, match="backlog"):
            said("backlog", number)
        assert "removed ours" in said("remove", number, "--yes")
    with pytest.raises(NotFound):
        said("test", number)


def test_a_secret_on_the_command_line_is_refused(store: TraceStore) -> None:
    with pytest.raises(InvalidInput, match="seen by everybody") as caught:
        said("add", "langsmith", f"api_key={KEY}")
    assert KEY not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(InvalidInput, match="seen by everybody") as caught:
        said("status", "--store", "postgresql://ann:geheim@db/x")
    assert "geheim" not in f"{caught.value} {caught.value.hint}"
    assert not Destinations(store.database).list()


def test_a_wrong_setting_says_which() -> None:
    with pytest.raises(InvalidInput, match="no tracing provider 'lngsmith'"):
        said("add", "lngsmith")
    with pytest.raises(InvalidInput, match="has no setting 'colour'"):
        said("add", "otlp", "colour=red")
    with pytest.raises(InvalidInput, match="is no setting"):
        said("add", "otlp", "colour")
    with pytest.raises(Refused, match="no public address"):
        said("add", "otlp", "url=http://10.0.0.1/v1/traces")


def test_providers_and_their_settings() -> None:
    assert len(said("providers").splitlines()) == 12
    langfuse = said("providers", "langfuse")
    assert "secret_key" in langfuse
    assert "https://cloud.langfuse.com" in langfuse


def test_keys_of_senders_and_of_secrets(store: TraceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = said("add-sender", "--tenant", "acme", "--app", "shop", "--label", "web").strip()
    assert key.startswith("berth_")
    listed = said("senders")
    assert "acme" in listed
    assert key not in listed
    number = listed.splitlines()[1].split()[0]
    said("revoke-sender", number)
    old, new = said("new-key").strip(), said("new-key").strip()
    monkeypatch.setenv("BERTH_TRACES_KEYS", old)
    said("add", "langsmith", "api_key=-", "--no-test", given=f"{KEY}\n")
    monkeypatch.setenv("BERTH_TRACES_KEYS", f"{new},{old}")
    assert said("rotate-keys").startswith("1 destinations are encrypted anew")
    monkeypatch.setenv("BERTH_TRACES_KEYS", new)
    found = Destinations(store.database)
    assert found.complete_settings(found.list()[0].id)["api_key"] == KEY


def test_status_says_when_nobody_delivers(trace: str) -> None:
    shown = said("status")
    assert "3 recorded, 3 kept" in shown
    assert "NOT RUNNING" in shown
    assert json.loads(said("status", "--json"))["spans"] == 3


def test_without_a_store_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BERTH_TRACES_URL")
    with pytest.raises(CloudberthError, match="no trace store is named"):
        said("status")


def test_export_runs_as_a_service_of_its_own(store: TraceStore, url: str) -> None:
    """Started like a sidecar, it delivers, and ends when it is told to."""
    with provider() as double:
        said("add", "otlp", f"url={double.url}/v1/traces", "--no-test")
        command = [sys.executable, "-m", "cloudberth.cli", "traces", "export"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ), text=True) as process:
            tracer = open_tracer(url)
            with tracer.workflow("w"):
                pass
            tracer.close()
            assert double.wait_for(1) == 1
            deadline = time.monotonic() + 60
            while "running" not in said("status") and time.monotonic() < deadline:
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
            assert process.stderr is not None
            assert "what is left is sent at the next start" in process.stderr.read()


def test_export_says_what_is_wrong_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTH_TRACES_DAYS", "soon")
    with pytest.raises(InvalidInput, match="'soon' is no number") as caught:
        said("export")
    assert caught.value.where == "BERTH_TRACES_DAYS"
