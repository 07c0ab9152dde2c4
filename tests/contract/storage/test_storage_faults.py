"""What networks and busy servers do: every operation succeeds by trying again, or fails with the right typed
error in time, and nothing is ever half-written or silently wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rig import Running
from storage_cases import PART, content, in_pieces, keys_of, opened

from cloudberth.errors import BackendError, CorruptData, Throttled, TimedOut, Unavailable
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from faults.proxy import Fault, FaultProxy, Head, Rule

ONLY_NETWORK = True
HASTY = Options(
    part_size=PART, retries=5, deadline=20.0, connect_timeout=2.0, read_timeout=1.0, slowest=512 * 1024,
    concurrency=4,
)  # fmt: skip
GIVES_UP = replace(HASTY, retries=2, read_timeout=0.5, deadline=6.0)
DATA = content(300_000)


def with_data(head: Head) -> bool:
    """A request that carries an object, or a part of one."""
    return head.length >= len(DATA)


def changes(head: Head) -> bool:
    """A request that is no mere question."""
    return head.method not in {"GET", "HEAD"}


def second_part(storage: Storage) -> int:
    """How many requests with data to let through so that a part in the middle is hit, if there are parts."""
    return int(storage.capabilities.multipart)


@dataclass
class Faulty:
    """The same place twice: `storage` by way of the proxy, `direct` without."""

    proxy: FaultProxy
    storage: Storage
    direct: Storage

    def breaks(self, fault: Fault, method: str | None = None, **how: object) -> None:
        self.proxy.rules[:] = [Rule(fault, method, **how)]  # type: ignore[arg-type]

    def struck(self) -> int:
        return len(self.proxy.struck)


Make = Callable[[Options], Faulty]


@pytest.fixture
def make(running: Running, root: Storage, storage: Storage) -> Iterator[Make]:
    """Makes a Faulty with options of one's own."""
    assert running.address and running.through, (
        "a rig with a network says where, and how to go through a proxy"
    )
    opened_stores: list[Storage] = []
    with FaultProxy(running.address) as proxy:

        def made(options: Options) -> Faulty:
            assert running.through
            through = opened(running.through(proxy.address), options)
            opened_stores.append(through)
            return Faulty(proxy, through.under(storage.prefix.removeprefix(root.prefix)), storage)

        yield made
        for through in opened_stores:
            through.close()


@pytest.fixture
def faulty(make: Make) -> Faulty:
    return make(HASTY)


@pytest.fixture
def giving_up(make: Make) -> Faulty:
    return make(GIVES_UP)


BUSY = {"status": 503, "headers": {"Retry-After": "0"}}
TOO_MANY = {"status": 429, "times": 3}
READING = {
    "reset": (Fault.RESET_IN_ANSWER, {}),
    "reset-thrice": (Fault.RESET_IN_ANSWER, {"times": 3}),
    "truncated": (Fault.TRUNCATE, {}),
    "dropped": (Fault.DROP, {}),
    "answer-lost": (Fault.DROP_AFTER, {}),
    "hanging": (Fault.HANG, {}),
    "slow-loris": (Fault.TRICKLE, {}),
    "busy": (Fault.ANSWER, BUSY),
    "429-storm": (Fault.ANSWER, TOO_MANY),
}
WRITING = {
    "reset": (Fault.RESET_IN_REQUEST, {}),
    "reset-thrice": (Fault.RESET_IN_REQUEST, {"times": 3}),
    "dropped": (Fault.DROP, {}),
    "answer-lost": (Fault.DROP_AFTER, {}),
    "hanging": (Fault.HANG, {}),
    "busy": (Fault.ANSWER, BUSY),
    "429-storm": (Fault.ANSWER, TOO_MANY),
}


