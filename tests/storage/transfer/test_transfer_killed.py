"""A transfer that is killed with -9 again and again ends byte-identical, and copies next to nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from thoroughness import examples

DRIVER = Path(__file__).with_name("kill_driver.py")
KILLS = examples(6, 3)
OBJECTS = examples(1500, 900)
# What one commit a second can forget: what finished within it, and what was under way.
_FORGETTABLE_SECONDS = 2.0


def fill(folder: Path, count: int) -> None:
    random.seed(5)
    for number in range(count):
        path = folder / f"d{number % 17}" / f"file {number}+ü.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.randbytes(random.randrange(20_000)))
    for number in range(3):
        (folder / f"large-{number}").write_bytes(random.randbytes(9 * 1024 * 1024 + number))


def has_begun(state: Path, notes: Path, kills: int) -> bool:
    """Whether it is far enough to be killed once more."""
    if kills == 0:
        return any(state.rglob("journal.db"))
    return notes.exists() and notes.read_bytes().count(b"\n") >= 170 * kills + random.randrange(20)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".berth" not in path.parts
    }


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    source, target, state, notes = (tmp_path / name for name in ("source", "target", "state", "notes"))
    source.mkdir()
    target.mkdir()
    fill(source, OBJECTS)
    command = [sys.executable, str(DRIVER), *map(str, (source, target, state, notes)), "0.012"]
    killed: list[float] = []
    while len(killed) < KILLS:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        # The first kill comes while it plans, the others all over the run.
        wait_until(lambda: has_begun(state, notes, len(killed)), process)
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, err
        killed.append(time.time())
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    out = ended.stdout
    assert content(target) == content(source)
    assert "'differences': 0" in out
    assert "'resumed': True" in out
    puts, parts = written(notes)
    for count in (puts, parts):
        again = {key: times for key, times in count.items() if len(times) > 1}
        for key, times in again.items():
            # Whatever was written twice was finished shortly before a kill.
            for moment in times[:-1]:
                assert any(0 <= kill - moment < _FORGETTABLE_SECONDS for kill in killed), (key, times, killed)
    # Files that were being written when it was killed are swept later (`tmp`); parts would stay.
    left = [
        path for path in (target / ".berth").rglob("*") if path.stat().st_size > 1_000_000 and path.is_file()
    ]
    assert not [path for path in left if path.parent.name != "tmp"], "parts of an upload were left"


def written(notes: Path) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """When each object and each part was written."""
    puts: dict[str, list[float]] = {}
    parts: dict[str, list[float]] = {}
    for line in notes.read_text().splitlines():
        moment, kind, key = line.split(" ", 2)
        (puts if kind == "put" else parts).setdefault(key, []).append(float(moment))
    assert Counter(len(times) for times in puts.values())
    return puts, parts


def test_an_interrupt_ends_it_in_order_and_says_how_to_go_on(tmp_path: Path) -> None:
    source, target, state = (tmp_path / name for name in ("source", "target", "state"))
    source.mkdir()
    fill(source, 400)
    command = [
        sys.executable,
        "-m",
        "cloudberth.cli",
        "storage",
        "sync",
        str(source),
        str(target),
        "--requests",
        "120",
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while len(list(target.rglob("*.bin"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Run the same command again to go on" in err
    before = len(content(target))
    assert 0 < before < 403
    ended = subprocess.run(command[:-2], capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert content(target) == content(source)
