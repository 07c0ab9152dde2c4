"""Copying: pages are read ahead by a thread while the one before is written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cloudberth.errors import InvalidInput
from cloudberth.vector.contract import Page, Record
from cloudberth.vector.migration.journal import Journal, Phase
from cloudberth.vector.migration.planning import Embeds, Plan
from cloudberth.vector.store import VectorStore

_AHEAD = 4
_PAGE = 500


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


def copy(
    source: VectorStore,
    target: VectorStore,
    plan: Plan,
    journal: Journal,
    *,
    embedder: Embeds | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy what the journal does not say is copied; how many records were written now.

    progress: is told how many records are done in all, after each page. The target's index is built at the
    end. Raises what the stores raise; then, and after a kill, calling it again goes on.
    """
    wanted = plan.collection
    target.create(
        wanted.name, wanted.dimension, wanted.metric,
        fields=wanted.fields, index=wanted.index, model=wanted.model, exist_ok=True,
    )  # fmt: skip
    if journal.state.phase is not Phase.COPYING:
        return 0
    written = 0
    with target.bulk(wanted.name):
        for page in _read_ahead(source, plan, journal.state.cursor):
            records = _embedded(page.records, embedder) if embedder else page.records
            written += target.upsert(wanted.name, records, model=wanted.model)
            journal.save(cursor=page.next, written=journal.state.written + len(page.records))
            progress(journal.state.written)
            if page.next is None:
                break
    journal.save(phase=Phase.COPIED, cursor=None)
    return written


def mend(
    source: VectorStore,
    target: VectorStore,
    plan: Plan,
    ids: Sequence[str],
    *,
    embedder: Embeds | None = None,
) -> int:
    """Copy single records again, those that a verification found to be missing or different; how many."""
    written = 0
    for start in range(0, len(ids), _PAGE):
        records = source.get(plan.source_collection, ids[start : start + _PAGE], vectors=True)
        made = _embedded(records, embedder) if embedder else records
        written += target.upsert(plan.collection.name, made, model=plan.collection.model)
    return written


def _embedded(records: Sequence[Record], embedder: Embeds) -> list[Record]:
    blank = [record.id for record in records if not record.text.strip()]
    if blank:
        raise InvalidInput(
            f"{len(blank)} records have no text that could be embedded again",
            where=f"record {blank[0]!r}",
            hint="copy the vectors as they are, or leave these out with --filter",
        )
    rows = embedder.embed_documents([record.text for record in records])
    return [replace(record, vector=row) for record, row in zip(records, rows, strict=True)]


def _read_ahead(source: VectorStore, plan: Plan, cursor: str | None) -> Iterator[Page]:
    """Pages of the source, up to `_AHEAD` of them read before they are needed."""
    ready: queue.Queue[Page | _Failure] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def put(item: Page | _Failure) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for page in source.scan_pages(
                plan.source_collection, filter=plan.filter, after=cursor, page=_PAGE
            ):
                if not put(page):
                    return
        except BaseException as error:  # handed over to the thread that waits for a page
            put(_Failure(error))

    reader = threading.Thread(target=read, name="migration-reader", daemon=True)
    reader.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _Failure):
                raise item.error
            yield item
            if item.next is None:
                return
    finally:
        stopped.set()
        reader.join()
