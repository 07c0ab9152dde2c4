"""The knowledge service: documents in, passages and answers with their sources out.

::

    with open_knowledge(os.environ, data=Path("data")) as knowledge:
        handbook = knowledge.create_dataset("handbook")
        with Path("handbook.pdf").open("rb") as file:
            knowledge.add_document(handbook.id, "handbook.pdf", file)
        …                                            # workers index it
        for passage in knowledge.search(handbook.id, "parental leave").passages:
            print(passage.scores.final, passage.document_name, passage.page, passage.text)

Errors are those of `cloudberth.errors`: InvalidInput for what a caller got wrong, NotFound for what is not
there (or belongs to another dataset), PreconditionFailed for a name that is taken, Refused for what would
lose data, Unavailable and its kin for a store that does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.answers import Answers
from cloudberth.knowledge.catalog import Catalog
from cloudberth.knowledge.health import health_of
from cloudberth.knowledge.model import (
    Access,
    Answer,
    AnswerPart,
    ApiKey,
    Chunk,
    Dataset,
    Document,
    DocumentStatus,
    Event,
    Found,
    Health,
    Job,
    JobState,
    Metadata,
    Page,
    Preview,
    RetrievalSettings,
    Scope,
)
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.retrieval import Retrieval

MOST_ON_A_PAGE = 200
Data = bytes | Path | BinaryIO | Iterable[bytes]


class Knowledge:
    """What the HTTP interface, the console and applications call. Thread-safe; close it after use.

    See `cloudberth.knowledge.opening.open_knowledge`.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._catalog = Catalog(parts)
        self._retrieval = Retrieval(parts)
        self._answers = Answers(parts, self._retrieval, parts.chat)

    # -- datasets --------------------------------------------------------------------------------------------

    def create_dataset(
        self, name: str, *, description: str = "", embedding: str = "",
        retrieval: RetrievalSettings | None = None, chunking: Mapping[str, Any] | None = None,
    ) -> Dataset:  # fmt: skip
        """A new, empty dataset. embedding: the name of an embedder, else the default. chunking: of documents
        that say nothing else, by the names of `cloudberth.knowledge.documents`. Raises PreconditionFailed
        when the name is taken.
        """
        return self._catalog.create_dataset(name, description, embedding, retrieval, chunking)

    def datasets(self, *, search: str = "", page: int = 1, size: int = 50) -> Page[Dataset]:
        """By name. search: a text in the name."""
        return self.parts.datasets.list(search, *_checked_page(page, size))

    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset. Raises NotFound."""
        return self.parts.datasets.read(dataset_id)

    def update_dataset(
        self, dataset_id: str, *, name: str | None = None, description: str | None = None,
        retrieval: RetrievalSettings | None = None, chunking: Mapping[str, Any] | None = None,
    ) -> Dataset:  # fmt: skip
        """Change what is given. Chunking holds for documents that are indexed from now on."""
        return self._catalog.update_dataset(dataset_id, name, description, retrieval, chunking)

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete it and everything in it. It is gone for everybody at once; the rest is a job."""
        self._catalog.delete_dataset(dataset_id)

    def reembed(self, dataset_id: str, embedding: str) -> Job:
        """Make its vectors anew with another embedder, beside the old ones, then switch to them."""
        return self._catalog.reembed(dataset_id, embedding)

    def embeddings(self) -> tuple[str, ...]:
        """The names of the embedders that can be chosen; the default first."""
        return self.parts.embedders.names

    # -- documents -------------------------------------------------------------------------------------------

    def add_document(
        self, dataset_id: str, name: str, data: Data, *, metadata: Metadata | None = None,
        chunking: Mapping[str, Any] | None = None, content_type: str = "",
        same_name: Literal["add", "replace"] = "add",
    ) -> Document:  # fmt: skip
        """Keep the original and queue its indexing.

        The same name with the same content gives back the document that is there already. same_name
        "replace": other content becomes the new content of the document of that name.
        """
        return self._catalog.add_document(dataset_id, name, data, metadata, chunking, content_type, same_name)

    def replace_document(self, dataset_id: str, document_id: str, data: Data) -> Document:
        """New content. The same content as before: nothing happens."""
        return self._catalog.replace_document(dataset_id, document_id, data)

    def documents(
        self, dataset_id: str, *, status: DocumentStatus | None = None, search: str = "", page: int = 1,
        size: int = 50,
    ) -> Page[Document]:  # fmt: skip
        """The newest first. search: a text in the name."""
        self.parts.datasets.read_plain(dataset_id)
        return self.parts.documents.list(dataset_id, status, search, *_checked_page(page, size))

    def document(self, dataset_id: str, document_id: str) -> Document:
        """One document. Raises NotFound, also when it is of another dataset."""
        return self.parts.documents.read(dataset_id, document_id)

    def update_document(
        self, dataset_id: str, document_id: str, *, name: str | None = None, metadata: Metadata | None = None
    ) -> Document:
        """Change the name, or all of the metadata. Filters know it when the job that this queues is done."""
        return self._catalog.update_document(dataset_id, document_id, name, metadata)

    def reindex(
        self, dataset_id: str, document_id: str, *, chunking: Mapping[str, Any] | None = None
    ) -> Document:
        """Index it once more, also after it failed; what is searchable stays until then."""
        return self._catalog.reindex(dataset_id, document_id, chunking)

    def delete_document(self, dataset_id: str, document_id: str) -> None:
        """Delete it everywhere. It is not found any more from now on; the rest is a job."""
        self._catalog.delete_document(dataset_id, document_id)

    def original(self, dataset_id: str, document_id: str) -> Iterator[bytes]:
        """The bytes that were given, in pieces."""
        return self.parts.originals.stream(self._catalog.content_key(dataset_id, document_id))

    def chunks(self, dataset_id: str, document_id: str, *, page: int = 1, size: int = 50) -> Page[Chunk]:
        """What is searchable of a document, in its order, parents included."""
        return self._catalog.chunks(dataset_id, document_id, *_checked_page(page, size))

    def preview(
        self, name: str, data: Data, *, chunking: Mapping[str, Any] | None = None, content_type: str = "",
        most: int = 20,
    ) -> Preview:  # fmt: skip
        """What a document would become. Nothing is kept. most: chunks to show."""
        return self._catalog.preview(name, data, chunking, content_type, most)

    # -- retrieval -------------------------------------------------------------------------------------------

    def search(self, dataset_id: str, query: str, settings: RetrievalSettings | None = None) -> Found:
        """Passages for a query, the best first. settings: else those of the dataset."""
        return self._retrieval.search(dataset_id, query, settings)

    def answer(self, dataset_id: str, question: str, settings: RetrievalSettings | None = None) -> Answer:
        """An answer with citations: by the language model that is set, else the best sentences."""
        return self._answers.answer(dataset_id, question, settings)

    def answer_stream(
        self, dataset_id: str, question: str, settings: RetrievalSettings | None = None
    ) -> Iterator[AnswerPart]:
        """The same, as it is made. Errors come before the first part, or while it is read."""
        return self._answers.stream(dataset_id, question, settings)

    # -- keys ------------------------------------------------------------------------------------------------

    def create_key(
        self, label: str, *, dataset_id: str = "", scope: Scope = Scope.READ, expires: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is not seen again. dataset_id empty: for all datasets."""
        if dataset_id:
            self.parts.datasets.read_plain(dataset_id)
        return self.parts.keys.create(label, dataset_id, scope, expires)

    def keys(self, dataset_id: str = "") -> tuple[ApiKey, ...]:
        """All keys, or those that open only this dataset; the oldest first, revoked ones included."""
        return self.parts.keys.list(dataset_id)

    def rotate_key(self, key_id: str, *, overlap: timedelta = timedelta(0)) -> tuple[ApiKey, str]:
        """A new key of the same rights; the old one ends after `overlap`."""
        return self.parts.keys.rotate(key_id, overlap)

    def revoke_key(self, key_id: str) -> None:
        """End a key; other processes notice within five seconds. Raises NotFound."""
        self.parts.keys.revoke(key_id)

    def authenticate(self, key: str) -> Access | None:
        """What a key allows; None when it is none, or has ended. key: as given, without ``Bearer``."""
        return self.parts.keys.authenticate(key)

    # -- what is going on ------------------------------------------------------------------------------------

    def jobs(
        self, *, dataset_id: str = "", state: JobState | None = None, page: int = 1, size: int = 50
    ) -> Page[Job]:
        """Work that is queued, running or dead; the oldest first."""
        return self.parts.jobs.list(dataset_id, state, *_checked_page(page, size))

    def retry_job(self, job_id: str) -> Job:
        """Queue a dead job again, its attempts forgotten."""
        return self._catalog.retry_job(job_id)

    def events(
        self, *, dataset_id: str = "", after: int | None = None, wait: float = 0.0, most: int = 200
    ) -> tuple[Event, ...]:
        """What happened after an event, oldest first. after None: nothing but the newest event there is, to
        begin with. wait: seconds to wait for something to happen. Events are kept for an hour.
        """
        return self.parts.events.after(dataset_id, after, min(max(wait, 0.0), 60.0), most)

    def health(self) -> Health:
        """Ask everything that the service stands on; a few seconds at most."""
        return health_of(self.parts)

    def close(self) -> None:
        """Give connections back."""
        self.parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _checked_page(page: int, size: int) -> tuple[int, int]:
    if page < 1 or page > 1_000_000:
        raise InvalidInput("pages count from 1", where="page")
    if not 1 <= size <= MOST_ON_A_PAGE:
        raise InvalidInput(f"a page has 1 to {MOST_ON_A_PAGE} entries", where="size")
    return page, size
