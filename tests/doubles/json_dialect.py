"""The model of S3 with JSON bodies, which Baidu BOS and Volcengine TOS speak; each vendor is a subclass.

A subclass says how a request is authenticated, where bucket and key stand, how members and parameters are
spelt, what the vendor's words are. Nothing of the code under test is used here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, ClassVar, NoReturn

from doubles.server import HttpServer, Request, Response, unquoted
from doubles.store import Bucket, Refusal, Store, Stored, StoredPart, User, cut_range, etag_matches

PLAIN = ("content-type", "cache-control", "content-disposition", "content-encoding", "expires")


def moment(seconds: float) -> str:
    """``2026-01-02T03:04:05Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class JsonDouble(ABC):
    """A vendor, answering from a Store. region: of the buckets that are made by hand."""

    prefix: ClassVar[str]
    """Of the vendor's headers: ``x-bce-``."""
    attributes: ClassVar[Sequence[str]] = PLAIN
    default_type: ClassVar[str] = "application/octet-stream"
    classes: ClassVar[frozenset[str]]
    replace: ClassVar[str]
    """The metadata directive that takes attributes from the request."""
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {}
    """Word and status of the vendor by S3's word, where they differ."""

    def __init__(self, store: Store | None = None, region: str = "") -> None:
        self.store = store or Store()
        self.region = region
        self.count = 0

    def serve(self) -> HttpServer:
        """A server of this vendor, to be entered."""
        return HttpServer(self.handle)

    # -- what a vendor says for itself -----------------------------------------------------------------------

    @abstractmethod
    def locate(self, request: Request) -> tuple[str, str | None, str]:
        """Bucket, key (None: the bucket itself), and the region of the endpoint."""

    @abstractmethod
    def authenticate(self, request: Request, region: str) -> User:
        """Who signed this, recomputing the signature. Raises Refusal."""

    @abstractmethod
    def parameter(self, name: str) -> str:
        """How ``max-keys`` is spelt in a query."""

    @abstractmethod
    def member(self, name: str) -> str:
        """How ``uploadId`` is spelt in a body."""

    @abstractmethod
    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        """Headers by which the vendor vouches for content."""

    @abstractmethod
    def conditions(self, request: Request, *, finish: bool) -> tuple[bool, str | None]:
        """Whether a put needs the object to be absent, and which etag it has to replace."""

    @abstractmethod
    def listed(self, request: Request, bucket: Bucket) -> dict[str, Any]:
        """A page of keys."""

    @abstractmethod
    def deleted(self, keys: Sequence[str], asked: Mapping[str, Any]) -> Response:
        """The answer of a batch delete that went well."""

    def check_key(self, key: str) -> None:
        """Refuse keys that the vendor does not take."""
        del key

    def check_body(self, request: Request) -> None:
        """Hold the body to checksums other than Content-MD5."""
        del request

    def elsewhere(self, bucket: Bucket, region: str) -> NoReturn:
        """The bucket is in another region than the endpoint."""
        raise Refusal("NoSuchBucket", 404, "The specified bucket does not exist.")

    def delete_missing(self, key: str) -> None:
        """What a vendor says to the deletion of what is not there; nothing, mostly."""
        del key

    def bucket_headers(self, bucket: Bucket) -> dict[str, str]:
        return {}

    def facts(self, bucket: Bucket, name: str) -> dict[str, Any]:
        """A sub-resource of a bucket, like its ACL."""
        raise Refusal("MethodNotAllowed", 405, f"No {name} here.")

    # -- every request ---------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        self.count += 1
        try:
            response = self.dispatch(request)
        except Refusal as refusal:
            response = self.refuse(request, refusal)
        response.headers.setdefault(f"{self.prefix}request-id", f"{self.count:08x}-double")
        response.headers.setdefault("date", formatdate(self.store.clock(), usegmt=True))
        return response

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        code, status = self.codes.get(refusal.code, (refusal.code, refusal.status))
        told = {name: value for name, value in refusal.detail.items() if name.islower()}  # headers
        headers = {"content-type": "application/json; charset=utf-8", **told}
        if status == 304 or request.method == "HEAD":
            return Response(status, {**headers, "content-length": "0"})
        body = {
            self.member("code"): code,
            self.member("message"): refusal.message,
            self.member("requestId"): f"{self.count:08x}-double",
        }
        return Response(status, headers, json.dumps(body).encode())

    def answer(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
        text = json.dumps({self.member(name): value for name, value in body.items()}, ensure_ascii=False)
        raw = text.encode("utf-8", "surrogateescape")
        return Response(200, {"content-type": "application/json; charset=utf-8", **(headers or {})}, raw)

    def dispatch(self, request: Request) -> Response:
        name, key, region = self.locate(request)
        user = self.authenticate(request, region)
        self._check_digest(request)
        self.check_body(request)
        if not name:
            raise Refusal("MethodNotAllowed", 405, "The double has no list of buckets.")
        if key is None and request.method == "PUT" and not request.raw_query:
            return self._create_bucket(request, name, region, user)
        bucket = self.store.bucket(name)
        if bucket.region != region:
            self.elsewhere(bucket, region)
        self.store.allow(user, bucket)
        if key is None:
            return self._on_bucket(request, bucket)
        self.check_key(key)
        return self._on_object(request, bucket, key)

    def _check_digest(self, request: Request) -> None:
        given = request.header("content-md5")
        if not given:
            return
        try:
            expected = base64.b64decode(given, validate=True)
        except binascii.Error:
            expected = b""
        if len(expected) != 16:
            raise Refusal("InvalidDigest", 400, "The Content-MD5 you specified is not valid.")
        if hashlib.md5(request.body).digest() != expected:
            raise Refusal("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")

    # -- buckets ---------------------------------------------------------------------------------------------

    def _create_bucket(self, request: Request, name: str, region: str, user: User) -> Response:
        if not user.rights:
            raise Refusal("AccessDenied", 403, "Access denied.")
        bucket = self.store.create_bucket(name, region, user.owner)
        bucket.settings["acl"] = request.header(f"{self.prefix}acl") or "private"
        return Response(200, {"location": f"/{name}"})

    def _on_bucket(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        if request.method == "HEAD":
            return Response(200, {**self.bucket_headers(bucket), "content-length": "0"})
        if request.method == "POST" and "delete" in query:
            return self._delete_many(request, bucket)
        if request.method == "GET" and "uploads" in query:
            return self._list_uploads(request, bucket)
        if request.method == "GET":
            for name in ("location", "acl", "versioning", "encryption", "lifecycle", "cors"):
                if name in query:
                    return self.answer(self.facts(bucket, name))
            return self.answer(self.listed(request, bucket))
        if request.method == "DELETE" and not request.raw_query:
            if bucket.objects:
                raise Refusal("BucketNotEmpty", 409)
            del self.store.buckets[bucket.name]
            return Response(204)
        raise Refusal("MethodNotAllowed", 405)

    def _delete_many(self, request: Request, bucket: Bucket) -> Response:
        asked = self.parsed(request)
        entries = asked.get(self.member("objects"))
        if not isinstance(entries, list) or not 0 < len(entries) <= 1000:
            raise Refusal("MalformedJSON", 400, "The JSON you provided was not well-formed.")
        keys = [entry[self.member("key")] for entry in entries]
        for key in keys:
            self.store.delete(bucket, key)
        return self.deleted(keys, asked)

    def parsed(self, request: Request) -> dict[str, Any]:
        try:
            found = json.loads(request.body)
        except ValueError as error:
            raise Refusal("MalformedJSON", 400, "The JSON you provided was not well-formed.") from error
        if not isinstance(found, dict):
            raise Refusal("MalformedJSON", 400, "The JSON you provided was not well-formed.")
        return found

    def limit(self, request: Request, name: str) -> int:
        text = request.query.get(self.parameter(name), "1000")
        if not text.isdigit() or not 0 < int(text) <= 1000:
            raise Refusal("InvalidArgument", 400, f"The argument {name} is not valid.")
        return int(text)

    # -- objects ---------------------------------------------------------------------------------------------

    def _on_object(self, request: Request, bucket: Bucket, key: str) -> Response:
        query = request.query
        if "uploadId" in query or "uploads" in query:
            return self._on_upload(request, bucket, key)
        if request.method in {"GET", "HEAD"}:
            return self._read(request, self.store.find(bucket, key))
        if request.method == "PUT" and request.header(f"{self.prefix}copy-source"):
            return self._copy(request, bucket, key)
        if request.method == "PUT":
            attributes, metadata, chosen = self._described(request)
            absent, match = self.conditions(request, finish=False)
            stored = self.store.put(
                bucket, key, request.body, attributes, metadata, chosen, absent=absent, match=match
            )
            return Response(200, {"etag": f'"{stored.etag}"', **self.vouched(stored)})
        if request.method == "DELETE":
            if not self.store.delete(bucket, key):
                self.delete_missing(key)
            return Response(204)
        raise Refusal("MethodNotAllowed", 405)

    def _described(self, request: Request) -> tuple[dict[str, str], dict[str, str], str]:
        attributes = {name: request.headers[name] for name in self.attributes if name in request.headers}
        attributes.setdefault("content-type", self.default_type)
        start = f"{self.prefix}meta-"
        metadata = {
            name.removeprefix(start): value
            for name, value in request.headers.items()
            if name.startswith(start)
        }
        chosen = request.header(f"{self.prefix}storage-class") or "STANDARD"
        if chosen not in self.classes:
            raise Refusal("InvalidStorageClass", 400, "The storage class you specified is not valid.")
        if sum(len(start + name) + len(value) for name, value in metadata.items()) > 2048:
            raise Refusal("MetadataTooLarge", 400, "Your metadata headers exceed the maximum size.")
        return attributes, metadata, chosen

    def _read(self, request: Request, stored: Stored) -> Response:
        if not etag_matches(request.header("if-match") or "*", stored.etag):
            raise Refusal("PreconditionFailed", 412, "The specified If-Match header did not hold.")
        if request.header("if-none-match") and etag_matches(request.header("if-none-match"), stored.etag):
            raise Refusal("NotModified", 304)
        headers = {
            **stored.attributes,
            **{f"{self.prefix}meta-{name}": value for name, value in stored.metadata.items()},
            f"{self.prefix}storage-class": stored.storage_class,
            "etag": f'"{stored.etag}"',
            "last-modified": formatdate(stored.modified, usegmt=True),
            "accept-ranges": "bytes",
            **self.vouched(stored),
        }
        size = len(stored.data)
        if request.method == "HEAD":
            return Response(200, {**headers, "content-length": str(size)})
        span = cut_range(request.header("range"), size) if request.header("range") else None
        if span is None:
            return Response(200, headers, stored.data)
        first, last = span
        headers["content-range"] = f"bytes {first}-{last}/{size}"
        return Response(206, headers, memoryview(stored.data)[first : last + 1])

    def _source(self, request: Request, target: Bucket) -> Stored:
        text = unquoted(request.header(f"{self.prefix}copy-source").partition("?versionId=")[0])
        name, _, key = text.removeprefix("/").partition("/")
        bucket = self.store.bucket(name)
        if bucket.owner != target.owner:
            raise Refusal("AccessDenied", 403, "Access denied.")
        return self.store.find(bucket, key)

    def _copy(self, request: Request, bucket: Bucket, key: str) -> Response:
        source = self._source(request, bucket)
        attributes, metadata, chosen = self._described(request)
        replace = request.header(f"{self.prefix}metadata-directive") == self.replace
        stored = self.store.copy(
            source, bucket, key, attributes if replace else None, metadata if replace else None, chosen
        )
        return self.answer(self._copied(stored), self.vouched(stored))

    def _copied(self, item: Stored | StoredPart) -> dict[str, Any]:
        return {"eTag": f'"{item.etag}"', "lastModified": self.instant(item.modified)}

    def instant(self, seconds: float) -> str:
        """A time in a body."""
        return moment(seconds)

    # -- multipart -------------------------------------------------------------------------------------------

    def _on_upload(self, request: Request, bucket: Bucket, key: str) -> Response:
        query = request.query
        if request.method == "POST" and "uploads" in query:
            attributes, metadata, chosen = self._described(request)
            upload = self.store.start_upload(bucket, key, attributes, metadata, chosen)
            return self.answer({"bucket": bucket.name, "key": key, "uploadId": upload.id})
        upload_id = query.get("uploadId", "")
        if request.method == "PUT":
            return self._part(request, bucket, key, upload_id)
        if request.method == "POST":
            return self._finish(request, bucket, key, upload_id)
        if request.method == "DELETE":
            self.store.abort_upload(bucket, key, upload_id)
            return Response(204)
        if request.method == "GET":
            return self._list_parts(request, bucket, key, upload_id)
        raise Refusal("MethodNotAllowed", 405)

    def _part(self, request: Request, bucket: Bucket, key: str, upload_id: str) -> Response:
        text = request.query.get("partNumber", "")
        if not text.isdigit():
            raise Refusal("InvalidArgument", 400, "The part number is not valid.")
        if not request.header(f"{self.prefix}copy-source"):
            part = self.store.put_part(bucket, key, upload_id, int(text), request.body)
            return Response(200, {"etag": f'"{part.etag}"', **self.vouched(part)})
        source = self._source(request, bucket)
        given = request.header(f"{self.prefix}copy-source-range")
        span = cut_range(given, len(source.data)) if given else None
        first, last = span or (0, len(source.data) - 1)
        part = self.store.put_part(bucket, key, upload_id, int(text), source.data[first : last + 1])
        return self.answer(self._copied(part))

    def _finish(self, request: Request, bucket: Bucket, key: str, upload_id: str) -> Response:
        entries = self.parsed(request).get(self.member("parts"))
        try:
            parts = [
                (int(entry[self.member("partNumber")]), str(entry[self.member("eTag")]))
                for entry in entries or ()
            ]
        except (TypeError, KeyError, ValueError) as error:
            raise Refusal("MalformedJSON", 400, "The JSON you provided was not well-formed.") from error
        absent, match = self.conditions(request, finish=True)
        stored = self.store.finish_upload(bucket, key, upload_id, parts, absent=absent, match=match)
        body = {"location": f"{bucket.name}/{key}", "bucket": bucket.name, "key": key, **self._copied(stored)}
        del body["lastModified"]
        return self.answer(body, self.vouched(stored))

    def _list_parts(self, request: Request, bucket: Bucket, key: str, upload_id: str) -> Response:
        after = int(request.query.get(self.parameter("part-number-marker")) or "0")
        limit = self.limit(request, "max-parts")
        parts, more = self.store.list_parts(self.store.upload(bucket, key, upload_id), after, limit)
        return self.answer(
            {
                "bucket": bucket.name, "key": key, "uploadId": upload_id, "maxParts": limit,
                "partNumberMarker": after, "isTruncated": more, "storageClass": "STANDARD",
                "nextPartNumberMarker": parts[-1].number if parts else after,
                "parts": [
                    self.members({
                        "partNumber": part.number, "lastModified": self.instant(part.modified),
                        "eTag": f'"{part.etag}"', "size": len(part.data),
                    })
                    for part in parts
                ],
            }
        )  # fmt: skip

    def _list_uploads(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        mark = query.get(self.parameter("key-marker"), ""), query.get(self.parameter("upload-id-marker"), "")
        limit = self.limit(request, "max-uploads")
        uploads, more = self.store.list_uploads(bucket, query.get("prefix", ""), mark, limit)
        body: dict[str, Any] = {
            "bucket": bucket.name, "keyMarker": mark[0], "maxUploads": limit, "isTruncated": more,
            "prefix": query.get("prefix", ""),
            "uploads": [
                self.members({
                    "key": upload.key, "uploadId": upload.id, "initiated": self.instant(upload.started),
                    "storageClass": upload.storage_class,
                })
                for upload in uploads
            ],
        }  # fmt: skip
        if more:
            body["nextKeyMarker"], body["nextUploadIdMarker"] = uploads[-1].key, uploads[-1].id
        return self.answer(body)

    def members(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The members of an object inside a body, spelt as the vendor does."""
        return {self.member(name): value for name, value in entry.items()}

    def entry(self, stored: Stored) -> dict[str, Any]:
        """An object in a list."""
        return {
            "key": stored.key, "lastModified": self.instant(stored.modified), "eTag": f'"{stored.etag}"',
            "size": len(stored.data), "storageClass": stored.storage_class,
        }  # fmt: skip
