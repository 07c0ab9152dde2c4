"""The type ``local``: Dify's layout, keys that no path expresses, no way out of the root, lists."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import (
    BackendError,
    Kind,
    NotFound,
)
from cloudberth.storage import local_listing, local_names
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.local import Local
from storage.local_folder import ODD, ORDINARY, content, expected, listed, put, root_of

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
