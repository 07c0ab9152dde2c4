"""`berth logs` as users type it: files, CloudWatch (moto and a double), a deployment, and what is refused."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from typed_commands import Berth

from cloudberth.cli import status
from cloudberth.cli.main import berth as program
from doubles.log_stores import CloudWatchDouble

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def minutes_ago(minutes: float) -> datetime:
    """Minutes, because a loaded machine takes its time between a line and the question that finds it."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes)


def line(minutes: float, /, **fields: object) -> str:
    return json.dumps({"timestamp": minutes_ago(minutes).isoformat(), **fields}, ensure_ascii=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text(
        line(50, severity="INFO", message="started")
        + "\n"
        + line(30, severity="ERROR", message="boom \x1b[31m", status=500, trace_id=TRACE)
        + "\n"
    )
    (logs / "router.log").write_text(line(20, path="/v1/chat", status=200, seconds=1.5) + "\n")
    return logs


def test_query_files(berth: Berth, folder: Path) -> None:
    found = berth("logs", "query", "--from", folder, "--time-zone", "UTC")
    first, second, third = found.out.splitlines()
    written = json.loads((folder / "api.log").read_text().splitlines()[0])["timestamp"]
    assert first == f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M:%S}.000 INFO     api started"
    # A log line cannot write on the terminal.
    assert second.endswith(rf"ERROR    api boom \x1b[31m status=500 trace={TRACE}")
    assert third.endswith(" router path=/v1/chat status=200 seconds=1.5")
    assert (found.code, "\x1b" in found.out) == (0, False)


def test_query_as_json(berth: Berth, folder: Path) -> None:
    found = berth("logs", "query", "--from", folder, "--json", "--level", "error", "status>=500")
    (document,) = [json.loads(text) for text in found.out.splitlines()]
    assert (document["severity"], document["service"], document["trace_id"]) == ("ERROR", "api", TRACE)
    assert document["fields"]["status"] == 500
    assert found.err == ""


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 3),
        (["--since", "25m"], 1),
        (["--since", "1500s"], 1),
        (["--until", "25m"], 2),
        (["--service", "api"], 2),
        (["--service", "api", "--service", "router"], 3),
        (["--trace", f"1-{TRACE[:8]}-{TRACE[8:]}"], 1),
        (["--text", "STARTED"], 1),
        (["-n", "2"], 2),
        (["path=/v1/chat", "seconds>1"], 1),
        (["path!=/v1/chat"], 2),
    ],
)
def test_filters(berth: Berth, folder: Path, arguments: list[str], count: int) -> None:
    found = berth("logs", "query", "--from", folder, "--json", *arguments)
    assert (found.code, len(found.out.splitlines())) == (0, count)


def test_exit_codes(berth: Berth, folder: Path) -> None:
    assert berth("logs", "query", "--from", folder, "--fail-on-match", "-l", "error").code == 4
    assert berth("logs", "query", "--from", folder, "--fail-on-match", "-l", "critical").code == 0
    assert berth("logs", "query", "--from", "nowhere.log").code == 2
    assert berth("logs", "query", "--from", folder, "--since", "soon").code == 2
    assert berth("logs", "query", "--from", folder, "a b=c").code == 2
    assert berth("logs", "query", "--from", folder, "--time-zone", "Mars/Base").code == 2
    assert berth("logs", "query", "--from", folder, "--level", "loud").code == 2
    assert berth("logs", "query", "--from", folder, "--follow", "--raw", "x").code == 2
    refused = berth("logs", "query", "--from", folder, "--raw", "x")
    assert refused.code == 1 and "no language of their own" in refused.err
    assert berth("logs", "retention", "--from", folder).code == 1
    assert "Traceback" not in refused.err


def test_the_limit_is_said(berth: Berth, folder: Path) -> None:
    assert "these are the newest 2" in berth("logs", "query", "--from", folder, "-n", "2").err


def test_saved_analyses(berth: Berth, folder: Path) -> None:
    listed = berth("logs", "saved", "list")
    assert [text.split()[0] for text in listed.out.splitlines()[1:]] == [
        "errors-by-service",
        "slowest-requests",
        "token-cost-by-app",
        "plugin-failures",
    ]
    found = berth("logs", "saved", "run", "slowest-requests", "--from", folder)
    head, row = found.out.splitlines()
    assert head.split() == ["path", "slowest", "p95", "average", "requests"]
    assert row.split() == ["/v1/chat", "1.5", "1.5", "1.5", "1"]
    as_json = berth("logs", "saved", "run", "errors-by-service", "--from", folder, "--json")
    assert json.loads(as_json.out) == {"service": "api", "errors": 1}
    assert berth("logs", "saved", "run", "nonsense", "--from", folder).code == 2
    nothing = berth("logs", "saved", "run", "plugin-failures", "--from", folder)
    assert (nothing.code, nothing.out) == (0, "") and "no line" in nothing.err


