"""What workers do: make documents searchable, and take them away again.

Every job can be stopped anywhere, by ``kill -9`` too, and done again from its beginning:

1. the chunks and vectors of an indexing have ids that follow from its number, so they are written over;
2. they are found by nobody until one transaction makes their number the one that counts;
3. only after that is the indexing before removed, and only after that is the job done.

A worker that lost its job (it was asleep for longer than its lease) notices at the next report, and takes
away what it wrote unless that is what counts by now. Searches look up every hit in the tables, so what such a
worker could leave behind is never shown; `checking` finds and removes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cloudberth.database import Connection
from cloudberth.errors import NotFound
from cloudberth.knowledge import recipes
from cloudberth.knowledge.model import Chunk, Dataset, DocumentStatus
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.recipes import Cut, Recipe
from cloudberth.knowledge.state.datasets import Vectors
from cloudberth.knowledge.state.documents import Indexing
from cloudberth.knowledge.state.jobs import METADATA, Claimed
from cloudberth.knowledge.steps import BrokenOff, Step
from cloudberth.knowledge.vectors import text_hash

BATCH = 32  # texts that are embedded and written together
_REPORTS = 0.5  # seconds between two notes of progress


class Superseded(BrokenOff):
    """What the job was to do is not wanted any more, or somebody else does it."""


@dataclass(slots=True)
class Report:
    """Where a job is. checkpoint: raises when the worker has to stop."""

    parts: Parts
    job: Claimed
    checkpoint: Callable[[], None]
    _last: float = field(default=0.0)

    def document(self, wanted: int, status: DocumentStatus, progress: float, *, now: bool = False) -> None:
        """Note it, not too often. Raises Superseded when the indexing is not wanted, or the job lost."""
        self.checkpoint()
        if not now and time.monotonic() - self._last < _REPORTS:
            return
        self._last = time.monotonic()
        parts, job = self.parts, self.job
        with parts.database.transaction(alone=True) as connection:
            if not parts.jobs.is_held(connection, job):
                raise Superseded
            if not parts.documents.progress(
                connection, job.document_id, wanted, status, progress, job.attempts
            ):
                raise Superseded
            parts.events.add(connection, job.dataset_id, job.document_id, str(status), progress=progress)

    def dataset(self, status: str, progress: float) -> None:
        """The same for a rebuild."""
        self.checkpoint()
        if time.monotonic() - self._last < _REPORTS:
            return
        self._last = time.monotonic()
        with self.parts.database.transaction(alone=True) as connection:
            if not self.parts.jobs.is_held(connection, self.job):
                raise Superseded
            self.parts.events.add(connection, self.job.dataset_id, "", status, progress=progress)


def vectors_of(dataset: Dataset) -> Vectors:
    return Vectors(dataset.embedding, dataset.fingerprint, dataset.dimension, dataset.collection)


def index(parts: Parts, job: Claimed, report: Report) -> None:
    """Make one indexing of a document the searchable one."""
    wanted = int(job.payload["generation"])
    with parts.database.connection() as connection:
        found = parts.documents.indexing(connection, job.document_id)
    try:
        if found is None or found.is_deleted:
            raise Superseded
        if found.generation != wanted:
            if found.wanted != wanted:
                raise Superseded
            _make_searchable(parts, found, report)
    except Superseded:
        withdraw(parts, job, wanted)
    else:
        _tidy(parts, job, wanted)
    _drop_former(parts, job)
    with parts.database.transaction(alone=True) as connection:
        parts.jobs.finish(connection, job)


def _make_searchable(parts: Parts, found: Indexing, report: Report) -> None:
    wanted = found.wanted
    dataset = _dataset(parts, found.dataset_id)
    vectors = vectors_of(dataset)
    with parts.steps.step("workflow", "knowledge.index", input=found.name) as step:
        step.note(dataset=dataset.id, document=found.id, generation=wanted)
        embedder = parts.embedders.of(vectors)
        report.document(wanted, DocumentStatus.READING, 0.02, now=True)
        document = recipes.read_original(
            parts.originals.load(found.content.key), found.name, found.content.content_type
        )
        report.document(wanted, DocumentStatus.SPLITTING, 0.1, now=True)
        recipe = Recipe.of(dataset.chunking, found.chunking)
        cut = recipes.cut(document, recipe, found.id, wanted, embedder.count_tokens)
        with parts.database.transaction(alone=True) as connection:
            _hold(parts, connection, report.job)
            parts.chunks.replace(connection, dataset.id, found.id, wanted, cut.chunks)
        parts.vectors.make(vectors)
        report.document(wanted, DocumentStatus.EMBEDDING, 0.15, now=True)
        _embed(parts, dataset, found, cut, report, step)
        report.document(wanted, DocumentStatus.INDEXING, 0.97, now=True)
        _switch(parts, found, cut, report.job)
        step.output({"chunks": len(cut.chunks), "characters": cut.characters})


def _embed(parts: Parts, dataset: Dataset, found: Indexing, cut: Cut, report: Report, under: Step) -> None:
    vectors = vectors_of(dataset)
    embedder = parts.embedders.of(vectors)
    chunks = [chunk for chunk in cut.chunks if not chunk.is_parent]
    with parts.steps.step("embedding", "embed", under=under, model=embedder.name) as step:
        step.note(texts=len(chunks))
        for at in range(0, len(chunks), BATCH):
            some, texts = chunks[at : at + BATCH], list(cut.texts[at : at + BATCH])
            if report.job.attempts > 1:
                some, texts = _missing(parts, vectors, some, texts)
            if some:
                rows = parts.embedders.documents(embedder, dataset.id, texts)
                report.checkpoint()
                parts.vectors.put(vectors, dataset.id, found.wanted, some, texts, rows, found.metadata)
            share = min(1.0, (at + BATCH) / len(chunks))
            report.document(found.wanted, DocumentStatus.EMBEDDING, 0.15 + 0.8 * share)


def _missing(
    parts: Parts, vectors: Vectors, chunks: Sequence[Chunk], texts: Sequence[str]
) -> tuple[list[Chunk], list[str]]:
    """What an earlier attempt has not written yet."""
    there = parts.vectors.hashes(vectors, [chunk.id for chunk in chunks])
    left = [
        (chunk, text)
        for chunk, text in zip(chunks, texts, strict=True)
        if there.get(chunk.id) != text_hash(text)
    ]
    return [chunk for chunk, _ in left], [text for _, text in left]


def _switch(parts: Parts, found: Indexing, cut: Cut, job: Claimed) -> None:
    """The one moment in which the new indexing counts."""
    with parts.database.transaction(alone=True) as connection:
        _hold(parts, connection, job)
        count = sum(not chunk.is_parent for chunk in cut.chunks)
        if not parts.documents.switch(connection, found.id, found.wanted, count, cut.characters):
            raise Superseded
        parts.datasets.touch(connection, found.dataset_id)
        now = parts.documents.indexing(connection, found.id)
        if now is not None and now.metadata_version != found.metadata_version:
            parts.jobs.add(connection, METADATA, found.dataset_id, found.id)
        parts.events.add(connection, found.dataset_id, found.id, str(DocumentStatus.READY), progress=1.0)


def _dataset(parts: Parts, dataset_id: str) -> Dataset:
    """Raises Superseded when it is being deleted: then its deletion removes what is here."""
    try:
        return parts.datasets.read_plain(dataset_id)
    except NotFound:
        raise Superseded from None


def _hold(parts: Parts, connection: Connection, job: Claimed) -> None:
    if not parts.jobs.is_held(connection, job):
        raise Superseded


def _tidy(parts: Parts, job: Claimed, generation: int) -> None:
    """Remove what the indexings before left."""
    with parts.database.connection() as connection:
        found = parts.documents.indexing(connection, job.document_id)
    if found is None or found.generation != generation:
        return
    try:
        collection = _dataset(parts, job.dataset_id).collection
    except Superseded:
        return
    parts.vectors.drop_others(collection, job.document_id, generation)
    with parts.database.transaction(alone=True) as connection:
        parts.chunks.drop_others(connection, job.document_id, generation)


def withdraw(parts: Parts, job: Claimed, generation: int) -> None:
    """Take away what an indexing wrote that does not count, and that nobody else is at."""
    with parts.database.connection() as connection:
        found = parts.documents.indexing(connection, job.document_id)
        rows = connection.rows("SELECT collection FROM knowledge_datasets WHERE id = ?", (job.dataset_id,))
    if found is not None and not found.is_deleted and generation in (found.generation, found.wanted):
        return
    for row in rows:
        parts.vectors.drop_generation(row[0], job.document_id, generation)
    with parts.database.transaction(alone=True) as connection:
        parts.chunks.drop(connection, job.document_id, generation)


def _drop_former(parts: Parts, job: Claimed) -> None:
    """Remove the originals that this indexing replaced."""
    for former in job.payload.get("former_keys", ()):
        parts.originals.drop(str(former))


def describe(parts: Parts, job: Claimed, report: Report) -> None:
    """Bring a document's metadata to its vectors."""
    with parts.database.connection() as connection:
        found = parts.documents.indexing(connection, job.document_id)
        if found is not None and not found.is_deleted and found.generation:
            chunks = parts.chunks.of_generation(connection, found.id, found.generation)
            rows = connection.rows(
                "SELECT embedding, fingerprint, dimension, collection FROM knowledge_datasets WHERE id = ?"
                " AND deleted IS NULL",
                (found.dataset_id,),
            )
        else:
            rows = []
    if not rows:
        found = None
    if found is not None:
        vectors = Vectors(*rows[0])
        ids = [chunk.id for chunk in chunks if not chunk.is_parent]
        for at in range(0, len(ids), 200):
            report.checkpoint()
            parts.vectors.describe(vectors, ids[at : at + 200], found.metadata)
    with parts.database.transaction(alone=True) as connection:
        if parts.jobs.finish(connection, job) and found is not None:
            parts.datasets.touch(connection, job.dataset_id)
            now = parts.documents.indexing(connection, found.id)
            if now is not None and now.metadata_version != found.metadata_version:
                parts.jobs.add(connection, METADATA, found.dataset_id, found.id)
