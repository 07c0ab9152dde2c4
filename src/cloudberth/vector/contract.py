"""What a vector store is: the abstract backend, what it can do, and the values that go in and out.

Two levels::

    VectorStore (store.py)     what an application calls: create, upsert, search, scan, …
        └── VectorBackend      what a store has to bring: about fifteen primitives

The facade checks and prepares, so a backend sees only valid input: vectors are float32 arrays of the right
dimension, finite, for cosine not zero; names fit the capabilities; ``metadata["doc_id"]`` is the record's own
id, as Dify writes it, while `Record.id` is the form of it that the store can keep (a UUID where it must be).
A backend does not retry, trace or count: layers.py does. It raises typed errors and never answers with an
empty list what it could not do.

Layout on disk: as Dify lays it out, so that either reads what the other wrote. What Dify does not keep
(metric, model, indexed fields) stands in a note at the collection (`Collection.note`), where it has a place.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from cloudberth.errors import Unsupported
from cloudberth.vector.filters import Filter, Operator

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[numpy.float32]

# The name under which Dify keeps the id of a record in its metadata.
DOC_ID = "doc_id"


class Metric(StrEnum):
    """How near two vectors are. What each means as a score: scores.py."""

    COSINE = "cosine"
    L2 = "l2"
    INNER = "inner"


class FieldType(StrEnum):
    """Types of metadata fields that are indexed for filters."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class FullText(Enum):
    """Which languages a search by words understands."""

    NONE = "no full-text search"
    WORDS = "languages with spaces between their words"
    CJK = "these, and Chinese, Japanese and Korean"


class Effort(Enum):
    """How hard a dense search tries. WIDE: with larger search parameters. EXACT: every record is compared."""

    NORMAL = 1
    WIDE = 2
    EXACT = 3


