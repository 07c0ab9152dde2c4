"""The same store with methods to await: every call runs in a thread, so that the event loop stays free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

from cloudberth.vector.contract import Capabilities, Collection, Health, Hit, Page, Record
from cloudberth.vector.store import VectorStore

if TYPE_CHECKING:
    from cloudberth.vector.store import FilterLike


class AsyncVectorStore:
    """Arguments and errors are those of `VectorStore`."""

    def __init__(self, store: VectorStore) -> None:
        self.store = store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def capabilities(self) -> Capabilities:
        return self.store.capabilities

    async def create(self, *arguments: Any, **named: Any) -> Collection:
        return await asyncio.to_thread(self.store.create, *arguments, **named)

    async def describe(self, name: str) -> Collection:
        return await asyncio.to_thread(self.store.describe, name)

    async def exists(self, name: str) -> bool:
        return await asyncio.to_thread(self.store.exists, name)

    async def collections(self) -> tuple[str, ...]:
        return await asyncio.to_thread(self.store.collections)

    async def drop(self, name: str) -> None:
        await asyncio.to_thread(self.store.drop, name)

    async def upsert(self, *arguments: Any, **named: Any) -> int:
        return await asyncio.to_thread(self.store.upsert, *arguments, **named)

    async def get(self, *arguments: Any, **named: Any) -> list[Record]:
        return await asyncio.to_thread(self.store.get, *arguments, **named)

    async def delete(self, *arguments: Any, **named: Any) -> int:
        return await asyncio.to_thread(self.store.delete, *arguments, **named)

    async def delete_where(self, *arguments: Any, **named: Any) -> int:
        return await asyncio.to_thread(self.store.delete_where, *arguments, **named)

    async def count(self, name: str, filter: FilterLike = None) -> int:
        return await asyncio.to_thread(self.store.count, name, filter)

    async def search(self, *arguments: Any, **named: Any) -> list[Hit]:
        return await asyncio.to_thread(self.store.search, *arguments, **named)

    async def search_text(self, *arguments: Any, **named: Any) -> list[Hit]:
        return await asyncio.to_thread(self.store.search_text, *arguments, **named)

    async def search_hybrid(self, *arguments: Any, **named: Any) -> list[Hit]:
        return await asyncio.to_thread(self.store.search_hybrid, *arguments, **named)

    async def scan_page(self, *arguments: Any, **named: Any) -> Page:
        return await asyncio.to_thread(self.store.scan_page, *arguments, **named)

    async def scan(
        self, name: str, *, filter: FilterLike = None, vectors: bool = True, page: int = 500
    ) -> AsyncIterator[Record]:
        after: str | None = None
        while True:
            found = await self.scan_page(name, filter=filter, after=after, limit=page, vectors=vectors)
            for record in found.records:
                yield record
            if found.next is None:
                return
            after = found.next

    async def health(self) -> Health:
        return await asyncio.to_thread(self.store.health)

    async def close(self) -> None:
        await asyncio.to_thread(self.store.close)
