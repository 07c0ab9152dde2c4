"""The journal: what it keeps, what it survives, whom it keeps out."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudberth.errors import Refused
from cloudberth.storage.contract import Part
from cloudberth.storage.transfer.journal import Journal, JournalFailure, State, Status
from cloudberth.storage.transfer.rules import Action
from storage.memory_backend import MemoryBackend
from storage.transfer.transfers import Places

COPY = (Action.COPY,)


def lines(count: int, first: int = 1) -> list[tuple[object, ...]]:
    return [
        (number, f"k{number:06}", 1, "why", number, 1.5, "etag") for number in range(first, first + count)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


def test_a_plan_and_what_became_of_it_are_there_again(path: Path) -> None:
    with Journal(path) as journal:
        journal.forget()
        journal.add(lines(5000), position="k005000")
        journal.record(7, Status.DONE)
        journal.record(8, Status.FAILED, "invalid", "no such names")
        journal.record(9, Status.RETRY, "unavailable", "gone")
    with Journal(path) as journal:
        assert journal.state is State.PLANNING
        assert journal.fact("position") == "k005000"
        left = [work.id for work in journal.works(COPY)]
        assert left == [number for number in range(1, 5001) if number not in {7, 8}]
        assert [work.size for work in journal.works(COPY, least=10, below=13)] == [10, 11, 12]
        (row,) = journal.rows(COPY, (Status.FAILED,), noted=True)
        assert (row.work.key, row.kind, row.note) == ("k000008", "invalid", "no such names")
        assert sum(count for _, _, count, _ in journal.tally()) == 5000


def test_status_is_committed_within_a_second_without_being_told(path: Path) -> None:
    journal = Journal(path)
    journal.forget()
    journal.add(lines(3))
    journal.record(2, Status.DONE)
    deadline = time.monotonic() + 30
    with sqlite3.connect(path) as other:
        while time.monotonic() < deadline:
            if other.execute("SELECT count(*) FROM work WHERE status = 1").fetchone() == (1,):
                break
            time.sleep(0.05)
        else:
            pytest.fail("it was never committed")
    other.close()
    journal.close()


def test_an_upload_is_committed_at_once_and_its_parts_with_it(path: Path) -> None:
    with Journal(path) as journal:
        journal.forget()
        journal.add(lines(1))
        journal.begin_upload(1, "upload-1", 8, 20, "etag")
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT upload FROM upload").fetchall() == [("upload-1",)]
        other.close()
        journal.part_done(1, Part(2, "e2", 8), "md5=aa")
    with Journal(path) as journal:
        found = journal.upload(1)
        assert found is not None
        assert (found.upload, found.part_size, found.size, found.etag) == ("upload-1", 8, 20, "etag")
        assert found.parts == {2: (Part(2, "e2", 8), "md5=aa")}
        assert journal.uploads() == [("k000001", "upload-1")]
        journal.end_upload(1)
        assert journal.upload(1) is None


def test_a_second_process_is_kept_out(path: Path) -> None:
    with Journal(path):
        script = f"""
from pathlib import Path
from cloudberth.errors import Refused
from cloudberth.storage.transfer.journal import Journal
try:
    Journal(Path({str(path)!r}))
except Refused as error:
    print("refused:", error.what)
"""
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert found.stdout == "refused: another process is working on this transfer\n", found.stderr
    Journal(path).close()


def test_it_belongs_to_one_transfer(path: Path) -> None:
    with Journal(path) as journal:
        journal.belongs({"source": "a", "destination": "b"})
        journal.belongs({"source": "a", "destination": "b"})
        with pytest.raises(Refused, match="another transfer"):
            journal.belongs({"source": "a", "destination": "c"})


def test_only_its_owner_may_read_it(path: Path) -> None:
    with Journal(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    """Places and rules stand in it as they are shown to people."""
    places = Places(tmp_path)
    places.source = MemoryBackend("source")
    places.source.secret = "very-secret-key"  # type: ignore[attr-defined]
    places.source.fill({"a": b"the content"})
    summary = places.sync()
    kept = b"".join(file.read_bytes() for file in Path(summary.journal).parent.iterdir())
    assert b"memory://source" in kept
    assert b"very-secret-key" not in kept
    assert b"the content" not in kept


def test_a_full_disk_stops_the_transfer_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files is what a process can have of a full disk without being root."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from storage.transfer.transfers import Places
from cloudberth.storage.transfer.journal import JournalFailure
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
places = Places(Path({str(tmp_path)!r}))
places.source.fill({{f"{{n:05}}" + "k" * 400: b"x" for n in range(20000)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
try:
    places.sync()
except JournalFailure as error:
    print("stopped:", error.hint)
    print(len(places.target.objects))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    stopped, count = found.stdout.splitlines()
    assert stopped == "stopped: make room there, then run the same command again: it goes on where it was"
    assert int(count) < 20000
    assert resource.RLIMIT_FSIZE >= 0


def test_a_journal_that_cannot_be_written_says_so_to_everybody(path: Path) -> None:
    journal = Journal(path)
    journal.forget()
    journal.add(lines(1))
    journal._database.execute("PRAGMA query_only = ON")
    journal.record(1, Status.DONE)
    with pytest.raises(JournalFailure):
        journal.flush()
    with pytest.raises(JournalFailure, match="cannot be written"):
        journal.record(1, Status.DONE)
    journal.close()


def test_the_lock_goes_with_the_process(path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from cloudberth.storage.transfer.journal import Journal
journal = Journal(Path({str(path)!r}))
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == -9
    Journal(path).close()
    assert path.with_name("journal.db.lock").exists()
