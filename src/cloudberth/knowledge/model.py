"""The values of the knowledge service: what goes in, what comes out, what is going on.

All are frozen; times are aware datetimes in UTC; identifiers are UUIDs as text. Metadata is what users say
about a document: names of letters, digits and ``_``; values are texts, numbers and truth values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Metadata = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list. total: how many there are in all. page: counted from 1. size: the most on a page."""

    items: tuple[Item, ...]
    total: int
    page: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are; 1 for an empty list."""
        return max(1, -(-self.total // self.size))


class Mode(StrEnum):
    """How passages are looked for."""

    DENSE = "dense"
    TEXT = "text"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How a search is made.

    k: passages wanted, 1 to 100. score_threshold: -1 to 1, passages below are left out; with mode hybrid it
    holds for the dense score, because a fused score says only who is before whom. filter: a filter over
    metadata as `cloudberth.vector.filters` reads it: ``{"year": {"$gte": 2024}}`` or ``year >= 2024``.
    rerank: the name of a reranker, ``""`` for none. candidates: how many passages are ranked before k are
    taken; 0: as needed.
    """

    mode: Mode = Mode.HYBRID
    k: int = 5
    score_threshold: float | None = None
    filter: Mapping[str, Any] | str | None = None
    rerank: str = ""
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents that are searched together.

    embedding: the name of its embedder, fingerprint and dimension: what its vectors were made with; another
    one is refused. collection: in the vector store. version: grows with every change of what can be found.
    documents, chunks: how many. waiting, failed: documents not yet, and not at all, searchable.
    reembedding: the embedder that a rebuild under way changes to, else empty; error: of that rebuild.
    """

    id: str
    name: str
    description: str
    embedding: str
    fingerprint: str
    dimension: int
    collection: str
    retrieval: RetrievalSettings
    chunking: Mapping[str, Any]
    version: int
    documents: int
    chunks: int
    waiting: int
    failed: int
    created: datetime
    updated: datetime
    reembedding: str = ""
    error: str = ""


class DocumentStatus(StrEnum):
    """Where a document is on its way; the order is that of the steps."""

    WAITING = "waiting"
    READING = "reading"
    SPLITTING = "splitting"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a dataset.

    size: bytes of the original. content_hash: its SHA-256. status and progress (0 to 1) are those of the
    newest indexing; what was indexed before stays searchable until it is done. error: what went wrong last,
    also while it is tried again; hint: what to do. attempts: of the newest indexing. generation: which
    indexing is searchable, 0 none. chunks, characters: of that one.
    """

    id: str
    dataset_id: str
    name: str
    content_type: str
    size: int
    content_hash: str
    metadata: Metadata
    chunking: Mapping[str, Any]
    status: DocumentStatus
    progress: float
    error: str
    hint: str
    attempts: int
    generation: int
    chunks: int
    characters: int
    created: datetime
    updated: datetime
    indexed: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.status in (DocumentStatus.READY, DocumentStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. start, end: characters in its cleaned text. page: counted from 1, when it has
    any. parent: the chunk that is given back when this one is found; parents are not searched themselves.
    """

    id: str
    document_id: str
    ordinal: int
    text: str
    start: int
    end: int
    page: int | None = None
    heading: str = ""
    tokens: int = 0
    parent: str | None = None
    is_parent: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a document would become. characters: of its cleaned text. chunks: the first; total: of all.

    notes: what a user should know of the reading (``page 3 has no text: scanned?``).
    """

    characters: int
    chunks: tuple[Chunk, ...]
    total: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """Why a passage is where it is: larger is better, None where it took no part.

    final: what the passages are ordered by. dense: likeness of meaning, -1 to 1. text: of words, 0 to 1.
    rerank: the reranker's. Each is on one scale whatever the store; see `cloudberth.vector.scores`.
    """

    final: float
    dense: float | None = None
    text: float | None = None
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """Something found, and where it is from.

    text: the chunk, or its parent. matched: the chunks that were found in it, the best first; the chunk
    itself when it has no parent. start, end: characters in the cleaned text of the document.
    """

    chunk_id: str
    dataset_id: str
    document_id: str
    document_name: str
    text: str
    scores: Scores
    start: int
    end: int
    page: int | None = None
    heading: str = ""
    metadata: Metadata = field(default_factory=dict)
    matched: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search. cached: nothing was computed. seconds: it took so long. trace_id: hexadecimal,
    empty when not traced. notes: what a user should know (the reranker did not answer: its order is missing).
    """

    query: str
    passages: tuple[Passage, ...]
    settings: RetrievalSettings
    cached: bool
    seconds: float
    trace_id: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """What a ``[number]`` in an answer stands for."""

    number: int
    passage: Passage


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its sources. text holds marks like ``[1]``; every mark has a citation.

    model: the language model, or ``extractive``: then the text is made of sentences of the passages. The text
    is empty when nothing was found.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    found: Found
    model: str


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A piece of an answer as it is made: the passages first, then texts, the whole answer at the end."""

    found: Found | None = None
    text: str = ""
    answer: Answer | None = None


class JobState(StrEnum):
    """Where a job is. Jobs that are done are gone."""

    QUEUED = "queued"
    RUNNING = "running"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is durable: it is done, or it is dead and says why.

    kind: index, metadata, delete-document, delete-dataset, reembed. due: not before. worker: who has it.
    """

    id: str
    kind: str
    dataset_id: str
    document_id: str
    state: JobState
    attempts: int
    due: datetime
    error: str
    hint: str
    worker: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a document or dataset. sequence: grows; ask for what came after it.

    status: of the document, or ``deleted``; for a dataset (document_id empty) ``created``, ``changed``,
    ``reembedded`` or ``deleted``.
    """

    sequence: int
    at: datetime
    dataset_id: str
    document_id: str
    status: str
    progress: float
    error: str


class Scope(StrEnum):
    """What a key allows. read: search, answers, lists. write: everything that changes, and reading."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown. dataset_id: the only one it opens; empty: all. ending: its last letters."""

    id: str
    label: str
    dataset_id: str
    scope: Scope
    ending: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None


@dataclass(frozen=True, slots=True)
class Access:
    """What whoever shows a key may do."""

    key_id: str
    dataset_id: str
    scope: Scope

    def allows(self, scope: Scope, dataset_id: str = "") -> bool:
        """Whether this scope of a dataset is open to it. dataset_id empty: of all datasets."""
        enough = scope is Scope.READ or self.scope is Scope.WRITE
        return enough and self.dataset_id in ("", dataset_id)


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One thing that the service stands on: state, originals, vectors, cache, queue, workers, embedding."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is. queued, running, dead: jobs. workers: alive now."""

    parts: tuple[PartHealth, ...]
    queued: int
    running: int
    dead: int
    workers: int

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts)
