"""Datasets and documents: what callers change; each change is one transaction, with the job that follows."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from cloudberth.errors import CloudberthError, InvalidInput, Refused
from cloudberth.knowledge import recipes
from cloudberth.knowledge.model import (
    Chunk,
    Dataset,
    Document,
    Job,
    Metadata,
    Page,
    Preview,
    RetrievalSettings,
)
from cloudberth.knowledge.originals import Taken
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.recipes import Recipe
from cloudberth.knowledge.retrieval import checked_settings
from cloudberth.knowledge.state import jobs as kinds
from cloudberth.knowledge.state.datasets import Vectors
from cloudberth.knowledge.state.values import checked_metadata, checked_name
from cloudberth.knowledge.vectors import collection_name

SameName = Literal["add", "replace"]


class Catalog:
    """What callers change. Thread-safe."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    # -- datasets --------------------------------------------------------------------------------------------

    def create_dataset(
        self, name: str, description: str, embedding: str, retrieval: RetrievalSettings | None,
        chunking: Mapping[str, Any] | None,
    ) -> Dataset:  # fmt: skip
        parts, dataset_id = self.parts, str(uuid.uuid4())
        embedder = parts.embedders.named(embedding)
        Recipe.of(chunking)
        vectors = Vectors(
            embedding.strip() or parts.embedders.names[0], embedder.fingerprint, embedder.dimension,
            collection_name(dataset_id),
        )  # fmt: skip
        with parts.database.transaction(alone=True) as connection:
            made = parts.datasets.create(
                connection, name, description, vectors, checked_settings(parts, retrieval), chunking or {},
                dataset_id,
            )  # fmt: skip
            parts.events.add(connection, made.id, "", "created")
        return made

    def update_dataset(
        self, dataset_id: str, name: str | None, description: str | None,
        retrieval: RetrievalSettings | None, chunking: Mapping[str, Any] | None,
    ) -> Dataset:  # fmt: skip
        parts = self.parts
        if chunking is not None:
            Recipe.of(chunking)
        settings = None if retrieval is None else checked_settings(parts, retrieval)
        with parts.database.transaction(alone=True) as connection:
            found = parts.datasets.update(
                connection, dataset_id, name=name, description=description, retrieval=settings,
                chunking=chunking,
            )  # fmt: skip
            parts.events.add(connection, dataset_id, "", "changed")
        return found

    def delete_dataset(self, dataset_id: str) -> None:
        parts = self.parts
        with parts.database.transaction(alone=True) as connection:
            found = parts.datasets.get(connection, dataset_id)
            # A rebuild that waits has a collection of its own.
            rows = connection.rows(
                "SELECT payload FROM knowledge_jobs WHERE dataset_id = ? AND kind = ?",
                (dataset_id, kinds.REEMBED),
            )
            collections = {found.collection, *(json.loads(row[0])["new"]["collection"] for row in rows)}
            parts.datasets.mark_deleted(connection, dataset_id)
            parts.jobs.drop_waiting(connection, dataset_id=dataset_id)
            job = parts.jobs.add(
                connection, kinds.DELETE_DATASET, dataset_id, collections=sorted(collections)
            )
            parts.events.add(connection, dataset_id, "", "deleted")
        parts.wake(job)

    def reembed(self, dataset_id: str, embedding: str) -> Job:
        parts = self.parts
        embedder = parts.embedders.named(embedding)
        with parts.database.transaction(alone=True) as connection:
            found = parts.datasets.get(connection, dataset_id)
            if found.reembedding:
                raise Refused("this dataset is being embedded again already", where=found.name)
            if found.fingerprint == embedder.fingerprint:
                raise InvalidInput("its vectors are of this embedder already", where=embedder.name)
            new = Vectors(
                embedding.strip() or parts.embedders.names[0], embedder.fingerprint, embedder.dimension,
                collection_name(dataset_id, secrets.token_hex(2)),
            )  # fmt: skip
            parts.datasets.set_rebuild(connection, dataset_id, new.embedding)
            job = parts.jobs.add(
                connection, kinds.REEMBED, dataset_id, former=found.collection,
                new={name: getattr(new, name) for name in Vectors.__slots__},
            )  # fmt: skip
            parts.events.add(connection, dataset_id, "", "changed")
            queued = parts.jobs.get(connection, job)
        parts.wake(job)
        return queued

    # -- documents -------------------------------------------------------------------------------------------

    def add_document(
        self, dataset_id: str, name: str, data: Any, metadata: Metadata | None,
        chunking: Mapping[str, Any] | None, content_type: str, same_name: SameName,
    ) -> Document:  # fmt: skip
        parts = self.parts
        name = checked_name(name, "document")
        dataset = parts.datasets.read_plain(dataset_id)
        checked_metadata(metadata)
        Recipe.of(dataset.chunking, chunking)
        with parts.originals.taken(data, name) as taken:
            with parts.database.connection() as connection:
                known = parts.documents.named(connection, dataset_id, name)
            for each in known:
                if each.content_hash == taken.digest:
                    return each
            if known and same_name == "replace":
                return self._replaced(dataset_id, known[0].id, taken, content_type)
            return self._added(dataset_id, name, taken, metadata, chunking, content_type)

    def replace_document(self, dataset_id: str, document_id: str, data: Any) -> Document:
        found = self.parts.documents.read(dataset_id, document_id)
        with self.parts.originals.taken(data, found.name) as taken:
            if found.content_hash == taken.digest:
                return found
            return self._replaced(dataset_id, document_id, taken, found.content_type)

    def update_document(
        self, dataset_id: str, document_id: str, name: str | None, metadata: Metadata | None
    ) -> Document:
        parts, job = self.parts, ""
        checked = None if name is None else checked_name(name, "document")
        with parts.database.transaction(alone=True) as connection:
            parts.documents.get(connection, dataset_id, document_id)
            parts.documents.describe(connection, document_id, checked, metadata)
            if metadata is not None:
                job = parts.jobs.add(connection, kinds.METADATA, dataset_id, document_id)
            parts.datasets.touch(connection, dataset_id)
            found = parts.documents.get(connection, dataset_id, document_id)
            parts.events.add(connection, dataset_id, document_id, str(found.status), progress=found.progress)
        if job:
            parts.wake(job)
        return found

    def reindex(self, dataset_id: str, document_id: str, chunking: Mapping[str, Any] | None) -> Document:
        parts = self.parts
        dataset = parts.datasets.read_plain(dataset_id)
        if chunking is not None:
            Recipe.of(dataset.chunking, chunking)
        with parts.database.transaction(alone=True) as connection:
            parts.documents.get(connection, dataset_id, document_id)
            number = parts.documents.want(connection, document_id, chunking=chunking)
            job = self._queue_index(connection, dataset_id, document_id, number)
            found = parts.documents.get(connection, dataset_id, document_id)
        parts.wake(job)
        return found

    def delete_document(self, dataset_id: str, document_id: str) -> None:
        parts = self.parts
        with parts.database.transaction(alone=True) as connection:
            parts.documents.get(connection, dataset_id, document_id)
            parts.documents.mark_deleted(connection, document_id)
            parts.jobs.drop_waiting(connection, document_id=document_id)
            parts.datasets.touch(connection, dataset_id)
            job = parts.jobs.add(connection, kinds.DELETE_DOCUMENT, dataset_id, document_id)
            parts.events.add(connection, dataset_id, document_id, "deleted")
        parts.wake(job)

    def chunks(self, dataset_id: str, document_id: str, page: int, size: int) -> Page[Chunk]:
        found = self.parts.documents.read(dataset_id, document_id)
        return self.parts.chunks.list(document_id, found.generation, page, size)

    def content_key(self, dataset_id: str, document_id: str) -> str:
        """Where the original of a document is."""
        self.parts.documents.read(dataset_id, document_id)
        with self.parts.database.connection() as connection:
            found = self.parts.documents.indexing(connection, document_id)
        return found.content.key if found is not None else ""

    def preview(
        self, name: str, data: Any, chunking: Mapping[str, Any] | None, content_type: str, most: int
    ) -> Preview:
        recipe, name = Recipe.of(chunking), checked_name(name, "document")
        with self.parts.originals.taken(data, name) as taken:
            document = recipes.read_original(taken.data, name, content_type)
        cut = recipes.cut(document, recipe, str(uuid.uuid4()), 0, self.parts.embedders.named("").count_tokens)
        return Preview(cut.characters, cut.chunks[:most], len(cut.chunks), document.notes)

    def retry_job(self, job_id: str) -> Job:
        """Queue a dead job again, and say so at what it belongs to."""
        parts = self.parts
        with parts.database.transaction(alone=True) as connection:
            job = parts.jobs.revive(connection, job_id)
            if job.kind == kinds.INDEX:
                connection.run(
                    "UPDATE knowledge_documents SET status = 'waiting', error = '', hint = '', attempts = 0"
                    " WHERE id = ? AND deleted IS NULL",
                    (job.document_id,),
                )
                parts.events.add(connection, job.dataset_id, job.document_id, "waiting")
            elif job.kind == kinds.REEMBED:
                raise InvalidInput("a rebuild is not taken up again", where=job_id, hint="start a new one")
        parts.wake(job.id)
        return job

    # -- inside ----------------------------------------------------------------------------------------------

    def _added(
        self, dataset_id: str, name: str, taken: Taken, metadata: Metadata | None,
        chunking: Mapping[str, Any] | None, content_type: str,
    ) -> Document:  # fmt: skip
        parts, document_id = self.parts, str(uuid.uuid4())
        content = parts.originals.keep(dataset_id, document_id, taken, content_type)
        try:
            with parts.database.transaction(alone=True) as connection:
                parts.datasets.get(connection, dataset_id)
                parts.originals.settle(connection, content)
                parts.documents.insert(connection, document_id, dataset_id, name, content, metadata, chunking)
                job = self._queue_index(connection, dataset_id, document_id, 1)
                found = parts.documents.get(connection, dataset_id, document_id)
        except CloudberthError:
            with suppress(CloudberthError):
                parts.originals.give_up(content)
            raise
        parts.wake(job)
        return found

    def _replaced(self, dataset_id: str, document_id: str, taken: Taken, content_type: str) -> Document:
        parts = self.parts
        content = parts.originals.keep(dataset_id, document_id, taken, content_type)
        try:
            with parts.database.transaction(alone=True) as connection:
                parts.documents.get(connection, dataset_id, document_id)
                former = parts.documents.indexing(connection, document_id)
                parts.originals.settle(connection, content)
                number = parts.documents.want(connection, document_id, content=content)
                job = self._queue_index(
                    connection, dataset_id, document_id, number, former.content.key if former else ""
                )
                found = parts.documents.get(connection, dataset_id, document_id)
        except CloudberthError:
            with suppress(CloudberthError):
                parts.originals.give_up(content)
            raise
        parts.wake(job)
        return found

    def _queue_index(
        self, connection: Any, dataset_id: str, document_id: str, number: int, former_key: str = ""
    ) -> str:
        parts = self.parts
        # What is dead or waits for a former indexing is of no use; what it was to remove is still to be.
        formers = parts.jobs.take_out(connection, kinds.INDEX, document_id)
        if former_key:
            formers.append(former_key)
        job = parts.jobs.add(
            connection, kinds.INDEX, dataset_id, document_id, generation=number, former_keys=formers
        )
        parts.events.add(connection, dataset_id, document_id, "waiting")
        return job
