"""Deletion, and the rebuild of a dataset with another embedder: jobs that remove what they leave behind."""

from __future__ import annotations

from contextlib import suppress

from cloudberth.errors import CloudberthError, NotFound
from cloudberth.knowledge import recipes
from cloudberth.knowledge.indexing import BATCH, Report, Superseded, vectors_of
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.state.datasets import Vectors
from cloudberth.knowledge.state.jobs import Claimed


def delete_document(parts: Parts, job: Claimed, report: Report) -> None:
    """Vectors, cached vectors, original, chunks, row: in this order, so that it can be done again."""
    with parts.database.connection() as connection:
        rows = connection.rows(
            "SELECT collection, embedding FROM knowledge_datasets WHERE id = ?", (job.dataset_id,)
        )
        found = parts.documents.indexing(connection, job.document_id)
        texts = []
        if found is not None:
            chunks = parts.chunks.of_generation(connection, found.id, found.generation)
            texts = [recipes.indexed_text(chunk) for chunk in chunks if not chunk.is_parent]
    for collection, embedding in rows:
        parts.vectors.drop_document(collection, job.document_id)
        # An embedder that cannot be opened any more must not keep a document from being deleted.
        with suppress(CloudberthError):
            parts.embedders.forget(job.dataset_id, embedding, texts)
    report.checkpoint()
    parts.originals.drop_document(job.dataset_id, job.document_id)
    with parts.database.transaction(alone=True) as connection:
        if parts.jobs.finish(connection, job):
            parts.documents.erase(connection, job.document_id)
            parts.datasets.touch(connection, job.dataset_id)


def delete_dataset(parts: Parts, job: Claimed, report: Report) -> None:
    """The same for a dataset and everything in it."""
    with parts.database.connection() as connection:
        rows = connection.rows("SELECT collection FROM knowledge_datasets WHERE id = ?", (job.dataset_id,))
    for name in {*(row[0] for row in rows), *job.payload.get("collections", ())}:
        parts.vectors.drop(str(name))
    parts.embedders.forget_dataset(job.dataset_id)
    report.checkpoint()
    parts.originals.drop_dataset(job.dataset_id)
    with parts.database.transaction(alone=True) as connection:
        if parts.jobs.finish(connection, job):
            parts.datasets.erase(connection, job.dataset_id)
            parts.keys.drop(connection, job.dataset_id)
            parts.jobs.drop_waiting(connection, dataset_id=job.dataset_id)


def reembed(parts: Parts, job: Claimed, report: Report) -> None:
    """Fill a new collection with vectors of another embedder, then search there, then drop the old one."""
    new, former = Vectors(**job.payload["new"]), str(job.payload["former"])
    try:
        dataset = parts.datasets.read_plain(job.dataset_id)
    except NotFound:
        parts.vectors.drop(new.collection)
    else:
        if dataset.collection != new.collection:
            _fill(parts, job, new, report)
            _switch(parts, job, new)
        parts.vectors.drop(former)
    with parts.database.transaction(alone=True) as connection:
        parts.jobs.finish(connection, job)


def give_up_reembedding(parts: Parts, job: Claimed) -> None:
    """Remove the half-filled collection of a rebuild that cannot be done; the old one stays in use."""
    with parts.database.connection() as connection:
        rows = connection.rows("SELECT collection FROM knowledge_datasets WHERE id = ?", (job.dataset_id,))
    collection = str(job.payload["new"]["collection"])
    if not any(row[0] == collection for row in rows):
        parts.vectors.drop(collection)


def _fill(parts: Parts, job: Claimed, new: Vectors, report: Report) -> None:
    embedder = parts.embedders.of(new)
    parts.vectors.make(new)
    with parts.database.connection() as connection:
        documents = parts.documents.searchable(connection, job.dataset_id)
    with parts.steps.step("workflow", "knowledge.reembed", input=new.embedding) as step:
        step.note(dataset=job.dataset_id, documents=len(documents))
        for at, (document_id, generation) in enumerate(documents):
            _fill_document(parts, job, new, document_id, generation)
            report.dataset("reembedding", (at + 1) / len(documents))
        step.output({"model": embedder.name})


def _fill_document(parts: Parts, job: Claimed, new: Vectors, document_id: str, generation: int) -> None:
    with parts.database.connection() as connection:
        found = parts.documents.indexing(connection, document_id)
        chunks = [
            chunk
            for chunk in parts.chunks.of_generation(connection, document_id, generation)
            if not chunk.is_parent
        ]
    if found is None or found.is_deleted or parts.vectors.count(new, document_id, generation) == len(chunks):
        return
    embedder = parts.embedders.of(new)
    for at in range(0, len(chunks), BATCH):
        some = chunks[at : at + BATCH]
        texts = [recipes.indexed_text(chunk) for chunk in some]
        rows = parts.embedders.documents(embedder, job.dataset_id, texts)
        parts.vectors.put(new, job.dataset_id, generation, some, texts, rows, found.metadata)


def _switch(parts: Parts, job: Claimed, new: Vectors) -> None:
    with parts.database.transaction(alone=True) as connection:
        if not parts.jobs.is_held(connection, job):
            raise Superseded
        former = vectors_of(parts.datasets.get(connection, job.dataset_id))
        if former.collection != new.collection:
            parts.datasets.switch(connection, job.dataset_id, new)
            parts.events.add(connection, job.dataset_id, "", "reembedded", progress=1.0)
