"""Large objects: in parts, in parallel, gone on with, verified as a whole."""

from __future__ import annotations

import os
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import BackendError, Kind, Unavailable
from cloudberth.storage.body import Body, BytesBody, BytesReader
from cloudberth.storage.checksums import hasher
from cloudberth.storage.contract import Attributes, Opened, Part, Span
from cloudberth.storage.transfer.content import Verify
from cloudberth.storage.transfer.crc import combined
from cloudberth.storage.transfer.route import Budget
from storage.memory_backend import MemoryBackend, capabilities
from storage.transfer.transfers import MIB, Places, fails

DATA = os.urandom(5 * MIB + 12345)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.mark.parametrize("vouches", ["md5", "crc32", "crc32c", "sha256", None])
def test_a_large_object_goes_in_parts_and_is_verified(places: Places, vouches: str | None) -> None:
    places.target = MemoryBackend("target", vouches=vouches)  # type: ignore[arg-type]
    places.source.fill({"big": DATA}, Attributes("video/mp4", metadata={"a": "b"}))
    summary = places.migrate()
    stored = places.target.objects["big"]
    assert stored.data == DATA
    assert stored.attributes == Attributes("video/mp4", metadata={"a": "b"})
    assert places.target.calls["put_part"] == 6
    assert (summary.copied, summary.bytes, summary.differences) == (1, len(DATA), 0)
    # Who vouches is believed, who does not is read again: by the copy, and by the comparison.
    by_copy = 6 if vouches is None else 0
    by_comparison = 0 if vouches in {"crc32", "crc32c"} else 1
    assert places.target.calls["get"] == by_copy + by_comparison


@pytest.mark.parametrize("vouches", ["md5", "crc32", None])
def test_a_part_that_arrives_damaged_is_noticed(places: Places, vouches: str | None) -> None:
    class Damaging(MemoryBackend):
        damaged = False

        def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
            if number == 3 and not self.damaged:
                self.damaged = True
                body = BytesBody(b"?" * body.size)
            return super().put_part(key, upload, number, body)

    places.target = Damaging("target", vouches=vouches)  # type: ignore[arg-type]
    places.source.fill({"big": DATA})
    assert places.sync().exit_code == 0
    assert places.target.objects["big"].data == DATA
    assert not places.target.uploads_under_way


@pytest.mark.parametrize("vouches", ["crc32", "md5", None])
def test_a_store_without_multipart_is_streamed_into(places: Places, vouches: str | None) -> None:
    places.target = MemoryBackend("target", vouches=vouches, able=capabilities(max_parts=0, checksum=vouches))  # type: ignore[arg-type]
    places.source.fill({"big": DATA})
    assert places.sync().copied == 1
    assert places.target.objects["big"].data == DATA
    assert places.target.calls["put"] == 1


def test_streaming_notices_other_bytes(places: Places) -> None:
    class Rotting(MemoryBackend):
        times = 1

        def put(self, key: str, body: Body, *rest: object):  # type: ignore[no-untyped-def, override]
            data = body.read()
            if self.times:
                self.times -= 1
                data = data[:-1] + b"?"
            return super().put(key, BytesBody(data), *rest)  # type: ignore[arg-type]

    places.target = Rotting("target", vouches=None, able=capabilities(max_parts=0, checksum=None))
    places.source.fill({"big": DATA[:-1] + b"!"})
    assert places.sync().exit_code == 0
    assert places.target.objects["big"].data == DATA[:-1] + b"!"
    assert places.target.puts["big"] == 2


def test_one_backend_without_multipart_does_not_wait_for_itself(tmp_path: Path) -> None:
    backend = MemoryBackend(able=capabilities(max_parts=0))
    backend.fill({f"a/{number}": DATA for number in range(6)})
    places = Places(tmp_path, backend, backend, "a/", "b/")
    assert places.sync().copied == 6
    assert backend.objects["b/5"].data == DATA


def test_an_interrupted_upload_goes_on_with_the_parts_that_are_there(places: Places) -> None:
    places.source.fill({"big": DATA})
    sent = iter(range(100))

    def cut(primitive: str, key: str) -> None:
        if primitive == "put_part" and next(sent) >= 3:
            raise Unavailable("gone")

    places.target.before = cut
    assert places.sync().left == 1
    ((_, under_way),) = places.target.uploads_under_way.items()
    assert len(under_way.parts) == 3
    places.target.before = None
    places.target.calls.clear()
    assert places.sync().copied == 1
    assert places.target.calls["put_part"] == 3
    assert places.target.calls["start_upload"] == 0
    assert places.target.objects["big"].data == DATA


def test_an_upload_that_is_gone_is_begun_anew(places: Places) -> None:
    places.source.fill({"big": DATA})
    places.target.before = fails(lambda: Unavailable("gone"), times=9, primitive="finish_upload")
    assert places.sync().left == 1
    places.target.uploads_under_way.clear()
    places.target.before = None
    assert places.sync().copied == 1
    assert places.target.objects["big"].data == DATA


