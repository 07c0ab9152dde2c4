"""Lanes: many calls at once on one thread, with the same outcomes as one after the other."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth import storage as storages
from cloudberth.errors import NotFound, PermissionDenied, Throttled, Unavailable
from cloudberth.storage.body import BytesBody
from cloudberth.storage.calls import Call, Program
from cloudberth.storage.lanes import Lanes
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from storage.http.scripted_server import Peer, Server, serving

OPTIONS = Options(retries=3, deadline=20, read_timeout=0.5, connect_timeout=2)


def opened(server: Server, options: Options = OPTIONS) -> Storage:
    return storages.open(
        {
            "STORAGE_TYPE": "s3",
            "S3_ENDPOINT": f"http://127.0.0.1:{server.address[1]}",
            "S3_BUCKET_NAME": "bucket",
            "S3_ACCESS_KEY": "key",
            "S3_SECRET_KEY": "secret-of-the-test",
            "S3_REGION": "us-east-1",
        },
        options,
    )


def ok(body: bytes = b"", extra: bytes = b"") -> bytes:
    return b'HTTP/1.1 200 OK\r\nETag: "x"\r\n%sContent-Length: %d\r\n\r\n%s' % (extra, len(body), body)


def error(status: int, code: bytes, extra: bytes = b"") -> bytes:
    body = b"<Error><Code>%s</Code></Error>" % code
    return b"HTTP/1.1 %d No\r\n%sContent-Length: %d\r\n\r\n%s" % (status, extra, len(body), body)


def key_of(head: bytes) -> bytes:
    return head.split(b" ")[1].removeprefix(b"/bucket/")


def test_every_call_has_one_outcome() -> None:
    def echo(peer: Peer) -> None:
        while head := peer.request():
            peer.send(ok(b"content of " + key_of(head)))

    with serving(echo) as server, opened(server) as storage:
        found = {
            outcome.call.tag: outcome.value for outcome in storage.load_many(f"k{n}" for n in range(500))
        }
        assert found == {f"k{n}": f"content of k{n}".encode() for n in range(500)}
        assert len(server.peers) <= 32


def test_calls_are_taken_only_as_there_is_room() -> None:
    taken = 0

    def keys() -> Iterator[str]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield f"k{number}"

    def echo(peer: Peer) -> None:
        while peer.request():
            peer.send(ok(b"x"))

    with serving(echo) as server, opened(server) as storage:
        outcomes = storage.load_many(keys(), width=4)
        next(outcomes)
        assert taken < 20
        assert sum(1 for _ in outcomes) == 999


def test_an_error_belongs_to_its_call() -> None:
    def some_are_missing(peer: Peer) -> None:
        while head := peer.request():
            number = int(key_of(head).removeprefix(b"k"))
            if number % 3 == 0:
                peer.send(error(404, b"NoSuchKey"))
            elif number % 3 == 1:
                peer.send(error(403, b"AccessDenied"))
            else:
                peer.send(ok(b"here"))

    with serving(some_are_missing) as server, opened(server) as storage:
        kinds = Counter(type(outcome.error) for outcome in storage.load_many(f"k{n}" for n in range(90)))
    assert kinds == {NotFound: 30, PermissionDenied: 30, type(None): 30}


def test_what_fails_for_a_moment_is_tried_again() -> None:
    """503, 429 with Retry-After, resets and lost answers: each call gets through in the end."""
    lock = threading.Lock()
    tries: Counter[bytes] = Counter()

    def flaky(peer: Peer) -> None:
        while head := peer.request():
            key = key_of(head)
            with lock:
                tries[key] += 1
                first = tries[key] == 1
            number = int(key.removeprefix(b"k"))
            if first and number % 4 == 0:
                peer.send(error(503, b"InternalError"))
            elif first and number % 4 == 1:
                peer.send(error(429, b"SlowDown", b"Retry-After: 0\r\n"))
            elif first and number % 4 == 2:
                peer.reset()
                return
            else:
                peer.send(ok(b"done"))

    with serving(flaky) as server, opened(server) as storage:
        outcomes = list(storage.load_many((f"k{n}" for n in range(80)), width=8))
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        assert {outcome.value for outcome in outcomes} == {b"done"}
        assert storage.metrics.retries["rate_limited"] == 20
        assert storage.metrics.retries["unavailable"] >= 20


def test_what_fails_for_ever_ends() -> None:
    def never(peer: Peer) -> None:
        while peer.request():
            peer.send(error(503, b"SlowDown"))

    with serving(never) as server, opened(server, Options(retries=2, deadline=5)) as storage:
        outcomes = list(storage.load_many(["a", "b"], width=2))
    assert [type(outcome.error) for outcome in outcomes] == [Throttled, Throttled]


def test_a_server_that_hangs_does_not_hold_the_others() -> None:
    def one_hangs(peer: Peer) -> None:
        while head := peer.request():
            if key_of(head) == b"k7":
                peer.request()  # nothing more comes, until the client goes
                return
            peer.send(ok(b"x"))

    with serving(one_hangs) as server, opened(server, Options(retries=0, read_timeout=0.5)) as storage:
        began = time.monotonic()
        outcomes = {
            outcome.call.tag: outcome.error for outcome in storage.load_many(f"k{n}" for n in range(40))
        }
        assert time.monotonic() - began < 15
    assert isinstance(outcomes.pop("k7"), Unavailable)
    assert set(outcomes.values()) == {None}


def test_nobody_there_is_an_error_of_every_call() -> None:
    with serving(lambda peer: None) as server:
        pass
    with opened(server, Options(retries=1, deadline=2)) as storage:
        outcomes = list(storage.load_many(["a", "b", "c"], width=2))
    assert len(outcomes) == 3
    assert {type(outcome.error) for outcome in outcomes} == {Unavailable}


def test_connections_that_close_after_each_answer() -> None:
    def closing(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"x", b"Connection: close\r\n"))

    with serving(closing) as server, opened(server) as storage:
        assert sum(outcome.error is None for outcome in storage.load_many(f"k{n}" for n in range(50))) == 50


def test_contents_go_out_whole() -> None:
    received: dict[bytes, int] = {}

    def taking(peer: Peer) -> None:
        while head := peer.request():
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            received[key_of(head)] = int(length.split(b":")[1])
            peer.send(ok())

    with serving(taking) as server, opened(server) as storage:
        items = [(f"k{n}", bytes(n * 50_000)) for n in range(30)]
        assert [outcome.error for outcome in storage.save_many(items) if outcome.error] == []
    assert received == {f"k{n}".encode(): n * 50_000 for n in range(30)}


def test_a_caller_who_stops_leaves_nothing_open() -> None:
    def echo(peer: Peer) -> None:
        while peer.request():
            peer.send(ok(b"x"))

    before = threading.active_count()
    with serving(echo) as server, opened(server) as storage:
        outcomes = storage.load_many(f"k{n}" for n in range(1000))
        next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        lanes = [thread for thread in threading.enumerate() if thread.name.startswith("cloudberth-lanes")]
        assert lanes == []
    assert threading.active_count() <= before + 40


def test_programs_go_through_two_stores_at_once(tmp_path: Path) -> None:
    """A get here and a put there, hundreds of them: one of the stores is a folder, the other a server."""
    received: dict[bytes, bytes] = {}

    def taking(peer: Peer) -> None:
        while head := peer.request():
            received[key_of(head)] = head
            peer.send(error(403, b"AccessDenied") if key_of(head) == b"k13" else ok())

    def copied(source: Storage, target: Storage, key: str) -> Program[tuple[str, int | None]]:
        opened_object = yield source.backend, Call("get", (key,), key)
        data = opened_object.reader.read()
        try:
            yield target.backend, Call("put", (key, BytesBody(data)), key, len(data))
        except PermissionDenied:
            return key, None
        return key, len(data)

    folder = storages.open({"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(tmp_path)}, OPTIONS)
    for number in range(200):
        folder.save(f"k{number}", bytes(number))
    with serving(taking) as server, opened(server) as target, folder:
        lanes: Lanes[tuple[str, int | None]] = Lanes(16)
        found = dict(lanes.run((0, copied(folder, target, f"k{n}")) for n in range(200)))
    assert found == {f"k{n}": None if n == 13 else n for n in range(200)}
    assert len(received) == 200


def test_a_program_that_raises_ends_them_all() -> None:
    def echo(peer: Peer) -> None:
        while peer.request():
            peer.send(ok(b"x"))

    def failing(storage: Storage, number: int) -> Program[int]:
        yield storage.backend, Call("get", (f"k{number}",))
        if number == 5:
            raise ZeroDivisionError
        return number

    with serving(echo) as server, opened(server) as storage:
        lanes: Lanes[int] = Lanes(4)
        with pytest.raises(ZeroDivisionError):
            list(lanes.run((0, failing(storage, n)) for n in range(100)))


def test_memory_is_bounded_by_what_programs_say() -> None:
    """Programs that say that they are large wait for each other."""
    at_once = most = 0

    def echo(peer: Peer) -> None:
        while peer.request():
            peer.send(ok(b"x"))

    def large(storage: Storage) -> Program[None]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        yield storage.backend, Call("get", ("k",))
        at_once -= 1

    with serving(echo) as server, opened(server) as storage:
        lanes: Lanes[None] = Lanes(32)
        assert len(list(lanes.run((10 * 2**20, large(storage)) for _ in range(30)))) == 30
    assert most == 3


def test_it_also_works_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, where there is no epoll."""
    monkeypatch.delattr("select.epoll")

    def echo(peer: Peer) -> None:
        while head := peer.request():
            peer.send(ok(key_of(head)))

    with serving(echo) as server, opened(server) as storage:
        found = {
            outcome.call.tag: outcome.value for outcome in storage.load_many(f"k{n}" for n in range(200))
        }
        large = [outcome.error for outcome in storage.save_many((f"k{n}", bytes(900_000)) for n in range(20))]
    assert found == {f"k{n}": f"k{n}".encode() for n in range(200)}
    assert large == [None] * 20
