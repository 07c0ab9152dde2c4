"""Reading parts of objects, in pieces, and into files."""

from __future__ import annotations

from pathlib import Path

import pytest
from storage_cases import PART, content

from cloudberth.errors import InvalidInput, InvalidRange, NotFound
from cloudberth.storage.contract import Span
from cloudberth.storage.storage import Storage

DATA = content(100_000)


@pytest.fixture
def filled(storage: Storage) -> Storage:
    storage.save("a", DATA)
    return storage


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(0), DATA),
        (Span(0, 1), DATA[:1]),
        (Span(1, 1), DATA[1:2]),
        (Span(10, 1000), DATA[10:1010]),
        (Span(99_999), DATA[99_999:]),
        (Span(99_990, 10), DATA[99_990:]),
        (Span(99_990, 1000), DATA[99_990:]),
        (Span(50_000), DATA[50_000:]),
        (Span(50_000, 0), b""),
    ],
)
def test_a_range_is_read(filled: Storage, span: Span, expected: bytes) -> None:
    assert filled.load("a", span) == expected


@pytest.mark.parametrize("span", [Span(100_000), Span(100_000, 1), Span(200_000, 5), Span(200_000, 0)])
def test_a_range_behind_the_end_is_invalid(filled: Storage, span: Span) -> None:
    with pytest.raises(InvalidRange) as caught:
        filled.load("a", span)
    assert isinstance(caught.value, ValueError)
    assert not caught.value.retryable


def test_a_range_of_a_missing_object_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFound):
        storage.load("missing", Span(5, 5))


def test_a_range_tells_the_size_of_the_whole(filled: Storage) -> None:
    opened = filled.backend.get(f"{filled.prefix}a", Span(10, 20))
    with opened.reader as reader:
        assert reader.read() == DATA[10:30]
        assert reader.read() == b""
    assert opened.info.size == len(DATA)


def test_pieces_make_the_whole(filled: Storage) -> None:
    pieces = list(filled.stream("a", chunk=30_000))
    assert b"".join(pieces) == DATA
    assert [len(piece) for piece in pieces] == [30_000, 30_000, 30_000, 10_000]
    assert b"".join(filled.stream("a", Span(5, 60_000), chunk=1024)) == DATA[5:60_005]


def test_a_stream_may_be_left_early(filled: Storage) -> None:
    """Many times: a connection that was not given back would be missed."""
    for _ in range(20):
        stream = filled.stream("a", chunk=1000)
        assert next(stream) == DATA[:1000]
        stream.close()  # type: ignore[attr-defined]
    assert filled.load("a") == DATA


@pytest.mark.parametrize("size", [0, 1, 2 * PART, 2 * PART + 77])
def test_a_download_is_the_object(storage: Storage, tmp_path: Path, size: int) -> None:
    storage.save("a", content(size))
    seen: list[int] = []
    info = storage.download("a", tmp_path / "file", progress=seen.append)
    assert (tmp_path / "file").read_bytes() == content(size)
    assert info.size == size
    assert sum(seen) == size
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_download_replaces_a_file(filled: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old and longer" * 20_000)
    filled.download("a", str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_failed_download_keeps_the_old_file(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(NotFound):
        storage.download("missing", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_download_broken_off_by_the_caller_leaves_nothing(filled: Storage, tmp_path: Path) -> None:
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filled.download("a", tmp_path / "file", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said_before_anything(filled: Storage, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        filled.download("a", tmp_path / "no-folder" / "file")


def test_a_read_sticks_to_one_version(storage: Storage) -> None:
    """A range of an object that was replaced meanwhile is refused, so that two versions never mix."""
    from cloudberth.errors import PreconditionFailed

    storage.save("a", b"first version")
    etag = storage.head("a").etag
    key = storage.prefix + "a"
    opened = storage.backend.get(key, Span(0, 5), etag)
    with opened.reader as reader:
        assert reader.read() == b"first"
    assert opened.info.size == len(b"first version")
    storage.save("a", b"another one")
    with pytest.raises(PreconditionFailed):
        storage.backend.get(key, Span(5, 5), etag).reader.close()