def test_a_part_that_the_store_has_lost_is_sent_again(places: Places) -> None:
    places.source.fill({"big": DATA})
    places.target.before = fails(lambda: Unavailable("gone"), times=9, primitive="finish_upload")
    places.sync()
    (under_way,) = places.target.uploads_under_way.values()
    del under_way.parts[2]
    under_way.parts[4] = b"other"
    places.target.before = None
    places.target.calls.clear()
    assert places.sync().copied == 1
    assert places.target.calls["put_part"] == 2
    assert places.target.objects["big"].data == DATA


def test_a_source_that_changes_between_parts_is_begun_again_whole(places: Places) -> None:
    other = os.urandom(len(DATA))
    places.source.fill({"big": DATA})

    def change(primitive: str, key: str) -> None:
        if primitive == "put_part" and places.target.calls["put_part"] == 4:
            places.source.fill({"big": other})

    places.target.before = change
    assert places.sync().copied == 1
    assert places.target.objects["big"].data == other
    assert not places.target.uploads_under_way


def test_a_source_that_never_stands_still_is_reported(places: Places) -> None:
    places.source.fill({"big": DATA})

    def change(primitive: str, key: str) -> None:
        if primitive == "put_part":
            places.source.fill({"big": os.urandom(len(DATA))})

    places.target.before = change
    summary = places.sync()
    assert (summary.failed, summary.reasons) == (1, {"changing": 1})
    assert "big" not in places.target.objects
    assert not places.target.uploads_under_way


def test_an_upload_that_fails_for_good_is_thrown_away(places: Places) -> None:
    places.source.fill({"big": DATA})
    places.target.before = fails(
        lambda: BackendError("too large for you", kind=Kind.INVALID), times=9, primitive="finish_upload"
    )
    summary = places.sync()
    assert summary.failed == 1
    assert not places.target.uploads_under_way


def test_a_read_that_breaks_goes_on_where_it_was(places: Places) -> None:
    class Breaking(MemoryBackend):
        breaks = 5

        def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
            opened = super().get(key, span, match)
            if not self.breaks:
                return opened
            self.breaks -= 1
            return Opened(opened.info, _Breaking(opened.reader.read()))

    class _Breaking(BytesReader):
        def readinto(self, buffer: memoryview) -> int:
            if self._at >= 1000:
                raise Unavailable("the connection broke")
            return super().readinto(buffer[:1000])

        def read(self, size: int = -1) -> bytes:
            raise Unavailable("the connection broke")

    places.source = Breaking("source")
    places.source.fill({"big": DATA, "small": DATA[:5000]})
    assert places.sync().exit_code == 0
    assert places.target.content() == places.source.content()


def test_a_server_copies_large_objects_by_parts(places: Places) -> None:
    able = capabilities(copy_max=2 * MIB, part_max=2 * MIB)
    places.target = MemoryBackend("target", able=able)
    places.source.fill({"big": DATA}, Attributes(metadata={"a": "b"}))
    summary = places.migrate(server_side=True)
    assert (summary.copied, summary.differences) == (1, 0)
    assert places.target.objects["big"].data == DATA
    assert places.target.calls["copy_part"] == 3
    assert "put_part" not in places.target.calls


@pytest.mark.parametrize("verify", list(Verify))
def test_every_way_to_verify_moves_the_same(places: Places, verify: Verify) -> None:
    places.source.fill({"big": DATA, "small": b"x", "empty": b""})
    assert places.sync(verify=verify).copied == 3
    assert places.target.content() == places.source.content()
    read = places.target.calls["get"]
    assert (read > 0) == (verify is Verify.READ)


@given(st.lists(st.binary(max_size=300), max_size=12), st.sampled_from(["crc32", "crc32c", "crc64ecma"]))
def test_the_crc_of_parts_is_that_of_the_whole(pieces: list[bytes], algorithm: str) -> None:
    def crc(data: bytes) -> str:
        one = hasher(algorithm)  # type: ignore[arg-type]
        assert one is not None
        one.update(data)
        return one.hexdigest()

    assert combined(algorithm, [(crc(piece), len(piece)) for piece in pieces]) == crc(b"".join(pieces))


def test_the_crc_of_large_parts() -> None:
    parts = [
        (f"{zlib.crc32(DATA[at : at + MIB]):08x}", len(DATA[at : at + MIB]))
        for at in range(0, len(DATA), MIB)
    ]
    assert combined("crc32", parts) == f"{zlib.crc32(DATA):08x}"


def test_the_budget_is_never_exceeded() -> None:
    budget = Budget(3 * MIB)
    used: list[int] = []
    lock = threading.Lock()
    now = 0

    def take(size: int) -> None:
        nonlocal now
        with budget.buffer(size) as buffer:
            assert len(buffer) == size
            with lock:
                now += size
                used.append(now)
            with lock:
                now -= size

    threads = [
        threading.Thread(target=take, args=(size,)) for size in (MIB, MIB, MIB, 2 * MIB, MIB, 5 * MIB) * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(used) == 30
    assert max(used) <= 5 * MIB