@dataclass(frozen=True, slots=True)
class Index:
    """Parameters of the index over the vectors; a store takes what it knows.

    kind: auto is the store's best for general use, exact is none at all. links: of a node (HNSW's m).
    construction, search: how many candidates are looked at (HNSW's ef).
    """

    kind: Literal["auto", "hnsw", "exact"] = "auto"
    links: int = 16
    construction: int = 100
    search: int = 100


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection: what `create` is given, and what `describe` finds.

    dimension: numbers of a vector. fields: metadata fields that filters use often. model: fingerprint of the
    embedding model, empty when it is not known. dify: no note of ours was found, only Dify's layout.
    """

    name: str
    dimension: int
    metric: Metric = Metric.COSINE
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    index: Index = Index()
    model: str = ""
    dify: bool = False

    def note(self) -> str:
        """What has to be kept beside the records, as one line of JSON (ASCII, no quotes that need care)."""
        known = {
            "metric": self.metric.value,
            "dimension": self.dimension,
            "model": self.model,
            "fields": {name: kind.value for name, kind in self.fields.items()},
            "index": [self.index.kind, self.index.links, self.index.construction, self.index.search],
        }
        return json.dumps({"cloudberth": known}, separators=(",", ":"))

    def noted(self, note: str | None) -> Collection:
        """This collection with what a note says of it; as it is, with `dify` set, when there is no note."""
        try:
            known: dict[str, Any] = json.loads(note or "")["cloudberth"]
            kind, links, construction, search = known["index"]
            return replace(
                self,
                metric=Metric(known["metric"]),
                model=known["model"],
                fields={name: FieldType(kind) for name, kind in known["fields"].items()},
                index=Index(kind, links, construction, search),
                dify=False,
            )
        except (ValueError, KeyError, TypeError):
            return replace(self, dify=True)


@dataclass(frozen=True, slots=True, init=False)
class Record:
    """One record. vector: float32, shape (dimension,); None where it was not asked for.

    metadata: JSON values by name; null is the same as absent. eq compares without the vector.
    """

    id: str
    vector: Vector | None = field(default=None, compare=False)
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    # By hand, as of `Hit`: a search makes twenty of each, and that of a frozen dataclass takes twice as long.
    def __init__(
        self,
        id: str,
        vector: Vector | None = None,
        text: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        set_id, set_vector, set_text, set_metadata = _SETTERS_OF_RECORD
        set_id(self, id)
        set_vector(self, vector)
        set_text(self, text)
        set_metadata(self, {} if metadata is None else metadata)


@dataclass(frozen=True, slots=True, init=False)
class Hit:
    """One record that a search found. score: larger is better, on the scale of scores.py.

    raw: what the backend measured (cosine similarity, Euclidean distance, inner product; of words: the
    store's own number, larger is better). dense, text: the two scores behind a fused one.
    """

    record: Record
    raw: float
    score: float = 0.0
    source: Literal["dense", "text", "fused"] = "dense"
    dense: float | None = None
    text: float | None = None

    def __init__(
        self,
        record: Record,
        raw: float,
        score: float = 0.0,
        source: Literal["dense", "text", "fused"] = "dense",
        dense: float | None = None,
        text: float | None = None,
    ) -> None:
        set_record, set_raw, set_score, set_source, set_dense, set_text = _SETTERS_OF_HIT
        set_record(self, record)
        set_raw(self, raw)
        set_score(self, score)
        set_source(self, source)
        set_dense(self, dense)
        set_text(self, text)

    @property
    def id(self) -> str:
        return self.record.id


def _setters(kind: type) -> tuple[Any, ...]:
    """Of the fields, past what makes them read-only."""
    return tuple(getattr(kind, each.name).__set__ for each in dataclass_fields(kind))


_SETTERS_OF_RECORD = _setters(Record)
_SETTERS_OF_HIT = _setters(Hit)


@dataclass(frozen=True, slots=True)
class DenseQuery:
    """vector: float32, shape (dimension,). k: most hits."""

    vector: Vector
    k: int
    filter: Filter | None = None
    effort: Effort = Effort.NORMAL


@dataclass(frozen=True, slots=True)
class TextQuery:
    """text: words of a person, not a query language. k: most hits."""

    text: str
    k: int
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan. next: give it back as `after`; None at the end."""

    records: tuple[Record, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What answered. detail: for people, name → value."""

    version: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, as data. The conformance suite asks for exactly this, and proves it.

    ids: any text, or UUIDs only (the facade then maps). lower: names of collections are kept in lower case.
    dimensions: the most. batch: records in one write. filters: operators that the store itself evaluates.
    exact: it searches exactly on demand. scan: it gives back everything, vectors included. immediate: what
    was written is found at once. notes: it keeps `Collection.note`. processes: several processes at once.
    """

    metrics: frozenset[Metric] = frozenset({Metric.COSINE})
    full_text: FullText = FullText.NONE
    ids: Literal["any", "uuid"] = "any"
    lower: bool = False
    dimensions: int = 16_000
    batch: int = 500
    filters: frozenset[Operator] = frozenset(Operator)
    exact: bool = True
    scan: bool = True
    immediate: bool = True
    notes: bool = True
    processes: bool = True


class VectorBackend(ABC):
    """One vector store. Primitives are safe to repeat, and safe to call from several threads.

    id: the type (``pgvector``). place: for people, without secrets (``pgvector://host:5432/dify``).
    """

    id: ClassVar[str]
    capabilities: Capabilities
    place: str

    @abstractmethod
    def create(self, collection: Collection) -> None:
        """Make an empty collection. Raises PreconditionFailed when there is one of that name."""

    @abstractmethod
    def describe(self, name: str) -> Collection:
        """What a collection is. Raises NotFound."""

    @abstractmethod
    def collections(self) -> tuple[str, ...]:
        """Names of the collections that are of this layout, sorted."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Remove a collection with everything in it. Raises NotFound."""

    @abstractmethod
    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        """Write records, each with its vector; those of the same id are replaced whole.

        At most `capabilities.batch` records, ids distinct. All are durable, and where `immediate` says so
        found by every search, when it returns.
        """

    @abstractmethod
    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        """The records of these ids that exist, in any order. At most `capabilities.batch` ids."""

    @abstractmethod
    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        """Remove records; how many there were. At most `capabilities.batch` ids."""

    @abstractmethod
    def delete_where(self, collection: Collection, filter: Filter) -> int:
        """Remove all that a filter matches; how many there were."""

    @abstractmethod
    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        """The k nearest, best first, without vectors. May be fewer than there are: see `Effort`."""

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        """The k best by words, best first, without vectors. Raises Unsupported without full text."""
        raise Unsupported(f"{self.id} has no full-text search", where=self.place)

    @abstractmethod
    def count(self, collection: Collection, filter: Filter | None) -> int:
        """How many records there are, exactly."""

    @abstractmethod
    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """Records in an order that stays, from after a cursor of an earlier page; whole, once each."""

    def begin_bulk(self, collection: Collection) -> None:  # noqa: B027 — nothing to put off is an answer
        """Much will be written: put off what is cheaper afterwards (an index). May be called again."""

    def end_bulk(self, collection: Collection) -> None:  # noqa: B027
        """Build what was put off. Works also when `begin_bulk` was called by a process that died."""

    @abstractmethod
    def health(self) -> Health:
        """Ask the store whether it is well. Raises what a call would raise."""

    @abstractmethod
    def close(self) -> None:
        """Give back connections. The backend is not used afterwards."""
