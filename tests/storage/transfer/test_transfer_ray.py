"""A sync by the workers of a Ray cluster: the same journal, the same result."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.server, pytest.mark.slow]
ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    # A cluster is several programs; on a busy machine they take their time.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "180")
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
                 logging_level="ERROR", object_store_memory=100 * 1024 * 1024)  # fmt: skip
    except Exception as error:
        pytest.skip(f"a Ray cluster does not start here: {error}")
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".berth" not in path.parts
    }


def fill(folder: Path) -> None:
    for number in range(1200):
        path = folder / f"d{number % 7}" / f"file {number}+ü"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number))
    (folder / "large").write_bytes(os.urandom(20 * 1024 * 1024 + 3))


def berth(state: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloudberth.cli", "storage", *map(str, arguments)]
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)


def test_the_same_result_and_the_same_journal(tmp_path: Path, address: str) -> None:
    source, target, state = (tmp_path / name for name in ("source", "target", "state"))
    fill(source)
    done = berth(state, "migrate", source, target, "--engine", "ray", "--ray-address", address)
    assert done.returncode == 0, done.stderr
    assert "1,201 objects copied" in done.stderr
    assert "Compared 1,201 objects: no differences." in done.stderr
    assert content(target) == content(source)
    (journal,) = state.rglob("journal.db")
    with sqlite3.connect(journal) as database:
        assert database.execute("SELECT status, count(*) FROM work GROUP BY status").fetchall() == [(1, 1201)]
        assert database.execute("SELECT count(*) FROM upload").fetchone() == (0,)
    database.close()
    # The other engine finds nothing left to do: it is the same transfer.
    again = berth(state, "sync", source, target)
    assert "0 objects copied (0 B), 1,201 already there" in again.stderr


def test_what_a_worker_finds_out_is_in_the_report(tmp_path: Path, address: str) -> None:
    source, target, state, plan = (tmp_path / name for name in ("source", "target", "state", "plan"))
    source.mkdir()
    for name in ("changed", "gone", "stays"):
        (source / name).write_text(name)
    assert berth(state, "sync", source, target, "--dry-run", "--plan", plan).returncode == 0
    (source / "gone").unlink()
    (source / "changed").write_text("since then")
    command = (
        "sync",
        source,
        target,
        "--execute",
        plan,
        "--engine",
        "ray",
        "--ray-address",
        address,
        "--json",
    )
    done = berth(state, *command)
    assert done.returncode == 0, done.stderr
    assert content(target) == {"changed": b"since then", "stays": b"stays"}
    summary = json.loads(done.stdout)
    assert (summary["copied"], summary["reasons"]) == (2, {"vanished": 1})


def test_no_cluster_is_said_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    done = berth(tmp_path, "sync", source, tmp_path / "t", "--engine", "ray", "--ray-address", "127.0.0.1:9")
    assert done.returncode == 1
    assert "there is no Ray cluster" in done.stderr
