"""What an object store is: the abstract backend, what it can do, and the values that go in and out.

Two levels::

    Storage (storage.py)     what an application calls: save, load, stream, list, copy, presign, …
        └── Backend          what a vendor has to bring: about twenty primitives, each about one request

A backend is a small file: its settings, its primitives, its error mapping. It does not retry, does not limit,
does not trace: the layers do, around every primitive (layers.py). Keys are text, compared as UTF-8 bytes, and
never changed: ``a//b``, ``/a``, ``a/../b`` and ``dir/`` are four ordinary keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Literal

from cloudberth.errors import Unsupported
from cloudberth.storage.body import Body, Reader

if TYPE_CHECKING:
    from cloudberth.storage.calls import Call

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

Checksum = Literal["md5", "sha256", "sha1", "crc32", "crc32c", "crc64nvme", "crc64ecma"]


class StorageClass(StrEnum):
    """Tiers that every vendor has under a name of its own, which the capabilities of its backend tell."""

    STANDARD = "standard"
    INFREQUENT = "infrequent"
    COLD = "cold"
    ARCHIVE = "archive"
    DEEP_ARCHIVE = "deep-archive"


class Listing(Enum):
    """In which order a store lists its keys."""

    BYTES = "by the bytes of the UTF-8 key"
    NONE = "in no order that can be merged"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, as data. The contract suite asks for exactly this, and proves it.

    max_put: bytes of a put in one request. part_min, part_max, max_parts: of a multipart upload; max_parts 0:
    there is none. copy_max: bytes that one server-side copy moves, 0: none. conditional: which conditions a
    put takes. presign: methods of signed URLs. metadata: user metadata is kept. attributes: content type and
    the other headers of HTTP are kept. classes: vendor's name by tier. listing: the order of a list.
    checksum: what head tells of every object that was put in one request, None when nothing is sure.
    """

    max_put: int = 5 * GIB
    part_min: int = 5 * MIB
    part_max: int = 5 * GIB
    max_parts: int = 10_000
    copy_max: int = 5 * GIB
    conditional: frozenset[Literal["absent", "match"]] = frozenset()
    presign: frozenset[Literal["GET", "PUT"]] = frozenset()
    metadata: bool = True
    attributes: bool = True
    classes: Mapping[StorageClass, str] = field(default_factory=dict)
    listing: Listing = Listing.BYTES
    checksum: Checksum | None = None

    @property
    def multipart(self) -> bool:
        return self.max_parts > 0


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is kept beside the bytes of an object. metadata: names in lower case; values may be any text.

    storage_class: the vendor's own name (``STANDARD_IA``); None: the bucket's default.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object, as head or a list tells it; what a list does not carry is None (attributes empty).

    size: bytes. etag: without quotes; opaque, an MD5 only where `checksums` says so. checksums: lower-case
    hexadecimal by algorithm, of the whole object's content, and only those that the store vouches for.
    """

    key: str
    size: int
    modified: datetime | None = None
    etag: str | None = None
    checksums: Mapping[Checksum, str] = field(default_factory=dict)
    attributes: Attributes = Attributes()


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys that share the text up to a delimiter, folded into one entry of a list."""

    key: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. next: give it back as `cursor` for the next page; None at the end."""

    entries: tuple[ObjectInfo | Prefix, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """When a put may happen. absent: only when there is no such object; match: only over this etag."""

    absent: bool = False
    match: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes. length None: to the end."""

    start: int
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a store said of an object it took. checksums: as in ObjectInfo."""

    etag: str | None = None
    checksums: Mapping[Checksum, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """An object being read. info.size is the size of the whole object; reader gives the bytes asked for.

    The reader has to be closed (it is a context manager), else a connection is lost.
    """

    info: ObjectInfo
    reader: Reader


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that the store has. number: from 1."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload that was neither finished nor aborted; it costs money until then."""

    key: str
    upload: str
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that anybody can make until it expires. headers: must be sent as they are."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """A key that could not be deleted, and why."""

    key: str
    error: Exception


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What doctor reads of a bucket; None: the vendor does not say, or the credentials may not ask.

    public: whether anybody can read it. encryption, lifecycle, cors: in words (``AES256``, ``3 rules``).
    """

    region: str | None = None
    public: bool | None = None
    versioning: bool | None = None
    encryption: str | None = None
    lifecycle: str | None = None
    cors: str | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


