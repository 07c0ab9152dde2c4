"""A bucket whose vendor has S3's model with JSON bodies: requests, refusals, attributes, the bucket itself.

The flows about objects stand in _json_objects.py. Baidu BOS and Volcengine TOS differ in how they spell
things (``maxKeys`` and ``max-keys``, ``eTag`` and ``ETag``), how they sign, and a few headers: the hooks.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import unquote

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import EMPTY, Body
from cloudberth.storage.contract import (
    Attributes,
    BucketFacts,
    Checksum,
    Condition,
    ObjectInfo,
    SignedRequest,
)
from cloudberth.storage.credentials import Credentials, Provider
from cloudberth.storage.http.backend import Flow, HttpBackend, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, error_of, unexpected
from cloudberth.storage.http.headers import STANDARD, http_date, whole_size
from cloudberth.storage.http.message import Origin, Request, Response, encode_key

Query = tuple[tuple[str, str], ...]
FactTable = Mapping[str, tuple[str, Callable[[Response], Any]]]
"""Of a bucket: fact → sub-resource (empty: the headers of the bucket itself), and how to read the answer."""

PLAIN = Attributes()
ALWAYS = Condition()


class Signer(Protocol):
    """Puts credentials on a request, for now; or into its query, for so many seconds."""

    def sign(self, request: Request, credentials: Credentials, now: float) -> None: ...

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None: ...


class JsonBucket(HttpBackend):
    """origin, root: server of the bucket, and the path in front of keys (empty when the host names it)."""

    prefix: ClassVar[str]
    """Of the vendor's headers: ``x-tos-``."""
    meanings: ClassVar[Mapping[str, Meaning]]
    copy_directive: ClassVar[str]
    """The value of the metadata directive that keeps the source's attributes."""
    replace_directive: ClassVar[str]

    def __init__(
        self, client: Client, bucket: str, origin: Origin, root: str, signer: Signer, credentials: Provider
    ) -> None:
        super().__init__(client)
        self.bucket = bucket
        self.origin = origin
        self.root = root
        self.signer = signer
        self.credentials = credentials
        self._bucket_is_there = False

    # -- what vendors spell differently ----------------------------------------------------------------------

    @abstractmethod
    def parameter(self, name: str) -> str:
        """How a query parameter is spelt (``max-keys``)."""

    @abstractmethod
    def member(self, name: str) -> str:
        """How a member of a body is spelt (``partNumber``)."""

    @abstractmethod
    def list_query(self, prefix: str, delimiter: str, after: str, cursor: str | None, limit: int) -> Query:
        """The query of a list."""

    @abstractmethod
    def next_cursor(self, answer: Answer, last: str) -> str:
        """The cursor of a page that is not the last. last: the greatest key or prefix of this one."""

    @abstractmethod
    def condition_headers(self, condition: Condition, *, finish: bool = False) -> dict[str, str]:
        """What makes a put, or (finish) the end of a multipart upload, conditional."""

    @abstractmethod
    def metadata_value(self, value: str) -> str:
        """User metadata as the text of a header."""

    @abstractmethod
    def metadata_text(self, value: str) -> str:
        """The opposite of `metadata_value`; the header was read as Latin-1."""

    @abstractmethod
    def checksums(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        """What the headers of an answer vouch for, of the whole object."""

    @abstractmethod
    def entry_checksums(self, entry: Answer) -> dict[Checksum, str]:
        """The same of an entry of a list."""

    @abstractmethod
    def copy_source(self, bucket: str, key: str) -> str:
        """An object as the source of a copy."""

    def bucket_headers(self) -> dict[str, str]:
        """What a new bucket is asked for with."""
        return {f"{self.prefix}acl": "private"}

    # -- requests and refusals -------------------------------------------------------------------------------

    def authorize(self, request: Request) -> None:
        self.signer.sign(request, self.credentials(), time.time())

    def object_request(
        self, method: str, key: str, query: Query = (), headers: dict[str, str] | None = None,
        body: Body = EMPTY, *, stream: bool = False, idempotent: bool = True,
    ) -> Request:  # fmt: skip
        path = f"{self.root}/{encode_key(key)}"
        return Request(
            method, self.origin, path, query, headers or {}, body, stream=stream, idempotent=idempotent
        )

    def bucket_request(
        self, method: str, query: Query = (), headers: dict[str, str] | None = None, body: Body = EMPTY
    ) -> Request:
        return Request(method, self.origin, self.root or "/", query, headers or {}, body)

    def where(self, request: Request) -> str:
        """The place of a request, for people."""
        key = unquote(request.path.removeprefix(self.root)).removeprefix("/")
        return f"{self.place}/{key}" if key else self.place

    def failure(self, request: Request, response: Response) -> BackendError:
        return self.refusal(request, response, response.body)

    def refusal(self, request: Request, response: Response, body: bytes) -> BackendError:
        """The error of an answer, also of one with status 200 that has an error as its body."""
        try:
            answer = Answer.parse(body, "")
            code, message = answer.text("code", ""), answer.text("message", "")
        except BackendError:
            code, message = "", body[:200].decode("utf-8", "replace")
        meanings = {**self.meanings, **self.meanings_of(request, response, code, message)}
        return error_of(response, code=code, message=message, where=self.where(request), meanings=meanings)

    def meanings_of(
        self, request: Request, response: Response, code: str, message: str
    ) -> Mapping[str, Meaning]:
        """Meanings of a code that depend on the request or the message."""
        said = f"{code} {message}".lower()
        if "token" in said and "expired" in said:
            return {code: ExpiredCredentials}
        if response.status == 400 and "range" in request.headers and code not in self.meanings:
            return {code: InvalidRange}
        return {}

    # -- attributes ------------------------------------------------------------------------------------------

    def attribute_headers(self, attributes: Attributes) -> dict[str, str]:
        headers = {}
        for field, name in STANDARD.items():
            value = getattr(attributes, field)
            if value is not None:
                headers[name] = value
        for name, value in attributes.metadata.items():
            headers[f"{self.prefix}meta-{name.lower()}"] = self.metadata_value(value)
        if attributes.storage_class:
            headers[f"{self.prefix}storage-class"] = attributes.storage_class
        return headers

    def info(self, key: str, response: Response) -> ObjectInfo:
        """What the headers of GET and HEAD tell."""
        headers = response.headers
        size = whole_size(headers)
        if size < 0:
            raise unexpected("the answer does not tell the size", where=f"{self.place}/{key}")
        return ObjectInfo(
            key,
            size,
            http_date(headers.get("last-modified", "")),
            etag_of(response),
            self.checksums(headers),
            self._attributes(headers),
        )

    def _attributes(self, headers: Mapping[str, str]) -> Attributes:
        start = f"{self.prefix}meta-"
        metadata = {
            name.removeprefix(start): self.metadata_text(value)
            for name, value in headers.items()
            if name.startswith(start)
        }
        given = {field: as_text(headers[name]) for field, name in STANDARD.items() if headers.get(name)}
        # What has no class header is in the class that every bucket begins with.
        storage_class = headers.get(f"{self.prefix}storage-class") or "STANDARD"
        return Attributes(**given, metadata=metadata, storage_class=storage_class)

    # -- the bucket ------------------------------------------------------------------------------------------

    @flow
    def check_bucket(self) -> Flow[None]:
        """By a list of one key, whose refusals have a body that says why."""
        yield self.bucket_request("GET", self.list_query("", "", "", None, 1))
        self._bucket_is_there = True

    def _find_bucket(self) -> Flow[None]:
        """After a 404 without a body: BucketNotFound when it is the bucket that is missing."""
        try:
            yield self.bucket_request("HEAD")
        except NotFound:
            raise BucketNotFound(f"there is no bucket {self.bucket}", where=self.place) from None
        except PermissionDenied:
            pass  # it is there, and not ours to ask about
        self._bucket_is_there = True

    @flow
    def create_bucket(self) -> Flow[None]:
        try:
            yield self.bucket_request("PUT", (), self.bucket_headers())
        except PreconditionFailed:
            # It exists: ours, or somebody's. The list tells.
            yield self.bucket_request("GET", self.list_query("", "", "", None, 1))

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = PLAIN
    ) -> SignedRequest:
        headers = self.attribute_headers(attributes) if method == "PUT" else {}
        request = self.object_request(method, key, (), headers)
        self.signer.presign(request, self.credentials(), time.time(), seconds)
        return SignedRequest(method, request.url, request.headers)

    def read_facts(self, table: FactTable, absent: Mapping[str, Any]) -> Flow[BucketFacts]:
        """Ask for sub-resources of the bucket. absent: what a 404 means of each."""
        found: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        for name, (query, read) in table.items():
            request = self.bucket_request("GET", ((query, ""),)) if query else self.bucket_request("HEAD")
            try:
                found[name] = read((yield request))
            except NotFound:
                found[name] = absent.get(name)
            except BackendError as error:
                unreadable[name] = error.what
        return BucketFacts(**found, unreadable=unreadable)


def etag_of(response: Response) -> str | None:
    return response.header("etag").removeprefix("W/").strip('"') or None


def as_text(value: str) -> str:
    """A header that arrived as bytes of UTF-8 and was read as Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def kept(pairs: Iterable[tuple[str, str]]) -> Query:
    """A query without the pairs that have no value."""
    return tuple(pair for pair in pairs if pair[1])
