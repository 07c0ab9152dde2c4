"""Two lists become one list of pairs: against what sets say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.listings import Disordered, objects
from cloudberth.storage.transfer.merging import merge
from storage.memory_backend import MemoryBackend, UnorderedBackend

# Surrogates are no text; everything else is a key somewhere.
keys = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=6)
few = st.text("ab/", min_size=1, max_size=3)


def listed(prefix: str, names: set[str]) -> Iterator[ObjectInfo]:
    return iter([ObjectInfo(prefix + name, 0) for name in sorted(names, key=str.encode)])


@given(st.sets(keys | few, max_size=30), st.sets(keys | few, max_size=30), few, st.just("") | few)
def test_every_key_comes_once_with_the_sides_that_have_it(
    mine: set[str], theirs: set[str], one: str, other: str
) -> None:
    found = list(merge(listed(one, mine), len(one), listed(other, theirs), len(other)))
    assert [key for key, _, _ in found] == sorted(mine | theirs, key=str.encode)
    assert {key for key, left, right in found if left and right} == mine & theirs
    assert {key for key, left, right in found if right is None} == mine - theirs
    assert {key for key, left, right in found if left is None} == theirs - mine
    assert all(left is None or left.key == one + key for key, left, _ in found)


@given(st.sets(keys, min_size=1, max_size=40), st.sets(keys, max_size=40))
def test_lists_without_an_order_are_sorted_on_disk(mine: set[str], theirs: set[str]) -> None:
    backend = UnorderedBackend()
    backend.fill(dict.fromkeys(mine | theirs, b"x"))
    found = [info.key for info in objects(Storage(backend))]
    assert found == sorted(mine | theirs, key=str.encode)


def test_sorting_keeps_what_the_list_said() -> None:
    backend = UnorderedBackend()
    backend.fill({"b": b"two", "a": b"one"})
    first = next(iter(objects(Storage(backend))))
    said = backend.head("a")
    assert (first.size, first.etag, first.checksums, first.modified) == (
        said.size,
        said.etag,
        said.checksums,
        said.modified,
    )


def test_a_broken_promise_of_order_is_noticed(tmp_path: Path) -> None:
    backend = UnorderedBackend(honest=False)
    backend.fill({f"key-{number}": b"" for number in range(20)})
    with pytest.raises(Disordered):
        list(objects(Storage(backend)))
    found = [info.key for info in objects(Storage(backend), sort_in=tmp_path)]
    assert found == sorted(backend.objects)
    assert not list(tmp_path.iterdir())


def test_a_page_that_comes_twice_counts_once() -> None:
    class Twice(MemoryBackend):
        def list(self, prefix: str = "", **rest: object):  # type: ignore[no-untyped-def, override]
            page = super().list(prefix, **rest)  # type: ignore[arg-type]
            return type(page)(page.entries[-1:] + page.entries[-1:], None) if rest.get("cursor") else page

    backend = Twice()
    backend.fill({f"{number:04}": b"" for number in range(1001)})
    assert len(list(objects(Storage(backend, Options(retries=0))))) == 1001


def test_pages_are_listed_behind_a_key() -> None:
    backend = MemoryBackend()
    backend.fill({f"p/{number:04}": b"" for number in range(1500)} | {"q": b""})
    found = [info.key for info in objects(Storage(backend, prefix="p/"), after="p/1200")]
    assert found == [f"p/{number:04}" for number in range(1201, 1500)]
