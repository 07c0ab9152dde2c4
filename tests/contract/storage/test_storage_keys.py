"""Keys are text and stay what they are; what no store could take is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from storage_cases import ODD_KEYS, PART, Refused, content, keys_of

from cloudberth.errors import BackendError, InvalidInput, Kind, Unsupported
from cloudberth.storage.contract import Span
from cloudberth.storage.storage import Storage


@pytest.fixture
def empty_root(root: Storage) -> Iterator[Storage]:
    """The bucket itself: no prefix hides what a key begins with."""
    root.delete_prefix("")
    yield root
    root.delete_prefix("")


def is_taken(storage: Storage, case: str, data: bytes, refused: Refused) -> bool:
    """Save under an odd key. A store that cannot hold it says so and changes nothing; that is counted."""
    try:
        storage.save(ODD_KEYS[case], data, content_type="text/plain")
    except (Unsupported, InvalidInput) as error:
        assert not isinstance(error, BackendError) or error.kind is Kind.UNSUPPORTED
        assert keys_of(storage.list()) == []
        refused(f"key {case}")
        return False
    return True


@pytest.mark.parametrize("case", ODD_KEYS)
def test_a_key_is_kept_or_refused(empty_root: Storage, refused: Refused, case: str) -> None:
    """Written, read, described, found in a list, copied, and deleted under exactly this key."""
    key = ODD_KEYS[case]
    if not is_taken(empty_root, case, case.encode(), refused):
        return
    assert keys_of(empty_root.list()) == [key]
    assert empty_root.load(key) == case.encode()
    assert empty_root.load(key, Span(1, 2)) == case.encode()[1:3]
    assert empty_root.head(key).size == len(case)
    assert empty_root.exists(key)
    empty_root.copy(key, "copied")
    empty_root.copy("copied", key)
    empty_root.delete("copied")
    assert keys_of(empty_root.list()) == [key]
    assert keys_of(empty_root.list(key[:1])) == [key]
    empty_root.delete(key)
    assert not empty_root.exists(key)
    assert keys_of(empty_root.list()) == []


def test_odd_keys_do_not_touch_each_other(empty_root: Storage) -> None:
    """All that the store takes, at once."""
    taken = {}
    for case, key in ODD_KEYS.items():
        with suppress(Unsupported, InvalidInput):
            empty_root.save(key, case)
            taken[case] = key
    assert len(taken) > len(ODD_KEYS) // 2
    assert sorted(keys_of(empty_root.list())) == sorted(taken.values())
    for size in (1, 7):
        assert sorted(keys_of(empty_root.list(page_size=size))) == sorted(taken.values())
    for case, key in taken.items():
        assert empty_root.load(key) == case.encode(), case
    empty_root.delete(taken.values())
    assert keys_of(empty_root.list()) == []


@pytest.mark.parametrize("case", ["plus-and-space", "chinese-emoji", "two-slashes", "dots-inside", "percent"])
def test_multipart_keeps_the_key_too(empty_root: Storage, refused: Refused, case: str) -> None:
    if not is_taken(empty_root, case, content(2 * PART + 1), refused):
        return
    assert keys_of(empty_root.list()) == [ODD_KEYS[case]]
    assert empty_root.head(ODD_KEYS[case]).size == 2 * PART + 1


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "empty"),
        ("a" * 1025, "1025 bytes"),
        ("中" * 342, "1026 bytes"),
        ("half\ud83d", "no text"),
        ("nul\0byte", "NUL"),
    ],
)
def test_an_impossible_key_is_refused(root: Storage, key: str, said: str) -> None:
    """By every method, before any request, as the user's mistake."""
    before = dict(root.metrics.calls)
    for attempt in (
        lambda: root.save(key, b"x"),
        lambda: root.load(key),
        lambda: root.head(key),
        lambda: root.exists(key),
        lambda: root.delete(key),
        lambda: root.copy(key, "b"),
        lambda: root.copy("a", key),
        lambda: root.stream(key),
    ):
        with pytest.raises(InvalidInput, match=said) as caught:
            attempt()
        assert isinstance(caught.value, ValueError)
        str(caught.value).encode()
    assert dict(root.metrics.calls) == before


def test_an_impossible_key_among_many_is_refused(storage: Storage) -> None:
    storage.save("a", b"x")
    with pytest.raises(InvalidInput):
        storage.delete(["a", ""])
    with pytest.raises(InvalidInput):
        list(storage.list("\0"))


def test_1024_bytes_count_the_prefix(storage: Storage, refused: Refused) -> None:
    """What is sent has the limit, not what was typed; some vendors have a lower one."""
    left = 1024 - len(storage.prefix.encode())
    with pytest.raises(InvalidInput, match="1025 bytes"):
        storage.save("k" * (left + 1), b"x")
    try:
        storage.save("k" * left, b"x")
    except (Unsupported, InvalidInput):
        refused("keys of 1,024 bytes")
        assert keys_of(storage.list()) == []
        return
    assert keys_of(storage.list()) == ["k" * left]
