"""The asynchronous store does what the other one does, under the same names."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from storage_cases import PART, content

from cloudberth.errors import NotFound
from cloudberth.storage.asynchronous import AsyncStorage
from cloudberth.storage.contract import Span
from cloudberth.storage.storage import Storage


@pytest.fixture
def twin(storage: Storage) -> Iterator[AsyncStorage]:
    """The asynchronous view of the test's own place."""
    inner = storage.under("async/")
    found = AsyncStorage(inner)
    yield found
    found._threads.shutdown()


def public(kind: type) -> dict[str, object]:
    """Its methods, the ones of context managers left out."""
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: member for name, member in members if not name.startswith("_")}


def test_both_have_the_same_methods_with_the_same_arguments() -> None:
    """Needs no store: what asks nobody aside, a call is the same call with await."""
    sync, twin = public(Storage), public(AsyncStorage)
    assert set(sync) - set(twin) <= {"under", "class_name"}
    assert set(twin) <= set(sync)
    for name in twin:
        one, other = inspect.signature(sync[name]), inspect.signature(twin[name])  # type: ignore[arg-type]
        # `load(…, stream=True)` gives one of two types, which nothing can await; `load_stream` is there.
        parameters = {
            key: value for key, value in one.parameters.items() if (name, key) != ("load", "stream")
        }
        assert list(parameters) == list(other.parameters), name
        for parameter in parameters.values():
            assert parameter.default == other.parameters[parameter.name].default, name
            assert parameter.kind == other.parameters[parameter.name].kind, name
        assert inspect.iscoroutinefunction(twin[name]) or inspect.isasyncgenfunction(twin[name]), name


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 700_000):
        await asyncio.sleep(0)
        yield data[start : start + 700_000]


def test_every_method_does_the_same(twin: AsyncStorage, storage: Storage, tmp_path: Path) -> None:
    sync = storage.under("async/")
    data = content(2 * PART + 1)

    async def story() -> None:
        written = await twin.save("large", pieces(data))
        assert sync.load("large") == data
        assert written.etag in (None, sync.head("large").etag)
        await twin.save("a/1", b"one", content_type="text/plain")
        assert await twin.load("a/1") == sync.load("a/1") == b"one"
        assert await twin.load("a/1", Span(1, 1)) == b"n"
        assert b"".join([piece async for piece in twin.stream("large")]) == data
        assert b"".join([piece async for piece in twin.load_stream("a/1")]) == b"one"
        assert await twin.head("a/1") == sync.head("a/1")
        assert await twin.exists("a/1")
        assert not await twin.exists("a/2")
        assert await twin.exists_prefix("a/")
        await twin.download("large", tmp_path / "large")
        assert (tmp_path / "large").read_bytes() == data
        await twin.copy("a/1", "a/2")
        await twin.move("a/2", "b")
        assert sorted([info.key async for info in twin.list()]) == ["a/1", "b", "large"]
        assert [info async for info in twin.list("a/")] == list(sync.list("a/"))
        assert sorted([entry.key async for entry in twin.folder()]) == ["a/", "b", "large"]
        assert (await twin.page(limit=1000)).next is None
        assert list(await twin.scan("a")) == ["a/1"]
        assert await twin.load_once("b") == b"one"
        async for outcome in twin.save_many([("m/1", b"one"), ("m/2", b"two")]):
            assert outcome.error is None
        read = {outcome.call.tag: outcome.value async for outcome in twin.load_many(["m/1", "m/2"])}
        assert read == {"m/1": b"one", "m/2": b"two"}
        assert await twin.delete_prefix("m/") == 2
        await twin.delete("b")
        assert await twin.delete_prefix("a/") == 1
        await twin.check()

    asyncio.run(story())


def test_errors_are_the_same(twin: AsyncStorage) -> None:
    async def story() -> None:
        for attempt in (twin.load("missing"), twin.head("missing"), twin.copy("missing", "b")):
            with pytest.raises(NotFound):
                await attempt
        with pytest.raises(FileNotFoundError):
            async for _ in twin.stream("missing"):
                pass

    asyncio.run(story())


def test_many_at_once(twin: AsyncStorage) -> None:
    """The loop stays free: a ticker runs on while a hundred objects are written and read."""

    async def story() -> tuple[list[bytes], int]:
        ticks = 0

        async def ticking() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticker = asyncio.create_task(ticking())
        await asyncio.gather(*(twin.save(f"{number:03}", str(number)) for number in range(100)))
        found = await asyncio.gather(*(twin.load(f"{number:03}") for number in range(100)))
        ticker.cancel()
        return list(found), ticks

    found, ticks = asyncio.run(story())
    assert found == [str(number).encode() for number in range(100)]
    assert ticks > 5


def test_an_asynchronous_source_that_breaks_leaves_nothing(twin: AsyncStorage, storage: Storage) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield content(2 * PART + 1)
        raise RuntimeError("the source is gone")

    async def story() -> None:
        with pytest.raises(RuntimeError, match="the source is gone"):
            await twin.save("a", breaking())

    asyncio.run(story())
    assert list(storage.list()) == []
    assert not storage.capabilities.multipart or list(storage.uploads()) == []