class Backend(ABC):
    """The primitives of one bucket (container, volume, folder) with one set of credentials. Thread-safe.

    Errors of every primitive are those of `cloudberth.errors`: NotFound (no such key), BucketNotFound,
    PermissionDenied, ExpiredCredentials, WrongRegion, PreconditionFailed, Throttled, Unavailable, TimedOut,
    CorruptData, Unsupported; others as BackendError with Kind.INVALID or Kind.UNEXPECTED.
    """

    id: str
    """The type, as Dify names it: ``s3``, ``azure-blob``."""
    place: str
    """The bucket as a URL without secrets: ``s3://bucket``."""
    capabilities: Capabilities
    prompt: frozenset[str] = frozenset()
    """Primitives that hardly wait (files in memory): whoever has many calls makes these in place."""

    # -- objects ---------------------------------------------------------------------------------------------

    @abstractmethod
    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        """Write an object in one request, or replace it. Never leaves half an object."""

    @abstractmethod
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        """Open an object, or a range of it. match: raise PreconditionFailed when it has another etag.

        A span that starts at or behind the end of the object raises InvalidRange.
        """

    @abstractmethod
    def head(self, key: str) -> ObjectInfo:
        """What is known of an object, without its bytes."""

    @abstractmethod
    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        after: str = "",
        cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:
        """One page of the keys that start with `prefix`, those after the key `after` only.

        delimiter: fold keys that go on behind it into a Prefix. cursor: `Page.next` of the page before (the
        other arguments unchanged). Every key is listed, whatever it is made of.
        """  # fmt: skip

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        """Delete objects, up to 1,000. A key that does not exist is no failure."""

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        """Copy inside the bucket, on the server. attributes: instead of the source's; None: keep them."""
        raise self.unsupported("copy on the server")

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        """Copy from another bucket of the same vendor, on the server, with these credentials.

        Raises Unsupported when `other` is not of the same vendor, endpoint and kind of account.
        """
        raise self.unsupported(f"copy on the server from {other.place}")

    # -- multipart -------------------------------------------------------------------------------------------

    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> str:
        """Begin a multipart upload; its id."""
        raise self.unsupported("multipart upload")

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        """Upload one part, or replace it. Parts can go in any order and at once."""
        raise self.unsupported("multipart upload")

    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Part:
        """A part made of a range of another object, on the server."""
        raise self.unsupported("copy of a part on the server")

    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Written:  # fmt: skip
        """Make the object of its parts, in the order of their numbers. attributes: those of the start."""
        raise self.unsupported("multipart upload")

    def abort_upload(self, key: str, upload: str) -> None:
        """Throw the parts away. An upload that is gone is no failure."""
        raise self.unsupported("multipart upload")

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        """The parts that the store has of an upload."""
        raise self.unsupported("multipart upload")

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Multipart uploads under way, or forgotten."""
        raise self.unsupported("list of multipart uploads")

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        """A URL that lets anybody read or write one object for so many seconds. Makes no request."""
        raise self.unsupported("signed URLs")

    @abstractmethod
    def check_bucket(self) -> None:
        """Raise BucketNotFound, PermissionDenied, WrongRegion … unless the bucket is there and answers."""

    def create_bucket(self) -> None:
        """Make the bucket: private, in the region of the settings. One that is ours already is no failure."""
        raise self.unsupported("creating the bucket")

    def facts(self) -> BucketFacts:
        """What doctor wants to know of the bucket."""
        return BucketFacts()

    def flow_of_call(self, call: Call) -> Generator[Any, Any, Any] | None:
        """A call as a generator of requests, for the lanes; None when it is not made of requests."""
        return None

    def close(self) -> None:  # noqa: B027 — most backends hold nothing
        """Give connections back. The backend is not used afterwards."""

    def unsupported(self, what: str) -> Unsupported:
        """The error for an ability that this store does not have."""
        return Unsupported(f"{self.id} has no {what}", where=self.place)
