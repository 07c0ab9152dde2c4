"""Streams of unknown length, and the multipart uploads that they become: all of an object, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from storage_cases import OPTIONS, PART, Lacks, content, in_pieces

from cloudberth.errors import CloudberthError, NotFound
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage


class SourceBroke(Exception):
    """What a writer of the application raises."""


def breaking(size: int) -> Iterator[bytes]:
    """A source that gives so many bytes and then fails."""
    yield from in_pieces(content(size))
    raise SourceBroke("the source is gone")


def pending(storage: Storage) -> list[str]:
    """Keys of unfinished uploads; of stores without multipart there are none."""
    return [upload.key for upload in storage.uploads()] if storage.capabilities.multipart else []


@pytest.mark.parametrize("size", [0, 1, PART, 2 * PART, 2 * PART + 1, 3 * PART, 3 * PART + 12_345])
def test_a_stream_of_unknown_length_is_saved(storage: Storage, size: int) -> None:
    data = content(size)
    seen: list[int] = []
    storage.save("a", in_pieces(data), progress=seen.append)
    assert storage.head("a").size == size
    assert storage.load("a") == data
    assert sum(seen) == size
    assert pending(storage) == []


@pytest.mark.parametrize("size", [10, PART + 1, 3 * PART + 10])
def test_a_source_that_breaks_leaves_nothing(storage: Storage, size: int) -> None:
    with pytest.raises(SourceBroke):
        storage.save("a", breaking(size))
    assert not storage.exists("a")
    assert [info.key for info in storage.list()] == []
    assert pending(storage) == []


def test_a_source_that_breaks_keeps_the_old_object(storage: Storage) -> None:
    storage.save("a", b"old")
    with pytest.raises(SourceBroke):
        storage.save("a", breaking(3 * PART))
    assert storage.load("a") == b"old"
    assert pending(storage) == []


def test_an_object_is_not_seen_before_it_is_whole(storage: Storage) -> None:
    seen: list[bool] = []

    def watched() -> Iterator[bytes]:
        for piece in in_pieces(content(3 * PART), PART):
            yield piece
            seen.append(storage.exists("a"))

    storage.save("a", watched())
    assert seen == [False, False, False]
    assert storage.exists("a")


def test_parts_by_hand(storage: Storage, lacks: Lacks) -> None:
    """The primitives that moving large objects is made of: parts in any order, sent again, listed."""
    backend, key = storage.backend, f"{storage.prefix}a"
    if not storage.capabilities.multipart:
        with lacks("multipart upload"):
            backend.start_upload(key)
        return
    data = content(2 * PART + 100)
    attributes = Attributes(content_type="text/plain")
    upload = backend.start_upload(key, attributes)
    last = backend.put_part(key, upload, 3, BytesBody(data[2 * PART :]))
    backend.put_part(key, upload, 1, BytesBody(b"?" * PART))
    second = backend.put_part(key, upload, 2, BytesBody(data[PART : 2 * PART]))
    first = backend.put_part(key, upload, 1, BytesBody(data[:PART]))
    listed = {part.number: part for part in backend.list_parts(key, upload)}
    assert {number: part.size for number, part in listed.items()} == {1: PART, 2: PART, 3: 100}
    assert not storage.exists("a")
    backend.finish_upload(key, upload, [first, second, last], attributes)
    assert storage.load("a") == data
    assert pending(storage) == []


def test_an_upload_goes_on_with_listed_parts(storage: Storage, lacks: Lacks) -> None:
    """What a process needs that was killed: the parts that the store has are enough to finish."""
    backend, key = storage.backend, f"{storage.prefix}a"
    if not storage.capabilities.multipart:
        with lacks("multipart upload"):
            list(backend.list_parts(key, "1"))
        return
    data = content(2 * PART)
    upload = backend.start_upload(key)
    for number in (1, 2):
        backend.put_part(key, upload, number, BytesBody(data[(number - 1) * PART : number * PART]))
    parts = sorted(backend.list_parts(key, upload), key=lambda part: part.number)
    backend.finish_upload(key, upload, parts)
    assert storage.load("a") == data


def test_uploads_are_listed_and_aborted(storage: Storage, lacks: Lacks) -> None:
    backend = storage.backend
    if not storage.capabilities.multipart:
        with lacks("multipart upload"):
            list(storage.uploads())
        return
    for name in ("x/1", "x/2", "y/a +1"):
        key = f"{storage.prefix}{name}"
        upload = backend.start_upload(key)
        backend.put_part(key, upload, 1, BytesBody(content(PART)))
    assert sorted(pending(storage)) == ["x/1", "x/2", "y/a +1"]
    assert sorted(found.key for found in storage.uploads("x/")) == ["x/1", "x/2"]
    assert storage.abort_uploads("x/") == 2
    assert pending(storage) == ["y/a +1"]
    assert storage.abort_uploads() == 1
    assert pending(storage) == []
    assert list(storage.list()) == []


def test_an_aborted_upload_is_gone(storage: Storage, lacks: Lacks) -> None:
    backend, key = storage.backend, f"{storage.prefix}a"
    if not storage.capabilities.multipart:
        with lacks("multipart upload"):
            backend.abort_upload(key, "1")
        return
    upload = backend.start_upload(key)
    part = backend.put_part(key, upload, 1, BytesBody(content(PART)))
    backend.abort_upload(key, upload)
    backend.abort_upload(key, upload)
    with pytest.raises(CloudberthError) as caught:
        backend.finish_upload(key, upload, [part])
    assert isinstance(caught.value, NotFound) or not getattr(caught.value, "retryable", True)
    assert not storage.exists("a")


def test_a_part_made_of_another_object(storage: Storage, lacks: Lacks) -> None:
    from cloudberth.errors import Unsupported
    from cloudberth.storage.contract import Span

    backend, key = storage.backend, f"{storage.prefix}a"
    storage.save("source", content(2 * PART))
    if not storage.capabilities.multipart:
        with lacks("multipart upload"):
            backend.copy_part(key, "1", 1, f"{storage.prefix}source", Span(0, PART))
        return
    upload = backend.start_upload(key)
    try:
        first = backend.copy_part(key, upload, 1, f"{storage.prefix}source", Span(PART, PART))
    except Unsupported:
        with lacks("copy of a part"):
            backend.copy_part(key, upload, 1, f"{storage.prefix}source", Span(PART, PART))
        backend.abort_upload(key, upload)
        return
    second = backend.put_part(key, upload, 2, BytesBody(b"end"))
    backend.finish_upload(key, upload, [first, second])
    assert storage.load("a") == content(2 * PART)[PART:] + b"end"


def test_parts_are_as_large_as_was_asked(storage: Storage) -> None:
    """The options of the suite are those of the store, else large objects would go in one request here."""
    assert storage.options.part_size == OPTIONS.part_size == PART