def test_tail_shows_what_comes(folder: Path) -> None:
    """A line that is written once the first ones have been shown, however long that takes."""
    options = ["--from", str(folder), "--since", "40m", "--json", "--for", "120"]
    command = [sys.executable, "-m", "cloudberth.cli", "logs", "tail", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout
        shown = [json.loads(tail.stdout.readline()) for _ in range(2)]
        with (folder / "api.log").open("a") as stream:
            stream.write(line(0, message="came later") + "\n")
        shown.append(json.loads(tail.stdout.readline()))
        tail.send_signal(signal.SIGINT)
        assert (tail.stdout.read(), tail.wait(60)) == ("", 0)
    assert [one["message"][:4] for one in shown] == ["boom", '{"ti', "came"]


def test_tail_ends_by_itself(berth: Berth, folder: Path) -> None:
    found = berth("logs", "tail", "--from", folder, "--since", "40m", "--json", "--for", "0.2")
    assert (found.code, len(found.out.splitlines())) == (0, 2)


def test_a_reader_that_has_enough_is_no_failure(folder: Path) -> None:
    with (folder / "api.log").open("a") as stream:
        stream.writelines(line(1, message="x" * 500) + "\n" for _ in range(3000))
    command = f"{sys.executable} -m cloudberth.cli logs query --from {folder} -n 3000 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr and "error" not in done.stderr


def test_colours_are_for_terminals(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cloudberth.cli", "logs", "query", "--from", str(folder), "-l", "error"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run(command, stdout=theirs, check=True, env={**environment, "TERM": "xterm"})
    os.close(theirs)
    assert b"\x1b[31mERROR" in os.read(ours, 4096)
    os.close(ours)


def completions(*words: str) -> list[str]:
    complete = ShellComplete(program, {}, "berth", "_BERTH_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_completion(minimal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(minimal.parent)
    assert completions("logs", "q") == ["query"]
    assert "cloudwatch://" in completions("logs", "query", "--from", "cl")
    assert completions("logs", "query", "--level", "err") == ["error"]
    assert completions("logs", "saved", "run", "slow") == ["slowest-requests"]
    assert "plugin_daemon" in completions("logs", "query", "--service", "plug")


# -- a deployment --------------------------------------------------------------------------------------------

GROUPS = {"api": "/cloudberth/dify/api", "router": "/cloudberth/dify/router"}


@pytest.fixture
def deployed(
    minimal: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[CloudWatchDouble]:
    """A deployment that is up: its outputs, and CloudWatch behind them."""
    outputs = {"log_groups": GROUPS, "facts": {"logs": {"region": "us-east-1", "store": "/cloudberth/dify/"}}}
    monkeypatch.setattr(status, "_outputs", lambda *_arguments, **_keywords: outputs)
    store = CloudWatchDouble(groups={group: service for service, group in GROUPS.items()})
    store.add(minutes_ago(4), "api", '{"severity":"ERROR","message":"boom"}')
    store.add(minutes_ago(3), "router", '{"path":"/x","status":200}')
    with store.serve() as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", server.url)
        yield store


def test_group_names_come_from_the_outputs(berth: Berth, deployed: CloudWatchDouble) -> None:
    found = berth("logs", "query", "--json")
    assert [json.loads(text)["service"] for text in found.out.splitlines()] == ["api", "router"]
    only = berth("logs", "query", "--json", "--service", "router")
    assert [json.loads(text)["service"] for text in only.out.splitlines()] == ["router"]
    wrong = berth("logs", "query", "--service", "nobody")
    assert wrong.code == 2 and "services: api, router" in wrong.err


def test_the_query_can_be_seen_without_running_it(berth: Berth, deployed: CloudWatchDouble) -> None:
    found = berth("logs", "query", "--explain", "--text", 'a"b', "status=500")
    assert '| filter status = "500" or status = 500\n' in found.out
    assert deployed.queries == []
    assert (
        "stats count(*) as errors by @log"
        in berth("logs", "saved", "run", "errors-by-service", "--explain").out
    )


def test_a_native_query(berth: Berth, deployed: CloudWatchDouble) -> None:
    text = "fields @message\n| sort @timestamp desc\n| limit 1"
    found = berth("logs", "query", "--json", "--raw", text)
    assert json.loads(found.out)["@message"] == '{"path":"/x","status":200}'
    assert deployed.queries == [text]
    broken = berth("logs", "query", "--raw", "filter (")
    assert broken.code == 1 and "MalformedQueryException" in broken.err


def test_an_analysis_in_the_cloud(berth: Berth, deployed: CloudWatchDouble) -> None:
    deployed.rows = [{"@log": "123456789012:/cloudberth/dify/api", "errors": "41"}]
    found = berth("logs", "saved", "run", "errors-by-service", "--json")
    assert json.loads(found.out) == {"service": "api", "errors": "41"}


def test_retention_says_what_is_kept(berth: Berth, minimal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    outputs: dict[str, Any] = {"log_groups": GROUPS, "facts": {"logs": {"region": "us-east-1", "store": ""}}}
    monkeypatch.setattr(status, "_outputs", lambda *_arguments, **_keywords: outputs)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    keep: Callable[..., Any]
    with mock_aws():
        client = boto3.client("logs", region_name="us-east-1")
        for group in GROUPS.values():
            client.create_log_group(logGroupName=group)
            keep = client.put_retention_policy
            keep(logGroupName=group, retentionInDays=30)
        found = berth("logs", "retention")
        assert found.code == 0
        assert found.out.splitlines()[1].split() == ["/cloudberth/dify/api", "30", "30", "0"]
        keep(logGroupName=GROUPS["api"], retentionInDays=7)
        assert berth("logs", "retention").code == 4
        client.delete_retention_policy(logGroupName=GROUPS["api"])
        as_json = berth("logs", "retention", "--json")
        assert json.loads(as_json.out.splitlines()[0])["days"] == "for ever"


def test_a_deployment_that_is_not_up_is_said(berth: Berth, minimal: Path) -> None:
    found = berth("logs", "query")
    assert found.code == 2 and "there is no workspace here" in found.err
