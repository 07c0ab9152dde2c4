"""Objects as wholes: written, replaced, read back, described, asked for."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from storage_cases import PART, Lacks, Refused, content, save_all

from cloudberth.errors import NotFound, Unsupported
from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage

ATTRIBUTES = Attributes(
    content_type="text/csv; charset=utf-8",
    cache_control="max-age=60, private",
    content_disposition='attachment; filename="a b.csv"',
    content_language="de",
)


@pytest.mark.parametrize("size", [0, 1, 10_240, 1_048_577])
def test_what_is_saved_is_loaded(storage: Storage, size: int) -> None:
    data = content(size)
    storage.save("a", data)
    assert storage.load("a") == data
    assert storage.head("a").size == size


def test_data_may_be_text_a_view_a_file_or_a_stream(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content(70_000))
    storage.save("text", "ein Wörtchen")
    storage.save("view", memoryview(bytearray(b"0123456789"))[2:5])
    storage.save("file", tmp_path / "file")
    storage.save("stream", io.BytesIO(b"from a stream"))
    storage.save("pieces", iter([b"from ", b"", b"pieces"]))
    assert storage.load("text") == "ein Wörtchen".encode()
    assert storage.load("view") == b"234"
    assert storage.load("file") == content(70_000)
    assert storage.load("stream") == b"from a stream"
    assert storage.load("pieces") == b"from pieces"


@pytest.mark.parametrize("size", [2 * PART, 2 * PART + 1, 3 * PART])
def test_large_files_go_in_parts(storage: Storage, tmp_path: Path, size: int) -> None:
    (tmp_path / "large").write_bytes(content(size))
    seen: list[int] = []
    storage.save("large", tmp_path / "large", progress=seen.append)
    assert storage.head("large").size == size
    assert sum(seen) == size
    assert storage.load("large") == content(size)


def test_a_save_replaces_what_was_there(storage: Storage) -> None:
    storage.save("a", b"a long first version", content_type="text/plain")
    storage.save("a", b"second", content_type="text/html")
    assert storage.load("a") == b"second"
    info = storage.head("a")
    assert info.size == 6
    if storage.capabilities.attributes:
        assert info.attributes.content_type == "text/html"


def test_an_empty_object_is_an_object(storage: Storage) -> None:
    storage.save("empty", b"")
    assert storage.exists("empty")
    assert storage.load("empty") == b""
    assert list(storage.stream("empty")) == []
    assert [info.size for info in storage.list()] == [0]


def test_head_tells_size_time_and_etag(storage: Storage) -> None:
    before = datetime.now(UTC)
    written = storage.save("a", b"12345")
    info = storage.head("a")
    assert info.key == "a"
    assert info.size == 5
    assert info.modified is not None
    assert info.modified.tzinfo is not None
    assert abs(info.modified - before) < timedelta(seconds=60)
    assert info.etag
    assert not info.etag.startswith('"')
    assert written.etag in (None, info.etag)


def test_head_keeps_the_promise_of_a_checksum(storage: Storage) -> None:
    """What the capabilities name is there for every object that went in one request, and is right."""
    import hashlib
    import zlib

    data = content(100_000)
    storage.save("a", data)
    checksums = storage.head("a").checksums
    promised = storage.capabilities.checksum
    assert promised is None or checksums.get(promised)
    known = {
        "md5": hashlib.md5(data).hexdigest(),
        "sha1": hashlib.sha1(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "crc32": f"{zlib.crc32(data):08x}",
    }
    assert {name: value for name, value in checksums.items() if name in known}.items() <= known.items()


def test_the_etag_changes_with_the_content(storage: Storage) -> None:
    storage.save("a", b"one")
    first = storage.head("a").etag
    storage.save("a", b"two!")
    assert storage.head("a").etag != first


def test_attributes_are_kept(storage: Storage) -> None:
    storage.save("a", b"x", ATTRIBUTES)
    kept = storage.head("a").attributes
    if not storage.capabilities.attributes:
        assert kept.cache_control is None
        return
    assert kept.content_type == ATTRIBUTES.content_type
    assert kept.cache_control == ATTRIBUTES.cache_control
    assert kept.content_disposition == ATTRIBUTES.content_disposition
    assert kept.content_language == ATTRIBUTES.content_language


def test_attributes_of_large_objects_are_kept(storage: Storage) -> None:
    storage.save("a", content(2 * PART + 1), ATTRIBUTES)
    kept = storage.head("a").attributes
    if not storage.capabilities.attributes:
        assert kept.cache_control is None
        return
    assert kept.content_type == ATTRIBUTES.content_type
    assert kept.cache_control == ATTRIBUTES.cache_control


def test_content_type_follows_from_the_key(storage: Storage) -> None:
    storage.save("picture.png", b"x")
    storage.save("unknown.berth-type", b"x")
    if storage.capabilities.attributes:
        assert storage.head("picture.png").attributes.content_type == "image/png"
    assert storage.load("unknown.berth-type") == b"x"


METADATA = {
    "plain": "value",
    "with-dash": "two words",
    "not-ascii": "größer – 数据 😀",
    "percent": "100%25 +1",
    "equals": "=?utf-8?q?like_mime?=",
    "empty-not": "-",
}


def test_metadata_is_kept(storage: Storage, lacks: Lacks) -> None:
    if not storage.capabilities.metadata:
        with lacks("metadata"):
            storage.save("a", b"x", metadata=METADATA)
        return
    storage.save("a", b"x", metadata=METADATA)
    assert storage.head("a").attributes.metadata == METADATA


def test_metadata_of_large_objects_is_kept(storage: Storage, lacks: Lacks) -> None:
    data = content(2 * PART + 1)
    if not storage.capabilities.metadata:
        with lacks("metadata"):
            storage.save("a", data, metadata=METADATA)
        return
    storage.save("a", data, metadata=METADATA)
    assert storage.head("a").attributes.metadata == METADATA


def test_a_save_replaces_metadata_too(storage: Storage, lacks: Lacks) -> None:
    if not storage.capabilities.metadata:
        with lacks("metadata"):
            storage.save("a", b"x", metadata={"old": "1"})
        return
    storage.save("a", b"x", metadata={"old": "1"})
    storage.save("a", b"y", metadata={"new": "2"})
    assert storage.head("a").attributes.metadata == {"new": "2"}


def test_exists(storage: Storage, refused: Refused) -> None:
    assert not storage.exists("folder/a")
    assert not storage.exists_prefix("folder/")
    storage.save("folder/a", b"x")
    assert storage.exists("folder/a")
    assert not storage.exists("folder")
    try:
        assert not storage.exists("folder/")
    except Unsupported:
        refused("key folder/")
    assert not storage.exists("folder/ab")
    assert not storage.exists("FOLDER/a")
    assert storage.exists_prefix("folder/")
    assert storage.exists_prefix("fol")
    assert not storage.exists_prefix("folder/b")


def test_what_is_missing_is_not_found(storage: Storage, tmp_path: Path) -> None:
    """By every way of asking, and as the built-in error that applications know."""
    for ask in (
        lambda: storage.load("missing"),
        lambda: storage.head("missing"),
        lambda: storage.stream("missing"),
        lambda: storage.download("missing", tmp_path / "file"),
        lambda: storage.copy("missing", "copy"),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert isinstance(caught.value, FileNotFoundError)
        assert type(caught.value) is NotFound, "the bucket is there"
        assert "missing" in str(caught.value)
        assert not caught.value.retryable
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_is_a_wall(storage: Storage, refused: Refused) -> None:
    """A store under a prefix sees and touches nothing outside of it."""
    storage.save("outside", b"x")
    inner = storage.under("inner/")
    taken = save_all(inner, ["../outside", "a"], refused, b"y")
    assert storage.load("outside") == b"x"
    assert sorted(info.key for info in inner.list()) == taken
    assert inner.head("a").key == "a"
    inner.delete_prefix("")
    assert [info.key for info in storage.list()] == ["outside"]


def test_what_was_moved_is_only_there(storage: Storage) -> None:
    storage.save("a", b"x")
    storage.move("a", "b")
    assert storage.load("b") == b"x"
    assert not storage.exists("a")


def test_the_place_has_no_secret_in_it(storage: Storage) -> None:
    assert "://" in storage.place
    assert repr(storage) == f"Storage({storage.place!r})"
    assert "@" not in storage.place
