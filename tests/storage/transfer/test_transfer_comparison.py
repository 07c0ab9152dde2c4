"""Comparing two places: every difference has its name, and nothing else is one."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import PermissionDenied, Unavailable
from cloudberth.storage.contract import Attributes, StorageClass
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.comparison import (
    Comparing,
    Difference,
    Kind,
    all_differences,
    chosen,
    differences,
)
from cloudberth.storage.transfer.content import Verify
from storage.memory_backend import MemoryBackend, UnorderedBackend, capabilities
from storage.transfer.transfers import FAST, MIB

BIG = b"b" * (2 * MIB)


def found(one: MemoryBackend, other: MemoryBackend, comparing: Comparing = Comparing()) -> dict[str, Kind]:  # noqa: B008
    return {each.key: each.kind for each in differences(Storage(one, FAST), Storage(other, FAST), comparing)}


@pytest.mark.parametrize(
    "vouches", [("md5", "md5"), ("md5", None), (None, "crc32"), (None, None), ("md5", "sha256")]
)
def test_every_difference_is_named(vouches: tuple[str | None, str | None]) -> None:
    one = MemoryBackend("one", vouches=vouches[0])  # type: ignore[arg-type]
    other = MemoryBackend("other", vouches=vouches[1])  # type: ignore[arg-type]
    one.fill({"same": b"1", "missing": b"2", "size": b"33", "content": b"44", "big": BIG, "empty": b""})
    other.fill(
        {"same": b"1", "extra": b"2", "size": b"3", "content": b"4x", "big": BIG[:-1] + b"x", "empty": b""}
    )
    one.fill({"typed": b"5"}, Attributes("text/plain"))
    other.fill({"typed": b"5"}, Attributes("text/html"))
    assert found(one, other) == {
        "missing": Kind.MISSING,
        "extra": Kind.EXTRA,
        "size": Kind.SIZE,
        "content": Kind.CONTENT,
        "big": Kind.CONTENT,
        "typed": Kind.ATTRIBUTES,
    }


def test_only_what_was_asked_for_is_compared() -> None:
    one, other = MemoryBackend("one", vouches=None), MemoryBackend("other", vouches=None)
    one.fill({"content": b"44", "a.log": b"1"}, Attributes("text/plain"))
    other.fill({"content": b"4x", "extra": b""}, Attributes("text/html"))
    sizes = Comparing(Verify.SIZE, attributes=False, extra=False, exclude=("*.log",))
    assert found(one, other, sizes) == {}
    assert one.calls.keys() == {"list"}
    assert found(one, other, Comparing(Verify.SIZE, exclude=("*.log",)))["content"] is Kind.ATTRIBUTES


def test_reading_finds_what_a_lying_checksum_hides() -> None:
    one, other = MemoryBackend("one"), MemoryBackend("other")
    one.fill({"a": b"right"})
    other.fill({"a": b"wrong"})
    other.objects["a"] = replace(other.objects["a"], data=b"wrong")
    other._checksums = lambda stored: one._checksums(one.objects["a"])  # type: ignore[method-assign, assignment]
    assert found(one, other) == {}
    assert found(one, other, Comparing(Verify.READ)) == {"a": Kind.CONTENT}


@pytest.mark.parametrize(
    ("mine", "theirs", "names"),
    [
        (Attributes(), Attributes("application/octet-stream"), None),
        (Attributes("binary/octet-stream"), Attributes("application/octet-stream"), None),
        (Attributes(), Attributes(storage_class="Hot"), None),
        (Attributes(storage_class="STANDARD_IA"), Attributes(storage_class="Cool"), None),
        (Attributes(storage_class="COLD"), Attributes(storage_class="Cool"), "storage class"),
        (Attributes(cache_control="no-store"), Attributes(), "cache control"),
        (
            Attributes(metadata={"a": "1", "b": "2"}),
            Attributes(metadata={"a": "1", "c": "3"}),
            "metadata b, metadata c",
        ),
        (
            Attributes("text/plain", content_language="de"),
            Attributes("text/html"),
            "content type, content language",
        ),
    ],
)
def test_attributes_as_different_vendors_say_them(
    mine: Attributes, theirs: Attributes, names: str | None
) -> None:
    one = MemoryBackend("one")
    other = MemoryBackend(
        "other", able=capabilities(classes={StorageClass.STANDARD: "Hot", StorageClass.INFREQUENT: "Cool"})
    )
    one.fill({"a": b"1"}, mine)
    other.fill({"a": b"1"}, theirs)
    found = list(differences(Storage(one), Storage(other)))
    assert found == ([] if names is None else [Difference("a", Kind.ATTRIBUTES, names)])


def test_what_cannot_be_read_is_a_difference_of_its_own() -> None:
    one, other = MemoryBackend("one", vouches=None), MemoryBackend("other", vouches=None)
    one.fill({"a": b"1", "b": b"2"})
    other.fill({"a": b"1", "b": b"2"})

    def locked(primitive: str, key: str) -> None:
        if primitive == "get" and key == "a":
            raise PermissionDenied("archived")

    other.before = locked
    assert found(one, other) == {"a": Kind.UNREADABLE}


def test_a_list_that_fails_is_no_result() -> None:
    one, other = MemoryBackend("one"), MemoryBackend("other")
    one.fill({"a": b"1"})
    other.before = lambda primitive, _: (
        (_ for _ in ()).throw(Unavailable("gone")) if primitive == "list" else None
    )
    with pytest.raises(Unavailable):
        found(one, other)


def test_a_broken_promise_of_order_begins_again(tmp_path: Path) -> None:
    one, other = MemoryBackend("one"), UnorderedBackend("other", honest=False)
    one.fill({f"{number:04}": b"x" for number in range(1500)})
    other.fill({f"{number:04}": b"x" for number in range(1, 1501)})
    seen: list[Difference] = []
    sums = all_differences(
        Storage(one), Storage(other), Comparing(), seen.append, restart=seen.clear, stop=threading.Event()
    )
    assert seen == [Difference("0000", Kind.MISSING), Difference("1500", Kind.EXTRA)]
    assert (sums.differences, sums.objects) == (2, 1501)


@given(st.sets(st.text(max_size=8), min_size=200, max_size=300))
def test_a_sample_is_always_the_same_share(keys: set[str]) -> None:
    taken = {key for key in keys if chosen(key, 0.5)}
    assert taken == {key for key in keys if chosen(key, 0.5)}
    assert 0.25 < len(taken) / len(keys) < 0.75
    assert {key for key in keys if chosen(key, 0.1)} <= taken
    assert {key for key in keys if chosen(key, 1.0)} == keys


def test_a_sample_still_compares_all_sizes() -> None:
    one, other = MemoryBackend("one"), MemoryBackend("other")
    one.fill({f"{number}": b"xy" for number in range(100)})
    other.fill({f"{number}": b"xy" for number in range(100)})
    other.fill({"7": b"x"})
    assert found(one, other, Comparing(sample=0.05)) == {"7": Kind.SIZE}
    assert one.calls["head"] < 30
