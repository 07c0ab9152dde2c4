"""`berth up`, `status`, `doctor` and `down` for a platform on this machine, as a newcomer runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typed_commands import Berth

from cloudberth.cli.local_state import Home
from cloudberth.deployment.loader import load
from cloudberth.deployment.local import LocalPlatform, is_local, load_local
from cloudberth.errors import InvalidDeployment, Refused

ROOT = Path(__file__).parents[2]
# Vectors of letters are made at once; the real model is tested in the browser.
FILE = """\
name: trial
cloud: local
env:
  BERTH_KNOWLEDGE_EMBEDDING: hash
  BERTH_KNOWLEDGE_WORKER_KIND: thread
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "berth.yaml").write_text(FILE)
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        yield tmp_path
    for home in (tmp_path / ".berth").glob("*"):
        running = Home(home).running()
        if running is not None:
            os.kill(running.process, signal.SIGKILL)


def get(address: str) -> tuple[int, Any]:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.status, answer.read()


def started(berth: Berth, *options: str) -> dict[str, Any]:
    done = berth("up", "--json", *options)
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


@pytest.mark.slow
def test_up_status_down_and_up_again(berth, folder) -> None:
    first = started(berth)
    assert first["started"] and re.fullmatch(r"berth-admin-[\w-]+", first["token"])
    assert get(f"{first['address']}/livez")[0] == 200
    data = Path(first["data"])
    assert data == folder / ".berth" / "trial" and data.stat().st_mode & 0o077 == 0
    assert first["token"] not in Path(first["log"]).read_text(), "the token is in no log"
    command = Path(f"/proc/{first['process']}/cmdline")
    assert not command.exists() or first["token"].encode() not in command.read_bytes()

    again = started(berth)
    assert (again["started"], again["process"], again["token"]) == (False, first["process"], None)

    status = wait_for(berth, lambda health: not health["queued"] and not health["running"])
    assert status["healthy"] and status["health"]["workers"] == 1 and status["bytes"] > 10_000
    words = berth("status")
    assert words.code == 0 and first["address"] in words.out and "✓ vectors" in words.out

    down = berth("down")
    assert down.code == 0 and "data stay" in down.out, down.err
    assert "Traceback" not in Path(first["log"]).read_text()
    gone = berth("status", "--json")
    assert gone.code == 4 and json.loads(gone.out)["running"] is False
    assert berth("down").out.strip() == "It does not run."

    # The second start finds everything as it was, at the same address, and makes no second sample.
    second = started(berth)
    assert second["address"] == first["address"] and second["token"] is None
    health = json.loads(get(f"{second['address']}/status.json")[1])
    assert "1 datasets" in next(one["detail"] for one in health["parts"] if one["name"] == "state")

    # A server that was killed leaves nothing behind that is in the way.
    os.kill(second["process"], signal.SIGKILL)
    while Home(data).is_held():
        time.sleep(0.05)
    third = started(berth)
    assert third["started"] and third["process"] != second["process"]
    refused = berth("down", "--delete-data")
    assert refused.code == 130 and data.exists(), "it asks first"
    deleted = berth("down", "--delete-data", "--yes")
    assert deleted.code == 0 and not data.exists(), deleted.err


def wait_for(berth: Berth, true: Any) -> dict[str, Any]:
    ends = time.monotonic() + 60
    while True:
        found = dict(json.loads(berth("status", "--json").out))
        if found["health"] and true(found["health"]):
            return found
        assert time.monotonic() < ends, found


@pytest.mark.slow
def test_the_doctor_looks_at_everything(berth, folder) -> None:
    done = berth("doctor", "--json")
    checks = {one["name"]: one for one in json.loads(done.out)["checks"]}
    failed = [one for one in checks.values() if one["verdict"] == "fail"]
    assert done.code == 0 and not failed, failed
    assert set(checks) >= {
        "python", "extras", "folder", "disk", "port", "model", "state", "originals", "vectors", "cache",
        "round trip",
    }  # fmt: skip
    assert not (folder / ".berth").exists(), "it changes nothing"
    (folder / "berth.yaml").write_text(FILE + "  VECTOR_STORE: nothing\n")
    sick = berth("doctor")
    assert sick.code == 4 and "✗" in sick.out and "nothing" in sick.out, sick.out


def test_a_taken_port_is_said(berth, folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = berth("up", "--port", str(port))
    assert done.code == 2 and f"port {port} is taken" in done.err and "--port" in done.err


def test_what_is_wrong_in_the_file_has_its_place(berth, folder) -> None:
    (folder / "berth.yaml").write_text("name: X\ncloud: local\nport: 99999\nwrokers: 2\n")
    done = berth("up")
    assert done.code == 2
    for said in (
        "berth.yaml:1:7 name",
        "berth.yaml:3:7 port",
        "berth.yaml:4:1 wrokers",
        "did you mean workers?",
    ):
        assert said in done.err, done.err


def test_a_cloud_s_file_and_a_local_one_are_not_mixed_up(berth, folder) -> None:
    plan = berth("plan")
    assert plan.code == 2 and "berth.yaml:2:8 cloud" in plan.err and "berth up" in plan.err
    (folder / "dify.yaml").write_text("name: dify\napp: dify\ncloud: aws\nregion: us-east-1\n")
    assert "about a cloud" in berth("up", "dify.yaml", "--local").err
    assert berth("doctor", "dify.yaml").code == 2
    assert berth("up", "dify.yaml", "--port", "8000").code == 2
    (folder / "berth.yaml").unlink()
    missing = berth("up")
    assert missing.code == 2 and "berth up --local" in missing.err


def test_a_folder_of_somebody_else_is_not_deleted(berth, folder) -> None:
    (folder / "precious").mkdir()
    (folder / "precious" / "file").write_text("x")
    done = berth("down", "--delete-data", "--yes", "--data", "precious")
    assert done.code == 3 and (folder / "precious" / "file").exists(), done.err


# -- the parts, without a process


def test_the_example_is_a_local_file() -> None:
    file = ROOT / "examples" / "local.yaml"
    assert is_local(file) and load_local(file) == LocalPlatform()
    assert not is_local(ROOT / "examples" / "dify-aws.yaml") and not is_local(ROOT / "nowhere.yaml")
    with pytest.raises(InvalidDeployment, match="a local platform has no plan"):
        load(file)


def test_variables_are_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("cloud: local\ndata: data\nenv:\n  SECRET: ${SECRET_OF_TEST}\n")
    found = load_local(file, {"SECRET_OF_TEST": "s3"})
    assert found.env == {"SECRET": "s3"} and found.folder(tmp_path) == tmp_path / "data"
    with pytest.raises(InvalidDeployment, match="SECRET_OF_TEST"):
        load_local(file, {})


def test_one_server_lives_in_a_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.running() is None and not home.is_held() and not home.is_ours
    with home.held():
        home.write("http://127.0.0.1:1", 1, 5.0)
        assert home.is_held() and home.running() == home.last()
        with pytest.raises(Refused), home.held():
            pass
    assert home.running() is None and home.last() is not None and home.is_ours
    (tmp_path / "home" / "platform.json").write_text("{broken")
    assert home.last() is None
