"""The type ``local``: whole objects or none, conditions, copies, attributes, parts."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.errors import (
    BackendError,
    InvalidRange,
    Kind,
    NotFound,
    PreconditionFailed,
)
from cloudberth.storage import local_attributes
from cloudberth.storage.body import Body, Buffer, BytesBody, FileBody
from cloudberth.storage.contract import Attributes, Condition, Part, Span
from cloudberth.storage.local import Local
from storage.local_folder import content, drafts, listed, put, root_of

# -- reading and writing -------------------------------------------------------------------------------------


def test_ranges(local: Local) -> None:
    put(local, "a", b"0123456789")
    for span, data in ((Span(0, 3), b"012"), (Span(4), b"456789"), (Span(8, 10), b"89")):
        with local.get("a", span).reader as reader:
            assert reader.read() == data
    for span in (Span(10), Span(11, 1)):
        with pytest.raises(InvalidRange):
            local.get("a", span)
    put(local, "empty", b"")
    with pytest.raises(InvalidRange):
        local.get("empty", Span(0, 1))


def test_a_reader_keeps_the_object_it_opened(local: Local) -> None:
    put(local, "a", b"old" * 1000)
    with local.get("a").reader as reader:
        put(local, "a", b"new")
        local.delete(["a"])
        assert reader.read() == b"old" * 1000


def test_every_write_changes_the_etag(local: Local) -> None:
    etags = [put(local, "a", b"same") for _ in range(200)]
    assert len(set(etags)) == 200
    assert local.head("a").etag == etags[-1]
    with pytest.raises(PreconditionFailed):
        local.get("a", match=etags[0])


def test_conditions(local: Local) -> None:
    for key in ("plain", "odd//key"):
        absent = Condition(absent=True)
        first = local.put(key, BytesBody(b"1"), condition=absent).etag
        with pytest.raises(PreconditionFailed):
            local.put(key, BytesBody(b"2"), condition=absent)
        second = local.put(key, BytesBody(b"3"), condition=Condition(match=first)).etag
        for stale in (first, "nonsense"):
            with pytest.raises(PreconditionFailed):
                local.put(key, BytesBody(b"4"), condition=Condition(match=stale))
        assert content(local, key) == b"3"
        with pytest.raises(PreconditionFailed):
            local.put("missing", BytesBody(b"5"), condition=Condition(match=second))
    assert drafts(local) == []


@pytest.mark.parametrize("key", ["contested", "deep/er/contested", "odd//contested"])
def test_of_many_writers_on_condition_one_wins(local: Local, key: str) -> None:
    etag = put(local, "other", b"0")
    for condition in (Condition(absent=True), Condition(match="now")):
        if condition.match:
            etag = local.head(key).etag
            condition = Condition(match=etag)
        won: list[int] = []

        def write(number: int, condition: Condition = condition, won: list[int] = won) -> None:
            try:
                local.put(key, BytesBody(b"%d" % number), condition=condition)
                won.append(number)
            except PreconditionFailed:
                pass

        in_threads(write, 12)
        assert len(won) == 1
        assert content(local, key) == b"%d" % won[0]


def in_threads(function: object, count: int) -> None:
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_writers_and_removers_of_one_folder_do_not_meet(local: Local) -> None:
    """Each deletes the last file of a folder, and with it the folder that the other has just made."""
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(150):
                key = f"shared/folder/{number}"
                put(local, key, b"%d" % turn)
                assert content(local, key) == b"%d" % turn
                assert local.delete([key]) == []
        except BaseException as error:
            problems.append(error)

    in_threads(work, 4)
    assert problems == []
    assert listed(local) == []
    assert not (root_of(local) / "shared").exists()


class Breaking(Body):
    """A body that breaks half-way."""

    size = 100

    def chunks(self) -> Iterator[Buffer]:
        yield b"half"
        raise OSError("the source broke")


def test_half_an_object_is_never_there(local: Local) -> None:
    put(local, "a", b"old")
    with pytest.raises(OSError, match="the source broke"):
        local.put("a", Breaking())
    assert content(local, "a") == b"old"
    assert drafts(local) == []


def test_files_are_copied_whole_and_in_part(local: Local, tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    source = tmp_path / "source"
    source.write_bytes(data)
    local.put("whole", FileBody(source))
    local.put("part", FileBody(source, 1000, 2_000_000))
    assert content(local, "whole") == data
    assert content(local, "part") == data[1000:2_001_000]
    with pytest.raises(OSError, match="became shorter"):
        local.put("more", FileBody(source, 0, len(data) + 1))
    with pytest.raises(FileNotFoundError) as caught:
        body = FileBody(source, 0, 5)
        source.unlink()
        local.put("gone", body)
    assert not isinstance(caught.value, BackendError)
    assert listed(local) == ["part", "whole"]


def test_a_kernel_that_cannot_copy_is_no_obstacle(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*arguments: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "copy_file_range", cannot)
    data = os.urandom(2_500_000)
    (tmp_path / "source").write_bytes(data)
    local.put("a", FileBody(tmp_path / "source", 7))
    assert content(local, "a") == data[7:]


def test_copies_keep_or_replace_attributes(local: Local, tmp_path: Path) -> None:
    attributes = Attributes(content_type="text/x-own", metadata={"who": "é"}, storage_class="COLD")
    put(local, "a", b"data", attributes)
    local.copy("a", "b//c")
    assert (content(local, "b//c"), local.head("b//c").attributes) == (b"data", attributes)
    local.copy("a", "a", Attributes(cache_control="no-store"))
    assert local.head("a").attributes == Attributes(cache_control="no-store")
    put(local, "page.html", b"<p>")
    local.copy("page.html", "page.txt")
    assert local.head("page.txt").attributes.content_type == "text/plain"
    (tmp_path / "other").mkdir()
    other = Local(tmp_path / "other", sync=False)
    other.copy_from(local, "b//c", "moved")
    assert (content(other, "moved"), other.head("moved").attributes) == (b"data", attributes)
    with pytest.raises(NotFound):
        local.copy("missing", "x")


# -- attributes ----------------------------------------------------------------------------------------------

ALL = Attributes(
    "text/plain; charset=utf-8", "max-age=3", 'attachment; filename="é"', "gzip", "de", {"a": "1\n"}, "IA"
)


def without_xattr(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOTSUP) -> None:
    def no(*arguments: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "setxattr", no)
    monkeypatch.setattr(os, "getxattr", no)


def sidecars(local: Local) -> list[Path]:
    return [path for path in (root_of(local) / ".berth/attributes").rglob("*") if path.is_file()]


@pytest.mark.parametrize("xattr", [True, False])
def test_attributes_come_back(local: Local, monkeypatch: pytest.MonkeyPatch, xattr: bool) -> None:
    if not xattr:
        without_xattr(monkeypatch)
    for key in ("a.txt", "odd//key"):
        put(local, key, b"1", ALL)
        assert local.head(key).attributes == ALL
        assert local.get(key).info.attributes == ALL
        put(local, key, b"2")
        assert local.head(key).attributes.metadata == {}
    assert listed(local) == ["a.txt", "odd//key"]
    if not xattr:
        assert sidecars(local) == []


def test_what_is_kept_beside_goes_with_the_object(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    without_xattr(monkeypatch)
    put(local, "a", b"1", ALL)
    assert len(sidecars(local)) == 1
    (root_of(local) / "a").write_bytes(b"changed by others")
    assert local.head("a").attributes == Attributes()
    put(local, "b", b"1", ALL)
    put(local, "b", b"2", ALL)
    local.delete(["b"])
    assert len(sidecars(local)) == 1  # that of the file which others changed


def test_more_than_an_extended_attribute_holds(local: Local) -> None:
    large = Attributes(metadata={f"name-{number}": "v" * 1000 for number in range(70)})
    put(local, "a", b"1", large)
    assert local.head("a").attributes == large
    local.copy("a", "b")
    assert local.head("b").attributes == large
    local.delete(["a", "b"])
    assert sidecars(local) == []


def test_damaged_attributes_are_left_out(local: Local) -> None:
    put(local, "a", b"1", ALL)
    for damage in (b"{", b"[]", b'{"content_type": 3, "metadata": 7, "later": "x"}'):
        os.setxattr(root_of(local) / "a", local_attributes.XATTR, damage)
        assert local.head("a").attributes == Attributes()


# -- multipart -----------------------------------------------------------------------------------------------


def test_an_upload_in_parts(local: Local) -> None:
    upload = local.start_upload("dir/big", ALL)
    assert listed(local) == []
    second = local.put_part("dir/big", upload, 2, BytesBody(b"world"))
    local.put_part("dir/big", upload, 1, BytesBody(b"wrong"))
    first = local.put_part("dir/big", upload, 1, BytesBody(b"hello "))
    assert list(local.list_parts("dir/big", upload)) == [first, second]
    pending = list(local.list_uploads("dir"))
    assert [(one.key, one.upload) for one in pending] == [("dir/big", upload)]
    assert list(local.list_uploads("other")) == []
    written = local.finish_upload("dir/big", upload, [second, first])
    assert content(local, "dir/big") == b"hello world"
    info = local.head("dir/big")
    assert (info.etag, info.attributes) == (written.etag, ALL)
    assert list(local.list_uploads()) == []
    with pytest.raises(NotFound):
        local.put_part("dir/big", upload, 1, BytesBody(b"late"))


def test_uploads_that_make_no_sense(local: Local) -> None:
    upload = local.start_upload("k")
    part = local.put_part("k", upload, 1, BytesBody(b"1"))
    replaced = local.put_part("k", upload, 1, BytesBody(b"2"))
    for parts in ([], [part], [replaced, Part(2, "x", 1)]):
        with pytest.raises(BackendError) as caught:
            local.finish_upload("k", upload, parts)
        assert caught.value.kind is Kind.INVALID
    for key, wrong in (("other", upload), ("k", "0" * 32), ("k", "../../x"), ("k", "")):
        with pytest.raises(NotFound):
            local.put_part(key, wrong, 1, BytesBody(b"1"))
        with pytest.raises(NotFound):
            list(local.list_parts(key, wrong))
        local.abort_upload(key, "../../x")
    local.abort_upload("k", upload)
    local.abort_upload("k", upload)
    assert list(local.list_uploads()) == []
    assert drafts(local) == []


def test_parts_of_other_objects(local: Local) -> None:
    put(local, "source", b"0123456789")
    upload = local.start_upload("target")
    parts = [
        local.copy_part("target", upload, 1, "source", Span(5)),
        local.copy_part("target", upload, 2, "source", Span(0, 5)),
    ]
    with pytest.raises(InvalidRange):
        local.copy_part("target", upload, 3, "source", Span(10, 1))
    local.finish_upload("target", upload, parts, condition=Condition(absent=True))
    assert content(local, "target") == b"5678901234"
