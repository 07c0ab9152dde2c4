"""The embedded twin as a file: its bound, damage, a full wait, a fork, a killed writer."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudberth.cache.local import Local
from cloudberth.cache.settings import LocalSettings
from cloudberth.errors import BackendError, CorruptData, InvalidInput, Kind, TimedOut


def test_what_was_not_used_for_long_goes_first(tmp_path: Path) -> None:
    now = [1000.0]
    path = str(tmp_path / "c.db")
    cache = Local(LocalSettings(path=path, max_entries=100), clock=lambda: now[0])
    cache.acquire("lock", "me", 3600)
    for number in range(90):
        now[0] += 1
        cache.set(f"k{number}", b"x")
    now[0] += 60
    assert cache.get("k0") == b"x", "used again"
    for number in range(90, 130):
        now[0] += 1
        cache.set(f"k{number}", b"x")
    health = cache.health()
    assert (health.entries or 0) <= 100
    assert int(health.facts["evicted"]) >= 30
    assert cache.get("k0") == b"x"
    assert cache.get("k1") is None
    assert cache.get("k129") == b"x"
    assert cache.acquire("lock", "you", 10) is None, "a lock is not evicted"


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    cache = Local(LocalSettings(path=str(tmp_path / "c.db"), max_bytes=65536))
    for number in range(50):
        cache.set(f"k{number}", bytes(4096))
    assert (cache.health().bytes_used or 0) <= 65536
    assert cache.get("k49") == bytes(4096)
    with pytest.raises(BackendError) as caught:
        cache.set("large", bytes(40_000))
    assert caught.value.kind is Kind.INVALID
    assert "CACHE_MAX_BYTES" in caught.value.hint


def test_what_is_over_makes_room_first() -> None:
    now = [1000.0]
    cache = Local(LocalSettings(max_entries=20), clock=lambda: now[0])
    cache.set("old but good", b"1")
    for number in range(15):
        cache.set(f"short{number}", b"x", seconds=1)
    now[0] += 5
    for number in range(10):
        cache.set(f"k{number}", b"x")
    assert cache.get("old but good") == b"1"
    assert cache.health().facts["evicted"] == "0"


def test_totals_stay_true() -> None:
    cache = Local(LocalSettings())
    cache.set_many({"a": bytes(10), "b": bytes(20)})
    cache.set("a", bytes(1000))
    cache.increment("n")
    cache.delete(["b"])
    health = cache.health()
    assert (health.entries, health.bytes_used) == (2, 1 + 1000 + 64 + 1 + 1 + 64)
    cache.delete_prefix("")
    assert (cache.health().entries, cache.health().bytes_used) == (0, 0)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    with pytest.raises(CorruptData) as caught:
        Local(LocalSettings(path=str(path))).get("key")
    assert "delete it" in caught.value.hint


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidInput, match="newer version"):
        Local(LocalSettings(path=str(path))).get("key")


def test_a_writer_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    cache = Local(LocalSettings(path=str(path), timeout=0.2))
    cache.set("key", b"1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimedOut):
        cache.set("key", b"2")
    assert cache.get("key") == b"1", "reading goes on"
    other.execute("ROLLBACK")
    cache.set("key", b"3")


def test_the_child_of_a_fork_has_its_own_connection(tmp_path: Path) -> None:
    cache = Local(LocalSettings(path=str(tmp_path / "c.db")))
    cache.set("key", b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if cache.get("key") == b"parent":
                cache.set("key", b"child")
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get("key") == b"child"
    cache.set("key", b"parent again")


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    program = (
        "import sys\n"
        "from cloudberth.cache.local import Local\n"
        "from cloudberth.cache.settings import LocalSettings\n"
        "cache, n = Local(LocalSettings(path=sys.argv[1])), 0\n"
        "while True:\n    n += 1\n    cache.set_many({'a': b'%d' % n, 'b': b'%d' % n})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    cache = Local(LocalSettings(path=str(path)))
    end = time.monotonic() + 20
    while cache.get("a") is None and time.monotonic() < end:
        time.sleep(0.02)
    for _ in range(50):
        first, second = cache.get_many(["a", "b"])
        assert first == second, "a batch is seen whole"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    first, second = cache.get_many(["a", "b"])
    assert first == second is not None
    cache.set("a", b"goes on")
