"""Verifying: every record is read from both stores and compared, and sampled neighbours too."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudberth.errors import Unsupported
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.filters import Filter
from cloudberth.vector.store import VectorStore

if TYPE_CHECKING:
    from cloudberth.vector.contract import Vector

_NEIGHBOURS = 10
_SHOWN = 1000
# Least share of common neighbours: indexes such as HNSW find about 0.95 to 0.99 of the nearest.
ENOUGH_NEIGHBOURS = 0.9


@dataclass(frozen=True, slots=True)
class Verification:
    """compared: records of the source. missing, different, extra: ids at the target, at most so many of each
    as `_SHOWN`; the counts tell all. neighbours: share of the ten nearest that both stores find, of `sampled`
    records; None when the vectors were made anew.
    """

    compared: int
    source_count: int
    target_count: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    extra: tuple[str, ...]
    missing_count: int = 0
    different_count: int = 0
    extra_count: int = 0
    neighbours: float | None = None
    sampled: int = 0

    @property
    def equal(self) -> bool:
        """Whether the target holds exactly what the source holds, and finds it."""
        return (
            self.missing_count == self.different_count == self.extra_count == 0
            and self.source_count == self.target_count == self.compared
            and (self.neighbours is None or self.neighbours >= ENOUGH_NEIGHBOURS)
        )


@dataclass
class _Found:
    """Ids of one kind, the first of them by name."""

    ids: list[str]
    count: int = 0

    def add(self, id: str) -> None:
        self.count += 1
        if len(self.ids) < _SHOWN:
            self.ids.append(id)


def verify(
    source: VectorStore,
    collection: str,
    target: VectorStore,
    name: str,
    *,
    filter: Filter | None = None,
    vectors: bool = True,
    sample: int = 50,
    progress: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Compare a collection with its copy. vectors: whether these are meant to be equal (not made anew).

    sample: of how many records the neighbours are compared. progress: records compared so far. With a filter
    what else the target holds is left out of account. Raises Unsupported when a store gives nothing back.
    """
    for store in (source, target):
        if not store.capabilities.scan:
            raise Unsupported(f"{store.backend.id} does not give back its records", where=store.backend.place)
    missing, different, extra = _Found([]), _Found([]), _Found([])
    unit = target.describe(name).metric is Metric.COSINE
    sampled: list[Record] = []
    choice = random.Random(2)  # noqa: S311 — which records are sampled is no secret
    compared = 0
    for found in source.scan_pages(collection, filter=filter, vectors=vectors):
        page = found.records
        there = {r.id: r for r in target.get(name, [r.id for r in page], vectors=vectors)}
        for record in page:
            compared += 1
            _reservoir(sampled, record, compared, sample, choice)
            copy = there.get(record.id)
            if copy is None:
                missing.add(record.id)
            elif not _same(record, copy, vectors=vectors, unit=unit):
                different.add(record.id)
        progress(compared)
    target_count = target.count(name, filter)
    if target_count != compared - missing.count:
        _find_extra(source, collection, target, name, filter, extra)
    near = _shared_neighbours(source, collection, target, name, filter, sampled) if vectors else None
    return Verification(
        compared, source.count(collection, filter), target_count,
        tuple(missing.ids), tuple(different.ids), tuple(extra.ids),
        missing.count, different.count, extra.count, near, len(sampled),
    )  # fmt: skip


def _reservoir(kept: list[Record], record: Record, seen: int, size: int, choice: random.Random) -> None:
    """Every record has the same chance to be in the sample, however many come."""
    if len(kept) < size:
        kept.append(record)
    elif (at := choice.randrange(seen)) < size:
        kept[at] = record


def _same(record: Record, copy: Record, *, vectors: bool, unit: bool) -> bool:
    if record.text != copy.text or dict(record.metadata) != dict(copy.metadata):
        return False
    return not vectors or _same_vector(record.vector, copy.vector, unit=unit)


def _same_vector(one: Vector | None, other: Vector | None, *, unit: bool) -> bool:
    """Equal to float32's precision; where only directions count, after both have the length 1."""
    import numpy

    if one is None or other is None or one.shape != other.shape:
        return False
    if unit:
        one, other = one / numpy.linalg.norm(one), other / numpy.linalg.norm(other)
    return bool(numpy.allclose(one, other, rtol=1e-5, atol=1e-6))


def _find_extra(
    source: VectorStore, collection: str, target: VectorStore, name: str, filter: Filter | None, extra: _Found
) -> None:
    """What the target has and the source has not."""
    for page in target.scan_pages(name, filter=filter, vectors=False):
        known = {record.id for record in source.get(collection, [record.id for record in page.records])}
        for record in page.records:
            if record.id not in known:
                extra.add(record.id)


def _shared_neighbours(
    source: VectorStore,
    collection: str,
    target: VectorStore,
    name: str,
    filter: Filter | None,
    sampled: Sequence[Record],
) -> float | None:
    """Share of the nearest records of the sample that a search of the target finds too."""
    wanted = found = 0
    for record in sampled:
        if record.vector is None:
            continue
        exact = source.capabilities.exact
        near = source.search(collection, record.vector, _NEIGHBOURS, filter=filter, exact=exact)
        there = target.search(name, record.vector, _NEIGHBOURS, filter=filter)
        wanted += len(near)
        found += len({hit.id for hit in near} & {hit.id for hit in there})
    return found / wanted if wanted else None
