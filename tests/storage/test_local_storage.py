"""The type ``local``: Dify's layout, keys that no path expresses, no way out of the root, whole objects."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    InvalidRange,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Unsupported,
)
from cloudberth.storage import local_attributes, local_listing, local_names
from cloudberth.storage.body import Body, Buffer, BytesBody, FileBody
from cloudberth.storage.contract import Attributes, Condition, ObjectInfo, Part, Prefix, Span
from cloudberth.storage.local import Local, LocalSettings
from cloudberth.storage.local_draft import STALE
from cloudberth.storage.options import Options

ODD = [
    "", "/", "//", "/a", "a/", "a//b", ".", "..", "../x", "a/../b", "./a", "a/.", ".berth/tmp/x", ".berth",
    "s" * 256, "d/" + "中" * 100, "k" * 1024, "up/" + "é" * 500,
]  # fmt: skip
ORDINARY = ["a-b", "a0", "x y", "new\nline", "😀", "%2F", "back\\slash", "s" * 255, "...", "tail ", "a+b"]


@pytest.fixture
def local(tmp_path: Path) -> Local:
    (tmp_path / "root").mkdir()
    return Local(tmp_path / "root", sync=False)


def root_of(local: Local) -> Path:
    return Path(local.tree.root)


def put(local: Local, key: str, data: bytes = b"x", attributes: Attributes = Attributes()) -> str | None:
    return local.put(key, BytesBody(data), attributes).etag


def content(local: Local, key: str) -> bytes:
    with local.get(key).reader as reader:
        return reader.read()


def listed(
    local: Local,
    prefix: str = "",
    delimiter: str = "",
    after: str = "",
    limit: int = 1000,
    fresh: bool = False,
) -> list[str]:
    """All entries of a list. fresh: forget between two pages where the walk stood."""
    found: list[str] = []
    cursor = None
    while True:
        page = local.list(prefix, delimiter=delimiter, after=after, cursor=cursor, limit=limit)
        found += [("P:" if isinstance(entry, Prefix) else "") + entry.key for entry in page.entries]
        if page.next is None:
            return found
        assert len(page.entries) == limit
        cursor = page.next
        if fresh:
            local._listings.clear()


def expected(keys: set[str], prefix: str = "", delimiter: str = "", after: str = "") -> list[str]:
    """What a list has to say, computed the slow way."""
    found: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or (after and key.encode() <= after.encode()):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else "P:" + key[: at + len(delimiter)]
        if not found or found[-1] != entry:
            found.append(entry)
    return found


# -- layout and keys -----------------------------------------------------------------------------------------


def test_an_ordinary_key_is_the_file_of_that_name(local: Local) -> None:
    put(local, "upload_files/t/x.txt", b"dify")
    assert (root_of(local) / "upload_files/t/x.txt").read_bytes() == b"dify"
    (root_of(local) / "tools").mkdir()
    (root_of(local) / "tools/by-dify.png").write_bytes(b"png")
    assert content(local, "tools/by-dify.png") == b"png"
    assert local.head("tools/by-dify.png").attributes.content_type == "image/png"


@pytest.mark.parametrize("key", ODD + ORDINARY)
def test_a_key_comes_back_as_it_was(local: Local, key: str) -> None:
    put(local, key, b"1" + key.encode())
    put(local, key, b"2" + key.encode())
    assert content(local, key) == b"2" + key.encode()
    assert listed(local) == [key]
    assert local.head(key).key == key
    assert local.delete([key]) == []
    assert listed(local) == []
    with pytest.raises(NotFound):
        local.get(key)


def test_all_keys_live_side_by_side(local: Local) -> None:
    for key in ODD + ORDINARY:
        put(local, key, key.encode())
    assert listed(local) == expected({*ODD, *ORDINARY})
    assert all(content(local, key) == key.encode() for key in ODD + ORDINARY)


def test_nothing_is_written_outside_the_root(local: Local, tmp_path: Path) -> None:
    for key in ("../out", "a/../../out", "/etc/out", "..", "x/../../../../tmp/out"):
        put(local, key)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert [path.name for path in root_of(local).iterdir()] == [".berth"]


@pytest.mark.parametrize("order", [("n", "n/child"), ("n/child", "n")])
def test_a_name_and_names_below_it(local: Local, order: tuple[str, str]) -> None:
    for key in order:
        put(local, key, key.encode())
    assert listed(local) == ["n", "n/child"]
    assert [content(local, key) for key in order] == [key.encode() for key in order]
    local.delete([order[0]])
    assert listed(local) == [order[1]]
    # There is a plain path by now; the copy in the odd area must not come back.
    put(local, order[1], b"newer")
    assert content(local, order[1]) == b"newer"
    local.delete([order[1]])
    assert listed(local) == []


def test_keys_that_are_no_text_are_refused(local: Local) -> None:
    for key in ("a\0b", "\ud800"):
        for call in (
            lambda key=key: put(local, key),
            lambda key=key: local.get(key),
            lambda key=key: local.list(key),
        ):
            with pytest.raises(BackendError) as caught:
                call()
            assert caught.value.kind is Kind.INVALID
    assert listed(local) == []


def test_names_of_the_odd_area_keep_the_order_and_come_back() -> None:
    keys = sorted({*ODD, *ORDINARY, *("k" * count for count in range(100, 140))}, key=str.encode)
    paths = [b"/".join(local_names.odd(key.encode())) for key in keys]
    assert paths == sorted(paths)
    assert [local_names.key_of_odd(path) for path in paths] == [key.encode() for key in keys]
    assert all(len(name) <= 201 for path in paths for name in path.split(b"/"))


@given(st.lists(st.binary(max_size=300), min_size=2, max_size=2))
def test_the_order_holds_for_any_bytes(keys: list[bytes]) -> None:
    first, second = sorted(keys)
    assert (b"/".join(local_names.odd(first)) < b"/".join(local_names.odd(second))) is (first < second)
    assert local_names.key_of_odd(b"/".join(local_names.odd(first))) == first


# -- links ---------------------------------------------------------------------------------------------------


def test_links_are_refused_wherever_they_stand(local: Local, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root_of(local) / "folder").symlink_to(outside)
    (root_of(local) / "file").symlink_to(outside / "secret")
    for call in (
        lambda: local.get("folder/secret"),
        lambda: local.head("file"),
        lambda: put(local, "folder/secret", b"overwritten"),
        lambda: local.copy("file", "copy"),
        lambda: local.list(),
    ):
        with pytest.raises(BackendError, match="symbolic link"):
            call()
    failures = local.delete(["folder/secret"])
    assert "symbolic link" in str(failures[0].error)
    assert (outside / "secret").read_bytes() == b"secret"
    put(local, "file", b"replaces the link")
    assert (outside / "secret").read_bytes() == b"secret"
    assert content(local, "file") == b"replaces the link"


@pytest.mark.parametrize("name", ["tmp", "odd", "uploads"])
def test_a_link_in_our_own_area_is_refused(local: Local, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(local, "first")
    area = root_of(local) / ".berth" / name
    if area.exists():
        area.rmdir()
    area.symlink_to(outside)
    with pytest.raises(BackendError, match="symbolic link"):
        put(local, "a//b")
        local.put_part("k", local.start_upload("k"), 1, BytesBody(b"x"))
    assert list(outside.iterdir()) == []


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "storage").symlink_to(tmp_path / "disk")
    put(Local(tmp_path / "storage"), "a/b")
    assert (tmp_path / "disk/a/b").is_file()


def test_pipes_and_folders_are_no_objects(local: Local) -> None:
    os.mkfifo(root_of(local) / "pipe")
    (root_of(local) / "empty").mkdir()
    for key in ("pipe", "empty"):
        with pytest.raises(NotFound):
            local.get(key)
    assert listed(local) == []
    put(local, "empty", b"an empty folder does not stand in the way")
    assert (root_of(local) / "empty").is_file()


# -- lists ---------------------------------------------------------------------------------------------------

SEGMENTS = ["a", "b", "a-b", "a0", "", ".", "é", "long" * 5]


def random_keys(seed: int) -> set[str]:
    choose = random.Random(seed)
    return {"/".join(choose.choices(SEGMENTS, k=choose.randint(1, 4))) for _ in range(120)}


@pytest.mark.parametrize("seed", range(4))
def test_lists_say_what_they_have_to(local: Local, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = random_keys(seed)
    for key in keys:
        put(local, key)
    monkeypatch.setattr(local_listing, "NAMES_AT_ONCE", 2)
    choose = random.Random(seed)
    for prefix in ["", "a", "a/", "b/a", "é", "/", "nothing", *choose.sample(sorted(keys), 5)]:
        for delimiter in ("", "/", "-", "a/"):
            for after in ("", "a", "b/", *choose.sample(sorted(keys), 3)):
                found = listed(
                    local, prefix, delimiter, after, limit=choose.randint(1, 40), fresh=bool(seed % 2)
                )
                assert found == expected(keys, prefix, delimiter, after), (prefix, delimiter, after)


def test_a_large_folder_is_read_in_turns(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_listing, "NAMES_AT_ONCE", 50)
    keys = {f"big/{number:04}" for number in range(500)} | {"big", "bigger/x"}
    for key in keys:
        put(local, key)
    assert listed(local, limit=33) == expected(keys)
    assert listed(local, after="big/0321", limit=100) == expected(keys, after="big/0321")


def test_an_empty_folder_is_no_prefix(local: Local) -> None:
    (root_of(local) / "empty/er").mkdir(parents=True)
    put(local, "full/x")
    assert listed(local, delimiter="/") == ["P:full/"]


def test_what_vanishes_while_it_is_listed_is_left_out(local: Local) -> None:
    for key in ("a/1", "a/2", "b/1", "c"):
        put(local, key)
    page = local.list(limit=1)
    local.delete(["b/1"])
    rest = local.list(cursor=page.next)
    assert [entry.key for entry in rest.entries] == ["a/2", "c"]


def test_a_list_carries_size_time_and_etag(local: Local) -> None:
    etag = put(local, "a", b"12345")
    entry = local.list().entries[0]
    assert isinstance(entry, ObjectInfo)
    assert (entry.size, entry.etag) == (5, etag)
    assert entry.modified is not None
    assert abs(entry.modified.timestamp() - time.time()) < 60


def test_a_name_that_is_no_utf8_is_an_error_not_a_gap(local: Local) -> None:
    (root_of(local) / os.fsdecode(b"bad\xff")).write_bytes(b"")
    with pytest.raises(BackendError, match="UTF-8"):
        local.list()


def test_lists_keep_no_descriptor_open(local: Local) -> None:
    for number in range(20):
        put(local, f"d{number}/a//x")
        put(local, f"d{number}/b")
    before = len(list(Path("/proc/self/fd").iterdir()))
    page = local.list(limit=3)
    listed(local, limit=7)
    listed(local, prefix="d1", delimiter="/")
    assert page.next is not None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


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


def drafts(local: Local) -> list[str]:
    folder = root_of(local) / ".berth/tmp"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


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


# -- what the system says no with ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "retryable"),
    [
        (errno.ENOSPC, Kind.UNAVAILABLE, False),
        (errno.EDQUOT, Kind.UNAVAILABLE, False),
        (errno.EACCES, Kind.PERMISSION, False),
        (errno.EROFS, Kind.PERMISSION, False),
        (errno.ENAMETOOLONG, Kind.INVALID, False),
        (errno.EFBIG, Kind.INVALID, False),
        (errno.EIO, Kind.UNAVAILABLE, True),
        (errno.ESTALE, Kind.UNAVAILABLE, True),
        (errno.EMFILE, Kind.UNAVAILABLE, True),
        (errno.ETIMEDOUT, Kind.UNAVAILABLE, True),
        (errno.EXDEV, Kind.UNEXPECTED, False),
    ],
)
@pytest.mark.parametrize("call", ["write", "rename", "fstat"])
def test_errors_have_types_and_leave_nothing(
    local: Local, monkeypatch: pytest.MonkeyPatch, number: int, kind: Kind, retryable: bool, call: str
) -> None:
    put(local, "a", b"old")

    def fails(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fails)
        with pytest.raises(BackendError) as caught:
            put(local, "a", b"new")
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert caught.value.code == errno.errorcode[number]
    assert "a" in caught.value.where
    assert content(local, "a") == b"old"
    assert drafts(local) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if mount.returncode:
        pytest.skip("only an administrator can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    local = Local(small_disk)
    put(local, "old", b"old")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    for body in (BytesBody(source.read_bytes()), FileBody(source)):
        with pytest.raises(BackendError) as caught:
            local.put("new", body)
        assert caught.value.code == "ENOSPC"
        assert not caught.value.retryable
        assert "free space" in caught.value.hint
    assert listed(local) == ["old"]
    assert drafts(local) == []
    put(local, "fits", b"x" * 500_000)


def test_a_disk_mounted_for_reading(small_disk: Path) -> None:
    local = Local(small_disk)
    put(local, "a", b"data")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(PermissionDenied, match="Read-only"):
        put(local, "b")
    assert "Read-only" in str(local.delete(["a"])[0].error)
    local.check_bucket()
    assert content(local, "a") == b"data"
    assert listed(local) == ["a"]


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
from cloudberth.errors import PermissionDenied
from cloudberth.storage.body import BytesBody
from cloudberth.storage.local import Local
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
local = Local(Path(sys.argv[1]))
put = lambda: local.put("folder/b", BytesBody(b"1"))
for call in (put, lambda: local.get("folder/a"), local.list, lambda: local.delete(["a"]), local.check_bucket):
    try:
        call()
    except PermissionDenied:
        print("denied")
"""


