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

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

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

Data = bytes | Path | BinaryIO | Iterable[bytes]


class Knowledge(ABC):
    """What the HTTP interface, the console and applications call. Thread-safe; close it after use."""

    # -- datasets --------------------------------------------------------------------------------------------

    @abstractmethod
    def create_dataset(
        self, name: str, *, description: str = "", embedding: str = "",
        retrieval: RetrievalSettings | None = None, chunking: Mapping[str, Any] | None = None,
    ) -> Dataset:  # fmt: skip
        """A new, empty dataset. embedding: the name of an embedder, else the default. chunking: of documents
        that say nothing else, by the names of `cloudberth.knowledge.documents`. Raises PreconditionFailed
        when the name is taken.
        """

    @abstractmethod
    def datasets(self, *, search: str = "", page: int = 1, size: int = 50) -> Page[Dataset]:
        """By name. search: a text in the name."""

    @abstractmethod
    def dataset(self, dataset_id: str) -> Dataset:
        """One dataset. Raises NotFound."""

    @abstractmethod
    def update_dataset(
        self, dataset_id: str, *, name: str | None = None, description: str | None = None,
        retrieval: RetrievalSettings | None = None, chunking: Mapping[str, Any] | None = None,
    ) -> Dataset:  # fmt: skip
        """Change what is given. Chunking holds for documents that are indexed from now on."""

    @abstractmethod
    def delete_dataset(self, dataset_id: str) -> None:
        """Delete it and everything in it. It is gone for everybody at once; the rest is a job."""

    @abstractmethod
    def reembed(self, dataset_id: str, embedding: str) -> Job:
        """Make its vectors anew with another embedder, beside the old ones, then switch to them."""

    @abstractmethod
    def embeddings(self) -> tuple[str, ...]:
        """The names of the embedders that can be chosen; the default first."""

    # -- documents -------------------------------------------------------------------------------------------

    @abstractmethod
    def add_document(
        self, dataset_id: str, name: str, data: Data, *, metadata: Metadata | None = None,
        chunking: Mapping[str, Any] | None = None, content_type: str = "",
        same_name: Literal["add", "replace"] = "add",
    ) -> Document:  # fmt: skip
        """Keep the original and queue its indexing.

        The same name with the same content gives back the document that is there already. same_name
        "replace": other content becomes the new content of the document of that name.
        """

    @abstractmethod
    def replace_document(self, dataset_id: str, document_id: str, data: Data) -> Document:
        """New content. The same content as before: nothing happens."""

    @abstractmethod
    def documents(
        self, dataset_id: str, *, status: DocumentStatus | None = None, search: str = "", page: int = 1,
        size: int = 50,
    ) -> Page[Document]:  # fmt: skip
        """The newest first. search: a text in the name."""

    @abstractmethod
    def document(self, dataset_id: str, document_id: str) -> Document:
        """One document. Raises NotFound, also when it is of another dataset."""

    @abstractmethod
    def update_document(
        self, dataset_id: str, document_id: str, *, name: str | None = None, metadata: Metadata | None = None
    ) -> Document:
        """Change the name, or all of the metadata. Filters know it when the job that this queues is done."""

    @abstractmethod
    def reindex(
        self, dataset_id: str, document_id: str, *, chunking: Mapping[str, Any] | None = None
    ) -> Document:
        """Index it once more, also after it failed; what is searchable stays until then."""

    @abstractmethod
    def delete_document(self, dataset_id: str, document_id: str) -> None:
        """Delete it everywhere. It is not found any more from now on; the rest is a job."""

    @abstractmethod
    def original(self, dataset_id: str, document_id: str) -> Iterator[bytes]:
        """The bytes that were given, in pieces."""

    @abstractmethod
    def chunks(self, dataset_id: str, document_id: str, *, page: int = 1, size: int = 50) -> Page[Chunk]:
        """What is searchable of a document, in its order, parents included."""

    @abstractmethod
    def preview(
        self, name: str, data: Data, *, chunking: Mapping[str, Any] | None = None, content_type: str = "",
        most: int = 20,
    ) -> Preview:  # fmt: skip
        """What a document would become. Nothing is kept. most: chunks to show."""

    # -- retrieval -------------------------------------------------------------------------------------------

    @abstractmethod
    def search(self, dataset_id: str, query: str, settings: RetrievalSettings | None = None) -> Found:
        """Passages for a query, the best first. settings: else those of the dataset."""

    @abstractmethod
    def answer(self, dataset_id: str, question: str, settings: RetrievalSettings | None = None) -> Answer:
        """An answer with citations: by the language model that is set, else the best sentences."""

    @abstractmethod
    def answer_stream(
        self, dataset_id: str, question: str, settings: RetrievalSettings | None = None
    ) -> Iterator[AnswerPart]:
        """The same, as it is made. Errors come before the first part, or while it is read."""

    # -- keys ------------------------------------------------------------------------------------------------

    @abstractmethod
    def create_key(
        self, label: str, *, dataset_id: str = "", scope: Scope = Scope.READ, expires: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is not seen again. dataset_id empty: for all datasets."""

    @abstractmethod
    def keys(self, dataset_id: str = "") -> tuple[ApiKey, ...]:
        """All keys, or those that open only this dataset; the oldest first, revoked ones included."""

    @abstractmethod
    def rotate_key(self, key_id: str, *, overlap: timedelta = timedelta(0)) -> tuple[ApiKey, str]:
        """A new key of the same rights; the old one ends after `overlap`."""

    @abstractmethod
    def revoke_key(self, key_id: str) -> None:
        """End a key; other processes notice within five seconds. Raises NotFound."""

    @abstractmethod
    def authenticate(self, key: str) -> Access | None:
        """What a key allows; None when it is none, or has ended. key: as given, without ``Bearer``."""

    # -- what is going on ------------------------------------------------------------------------------------

    @abstractmethod
    def jobs(
        self, *, dataset_id: str = "", state: JobState | None = None, page: int = 1, size: int = 50
    ) -> Page[Job]:
        """Work that is queued, running or dead; the oldest first."""

    @abstractmethod
    def retry_job(self, job_id: str) -> Job:
        """Queue a dead job again, its attempts forgotten."""

    @abstractmethod
    def events(
        self, *, dataset_id: str = "", after: int | None = None, wait: float = 0.0, most: int = 200
    ) -> tuple[Event, ...]:
        """What happened after an event, oldest first. after None: nothing but the newest event there is, to
        begin with. wait: seconds to wait for something to happen. Events are kept for an hour.
        """

    @abstractmethod
    def health(self) -> Health:
        """Ask everything that the service stands on; a few seconds at most."""

    @abstractmethod
    def close(self) -> None:
        """Stop workers that were started here, give connections back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
