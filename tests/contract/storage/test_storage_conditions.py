"""Puts on a condition: only when nothing is there, only over the version that was read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from storage_cases import PART, Lacks, content

from cloudberth.errors import PreconditionFailed
from cloudberth.storage.storage import Storage


def test_if_absent(storage: Storage, lacks: Lacks) -> None:
    if "absent" not in storage.capabilities.conditional:
        with lacks("if_absent"):
            storage.save("a", b"x", if_absent=True)
        return
    storage.save("a", b"first", if_absent=True)
    with pytest.raises(PreconditionFailed) as caught:
        storage.save("a", b"second", if_absent=True)
    assert isinstance(caught.value, FileExistsError)
    assert not caught.value.retryable
    assert storage.load("a") == b"first"
    storage.delete("a")
    storage.save("a", b"third", if_absent=True)
    assert storage.load("a") == b"third"


def test_if_absent_has_one_winner(storage: Storage, lacks: Lacks) -> None:
    """What locks are made of: of eight that try at once, one is told that it was the first."""
    if "absent" not in storage.capabilities.conditional:
        with lacks("if_absent"):
            storage.save("a", b"x", if_absent=True)
        return

    def attempt(number: int) -> int | None:
        try:
            storage.save("a", str(number), if_absent=True)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(8) as threads:
        winners = [number for number in threads.map(attempt, range(8)) if number is not None]
    assert len(winners) == 1
    assert storage.load("a") == str(winners[0]).encode()


def test_if_match(storage: Storage, lacks: Lacks) -> None:
    if "match" not in storage.capabilities.conditional:
        with lacks("if_match"):
            storage.save("a", b"x", if_match="1")
        return
    storage.save("a", b"first")
    etag = storage.head("a").etag
    storage.save("a", b"second", if_match=etag)
    with pytest.raises(PreconditionFailed):
        storage.save("a", b"third", if_match=etag)
    assert storage.load("a") == b"second"


def test_if_match_of_what_is_missing(storage: Storage, lacks: Lacks) -> None:
    from cloudberth.errors import NotFound

    if "match" not in storage.capabilities.conditional:
        with lacks("if_match"):
            storage.save("a", b"x", if_match="1")
        return
    storage.save("b", b"x")
    etag = storage.head("b").etag
    with pytest.raises((PreconditionFailed, NotFound)):
        storage.save("a", b"x", if_match=etag)
    assert not storage.exists("a")


def test_a_condition_holds_for_large_objects(storage: Storage, lacks: Lacks) -> None:
    data = content(2 * PART + 1)
    if "absent" not in storage.capabilities.conditional:
        with lacks("if_absent"):
            storage.save("a", data, if_absent=True)
        assert not storage.exists("a")
        return
    storage.save("a", b"first")
    with pytest.raises(PreconditionFailed):
        storage.save("a", data, if_absent=True)
    assert storage.load("a") == b"first"
    assert storage.capabilities.multipart is False or list(storage.uploads()) == []
    storage.save("b", data, if_absent=True)
    assert storage.load("b") == data
