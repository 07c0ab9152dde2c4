"""Copies: the bytes and what is kept beside them, on the server where the vendor can."""

from __future__ import annotations

import pytest
from storage_cases import ODD_KEYS, PART, Lacks, Refused, content, save_all

from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage

FULL = Attributes(content_type="text/csv", cache_control="no-store", metadata={"of": "größe +1"})


def kept(storage: Storage, attributes: Attributes) -> Attributes:
    """What this store can keep of them."""
    able = storage.capabilities
    return Attributes(
        content_type=attributes.content_type if able.attributes else None,
        cache_control=attributes.cache_control if able.attributes else None,
        metadata=attributes.metadata if able.metadata else {},
    )


def same(storage: Storage, key: str, expected: Attributes) -> bool:
    found, wanted = storage.head(key).attributes, kept(storage, expected)
    if storage.capabilities.attributes and (
        found.content_type != wanted.content_type or found.cache_control != wanted.cache_control
    ):
        return False
    return dict(found.metadata) == dict(wanted.metadata)


@pytest.mark.parametrize("size", [0, 10_000, 2 * PART + 1])
def test_a_copy_is_equal_in_everything(storage: Storage, size: int) -> None:
    storage.save("a", content(size), kept(storage, FULL))
    storage.copy("a", "b")
    assert storage.load("b") == content(size)
    assert same(storage, "b", FULL)
    assert storage.load("a") == content(size)


def test_a_copy_with_other_attributes(storage: Storage) -> None:
    """All of them are others: nothing of the source's shines through."""
    storage.save("a", b"x", kept(storage, FULL))
    other = Attributes(content_type="text/html", metadata={"new": "1"})
    storage.copy("a", "b", attributes=kept(storage, other))
    assert storage.load("b") == b"x"
    assert same(storage, "b", other)
    assert same(storage, "a", FULL)


def test_a_copy_onto_itself_changes_attributes(storage: Storage) -> None:
    storage.save("a", b"content", kept(storage, FULL))
    other = Attributes(content_type="text/html", metadata={"new": "1"})
    storage.copy("a", "a", attributes=kept(storage, other))
    assert storage.load("a") == b"content"
    assert same(storage, "a", other)


def test_a_copy_replaces(storage: Storage) -> None:
    storage.save("a", b"new")
    storage.save("b", b"old and longer")
    storage.copy("a", "b")
    assert storage.load("b") == b"new"


@pytest.mark.parametrize(
    "case", ["query-signs", "percent", "plus-and-space", "chinese-emoji", "question-hash"]
)
def test_odd_sources_and_targets(storage: Storage, refused: Refused, case: str) -> None:
    if ODD_KEYS[case] not in save_all(storage, [ODD_KEYS[case], "a"], refused, case.encode()):
        return
    storage.copy(ODD_KEYS[case], f"to {ODD_KEYS[case]}")
    assert storage.load(f"to {ODD_KEYS[case]}") == case.encode()


def test_a_copy_on_the_server_moves_no_bytes_here(storage: Storage, lacks: Lacks) -> None:
    storage.save("a", content(300_000))
    if not storage.capabilities.copy_max:
        with lacks("copy on the server"):
            storage.backend.copy(f"{storage.prefix}a", f"{storage.prefix}b")
        return
    read, written = storage.metrics.bytes_in, storage.metrics.bytes_out
    storage.copy("a", "b")
    assert storage.metrics.bytes_in - read < 300_000
    assert storage.metrics.bytes_out - written < 300_000
    assert storage.load("b") == content(300_000)


def test_a_copy_between_prefixes_of_a_bucket(storage: Storage) -> None:
    one, two = storage.under("one/"), storage.under("two/")
    one.save("a", b"x")
    two.copy("a", "b", origin=one)
    assert two.load("b") == b"x"
    assert not one.exists("b")
