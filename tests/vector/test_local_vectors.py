"""The embedded store in what only it does: one file, several processes, memory that follows the file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import BackendError, CloudberthError, InvalidInput
from cloudberth.vector.conformance.model import records, vector_of

WRITER = """
import sys
from cloudberth import vector
from cloudberth.vector.conformance.model import records
path, start, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with vector.open(path) as store:
    store.create("many", 16, exist_ok=True)
    for at in range(0, number, 50):
        store.upsert("many", records(50, seed=start + at + 1, start=start + at))
        print(start + at + 50, flush=True)
"""


def writer(path: Path, start: int, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(start), str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_and_a_third_sees_it_all(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    with vector.open(str(path)) as store:
        store.create("many", 16)
        both = [writer(path, 0, 500), writer(path, 10_000, 500)]
        probe = records(1)[0]
        while any(one.poll() is None for one in both):
            store.search("many", vector_of(probe), 5)
            time.sleep(0.05)
        assert [one.wait() for one in both] == [0, 0]
        assert store.count("many") == 1000
        last = records(50, seed=10_451, start=10_450)[7]
        assert store.search("many", vector_of(last), 1)[0].id == last.id


def test_a_killed_writer_leaves_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    process = writer(path, 0, 100_000)
    assert process.stdout is not None
    said = 0
    while said < 300:
        said = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    said = max([said, *map(int, process.stdout.read().split())])
    process.wait()
    with vector.open(str(path)) as store:
        found = store.count("many")
        assert found >= said
        assert found % 50 == 0
        assert len(store.search_text("many", "text", 1000)) == min(found, 1000)
        assert sum(1 for _ in store.scan("many")) == found


def test_memory_follows_what_another_does(tmp_path: Path) -> None:
    """Additions, replacements and more removals than are remembered one by one."""
    path = str(tmp_path / "v.db")
    made = records(400)
    with vector.open(path) as one, vector.open(path) as other:
        one.create("c", 16)
        one.upsert("c", made)
        assert other.search("c", vector_of(made[3]), 1)[0].id == "r3"
        one.delete("c", [f"r{at}" for at in range(0, 400, 2)])
        found = {hit.id for hit in other.search("c", vector_of(made[0]), 400)}
        assert found == {f"r{at}" for at in range(1, 400, 2)}
        one.upsert("c", made)
        assert other.search("c", vector_of(made[0]), 1)[0].id == "r0"
        one.drop("c")
        one.create("c", 16)
        one.upsert("c", made[:2])
        assert {hit.id for hit in other.search("c", vector_of(made[0]), 9)} == {"r0", "r1"}


def test_many_removals_are_forgotten_and_still_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudberth.vector.local._MOST_REMOVALS", 50)
    path = tmp_path / "v.db"
    made = records(300)
    with vector.open(str(path)) as one, vector.open(str(path)) as other:
        one.create("c", 16)
        one.upsert("c", made)
        other.search("c", vector_of(made[0]), 1)
        one.delete("c", [f"r{at}" for at in range(100)])
        one.upsert("c", made[:10])
        assert {hit.id for hit in other.search("c", vector_of(made[0]), 300)} == {
            record.id for record in [*made[:10], *made[100:]]
        }
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM removed").fetchone()[0] <= 50


def test_memory_has_a_limit(tmp_path: Path) -> None:
    environment = {"BERTH_VECTOR_PATH": str(tmp_path / "v.db"), "BERTH_VECTOR_MEMORY": "1"}
    with vector.open("", environment) as store:
        big = numpy.random.default_rng(1).standard_normal((150, 1024)).astype(numpy.float32)
        for name in ("a", "b", "c"):
            store.create(name, 1024)
            store.upsert(name, [vector.Record(str(at), row) for at, row in enumerate(big)])
            assert store.search(name, big[9], 1)[0].id == "9"
        kept = store.backend._matrices._kept  # type: ignore[attr-defined]
        assert len(kept) == 1
        assert store.search("a", big[5], 1)[0].id == "5"


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "v.db"
    with vector.open(str(path)) as store:
        store.create("c", 4)
    assert path.stat().st_mode & 0o077 == 0


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database, but long enough to be looked at " * 40)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE mine (a)")
    for path, said in ((text, "is no database"), (other, "is a database of something else")):
        with pytest.raises(InvalidInput, match=said), vector.open(str(path)) as store:
            store.collections()
    assert text.read_text().startswith("no database")
    with pytest.raises(InvalidInput, match="is a folder"):
        vector.open(f"local://{tmp_path}")
    with pytest.raises(InvalidInput, match="cannot be used"), vector.open(f"{text}/x.db") as store:
        store.collections()


def test_damage_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    with vector.open(str(path)) as store:
        store.create("c", 16)
        store.upsert("c", records(200))
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 3):
        data[at] ^= 0x5A
    path.write_bytes(data)
    with pytest.raises(CloudberthError), vector.open(str(path)) as store:
        list(store.scan("c"))


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    with vector.open(str(path)) as store:
        store.create("c", 16)
        store.upsert("c", records(50))
        with store.backend._database.reading() as connection:  # type: ignore[attr-defined]
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(BackendError, match="the disk is full"):
            store.upsert("c", records(2000, start=1000))
    with vector.open(str(path)) as store:
        assert store.count("c") >= 50
        assert store.count("c") % 50 == 0


def test_a_large_collection_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cloudberth.vector.local._LARGE", 100)
    with vector.open(str(tmp_path / "v.db")) as store:
        store.create("c", 16)
        store.upsert("c", records(100))
        assert not caplog.records
        store.upsert("c", records(1, start=500))
        store.upsert("c", records(1, start=600))
    assert [record.getMessage().count("berth vector migrate") for record in caplog.records] == [1]


def test_two_hundred_threads_may_search_at_once(tmp_path: Path) -> None:
    """Each with a connection, and all with one matrix."""
    code = """
import sys, threading, numpy
from cloudberth import vector
from cloudberth.vector.conformance.model import records, vector_of
with vector.open(sys.argv[1]) as store:
    store.create("c", 256)
    made = records(3000, dimension=256)
    store.upsert("c", made)
    gate = threading.Barrier(200)
    found = []
    def ask(at):
        gate.wait()
        found.append(store.search("c", vector_of(made[at]), 1)[0].id == f"r{at}")
    threads = [threading.Thread(target=ask, args=(at,)) for at in range(200)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(sum(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "v.db")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "200"), done.stderr[-2000:]
