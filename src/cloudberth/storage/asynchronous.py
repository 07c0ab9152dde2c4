"""`AsyncStorage`: the methods of `Storage`, awaitable.

Each call runs on a thread of the storage's own pool: one engine with one behaviour.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from cloudberth.storage.body import CHUNK
from cloudberth.storage.calls import Outcome
from cloudberth.storage.contract import (
    Attributes,
    ObjectInfo,
    Page,
    PendingUpload,
    Prefix,
    SignedRequest,
    Span,
    StorageClass,
    Written,
)
from cloudberth.storage.storage import Data, Progress, Storage

T = TypeVar("T")
_END: Any = object()
_AHEAD = 500  # entries of a list that are handed over at a time


class AsyncStorage:
    """A bucket for asyncio. `sync` is the storage behind it. Close it, or use it with ``async with``.

    Cancelling a call abandons it: the request itself runs to its end on its thread.
    """

    def __init__(self, sync: Storage) -> None:
        self.sync = sync
        self._threads = ThreadPoolExecutor(sync.options.concurrency, thread_name_prefix="cloudberth-async")

    async def _run(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *arguments, **named))

    async def _iterate(self, make: Callable[[], Iterator[T]], ahead: int) -> AsyncIterator[T]:
        """An iterator that runs on threads, `ahead` items a step."""
        iterator = await self._run(make)
        try:
            while True:
                items = await self._run(_take, iterator, ahead)
                for item in items:
                    yield item
                if len(items) < ahead:
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                await self._run(close)

    # -- the methods of Storage, in its order ----------------------------------------------------------------

    async def save(
        self,
        key: str,
        data: Data | AsyncIterator[bytes],
        attributes: Attributes | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: StorageClass | str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """As `Storage.save`; the data may also come from an asynchronous iterator."""
        source = data
        if isinstance(data, AsyncIterator):
            source = _pulled(data, asyncio.get_running_loop())
        return await self._run(
            self.sync.save, key, source, attributes, content_type=content_type, metadata=metadata,
            storage_class=storage_class, if_absent=if_absent, if_match=if_match, progress=progress,
        )  # fmt: skip

    async def save_many(
        self, items: Iterable[tuple[str, bytes]], attributes: Attributes | None = None, *, width: int = 32
    ) -> AsyncIterator[Outcome]:
        """As `Storage.save_many`: ``async for outcome in bucket.save_many(items)``."""
        async for outcome in self._iterate(
            partial(self.sync.save_many, items, attributes, width=width), width
        ):
            yield outcome

    async def load_many(self, keys: Iterable[str], *, width: int = 32) -> AsyncIterator[Outcome]:
        """As `Storage.load_many`."""
        async for outcome in self._iterate(partial(self.sync.load_many, keys, width=width), width):
            yield outcome

    async def copy(
        self,
        source: str,
        key: str,
        *,
        origin: Storage | AsyncStorage | None = None,
        attributes: Attributes | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """As `Storage.copy`."""
        other = origin.sync if isinstance(origin, AsyncStorage) else origin
        return await self._run(
            self.sync.copy, source, key, origin=other, attributes=attributes, progress=progress
        )

    async def move(self, source: str, key: str) -> None:
        """As `Storage.move`."""
        await self._run(self.sync.move, source, key)

    async def load(self, key: str, span: Span | None = None) -> bytes:
        """As `Storage.load`."""
        return await self._run(self.sync.load, key, span)

    async def stream(
        self, key: str, span: Span | None = None, *, chunk: int = CHUNK, progress: Progress | None = None
    ) -> AsyncIterator[bytes]:
        """As `Storage.stream`: ``async for piece in bucket.stream(key)``."""
        make = partial(self.sync.stream, key, span, chunk=chunk, progress=progress)
        async for piece in self._iterate(make, 1):
            yield piece

    async def download(
        self, key: str, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> ObjectInfo:
        """As `Storage.download`."""
        return await self._run(self.sync.download, key, path, progress=progress)

    async def head(self, key: str) -> ObjectInfo:
        """As `Storage.head`."""
        return await self._run(self.sync.head, key)

    async def exists(self, key: str) -> bool:
        """As `Storage.exists`."""
        return await self._run(self.sync.exists, key)

    async def exists_prefix(self, prefix: str) -> bool:
        """As `Storage.exists_prefix`."""
        return await self._run(self.sync.exists_prefix, prefix)

    async def list(
        self, prefix: str = "", *, after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ObjectInfo]:
        """As `Storage.list`: ``async for info in bucket.list("a/")``."""
        make = partial(self.sync.list, prefix, after=after, page_size=page_size)
        async for info in self._iterate(make, _AHEAD):
            yield info

    async def folder(
        self, prefix: str = "", *, delimiter: str = "/", after: str = "", page_size: int = 1000
    ) -> AsyncIterator[ObjectInfo | Prefix]:
        """As `Storage.folder`."""
        make = partial(self.sync.folder, prefix, delimiter=delimiter, after=after, page_size=page_size)
        async for entry in self._iterate(make, _AHEAD):
            yield entry

    async def page(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        """As `Storage.page`."""
        return await self._run(
            self.sync.page, prefix, delimiter=delimiter, after=after, cursor=cursor, limit=limit
        )

    async def delete(self, keys: str | Iterable[str]) -> None:
        """As `Storage.delete`."""
        await self._run(self.sync.delete, keys)

    async def delete_prefix(self, prefix: str) -> int:
        """As `Storage.delete_prefix`."""
        return await self._run(self.sync.delete_prefix, prefix)

    async def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"] = "GET",
        *,
        seconds: int = 3600,
        content_type: str | None = None,
    ) -> SignedRequest:
        """As `Storage.presign`; awaitable, because credentials may have to be fetched first."""
        return await self._run(self.sync.presign, key, method, seconds=seconds, content_type=content_type)

    async def uploads(self, prefix: str = "") -> AsyncIterator[PendingUpload]:
        """As `Storage.uploads`."""
        async for pending in self._iterate(partial(self.sync.uploads, prefix), _AHEAD):
            yield pending

    async def abort_uploads(self, prefix: str = "", *, older_than: datetime | None = None) -> int:
        """As `Storage.abort_uploads`."""
        return await self._run(self.sync.abort_uploads, prefix, older_than=older_than)

    async def check(self, *, create: bool = False) -> None:
        """As `Storage.check`."""
        await self._run(self.sync.check, create=create)

    async def load_once(self, filename: str) -> bytes:
        """Dify's name for `load`."""
        return await self.load(filename)

    async def load_stream(self, filename: str) -> AsyncIterator[bytes]:
        """Dify's name for `stream`."""
        async for piece in self.stream(filename):
            yield piece

    async def scan(self, path: str, files: bool = True, directories: bool = False) -> Sequence[str]:
        """Dify's name for a recursive list."""
        return await self._run(self.sync.scan, path, files, directories)

    async def close(self) -> None:
        """As `Storage.close`."""
        await asyncio.to_thread(self.sync.close)
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _take(iterator: Iterator[T], count: int) -> list[T]:
    items: list[T] = []
    while len(items) < count:
        item = next(iterator, _END)
        if item is _END:
            break
        items.append(item)
    return items


def _pulled(data: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """An asynchronous iterator as an ordinary one, for a thread that is not the loop's."""

    async def following() -> Any:
        return await anext(data, _END)

    while (piece := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not _END:
        yield piece
