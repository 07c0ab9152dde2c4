"""Lists: every key, once, in the order of the store, by pages, from anywhere on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from storage_cases import Refused, by_bytes, keys_of, save_all

from cloudberth.storage.contract import Listing, ObjectInfo, Prefix
from cloudberth.storage.storage import Storage

# In the order of their UTF-8 bytes, which is neither that of UTF-16 (～ before 😀) nor one of any language.
ORDERED = ["A", "a", "a-", "a.b", "a/", "a/b", "a/b/c", "a0", "ab", "b", "é", "中", "～", "😀"]


def saved(storage: Storage, keys: list[str]) -> None:
    for key in keys:
        storage.save(key, key.encode())


def same(storage: Storage, found: list[str], expected: list[str]) -> bool:
    """Equal, and in the order that the capabilities promise."""
    if storage.capabilities.listing is Listing.NONE:
        return sorted(found) == sorted(expected)
    return found == by_bytes(expected)


def test_the_order_is_the_one_that_was_promised(storage: Storage, refused: Refused) -> None:
    assert by_bytes(ORDERED) == ORDERED
    taken = save_all(storage, reversed(ORDERED), refused)
    assert same(storage, keys_of(storage.list()), by_bytes(taken))


def test_a_list_tells_size_time_and_etag(storage: Storage) -> None:
    storage.save("a", b"12345")
    (info,) = storage.list()
    head = storage.head("a")
    assert (info.key, info.size) == ("a", 5)
    assert info.etag in (None, head.etag)
    assert info.modified is not None
    assert head.modified is not None
    assert abs((info.modified - head.modified).total_seconds()) < 2


def test_nothing_is_an_empty_list(storage: Storage) -> None:
    assert list(storage.list()) == []
    assert list(storage.folder()) == []
    assert storage.page().next is None


def test_a_prefix_is_text_not_a_folder(storage: Storage) -> None:
    saved(storage, ["ab/c", "abc", "abd/e", "b", "a", "AB"])
    assert same(storage, keys_of(storage.list("ab")), ["ab/c", "abc", "abd/e"])
    assert keys_of(storage.list("abc")) == ["abc"]
    assert keys_of(storage.list("ab/")) == ["ab/c"]
    assert keys_of(storage.list("abcd")) == []


@pytest.mark.parametrize("prefix", ["a b+", "ü/中", "100%", "q?u#", "a//", "&=", "'\"<"])
def test_odd_prefixes(storage: Storage, refused: Refused, prefix: str) -> None:
    keys = [f"{prefix}1", f"{prefix}/2"]
    taken = save_all(storage, [*keys, "other"], refused)
    if taken == ["other"]:
        return
    assert same(storage, keys_of(storage.list(prefix)), [key for key in keys if key in taken])


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_pages_of_any_size_give_every_key_once(storage: Storage, size: int) -> None:
    keys = [f"{number:02}" for number in range(15)]
    saved(storage, keys)
    assert same(storage, keys_of(storage.list(page_size=size)), keys)


def test_a_page_is_no_larger_than_asked_and_goes_on(storage: Storage) -> None:
    saved(storage, ["a", "b", "c", "d", "e"])
    found, cursor = [], None
    for _ in range(10):
        page = storage.page(cursor=cursor, limit=2)
        assert len(page.entries) <= 2
        found += keys_of(page.entries)
        cursor = page.next
        if cursor is None:
            break
    assert same(storage, found, ["a", "b", "c", "d", "e"])


@pytest.mark.parametrize("after", ["a", "a/b", "a/z", "aa", "é", "zz", "😀"])
def test_a_list_goes_on_behind_a_key(storage: Storage, refused: Refused, after: str) -> None:
    """Also behind one that does not exist: the process that broke off may have deleted it."""
    taken = save_all(storage, ORDERED, refused)
    expected = [key for key in taken if key.encode() > after.encode()]
    for size in (2, 1000):
        assert same(storage, keys_of(storage.list(after=after, page_size=size)), expected)


def test_after_and_prefix_together(storage: Storage) -> None:
    saved(storage, ["a/1", "a/2", "a/3", "b/1"])
    assert same(storage, keys_of(storage.list("a/", after="a/1")), ["a/2", "a/3"])
    assert keys_of(storage.list("a/", after="a/3")) == []
    assert same(storage, keys_of(storage.list("b/", after="a/2")), ["b/1"])


@pytest.mark.parametrize("size", [1, 1000])
def test_a_folder_shows_one_level(storage: Storage, refused: Refused, size: int) -> None:
    saved(storage, ["a", "b/1", "b/2", "d/e/f"])
    odd = save_all(storage, ["c//1", "e/", "b"], refused)
    expected = ["a", "b", "b/", *(f"{key[0]}/" for key in odd if "/" in key), "d/"]
    entries = list(storage.folder(page_size=size))
    assert same(storage, keys_of(entries), expected)
    kinds = {entry.key: type(entry) for entry in entries}
    assert kinds == {key: Prefix if key.endswith("/") else ObjectInfo for key in expected}
    assert same(storage, keys_of(storage.folder("b/")), ["b/1", "b/2"])
    assert keys_of(storage.folder("d/")) == ["d/e/"]
    if "c//1" in odd:
        assert keys_of(storage.folder("c/")) == ["c//"]
    if "e/" in odd:
        (inside,) = storage.folder("e/")
        assert (inside.key, type(inside)) == ("e/", ObjectInfo)


def test_more_keys_than_a_page_are_listed_and_deleted(storage: Storage) -> None:
    """More than one page and more than one batch on every store."""
    keys = [f"k/{number:04}" for number in range(1010)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: storage.save(key, b""), keys))
    assert same(storage, keys_of(storage.list()), keys)
    assert same(storage, keys_of(storage.list(after="k/0899")), keys[900:])
    assert keys_of(storage.folder()) == ["k/"]
    storage.delete(keys[:1005])
    assert same(storage, keys_of(storage.list()), keys[1005:])
    assert storage.delete_prefix("k/") == 5
    assert list(storage.list()) == []