def test_no_rights(local: Local) -> None:
    put(local, "folder/a", b"1")
    root_of(local).chmod(0)
    try:
        command = [sys.executable, "-c", WITHOUT_RIGHTS, str(root_of(local))]
        ran = subprocess.run(command, capture_output=True, text=True)
    finally:
        root_of(local).chmod(0o700)
    assert ran.stdout.split() == ["denied"] * 5, ran.stderr


def test_no_folder(tmp_path: Path) -> None:
    local = Local(tmp_path / "missing/root")
    for call in (
        lambda: put(local, "a"),
        lambda: local.get("a"),
        lambda: local.list(),
        lambda: local.delete(["a"]),
        local.check_bucket,
        lambda: local.start_upload("a"),
        lambda: list(local.list_uploads()),
    ):
        with pytest.raises(BucketNotFound):
            call()
    local.create_bucket()
    local.create_bucket()
    assert (tmp_path / "missing/root").stat().st_mode & 0o777 == 0o700
    put(local, "a")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BucketNotFound, match="no folder"):
        Local(tmp_path / "file").check_bucket()


def test_a_file_system_without_links_cannot_write_on_condition(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*arguments: object, **named: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no)
    with pytest.raises(Unsupported):
        local.put("a", BytesBody(b""), condition=Condition(absent=True))
    put(local, "a")


def test_drafts_of_the_dead_are_swept_after_a_day(local: Local) -> None:
    put(local, "a")
    folder = root_of(local) / ".berth/tmp"
    for name, age in (("old", STALE + 60), ("young", STALE - 3600)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    put(Local(root_of(local), sync=False), "b")
    assert drafts(local) == ["young"]
    assert listed(local) == ["a", "b"]


def test_settings() -> None:
    assert LocalSettings.from_environment({}).bucket == "storage"
    settings = LocalSettings.from_environment(
        {"STORAGE_LOCAL_PATH": "/srv/x", "STORAGE_LOCAL_FSYNC": "false"}
    )
    local = Local.open(settings, Options())
    assert (local.place, local.tree.sync) == ("file:///srv/x", False)
