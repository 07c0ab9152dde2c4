"""Lists of any length in order, with the next page on its way while this one is used.

A store that lists in no order, or breaks the one it promises, is sorted on disk by SQLite: memory stays flat.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BackendError, Kind
from cloudberth.storage.contract import Backend, Listing, ObjectInfo

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

PAGE = 1000
_PAGES_AHEAD = 4


class Disordered(BackendError):
    """A store that promises an order listed a key before one that it had listed already."""

    def __init__(self, where: str, key: str, last: str) -> None:
        super().__init__(
            f"the list is not in order: {key!r} came after {last!r}", kind=Kind.UNEXPECTED, where=where
        )


def objects(storage: Storage, *, after: str = "", sort_in: Path | None = None) -> Iterator[ObjectInfo]:
    """Every object under the storage's prefix, keys whole and in ascending order, each once.

    after: only those behind this whole key. sort_in: the folder for sorting, which is done when it is given
    or when the store has no order. Raises Disordered when a store with an order does not keep it.
    """
    found = ahead(pages(storage.backend, storage.prefix, after))
    if sort_in is None and storage.capabilities.listing is Listing.BYTES:
        return ascending(found, storage.place)
    return sorted_on_disk(found, sort_in)


def pages(backend: Backend, prefix: str, after: str = "") -> Iterator[list[ObjectInfo]]:
    """The pages of a list."""
    cursor: str | None = None
    while True:
        page = backend.list(prefix, after=after, cursor=cursor, limit=PAGE)
        yield [entry for entry in page.entries if isinstance(entry, ObjectInfo)]
        if page.next is None:
            return
        if page.next == cursor:
            raise BackendError(
                "the list does not advance: the same cursor twice", kind=Kind.UNEXPECTED, where=backend.place
            )
        cursor = page.next


def ahead(source: Iterator[list[ObjectInfo]]) -> Iterator[list[ObjectInfo]]:
    """The same pages, fetched by a thread of its own, a few ahead of their use."""
    box: queue.Queue[list[ObjectInfo] | BaseException | None] = queue.Queue(_PAGES_AHEAD)
    left = threading.Event()

    def put(item: list[ObjectInfo] | BaseException | None) -> bool:
        while not left.is_set():
            try:
                box.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def fetch() -> None:
        try:
            for page in source:
                if not put(page):
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    threading.Thread(target=fetch, daemon=True, name="cloudberth-list").start()
    try:
        while (item := box.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()


def ascending(found: Iterator[list[ObjectInfo]], where: str) -> Iterator[ObjectInfo]:
    """The objects of pages. A key that comes twice (a page sent again) comes once; one out of order
    raises.
    """
    last = ""
    with closing(found):  # type: ignore[type-var]
        for page in found:
            for entry in page:
                key = entry.key
                if key <= last:
                    if key == last:
                        continue
                    raise Disordered(where, key, last)
                last = key
                yield entry


def sorted_on_disk(found: Iterator[list[ObjectInfo]], folder: Path | None) -> Iterator[ObjectInfo]:
    """The objects of pages in any order, sorted by key in a file that is gone afterwards."""
    with (
        TemporaryDirectory(prefix="berth-sort-", dir=folder) as place,
        closing(sqlite3.connect(Path(place) / "sort.db", isolation_level=None)) as database,
        closing(found),  # type: ignore[type-var]
    ):
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute(
            "CREATE TABLE entry (key TEXT PRIMARY KEY, size INTEGER, modified REAL, etag TEXT,"
            " checksums TEXT) WITHOUT ROWID"
        )
        for page in found:
            database.execute("BEGIN")
            database.executemany("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?)", map(_row, page))
            database.execute("COMMIT")
        for row in database.execute("SELECT * FROM entry ORDER BY key"):
            yield _entry(row)


def _row(entry: ObjectInfo) -> tuple[Any, ...]:
    modified = entry.modified.timestamp() if entry.modified else None
    return (
        entry.key,
        entry.size,
        modified,
        entry.etag,
        json.dumps(dict(entry.checksums)) if entry.checksums else "",
    )


def _entry(row: tuple[Any, ...]) -> ObjectInfo:
    key, size, modified, etag, checksums = row
    time = datetime.fromtimestamp(modified, UTC) if modified is not None else None
    return ObjectInfo(key, size, time, etag, json.loads(checksums) if checksums else {})
