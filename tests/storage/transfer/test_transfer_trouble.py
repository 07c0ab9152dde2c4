"""A sync that meets trouble: failing and throttling stores, lost networks, places that overlap, a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudberth.errors import PermissionDenied, Refused, Throttled, Unavailable
from cloudberth.storage.contract import Attributes
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.transfer.engine import sync
from cloudberth.storage.transfer.executor import Patience
from cloudberth.storage.transfer.rules import Rules
from storage.memory_backend import MemoryBackend
from storage.transfer.transfers import Places, fails


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.mark.parametrize("error", [Unavailable, Throttled])
def test_what_fails_for_a_while_is_tried_again_at_the_end(places: Places, error: type[Exception]) -> None:
    places.source.fill({f"{number:02}": b"x" for number in range(20)})
    places.target.before = fails(lambda: error("not now"), times=7, primitive="put")
    summary = places.sync()
    assert places.target.content() == places.source.content()
    assert (summary.copied, summary.left, summary.exit_code) == (20, 0, 0)


def test_a_throttling_destination_gets_everything_in_the_end(places: Places) -> None:
    """With the layers' own repeats, as in life: every third request is too many."""
    places.options = Options(retries=4, concurrency=4, deadline=20)
    seen = iter(range(10_000))

    def throttle(primitive: str, key: str) -> None:
        if primitive == "put" and next(seen) % 3 == 0:
            error = Throttled("slow down")
            error.retry_after = 0.01
            raise error

    places.source.fill({f"{number:02}": b"x" for number in range(30)})
    places.target.before = throttle
    assert places.sync().copied == 30
    assert set(places.target.puts.values()) == {1}


def test_a_network_that_is_gone_ends_the_run_early_and_the_next_one_goes_on(places: Places) -> None:
    places.source.fill({f"{number:04}": b"x" for number in range(1000)})
    done = iter(range(100_000))

    def cut(primitive: str, key: str) -> None:
        if primitive == "put" and next(done) >= 100:
            raise Unavailable("the network is gone")

    places.target.before = cut
    summary = places.sync(patience=Patience(rounds=2, pauses=(0.0,), hopeless=20))
    assert (summary.copied, summary.exit_code) == (100, 1)
    assert summary.left == 900
    assert "the network is gone" in summary.trouble
    # Far fewer than all were tried.
    assert places.target.calls["put"] < 300
    places.target.before = None
    summary = places.sync()
    assert (summary.copied, summary.resumed, summary.exit_code) == (1000, True, 0)
    assert set(places.target.puts.values()) == {1}


def test_a_destination_that_refuses_everything_is_not_asked_a_thousand_times(places: Places) -> None:
    places.source.fill({f"{number:04}": b"x" for number in range(1000)})
    places.target.before = fails(lambda: PermissionDenied("no"), times=10_000, primitive="put")
    summary = places.sync(patience=Patience(rounds=3, pauses=(9.0,), hopeless=20))
    assert places.target.calls["put"] < 200
    assert (summary.copied, summary.exit_code) == (0, 1)
    assert "no" in summary.trouble


def test_what_was_changed_since_an_interrupted_plan_is_synced_too(places: Places) -> None:
    places.source.fill({f"{number:02}": b"x" for number in range(20)})
    places.target.before = fails(lambda: Unavailable("gone"), times=99, primitive="put")
    assert places.sync().left == 20
    places.target.before = None
    places.source.fill({"later": b"y"})
    summary = places.sync()
    assert (summary.copied, summary.resumed) == (21, True)
    assert places.target.content() == places.source.content()


# -- places --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), [("", ""), ("", "backup/"), ("a/", ""), ("a", "ab")])
def test_a_place_inside_of_the_other_is_refused(tmp_path: Path, one: str, other: str) -> None:
    backend = MemoryBackend()
    with pytest.raises(Refused):
        sync(Storage(backend, prefix=one), Storage(backend, prefix=other))
    with pytest.raises(Refused):
        sync(Storage(MemoryBackend("same"), prefix=one), Storage(MemoryBackend("same"), prefix=other))


def test_two_prefixes_of_one_bucket(tmp_path: Path) -> None:
    backend = MemoryBackend()
    backend.fill({"a/1": b"x"})
    places = Places(tmp_path, backend, backend, "a/", "b/")
    assert places.sync(server_side=True).copied == 1
    assert backend.objects["b/1"].data == b"x"


def test_a_server_copies_inside_one_vendor(places: Places) -> None:
    places.source.fill({"a": b"1", "empty": b""}, Attributes("text/x", metadata={"m": "1"}))
    summary = places.migrate(server_side=True)
    assert (summary.copied, summary.differences) == (2, 0)
    assert places.target.calls["copy_from"] == 2
    assert "get" not in places.source.calls
    assert places.target.objects["a"].attributes == Attributes("text/x", metadata={"m": "1"})


def test_what_a_server_cannot_copy_goes_through_this_machine(places: Places) -> None:
    places.source.fill({f"{number}": b"x" for number in range(50)})
    places.target.before = fails(lambda: PermissionDenied("not yours"), times=99, primitive="copy_from")
    assert places.sync(server_side=True).copied == 50
    assert places.target.calls["copy_from"] <= 8


def test_storage_can_be_stopped_and_goes_on(places: Places) -> None:
    places.source.fill({f"{number:03}": b"x" for number in range(200)})
    execution = places.execution()

    def stop(primitive: str, key: str) -> None:
        if primitive == "put" and places.target.calls["put"] == 50:
            execution.stop.set()

    places.target.before = stop
    summary = sync(*places.storages(), Rules(), execution)
    assert summary.interrupted
    assert summary.exit_code == 130
    assert 0 < summary.copied < 200
    places.target.before = None
    assert places.sync().copied == 200
    assert set(places.target.puts.values()) == {1}


def test_planning_can_be_stopped_and_goes_on_behind_the_last_batch(places: Places) -> None:
    places.source.fill({f"{number:05}": b"" for number in range(9000)})
    execution = places.execution()

    def stop(primitive: str, key: str) -> None:
        if primitive == "list" and places.source.calls["list"] == 8:
            execution.stop.set()

    places.source.before = stop
    summary = sync(*places.storages(), Rules(), execution)
    assert (summary.interrupted, summary.copied, summary.exit_code) == (True, 0, 130)
    assert not places.target.objects
    places.source.before = None
    places.source.calls.clear()
    summary = places.sync()
    assert (summary.copied, summary.resumed) == (9000, True)
    assert places.source.calls["list"] < 9