# -- once, and then no more ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", READING)
def test_a_read_goes_on(faulty: Faulty, case: str) -> None:
    faulty.direct.save("a", DATA)
    fault, how = READING[case]
    faulty.breaks(fault, "GET", **how)
    assert faulty.storage.load("a") == DATA
    assert faulty.struck() == how.get("times", 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_says_when_to_come_back(faulty: Faulty, status: int) -> None:
    faulty.direct.save("a", DATA)
    faulty.breaks(Fault.ANSWER, "GET", status=status, headers={"Retry-After": "1"})
    begun = time.monotonic()
    assert faulty.storage.load("a") == DATA
    assert faulty.struck() == 1
    assert time.monotonic() - begun >= 1.0


@pytest.mark.parametrize("case", WRITING)
def test_a_write_is_tried_again(faulty: Faulty, case: str) -> None:
    faulty.direct.save("a", b"old")
    fault, how = WRITING[case]
    faulty.breaks(fault, when=with_data, **how)
    faulty.storage.save("a", DATA)
    assert faulty.struck() == how.get("times", 1)
    assert faulty.direct.load("a") == DATA


def test_a_flipped_bit_is_noticed_in_reading(faulty: Faulty) -> None:
    """Where the store tells a checksum; a store that tells none cannot be checked, and says so."""
    faulty.direct.save("a", DATA)
    faulty.breaks(Fault.FLIP, "GET")
    loaded = faulty.storage.load("a")
    assert faulty.struck() == 1
    if faulty.direct.head("a").checksums:
        assert loaded == DATA
    else:
        assert faulty.direct.capabilities.checksum is None


def test_a_flipped_bit_is_noticed_in_writing(faulty: Faulty) -> None:
    """By the server, which was told a checksum, or by us, who were told one by it."""
    faulty.breaks(Fault.FLIP_REQUEST, when=with_data)
    faulty.storage.save("a", DATA)
    assert faulty.struck() == 1
    assert faulty.direct.load("a") == DATA


def test_a_flipped_bit_of_a_part_is_noticed(faulty: Faulty) -> None:
    data = content(2 * PART + 1)
    faulty.breaks(Fault.FLIP_REQUEST, when=with_data)
    faulty.storage.save("a", data)
    assert faulty.struck() == 1
    arrived = faulty.direct.load("a") == data
    # Not in one line: where it is expected to fail, pytest would compare ten megabytes for minutes.
    assert arrived


@pytest.mark.parametrize("case", ["reset", "truncated", "hanging", "busy"])
def test_a_stream_goes_on_where_it_was(faulty: Faulty, case: str) -> None:
    faulty.direct.save("a", DATA)
    fault, how = READING[case]
    faulty.breaks(fault, "GET", **how)
    assert b"".join(faulty.storage.stream("a", chunk=10_000)) == DATA
    assert faulty.struck() == 1


@pytest.mark.parametrize("case", ["reset", "truncated"])
def test_a_parallel_download_mends_its_ranges(faulty: Faulty, case: str, tmp_path: Path) -> None:
    data = content(2 * PART + 5)
    faulty.direct.save("a", data)
    fault, how = READING[case]
    faulty.breaks(fault, "GET", skip=1, **how)
    faulty.storage.download("a", tmp_path / "file")
    assert faulty.struck() == 1
    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.parametrize("case", ["reset", "dropped", "answer-lost", "busy", "429-storm"])
def test_a_part_is_sent_again(faulty: Faulty, case: str) -> None:
    data = content(3 * PART)
    fault, how = WRITING[case]
    faulty.breaks(fault, when=with_data, skip=second_part(faulty.direct), **how)
    faulty.storage.save("a", in_pieces(data))
    assert faulty.struck() == how.get("times", 1)
    assert faulty.direct.load("a") == data
    assert not faulty.direct.capabilities.multipart or list(faulty.direct.uploads()) == []


def test_the_lost_answer_to_the_last_request_of_an_upload(make: Make) -> None:
    """The object is whole on the server; asking again meets an upload that is gone, which is no failure."""
    counted, faulty = make(HASTY), make(HASTY)
    data = content(2 * PART + 1)
    counted.storage.save("a", data)
    writes = [head for head in faulty.proxy.seen if changes(head)]
    faulty.breaks(Fault.DROP_AFTER, skip=len(writes) - 1, when=changes)
    faulty.storage.save("b", data)
    assert faulty.struck() == 1
    assert faulty.direct.load("b") == data


@pytest.mark.parametrize("case", ["reset", "truncated", "dropped", "busy", "429-storm"])
def test_a_list_hides_nothing(make: Make, case: str) -> None:
    """The request in the middle breaks, of a client that knows nothing yet: as many as another one made."""
    counted, faulty = make(HASTY), make(HASTY)
    keys = [f"{number:02}" for number in range(12)]
    for key in keys:
        faulty.direct.save(key, b"x")
    fault, how = READING[case]
    list(counted.storage.list(page_size=5))
    faulty.breaks(fault, skip=len(faulty.proxy.seen) // 2, **how)
    assert sorted(keys_of(faulty.storage.list(page_size=5))) == keys
    assert faulty.struck() == how.get("times", 1)


@pytest.mark.parametrize("case", ["dropped", "answer-lost", "busy"])
def test_a_delete_and_a_copy_are_tried_again(faulty: Faulty, case: str) -> None:
    faulty.direct.save("a", DATA)
    fault, how = READING[case]
    faulty.breaks(fault, **how)
    faulty.storage.copy("a", "b")
    assert faulty.struck() == 1
    assert faulty.direct.load("b") == DATA
    faulty.breaks(fault, **how)
    faulty.storage.delete(["a", "b"])
    assert faulty.struck() == 2
    assert keys_of(faulty.direct.list()) == []


# -- for good ------------------------------------------------------------------------------------------


ENDLESS = {
    "dropped": (Rule(Fault.DROP, times=None), Unavailable),
    "hanging": (Rule(Fault.HANG, times=None), TimedOut),
    "busy": (Rule(Fault.ANSWER, times=None, status=503), Unavailable),
    "throttled": (Rule(Fault.ANSWER, times=None, status=429), Throttled),
    "reset": (Rule(Fault.RESET_IN_REQUEST, times=None), Unavailable),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_fault_that_stays_is_a_typed_error_in_time(make: Make, case: str) -> None:
    giving_up = make(replace(GIVES_UP, read_timeout=0.3))
    giving_up.direct.save("a", b"old")
    rule, expected = ENDLESS[case]
    giving_up.proxy.rules[:] = [replace(rule)]
    begun = time.monotonic()
    with pytest.raises(expected) as caught:
        giving_up.storage.load("a")
    with pytest.raises(expected):
        giving_up.storage.save("a", DATA)
    assert time.monotonic() - begun < 2 * (GIVES_UP.deadline + GIVES_UP.read_timeout)
    assert caught.value.retryable
    assert giving_up.struck() >= 2 * (1 + GIVES_UP.retries), "every attempt was made"
    giving_up.proxy.rules.clear()
    assert giving_up.direct.load("a") == b"old"


@pytest.mark.parametrize("fault", [Fault.TRUNCATE, Fault.RESET_IN_ANSWER])
def test_a_download_that_never_ends_well_leaves_the_old_file(
    giving_up: Faulty, tmp_path: Path, fault: Fault
) -> None:
    """Broken at the first byte each time: what makes progress is not given up."""
    giving_up.direct.save("a", DATA)
    (tmp_path / "file").write_bytes(b"old")
    giving_up.breaks(fault, "GET", times=None, at=0.0)
    with pytest.raises((Unavailable, CorruptData)):
        giving_up.storage.download("a", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_content_that_stays_wrong_is_corrupt(giving_up: Faulty) -> None:
    giving_up.direct.save("a", DATA)
    if not giving_up.direct.head("a").checksums:
        assert giving_up.direct.capabilities.checksum is None
        return
    giving_up.breaks(Fault.FLIP, "GET", times=None)
    with pytest.raises(CorruptData):
        giving_up.storage.load("a")


def test_an_upload_that_never_ends_well_leaves_nothing(giving_up: Faulty) -> None:
    skip = second_part(giving_up.direct)
    giving_up.breaks(Fault.RESET_IN_REQUEST, times=None, skip=skip, when=with_data)
    with pytest.raises(BackendError) as caught:
        giving_up.storage.save("a", in_pieces(content(3 * PART)))
    assert isinstance(caught.value, Unavailable)
    assert keys_of(giving_up.direct.list()) == []
    assert not giving_up.direct.capabilities.multipart or list(giving_up.direct.uploads()) == []


def test_a_server_that_is_gone_is_unavailable(running: Running) -> None:
    """Nobody listens there: said at once for what it is, and with a hint."""
    from servers.processes import free_port

    assert running.through
    with (
        opened(running.through(("127.0.0.1", free_port())), GIVES_UP) as storage,
        pytest.raises(Unavailable) as caught,
    ):
        storage.load("a")
    assert caught.value.hint
