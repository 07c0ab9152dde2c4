"""The model of S3 with bodies in JSON: what Baidu BOS and Volcengine TOS share, as flows.

Both know buckets, multipart uploads, batch deletes and copies as S3 does. They differ in how they spell
things (``maxKeys`` and ``max-keys``, ``eTag`` and ``ETag``), in how they sign, and in a few headers: those
are the hooks below.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import unquote

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PreconditionFailed,
)
from cloudberth.storage._json_answers import Answer, http_moment
from cloudberth.storage._json_headers import (
    STANDARD,
    Query,
    as_text,
    etag_of,
    integrity,
    part_query,
    range_of,
)
from cloudberth.storage.body import EMPTY, Body, BytesBody
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    BucketFacts,
    Checksum,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    Prefix,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.credentials import Credentials, Provider
from cloudberth.storage.http.backend import Flow, HttpBackend, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, error_of, unexpected
from cloudberth.storage.http.message import Origin, Request, Response, encode_key

FactTable = Mapping[str, tuple[str, Callable[[Response], Any]]]
"""Of a bucket: fact → sub-resource (empty: the headers of the bucket itself), and how to read the answer."""


PLAIN = Attributes()
ALWAYS = Condition()


class Signer(Protocol):
    """Puts credentials on a request, for now; or into its query, for so many seconds."""

    def sign(self, request: Request, credentials: Credentials, now: float) -> None: ...

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None: ...


class JsonObjects(HttpBackend):
    """A bucket of a vendor that speaks S3's model in JSON.

    origin, root: server of the bucket, and the path in front of its keys (empty when the host names it).
    """

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
        """The opposite of `metadata_value`."""

    @abstractmethod
    def checksums(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        """What the headers of an answer vouch for, of the whole object."""

    @abstractmethod
    def entry_checksums(self, entry: Answer) -> dict[Checksum, str]:
        """The same of an entry of a list."""

    @abstractmethod
    def copy_source(self, bucket: str, key: str) -> str:
        """An object as the source of a copy."""

    # -- requests and refusals -------------------------------------------------------------------------------

    def authorize(self, request: Request) -> None:
        self.signer.sign(request, self.credentials(), time.time())

    def object_request(
        self, method: str, key: str, query: Query = (), headers: dict[str, str] | None = None,
        body: Body = EMPTY, *, stream: bool = False,
    ) -> Request:  # fmt: skip
        path = f"{self.root}/{encode_key(key)}"
        return Request(method, self.origin, path, query, headers or {}, body, stream=stream)

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

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = PLAIN, condition: Condition = ALWAYS
    ) -> Flow[Written]:
        headers = {
            **self.attribute_headers(attributes), **self.condition_headers(condition), **integrity(body)
        }  # fmt: skip
        response = yield self.object_request("PUT", key, (), headers, body)
        return Written(etag_of(response), self.checksums(response.headers))

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        headers: dict[str, str] = {}
        if span is not None:
            headers["range"] = range_of(span)
        if match is not None:
            headers["if-match"] = match
        response = yield self.object_request("GET", key, (), headers, stream=True)
        return Opened(self.info(key, response), response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        response = yield self.object_request("HEAD", key)
        return self.info(key, response)

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        request = self.bucket_request("GET", self.list_query(prefix, delimiter, after, cursor, limit))
        response = yield request
        answer = Answer.parse(response.body, self.place)
        entries: list[ObjectInfo | Prefix] = [self.listed(entry) for entry in answer.members("contents")]
        entries += [Prefix(entry.text("prefix")) for entry in answer.members("commonPrefixes")]
        entries.sort(key=lambda entry: entry.key.encode())
        if not answer.flag("isTruncated"):
            return Page(tuple(entries))
        return Page(tuple(entries), self.next_cursor(answer, entries[-1].key if entries else ""))

    def listed(self, entry: Answer) -> ObjectInfo:
        storage_class = entry.text("storageClass", "") or None
        return ObjectInfo(
            entry.text("key"),
            entry.integer("size"),
            entry.moment("lastModified"),
            entry.text("eTag", "").strip('"') or None,
            self.entry_checksums(entry),
            Attributes(storage_class=storage_class),
        )

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        if len(keys) == 1:
            return (yield from self._delete_one(keys[0]))
        objects = [{self.member("key"): key} for key in keys]
        body = json_body({self.member("objects"): objects, **self.quiet()})
        headers = {"content-type": "application/json", **integrity(body)}
        response = yield self.bucket_request("POST", (("delete", ""),), headers, body)
        answer = Answer.parse(response.body, self.place)
        return tuple(self._delete_failures(answer))

    def quiet(self) -> dict[str, Any]:
        """The member that asks for failures only, for vendors that tell of successes otherwise."""
        return {}

    def _delete_one(self, key: str) -> Flow[Sequence[DeleteFailure]]:
        try:
            yield self.object_request("DELETE", key)
        except BucketNotFound:
            raise
        except NotFound:
            pass  # BOS says so, TOS does not
        return ()

    def _delete_failures(self, answer: Answer) -> Iterator[DeleteFailure]:
        for name in ("error", "errors"):
            for entry in answer.members(name):
                code, key = entry.text("code", ""), entry.text("key")
                if code == "NoSuchKey":
                    continue
                refused = Response(403 if code == "AccessDenied" else 500, {})
                error = error_of(
                    refused, code=code, message=entry.text("message", ""), where=f"{self.place}/{key}",
                    meanings=self.meanings,
                )  # fmt: skip
                yield DeleteFailure(key, error)

    @flow
    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Flow[Written]:
        return (yield from self._copy(self, source, key, attributes))

    @flow
    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Flow[Written]:
        return (yield from self._copy(self._neighbour(other), source, key, attributes))

    def _neighbour(self, other: Backend) -> JsonObjects:
        """The other bucket, when it can be the source of a copy: the same vendor and region."""
        if isinstance(other, JsonObjects) and other.id == self.id and self.region_host == other.region_host:
            return other
        raise self.unsupported(f"copy on the server from {other.place}")

    @property
    def region_host(self) -> str:
        """The host without the bucket: copies stay within a region."""
        return self.origin.host.removeprefix(f"{self.bucket}.")

    def _copy(
        self, other: JsonObjects, source: str, key: str, attributes: Attributes | None
    ) -> Flow[Written]:
        headers = {f"{self.prefix}copy-source": self.copy_source(other.bucket, source)}
        if attributes is None:
            headers[f"{self.prefix}metadata-directive"] = self.copy_directive
        else:
            headers[f"{self.prefix}metadata-directive"] = self.replace_directive
            headers.update(self.attribute_headers(attributes))
        request = self.object_request("PUT", key, (), headers)
        response = yield request
        return self._written(request, response)

    def _written(self, request: Request, response: Response) -> Written:
        """What a copy or the end of an upload wrote; raises the error that a body with status 200 can be."""
        answer = Answer.parse(response.body, self.where(request))
        etag = answer.text("eTag", "").strip('"')
        if not etag:
            raise self._late_refusal(request, response)
        return Written(etag, self.checksums(response.headers))

    def _late_refusal(self, request: Request, response: Response) -> BackendError:
        answer = Answer.parse(response.body, self.where(request))
        if not answer.text("code", ""):
            return unexpected("the answer names no etag", where=self.where(request))
        return self.refusal(request, Response(500, response.headers), response.body)

    # -- multipart -------------------------------------------------------------------------------------------

    @flow
    def start_upload(self, key: str, attributes: Attributes = PLAIN) -> Flow[str]:
        headers = self.attribute_headers(attributes)
        response = yield self.object_request("POST", key, (("uploads", ""),), headers)
        return Answer.parse(response.body, f"{self.place}/{key}").text("uploadId")

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        request = self.object_request("PUT", key, part_query(upload, number), integrity(body), body)
        response = yield request
        etag = etag_of(response)
        if etag is None:
            raise unexpected("the answer names no etag", where=self.where(request))
        return Part(number, etag, body.size)

    @flow
    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Flow[Part]:
        if span.length is None:
            raise self.unsupported("copy of a part without an end")
        neighbour = self if other is None else self._neighbour(other)
        headers = {
            f"{self.prefix}copy-source": self.copy_source(neighbour.bucket, source),
            f"{self.prefix}copy-source-range": range_of(span),
        }
        request = self.object_request("PUT", key, part_query(upload, number), headers)
        response = yield request
        return Part(number, self._written(request, response).etag or "", span.length)

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = PLAIN,
        condition: Condition = ALWAYS,
    ) -> Flow[Written]:  # fmt: skip
        del attributes  # the start had them
        number, etag = self.member("partNumber"), self.member("eTag")
        ordered = sorted(parts, key=lambda part: part.number)
        body = json_body({self.member("parts"): [{number: p.number, etag: p.etag} for p in ordered]})
        headers = {"content-type": "application/json", **self.condition_headers(condition, finish=True)}
        request = self.object_request("POST", key, (("uploadId", upload),), headers, body)
        response = yield request
        return self._written(request, response)

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        try:
            yield self.object_request("DELETE", key, (("uploadId", upload),))
        except BucketNotFound:
            raise
        except NotFound:
            pass

    @flow
    def list_parts(self, key: str, upload: str) -> Flow[Iterator[Part]]:
        found: list[Part] = []
        marker = ""
        while True:
            query: Query = (("uploadId", upload), (self.parameter("max-parts"), "1000"))
            if marker:
                query = (*query, (self.parameter("part-number-marker"), marker))
            response = yield self.object_request("GET", key, query)
            answer = Answer.parse(response.body, f"{self.place}/{key}")
            for entry in answer.members("parts"):
                etag = entry.text("eTag").strip('"')
                found.append(Part(entry.integer("partNumber"), etag, entry.integer("size")))
            if not answer.flag("isTruncated"):
                return iter(found)
            marker = self._onward(marker, str(answer.integer("nextPartNumberMarker")))

    @flow
    def list_uploads(self, prefix: str = "") -> Flow[Iterator[PendingUpload]]:
        found: list[PendingUpload] = []
        key_marker = upload_marker = ""
        while True:
            query = [("uploads", ""), (self.parameter("max-uploads"), "1000")]
            for name, value in (
                ("prefix", prefix), ("key-marker", key_marker), ("upload-id-marker", upload_marker)
            ):  # fmt: skip
                query += [(self.parameter(name), value)] if value else []
            response = yield self.bucket_request("GET", tuple(query))
            answer = Answer.parse(response.body, self.place)
            for entry in answer.members("uploads"):
                upload = PendingUpload(
                    entry.text("key"), entry.text("uploadId"), entry.moment("initiated")
                )  # fmt: skip
                found.append(upload)
            if not answer.flag("isTruncated"):
                return iter(found)
            seen = (key_marker, upload_marker)
            key_marker, upload_marker = answer.text("nextKeyMarker"), answer.text("nextUploadIdMarker", "")
            self._onward(seen, (key_marker, upload_marker))

    def _onward(self, seen: Any, marker: Any) -> Any:
        """The marker of the next page; a server that sends us round in circles is an error."""
        if seen == marker:
            raise unexpected(f"the list does not go on behind {marker!r}", where=self.place)
        return marker

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = PLAIN
    ) -> SignedRequest:
        headers = self.attribute_headers(attributes) if method == "PUT" else {}
        request = self.object_request(method, key, (), headers)
        self.signer.presign(request, self.credentials(), time.time(), seconds)
        return SignedRequest(method, request.url, request.headers)

    @flow
    def check_bucket(self) -> Flow[None]:
        yield from self.head_bucket()

    def head_bucket(self) -> Flow[Response]:
        """HEAD has no body to say which kind of thing is missing; here it is the bucket."""
        try:
            return (yield self.bucket_request("HEAD"))
        except BucketNotFound:
            raise
        except NotFound as error:
            raise BucketNotFound(f"there is no bucket {self.bucket}", where=self.place) from error

    @flow
    def create_bucket(self) -> Flow[None]:
        try:
            yield self.bucket_request("PUT", (), self.bucket_headers())
        except PreconditionFailed:
            # It exists: ours, or somebody's. The HEAD tells.
            yield from self.head_bucket()

    def bucket_headers(self) -> dict[str, str]:
        """What a new bucket is asked for with."""
        return {f"{self.prefix}acl": "private"}

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
        ranged = response.status == 206
        total = headers.get("content-range", "").rpartition("/")[2] if ranged else ""
        size = total or headers.get("content-length", "")
        if not (size.isascii() and size.isdecimal() and len(size) < 20):
            raise unexpected("the answer does not tell the size", where=f"{self.place}/{key}")
        return ObjectInfo(
            key,
            int(size),
            http_moment(headers.get("last-modified", "")),
            etag_of(response),
            self.checksums(headers),
            self._attributes(headers),
        )

    def _attributes(self, headers: Mapping[str, str]) -> Attributes:
        start = f"{self.prefix}meta-"
        metadata = {
            name.removeprefix(start): self.metadata_text(as_text(value))
            for name, value in headers.items()
            if name.startswith(start)
        }
        given = {field: as_text(headers[name]) for field, name in STANDARD.items() if headers.get(name)}
        storage_class = headers.get(f"{self.prefix}storage-class")
        return Attributes(**given, metadata=metadata, storage_class=storage_class)


def json_body(value: Mapping[str, Any]) -> BytesBody:
    return BytesBody(json.dumps(value).encode())
