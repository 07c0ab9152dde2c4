"""What a migration would do, and what would not be the same afterwards. Writes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloudberth.errors import InvalidInput, NotFound, Refused, Unsupported
from cloudberth.vector import filters
from cloudberth.vector.contract import Collection, FullText, Metric
from cloudberth.vector.store import FilterLike, VectorStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy
    from numpy.typing import NDArray


class Embeds(Protocol):
    """What is needed of a model that makes the vectors anew."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        """One row of length 1 for each text."""


@dataclass(frozen=True, slots=True)
class Plan:
    """collection: what is made at the target. records: how many there are to copy. found: how many the
    target has already. remarks: what will differ, one sentence each. model: that makes the vectors anew.
    """

    source: str
    source_collection: str
    target: str
    collection: Collection
    records: int
    found: int
    filter: filters.Filter | None
    remarks: tuple[str, ...]
    model: str = ""

    @property
    def fingerprint(self) -> str:
        """Of everything that decides what is copied where; a journal belongs to one."""
        parts = (
            self.source,
            self.source_collection,
            self.target,
            self.collection.name,
            str(self.collection.dimension),
            self.collection.metric,
            repr(self.filter),
            self.model,
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def plan(
    source: VectorStore,
    collection: str,
    target: VectorStore,
    *,
    name: str = "",
    filter: FilterLike = None,
    metric: Metric | None = None,
    embedder: Embeds | None = None,
) -> Plan:
    """The plan. name: at the target, the same by default. metric: another one, knowingly.

    Raises NotFound, Unsupported (the source does not give back its vectors; the target lacks the metric or
    the dimension), Refused (source and target are the same).
    """
    _check_source(source)
    found = source.describe(collection)
    wanted = _wanted(found, name or collection, target, metric, embedder)
    if source.backend.place == target.backend.place and found.name == wanted.name:
        raise Refused("source and target are the same collection", where=source.backend.place)
    chosen = filters.parse(filter)
    return Plan(
        source.backend.place,
        found.name,
        target.backend.place,
        wanted,
        source.count(collection, chosen),
        _already_there(target, wanted),
        chosen,
        _remarks(source, found, target, wanted, embedder),
        embedder.fingerprint if embedder else "",
    )


def _check_source(source: VectorStore) -> None:
    if not source.capabilities.scan:
        raise Unsupported(
            f"{source.backend.id} does not give back its vectors",
            where=source.backend.place,
            hint="index the documents again instead",
        )


def _wanted(
    found: Collection, name: str, target: VectorStore, metric: Metric | None, embedder: Embeds | None
) -> Collection:
    wanted = Collection(
        name.lower() if target.capabilities.lower else name,
        embedder.dimension if embedder else found.dimension,
        metric or found.metric,
        found.fields,
        found.index,
        embedder.fingerprint if embedder else found.model,
    )
    if wanted.metric not in target.capabilities.metrics:
        known = " or ".join(sorted(target.capabilities.metrics))
        raise Unsupported(
            f"{target.backend.id} does not measure {wanted.metric}",
            where=target.backend.place,
            hint=f"choose another with --metric: {known}; for vectors of length 1 all give the same order",
        )
    if wanted.dimension > target.capabilities.dimensions:
        raise Unsupported(
            f"{target.backend.id} keeps at most {target.capabilities.dimensions} dimensions,"
            f" not {wanted.dimension}",
            where=target.backend.place,
        )
    return wanted


def _already_there(target: VectorStore, wanted: Collection) -> int:
    try:
        there = target.describe(wanted.name)
    except NotFound:
        return 0
    if (there.dimension, there.metric) != (wanted.dimension, wanted.metric):
        raise InvalidInput(
            f"the target has such a collection, with {there.dimension} dimensions and {there.metric}",
            where=f"{target.backend.place} {wanted.name}",
            hint="give it another name with --to, or drop it",
        )
    return target.count(wanted.name)


def _remarks(
    source: VectorStore, found: Collection, target: VectorStore, wanted: Collection, embedder: Embeds | None
) -> tuple[str, ...]:
    remarks = []
    if embedder:
        remarks.append(f"the vectors are made anew by {embedder.fingerprint}")
    if wanted.metric is not found.metric:
        remarks.append(f"the metric becomes {wanted.metric}, it was {found.metric}: scores differ")
    if wanted.name != found.name:
        remarks.append(f"the collection is called {wanted.name} there")
    if source.capabilities.full_text.value != target.capabilities.full_text.value:
        remarks.append(_words_remark(target))
    if target.capabilities.ids == "uuid":
        remarks.append("ids that are no UUIDs are kept in the metadata, and the key is made of them")
    if wanted.model and not target.capabilities.notes:
        remarks.append("the target does not remember the embedding model")
    if not target.capabilities.processes:
        remarks.append("the target can be used by one process at a time")
    return tuple(remarks)


def _words_remark(target: VectorStore) -> str:
    has = {
        FullText.NONE: "has no search by words",
        FullText.WORDS: "searches by words, but not in Chinese",
        FullText.CJK: "searches by words, also in Chinese",
    }[target.capabilities.full_text]
    return f"the target {has}"
