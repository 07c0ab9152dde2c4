"""`berth cache`: what a user sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudberth import cache as caches
from cloudberth.cache.contract import Capabilities, Health
from cloudberth.cache.doctor import Facts, judge
from cloudberth.cli.main import run


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = str(tmp_path / "c.db")
    with caches.open(found) as store:
        store.under("answers").set("key", b"value", seconds=100)
        store.under("sessions").set("key", b"other")
    return found


def test_get(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "get", "answers", "key", path]) == 0
    assert capfd.readouterr().out == "value"
    assert run(["cache", "get", "answers", "key", path, "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["base64"], 90 < said["seconds"] <= 100) == ("dmFsdWU=", True)
    assert run(["cache", "get", "answers", "absent", path]) == 1
    assert "there is no 'absent'" in capfd.readouterr().err


def test_clear(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "clear", path]) == 3, "not without a yes"
    assert run(["cache", "clear", path, "--namespace", "answers", "--yes"]) == 0
    assert "1 deleted" in capfd.readouterr().out
    assert run(["cache", "clear", path, "--prefix", "x", "--yes"]) == 2
    assert run(["cache", "clear", path, "--yes", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"deleted": 1}


def test_stats(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "stats", path, "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["entries"], said["entries of cloudberth"], said["place"]) == (2, 2, f"local://{path}")
    assert run(["cache", "stats", path]) == 0
    assert "SQLite" in capfd.readouterr().out


def test_doctor(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "doctor", path, "--json"]) == 0
    checks = {check["id"]: check["verdict"] for check in json.loads(capfd.readouterr().out)["checks"]}
    tried = ("reach", "write", "read", "number", "lock", "rate", "delete")
    assert {name: checks[name] for name in tried} == dict.fromkeys(tried, "ok")


def test_doctor_of_what_is_not_there(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["cache", "doctor", "redis://127.0.0.1:1/0"]) == 4
    assert "cannot be reached" in capfd.readouterr().out
    file = tmp_path / "prod.env"
    file.write_text("REDIS_HOST=127.0.0.1\nREDIS_PORT=1\nREDIS_PASSWORD=of-nobody\n")
    assert run(["cache", "doctor", "--env-file", str(file)]) == 4
    assert "of-nobody" not in "".join(capfd.readouterr())
    assert run(["cache", "doctor"]) == 2
    assert run(["cache", "doctor", "redis://:of-nobody@h"]) == 2
    assert "of-nobody" not in "".join(capfd.readouterr())


NETWORK = Capabilities("network", False, True, True, 1)


def verdicts(**facts: str) -> dict[str, str]:
    limit = None if facts.pop("limit", "") == "none" else 100
    used = int(facts.pop("used", "1"))
    whole = {"mode": "standalone", "replicas": "1", "tls": "verified", "signed in by": "password",
             "loopback": "no", "policy": "volatile-lru", **facts}  # fmt: skip
    health = Health(0.001, "Redis", "7", 1, used, limit, whole)
    return {check.id: check.verdict.value for check in judge(Facts("p", NETWORK, health, {}))}


def test_what_doctor_says_of_a_server() -> None:
    assert set(verdicts().values()) == {"ok"}
    assert verdicts(tls="off")["tls"] == "warn"
    assert verdicts(tls="not verified")["tls"] == "warn"
    assert "tls" not in verdicts(tls="off", loopback="yes")
    assert verdicts(**{"signed in by": "nothing"})["password"] == "warn"
    assert verdicts(replicas="0")["replicas"] == "warn"
    assert verdicts(limit="none")["memory"] == "warn"
    assert verdicts(policy="noeviction", used="95")["memory"] == "fail"
    assert verdicts(policy="allkeys-lru")["eviction"] == "warn"
