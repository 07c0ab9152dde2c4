"""Files that rotate, are cut, compressed, broken and huge, read once and followed."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudberth.errors import InvalidInput
from cloudberth.logs.files import Files
from cloudberth.logs.filter import Filter
from cloudberth.logs.record import Record
from cloudberth.logs.severity import Severity

NOW = datetime.now(UTC).replace(microsecond=0)
WHOLE = Filter(NOW - timedelta(hours=1), NOW + timedelta(hours=1))


def line(seconds: float, message: str, **fields: object) -> str:
    time = (NOW + timedelta(seconds=seconds)).isoformat()
    return json.dumps({"timestamp": time, "message": message, **fields}) + "\n"


def messages(records: list[Record]) -> list[str]:
    return [record.message for record in records]


def test_rotated_and_compressed_files_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "api.log.2.gz").write_bytes(gzip.compress(line(-30, "oldest").encode()))
    (tmp_path / "api.log.1").write_text(line(-20, "older"))
    (tmp_path / "api.log").write_text(line(-10, "newest"))
    (tmp_path / "worker.log").write_text(line(-15, "of another"))
    (tmp_path / "notes.md").write_text("no log\n")
    found = Files((str(tmp_path),)).query(WHOLE, 10)
    assert messages(found) == ["oldest", "older", "of another", "newest"]
    assert [record.service for record in found] == ["api", "api", "worker", "api"]
    assert messages(Files((str(tmp_path / "api.log"),)).query(WHOLE, 2)) == ["older", "newest"]
    assert messages(Files((str(tmp_path / "w*.log"),)).query(WHOLE, 2)) == ["of another"]


def test_lines_without_a_time_belong_to_the_one_before(tmp_path: Path) -> None:
    text = f"{NOW.isoformat()} [ERROR] it broke\nTraceback (most recent call last):\n  ValueError: x\n"
    (tmp_path / "a.log").write_text(text)
    found = Files((str(tmp_path),)).query(WHOLE, 10)
    assert {record.time for record in found} == {NOW}
    assert messages(found)[1:] == ["Traceback (most recent call last):", "  ValueError: x"]
    errors = Filter(WHOLE.since, WHOLE.until, level=Severity.ERROR)
    assert len(Files((str(tmp_path),)).query(errors, 10)) == 1


def test_broken_lines_are_lines(tmp_path: Path) -> None:
    deep = "[" * 100_000
    raw = [
        b'{"timestamp": "x", "message": \n',
        b"\xff\xfe not UTF-8\n",
        b"{" + deep.encode() + b"}\n",
        b"\x00\n",
    ]
    (tmp_path / "a.log").write_bytes(b"".join(raw))
    found = Files((str(tmp_path),)).query(WHOLE, 10)
    assert len(found) == 4
    assert messages(found)[1] == "\ufffd\ufffd not UTF-8"


def test_a_file_that_is_compressed_in_half_gives_its_half(tmp_path: Path) -> None:
    whole = gzip.compress("".join(line(-n, f"m{n}" + os.urandom(20).hex()) for n in range(2000)).encode())
    (tmp_path / "a.log.1.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a.log").write_text(line(5, "good"))
    reader = Files((str(tmp_path),))
    remarks: list[str] = []
    reader.remark = remarks.append  # type: ignore[method-assign]
    found = reader.query(WHOLE, 5000)
    assert 100 < len(found) < 2000
    assert messages(found)[-1] == "good"
    assert len(remarks) == 1 and "the rest cannot be read" in remarks[0]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    with (tmp_path / "big.log").open("w") as stream:
        for number in range(12_000):
            stream.write(line(-number / 1000, f"{number} {'x' * 200}"))
        stream.write("y" * 3_000_000 + "\n")
    tracemalloc.start()
    found = Files((str(tmp_path),)).query(WHOLE, 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 10
    assert peak < 9_000_000


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such log file"):
        Files((str(tmp_path / "none.log"),)).query(WHOLE, 1)


class Enough(Exception):
    pass


def followed(path: Path, steps: list[Callable[[], object]], filter: Filter = WHOLE) -> list[str]:
    """What a follower shows while steps happen, one between two looks."""
    left = iter([*steps, lambda: None])

    def sleep(_seconds: float) -> None:
        step = next(left, None)
        if step is None:
            raise Enough
        step()

    shown: list[str] = []
    with pytest.raises(Enough):
        for record in Files((str(path),), sleep=sleep).follow(filter):
            shown.append(record.message)
    return shown


def append(path: Path, text: str) -> Callable[[], object]:
    def act() -> None:
        with path.open("a") as stream:
            stream.write(text)

    return act


def test_following_sees_what_comes_and_waits_for_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(line(0, "before"))
    half = line(2, "in two halves")
    steps = [
        append(path, line(1, "one")),
        append(path, half[:20]),
        append(path, half[20:] + line(3, "after")),
    ]
    assert followed(path, steps) == ["before", "one", "in two halves", "after"]


def test_following_goes_on_through_a_rotation(tmp_path: Path) -> None:
    path, old = tmp_path / "a.log", tmp_path / "a.log.1"
    path.write_text(line(0, "first"))

    def rotate() -> None:
        path.rename(old)
        append(old, line(1, "written after the renaming"))()
        path.write_text(line(2, "in the new file"))

    assert followed(tmp_path, [rotate, append(path, line(3, "last"))]) == [
        "first", "written after the renaming", "in the new file", "last",
    ]  # fmt: skip


def test_following_goes_on_when_the_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(line(0, "a longer first line, so that the next is shorter"))
    steps: list[Callable[[], object]] = [
        lambda: path.write_text(line(1, "short")),
        append(path, line(2, "next")),
    ]
    assert followed(path, steps)[1:] == ["short", "next"]


def test_following_finds_new_files_and_bears_missing_ones(tmp_path: Path) -> None:
    path, other = tmp_path / "a.log", tmp_path / "b.log"
    path.write_text(line(0, "one"))
    steps: list[Callable[[], object]] = [
        append(other, line(1, "two")),
        path.unlink,
        append(other, line(2, "three")),
    ]
    assert followed(tmp_path, steps) == ["one", "two", "three"]


def test_following_keeps_to_the_filter(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(line(-4000, "too old") + line(0, "x", severity="INFO"))
    steps = [append(path, line(1, "bad", severity="ERROR") + line(2, "good", severity="INFO"))]
    assert followed(path, steps, Filter(WHOLE.since, WHOLE.until, level=Severity.ERROR)) == ["bad"]
