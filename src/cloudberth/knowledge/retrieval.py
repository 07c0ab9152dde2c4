"""Searching a dataset: vectors and words, parents for children, rerank, threshold, and a cache in front.

Whatever a vector store gives back is looked up in the tables: text, place and metadata come from there, and
what is not searchable by now (a former indexing, a deleted document) is left out.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BackendError, InvalidInput, Mismatch, NotFound, Unavailable
from cloudberth.knowledge.indexing import vectors_of
from cloudberth.knowledge.model import Chunk, Dataset, Found, Mode, Passage, RetrievalSettings, Scores
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.state.chunks import Located
from cloudberth.knowledge.state.values import storable, to_json
from cloudberth.knowledge.steps import Step

if TYPE_CHECKING:
    from cloudberth.vector import Hit

MOST_K = 100
MOST_QUERY = 8_000
_MOST_CANDIDATES = 2_000
# Searches at once in a process. More are not sooner done, and OpenBLAS, which embeds and compares, ends the
# process when more than 64 threads are in it.
AT_ONCE = 12
_KEPT = 600.0  # seconds that the outcome of a search is kept


def checked_settings(parts: Parts, settings: RetrievalSettings | None) -> RetrievalSettings:
    """Settings that make sense here; None: the best that the store can do. Raises InvalidInput."""
    from cloudberth.vector import FullText, filters

    has_words = parts.vectors.store.capabilities.full_text is not FullText.NONE
    if settings is None:
        return RetrievalSettings(mode=Mode.HYBRID if has_words else Mode.DENSE)
    if not 1 <= settings.k <= MOST_K:
        raise InvalidInput(f"it is 1 to {MOST_K}", where="k")
    if not 0 <= settings.candidates <= _MOST_CANDIDATES:
        raise InvalidInput(f"it is 0 to {_MOST_CANDIDATES:,}", where="candidates")
    if settings.score_threshold is not None and not -1 <= settings.score_threshold <= 1:
        raise InvalidInput("it is -1 to 1", where="score_threshold")
    if settings.mode is not Mode.DENSE and not has_words:
        raise InvalidInput(
            "this vector store has no full-text search", where="mode", hint="use mode dense, or another store"
        )
    known = "" if parts.reranker is None else parts.reranker.name
    if settings.rerank and settings.rerank != known:
        hint = f"there is {known}" if known else "set BERTH_KNOWLEDGE_RERANK_URL"
        raise InvalidInput(f"there is no reranker {settings.rerank[:60]!r}", where="rerank", hint=hint)
    filters.parse(settings.filter)
    return settings


@dataclass(slots=True)
class _Search:
    """One search on its way."""

    dataset: Dataset
    query: str
    settings: RetrievalSettings
    step: Step
    row: Any = None
    notes: list[str] = field(default_factory=list)


class Retrieval:
    """Searches. Thread-safe. places: of those that compute at once; the others wait."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._cache = None if parts.cache is None else parts.cache.under("searches")
        self.places = threading.BoundedSemaphore(AT_ONCE)

    def search(
        self, dataset_id: str, query: str, settings: RetrievalSettings | None, under: Step | None = None
    ) -> Found:
        """See `Knowledge.search`. under: the step that this one belongs to."""
        began = time.monotonic()
        query = storable(query).strip()
        if not 1 <= len(query) <= MOST_QUERY:
            raise InvalidInput(f"a question has 1 to {MOST_QUERY:,} characters", where="query")
        dataset = self.parts.datasets.read_plain(dataset_id)
        chosen = dataset.retrieval if settings is None else checked_settings(self.parts, settings)
        with self.parts.steps.step("retriever", "knowledge.search", under=under, input=query) as step:
            step.note(dataset=dataset.id, mode=str(chosen.mode), k=chosen.k)
            with self.places:
                passages, notes, is_cached = self._outcome(_Search(dataset, query, chosen, step))
            step.passages(passages)
            step.note(cached=is_cached)
            return Found(query, passages, chosen, is_cached, time.monotonic() - began, step.trace_id, notes)

    def _outcome(self, search: _Search) -> tuple[tuple[Passage, ...], tuple[str, ...], bool]:
        """Passages, notes, and whether they were known."""
        key = _key(search.dataset, search.query, search.settings)
        known = self._known(key)
        if known is not None:
            return known, (), True
        passages, notes = self._look(search), tuple(search.notes)
        # An outcome without its reranker is not what will be asked for next time.
        if not notes:
            self._keep(key, passages)
        return passages, notes, False

    # -- the steps -------------------------------------------------------------------------------------------

    def _look(self, search: _Search) -> tuple[Passage, ...]:
        settings = search.settings
        if settings.mode is not Mode.TEXT:
            search.row = self._embedded(search)
        want = settings.k * 3 if settings.rerank else settings.k
        depth = max(want, settings.candidates)
        while True:
            hits = self._hits(search, depth)
            passages = self._passages(search, hits)
            # Children of one parent, duplicates and what is not searchable any more make them fewer.
            if len(passages) >= want or len(hits) < depth or depth >= _MOST_CANDIDATES:
                break
            depth = min(_MOST_CANDIDATES, depth * 4)
        if settings.rerank and passages:
            passages = self._reranked(search, passages[: max(want, settings.candidates)])
        return tuple(passages[: settings.k])

    def _embedded(self, search: _Search) -> Any:
        vectors = vectors_of(search.dataset)
        embedder = self.parts.embedders.of(vectors)
        with self.parts.steps.step(
            "embedding", "embed", under=search.step, input=search.query, model=embedder.name
        ):
            return self.parts.embedders.query(embedder, search.dataset.id, search.query)

    def _hits(self, search: _Search, depth: int) -> list[Hit]:
        store, dataset, settings = self.parts.vectors.store, search.dataset, search.settings
        with self.parts.steps.step(
            "retriever", "vector search", under=search.step, input=search.query
        ) as step:
            step.note(store=store.backend.id, depth=depth)
            try:
                if settings.mode is Mode.TEXT:
                    return store.search_text(
                        dataset.collection, search.query, depth, filter=settings.filter,
                        threshold=None if settings.rerank else settings.score_threshold,
                    )  # fmt: skip
                if settings.mode is Mode.DENSE:
                    return store.search(
                        dataset.collection, search.row, depth, filter=settings.filter,
                        threshold=None if settings.rerank else settings.score_threshold,
                        model=dataset.fingerprint,
                    )  # fmt: skip
                return store.search_hybrid(
                    dataset.collection, search.row, search.query, depth, filter=settings.filter,
                    candidates=max(50, depth * 2), model=dataset.fingerprint,
                )  # fmt: skip
            except (NotFound, Mismatch):
                # The dataset was embedded again, or deleted, since it was looked up.
                now = self.parts.datasets.read(dataset.id)
                if not now.chunks:
                    # The collection is made with the first document.
                    return []
                if now.collection == dataset.collection:
                    raise
                search.dataset = now
                if settings.mode is not Mode.TEXT:
                    search.row = self._embedded(search)
                return self._hits(search, depth)

    def _passages(self, search: _Search, hits: Sequence[Hit]) -> list[Passage]:
        """Hits as passages: children merged into their parents, each text once, below the threshold none."""
        located = self.parts.chunks.locate(search.dataset.id, (hit.id for hit in hits))
        parents = self.parts.chunks.locate(
            search.dataset.id, (each.chunk.parent for each in located.values() if each.chunk.parent)
        )
        found: dict[str, Passage] = {}
        texts: set[str] = set()
        for hit in hits:
            here = located.get(hit.id)
            if here is None or _is_below(hit, search.settings):
                continue
            shown = parents.get(here.chunk.parent or "", here)
            known = found.get(shown.chunk.id)
            if known is not None:
                found[shown.chunk.id] = replace(known, matched=(*known.matched, here.chunk))
                continue
            alike = " ".join(shown.chunk.text.split())
            if alike not in texts:
                texts.add(alike)
                found[shown.chunk.id] = _passage(shown, here.chunk, _scores(hit))
        return list(found.values())

    def _reranked(self, search: _Search, passages: Sequence[Passage]) -> list[Passage]:
        """In the reranker's order; in the former one, with a note, when it does not answer."""
        parts, settings = self.parts, search.settings
        with parts.steps.step("reranker", "rerank", under=search.step, input=search.query) as step:
            step.note(reranker=settings.rerank, passages=len(passages))
            try:
                if parts.reranker is None:
                    raise Unavailable("it is not set")
                ranks = parts.reranker.rerank(search.query, [each.text for each in passages])
            except BackendError as error:
                step.failed(error)
                search.notes.append(f"the reranker did not answer: {error.what}")
                return list(passages)
            ranked = [
                replace(
                    passages[each.index],
                    scores=replace(passages[each.index].scores, final=each.score, rerank=each.score),
                )
                for each in ranks
                if settings.score_threshold is None or each.score >= settings.score_threshold
            ]
            step.passages(tuple(ranked))
        return ranked

    # -- the cache -------------------------------------------------------------------------------------------

    def _known(self, key: str) -> tuple[Passage, ...] | None:
        if self._cache is None:
            return None
        cache = self._cache
        found = cache.attempt(lambda: cache.get(key), None)
        try:
            return None if found is None else tuple(_read(each) for each in json.loads(found))
        except (ValueError, TypeError, KeyError):
            # Written by another version of this program.
            return None

    def _keep(self, key: str, passages: tuple[Passage, ...]) -> None:
        if self._cache is not None:
            cache = self._cache
            value = to_json([asdict(each) for each in passages]).encode()
            cache.attempt(lambda: cache.set(key, value, _KEPT), None)

    def forget(self, dataset_id: str) -> None:
        """Remove what is kept of a dataset."""
        if self._cache is not None:
            cache = self._cache
            cache.attempt(lambda: cache.clear(f"{dataset_id}:"), 0)


