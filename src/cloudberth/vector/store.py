"""`VectorStore`: what an application works with. Checks, prepares and completes what backends do."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from cloudberth.errors import InvalidInput, Mismatch, NotFound, PreconditionFailed, Unsupported
from cloudberth.vector import filters, identity
from cloudberth.vector.contract import (
    Collection,
    DenseQuery,
    Effort,
    FieldType,
    FullText,
    Health,
    Hit,
    Index,
    Metric,
    Page,
    Record,
    TextQuery,
    VectorBackend,
)
from cloudberth.vector.filters import Filter
from cloudberth.vector.layers import Layered, Metrics
from cloudberth.vector.options import Options
from cloudberth.vector.scores import Fusion, dense_score, fuse, text_score

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cloudberth.vector.contract import Vector

FilterLike = str | Mapping[str, Any] | Filter | None
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
_MOST_HITS = 10_000
# Seconds that what a collection is (dimension, metric, model) is remembered.
_REMEMBERED = 60.0
# Characters of a filter up to which it is understood once and remembered: programs repeat theirs.
_SHORT_FILTER = 500
# A filtered search that a store cannot do exactly is done here, over at most so many records.
_COMPARED_HERE = 50_000


class _Fresh:
    """Forgets what was known of a collection that turns out to be gone. No generator: searches pay for it."""

    __slots__ = ("_known", "_name")

    def __init__(self, known: dict[str, tuple[Collection, float]], name: str) -> None:
        self._known = known
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, NotFound | Mismatch):
            self._known.pop(self._name, None)


class VectorStore:
    """One store with its collections. Safe to use from several threads."""

    def __init__(self, backend: VectorBackend, options: Options = Options()) -> None:
        self.backend = backend
        self.capabilities = backend.capabilities
        self.options = options
        self._layered = Layered(backend, options)
        self._known: dict[str, tuple[Collection, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"VectorStore({self.backend.place})"

    @property
    def metrics(self) -> Metrics:
        return self._layered.metrics

    # ── collections

    def create(
        self,
        name: str,
        dimension: int,
        metric: Metric = Metric.COSINE,
        *,
        fields: Mapping[str, FieldType] | None = None,
        index: Index = Index(),
        model: str = "",
        exist_ok: bool = False,
    ) -> Collection:
        """Make a collection. exist_ok: one of the same dimension, metric and model is taken as it is.

        Raises PreconditionFailed when it exists, Mismatch when it exists and is another, Unsupported for a
        metric or dimension that the store does not have.
        """
        wanted = Collection(self._name(name), dimension, metric, dict(fields or {}), index, model)
        self._check_collection(wanted)
        try:
            self._layered.create(wanted)
        except PreconditionFailed:
            if not exist_ok:
                raise
            return self._same(wanted)
        self._known[wanted.name] = (wanted, time.monotonic())
        return wanted

    def describe(self, name: str) -> Collection:
        """What a collection is. Raises NotFound."""
        name = self._name(name)
        found = self._layered.describe(name)
        self._known[name] = (found, time.monotonic())
        return found

    def exists(self, name: str) -> bool:
        try:
            self.describe(name)
        except NotFound:
            return False
        return True

    def collections(self) -> tuple[str, ...]:
        """Names of all collections, sorted."""
        return self._layered.collections()

    def drop(self, name: str) -> None:
        """Remove a collection with everything in it. Raises NotFound."""
        name = self._name(name)
        self._known.pop(name, None)
        self._layered.drop(name)

    # ── records

    def upsert(self, name: str, records: Iterable[Record], *, model: str = "") -> int:
        """Write records in batches, replacing those of the same id; how many were written.

        Of records with one id in a batch the last counts. Raises Mismatch for a vector of another dimension
        or a model that is not the collection's. What was written before an error stays; repeating is safe.
        """
        collection = self._collection(name)
        self._check_model(collection, model)
        total = 0
        rest = iter(records)
        while batch := list(islice(rest, self.capabilities.batch)):
            prepared = {record.id: self._prepared(collection, record) for record in batch}
            with self._fresh(collection):
                self._layered.upsert(collection, list(prepared.values()))
            total += len(prepared)
        return total

    def get(self, name: str, ids: Sequence[str], *, vectors: bool = False) -> list[Record]:
        """The records of these ids in their order; those that do not exist are left out."""
        collection = self._collection(name)
        wanted = list(dict.fromkeys(ids))
        by_id: dict[str, Record] = {}
        for batch in self._batches(wanted):
            with self._fresh(collection):
                records = self._layered.get(collection, batch, vectors=vectors)
            by_id.update((record.id, record) for record in map(identity.found, records))
        return [by_id[id] for id in wanted if id in by_id]

    def delete(self, name: str, ids: Sequence[str]) -> int:
        """Remove records by id; how many there were. An id that does not exist is no error."""
        collection = self._collection(name)
        total = 0
        for batch in self._batches(list(dict.fromkeys(ids))):
            with self._fresh(collection):
                total += self._layered.delete(collection, batch)
        return total

    def delete_where(self, name: str, filter: FilterLike) -> int:
        """Remove all records that a filter matches; how many. Raises InvalidInput without a filter."""
        collection = self._collection(name)
        wanted = self._filter(filter)
        if wanted is None:
            raise InvalidInput("a filter is needed", where="delete_where", hint="`drop` removes everything")
        with self._fresh(collection):
            return self._layered.delete_where(collection, wanted)

    def count(self, name: str, filter: FilterLike = None) -> int:
        """How many records there are, exactly."""
        collection = self._collection(name)
        with self._fresh(collection):
            return self._layered.count(collection, self._filter(filter))

    def scan(
        self, name: str, *, filter: FilterLike = None, vectors: bool = True, page: int = 500
    ) -> Iterator[Record]:
        """Every record, vectors included. Raises Unsupported when the store does not give them back."""
        for found in self.scan_pages(name, filter=filter, vectors=vectors, page=page):
            yield from found.records

    def scan_pages(
        self,
        name: str,
        *,
        filter: FilterLike = None,
        after: str | None = None,
        vectors: bool = True,
        page: int = 500,
    ) -> Iterator[Page]:
        """The same page by page. after: where an earlier scan was left."""
        while True:
            found = self.scan_page(name, filter=filter, after=after, limit=page, vectors=vectors)
            yield found
            if found.next is None:
                return
            after = found.next

    def scan_page(
        self,
        name: str,
        *,
        filter: FilterLike = None,
        after: str | None = None,
        limit: int = 500,
        vectors: bool = True,
    ) -> Page:
        """One page of a scan, which can be taken up again later, also by another process."""
        if not self.capabilities.scan:
            raise Unsupported(
                f"{self.backend.id} does not give back its records one by one", where=self.backend.place
            )
        collection = self._collection(name)
        with self._fresh(collection):
            page = self._layered.scan(
                collection, filter=self._filter(filter), after=after, limit=limit, vectors=vectors
            )
        return Page(tuple(map(identity.found, page.records)), page.next)

    @contextmanager
    def bulk(self, name: str) -> Iterator[None]:
        """Around many writes: the index is built afterwards, where that is cheaper."""
        collection = self._collection(name)
        self._layered.begin_bulk(collection)
        try:
            yield
        finally:
            self._layered.end_bulk(collection)

    # ── search

    def search(
        self,
        name: str,
        vector: ArrayLike,
        k: int = 10,
        *,
        filter: FilterLike = None,
        threshold: float | None = None,
        exact: bool = False,
        model: str = "",
    ) -> list[Hit]:
        """The k nearest records, best first. A filtered search gives k when there are k.

        exact: compare every record. threshold: least score; refused for inner products, which have no scale.
        """
        collection = self._collection(name)
        self._check_model(collection, model)
        if threshold is not None and collection.metric is Metric.INNER:
            raise InvalidInput("inner products have no scale for a threshold", where="threshold")
        query = DenseQuery(self._vector(collection, vector, "query"), self._k(k), self._filter(filter))
        with self._fresh(collection):
            hits = self._exactly(collection, query) if exact else self._complete(collection, query)
        # Built anew, not by `replace`, which takes three times as long: this is done for every hit.
        metric = collection.metric
        scored = [Hit(identity.found(hit.record), hit.raw, dense_score(metric, hit.raw)) for hit in hits]
        return scored if threshold is None else [hit for hit in scored if hit.score >= threshold]

    def search_text(
        self,
        name: str,
        text: str,
        k: int = 10,
        *,
        filter: FilterLike = None,
        threshold: float | None = None,
    ) -> list[Hit]:
        """The k records that fit the words best. Raises Unsupported when the store has no full text."""
        self._needs_full_text()
        collection = self._collection(name)
        query = TextQuery(text, self._k(k), self._filter(filter))
        if not text.strip():
            return []
        with self._fresh(collection):
            hits = self._layered.search_text(collection, query)
        scored = [
            replace(hit, record=identity.found(hit.record), score=text_score(hit.raw), source="text")
            for hit in hits
        ]
        return [hit for hit in scored if threshold is None or hit.score >= threshold]

    def search_hybrid(
        self,
        name: str,
        vector: ArrayLike,
        text: str,
        k: int = 10,
        *,
        filter: FilterLike = None,
        fusion: Fusion = Fusion(),
        candidates: int = 0,
        model: str = "",
    ) -> list[Hit]:
        """Both searches, fused. candidates: how many of each are looked at; 0: five times k, at least 100."""
        self._needs_full_text()
        deep = self._k(min(_MOST_HITS, candidates or max(100, 5 * k)))
        dense = self.search(name, vector, deep, filter=filter, model=model)
        words = self.search_text(name, text, deep, filter=filter)
        return fuse(dense, words, k, fusion)

    # ── the store

    def health(self) -> Health:
        """Ask the store whether it is well."""
        return self._layered.health()

    def close(self) -> None:
        self.backend.close()

    # ── inside

    def _complete(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        """A search that gives k hits when there are k: one cut short by a filter tries harder."""
        hits = self._layered.search_dense(collection, query)
        if len(hits) >= query.k:
            return hits
        enough = min(query.k, self._layered.count(collection, query.filter))
        if len(hits) < enough:
            hits = self._layered.search_dense(collection, replace(query, effort=Effort.WIDE))
        return hits if len(hits) >= enough else self._exactly(collection, query)

    def _exactly(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        if self.capabilities.exact:
            return self._layered.search_dense(collection, replace(query, effort=Effort.EXACT))
        from cloudberth.vector.comparing import nearest

        if not self.capabilities.scan:
            raise Unsupported(f"{self.backend.id} has no exact search", where=self.backend.place)
        total = self._layered.count(collection, query.filter)
        if total > _COMPARED_HERE:
            raise Unsupported(
                f"{self.backend.id} has no exact search, and {total} records are too many to compare here",
                where=self.backend.place,
                hint=f"narrow the filter to at most {_COMPARED_HERE}",
            )
        records = self.scan(collection.name, filter=query.filter, page=1000)
        return nearest(records, collection.metric, query.vector, query.k)

    def _collection(self, name: str) -> Collection:
        # Only valid names are known, so one that is there as it was given need not be looked at.
        known = self._known.get(name) or self._known.get(self._name(name))
        if known is None or time.monotonic() - known[1] > _REMEMBERED:
            return self.describe(name)
        return known[0]

    def _fresh(self, collection: Collection) -> _Fresh:
        return _Fresh(self._known, collection.name)

    def _same(self, wanted: Collection) -> Collection:
        found = self.describe(wanted.name)
        if found.dimension != wanted.dimension:
            raise self._other(found, f"has {found.dimension} dimensions, not {wanted.dimension}")
        if found.metric is not wanted.metric:
            raise self._other(found, f"has the metric {found.metric}, not {wanted.metric}")
        self._check_model(found, wanted.model)
        return found

    def _check_model(self, collection: Collection, model: str) -> None:
        if model and collection.model and model != collection.model:
            raise self._other(collection, f"holds vectors of the model {collection.model}, not {model}")

    def _other(self, collection: Collection, what: str) -> Mismatch:
        return Mismatch(
            f"the collection {what}",
            where=f"{self.backend.place} {collection.name}",
            hint="use another collection, or embed again into a new one",
        )

    def _check_collection(self, collection: Collection) -> None:
        most = self.capabilities.dimensions
        if not 1 <= collection.dimension <= most:
            raise InvalidInput(
                f"{self.backend.id} keeps vectors of 1 to {most} numbers, not {collection.dimension}",
                where=collection.name,
            )
        if collection.metric not in self.capabilities.metrics:
            known = ", ".join(sorted(self.capabilities.metrics))
            raise Unsupported(
                f"{self.backend.id} does not measure {collection.metric}",
                where=collection.name,
                hint=f"it has: {known}",
            )
        for name in collection.fields:
            filters.check(filters.Compare(name, filters.Operator.EXISTS, True))

    def _prepared(self, collection: Collection, record: Record) -> Record:
        if record.vector is None:
            raise InvalidInput("a record needs a vector", where=f"record {record.id!r}")
        vector = self._vector(collection, record.vector, f"record {record.id!r}")
        return replace(identity.written(record, self.capabilities), vector=vector)

    def _vector(self, collection: Collection, given: ArrayLike, where: str) -> Vector:
        """float32, contiguous, of the right dimension; finite, and not zero where an angle is measured."""
        import numpy

        try:
            vector = numpy.ascontiguousarray(given, dtype=numpy.float32)
        except (TypeError, ValueError):
            raise InvalidInput("a vector is a list of numbers", where=where) from None
        if vector.shape != (collection.dimension,):
            raise Mismatch(
                f"the vector has the shape {vector.shape}, the collection {collection.dimension} dimensions",
                where=f"{collection.name}: {where}",
            )
        length = float(vector.dot(vector))
        if not math.isfinite(length):
            raise InvalidInput("the vector has numbers that are not finite, or too large", where=where)
        if length == 0 and collection.metric is Metric.COSINE:
            raise InvalidInput("a vector of zeros has no direction", where=where, hint="no cosine is defined")
        return vector

    def _filter(self, given: FilterLike) -> Filter | None:
        if given is None:
            return None
        if isinstance(given, str) and len(given) <= _SHORT_FILTER:
            found, used = _understood(given)
        else:
            found, used = _parsed(given)
        if found is not None:
            missing = used - self.capabilities.filters
            if missing:
                raise Unsupported(
                    f"{self.backend.id} has no filter {', '.join(sorted(missing))}", where=self.backend.place
                )
        return found

    def _needs_full_text(self) -> None:
        if self.capabilities.full_text is FullText.NONE:
            raise Unsupported(
                f"{self.backend.id} has no full-text search",
                where=self.backend.place,
                hint="use a dense search, or a store with full text",
            )

    def _batches(self, ids: list[str]) -> Iterator[list[str]]:
        stored = [identity.stored_id(id, self.capabilities) for id in ids]
        for start in range(0, len(stored), self.capabilities.batch):
            yield stored[start : start + self.capabilities.batch]

    def _name(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"a collection's name has letters, digits and _, at most 120, not {name[:40]!r}",
                where="collection",
            )
        return name.lower() if self.capabilities.lower else name

    def _k(self, k: int) -> int:
        if not 1 <= k <= _MOST_HITS:
            raise InvalidInput(f"k is 1 to {_MOST_HITS}, not {k}", where="k")
        return k


def _parsed(given: FilterLike) -> tuple[Filter | None, frozenset[filters.Operator]]:
    """A checked filter and its operators."""
    found = filters.parse(given)
    return found, frozenset() if found is None else filters.operators(found)


@lru_cache(maxsize=256)
def _understood(text: str) -> tuple[Filter | None, frozenset[filters.Operator]]:
    return _parsed(text)