def _key(dataset: Dataset, query: str, settings: RetrievalSettings) -> str:
    """Everything that decides the outcome. The version grows with every change of the dataset."""
    what = to_json([dataset.version, dataset.collection, dataset.fingerprint, query, asdict(settings)])
    return f"{dataset.id}:{hashlib.sha256(what.encode()).hexdigest()}"


def _is_below(hit: Hit, settings: RetrievalSettings) -> bool:
    """Whether a hit of a hybrid search is below the threshold, which holds for its likeness of meaning."""
    if settings.score_threshold is None or settings.mode is not Mode.HYBRID or settings.rerank:
        return False
    return hit.dense is None or hit.dense < settings.score_threshold


def _scores(hit: Hit) -> Scores:
    if hit.source == "fused":
        return Scores(hit.score, hit.dense, hit.text)
    return Scores(
        hit.score,
        hit.score if hit.source == "dense" else None,
        hit.score if hit.source == "text" else None,
    )


def _passage(shown: Located, matched: Chunk, scores: Scores) -> Passage:
    chunk = shown.chunk
    return Passage(
        chunk_id=chunk.id, dataset_id=shown.dataset_id, document_id=chunk.document_id,
        document_name=shown.document_name, text=chunk.text, scores=scores, start=chunk.start, end=chunk.end,
        page=matched.page or chunk.page, heading=chunk.heading, metadata=shown.metadata, matched=(matched,),
    )  # fmt: skip


def _read(values: dict[str, Any]) -> Passage:
    return Passage(
        **{
            **values,
            "scores": Scores(**values["scores"]),
            "matched": tuple(Chunk(**each) for each in values["matched"]),
        }
    )
