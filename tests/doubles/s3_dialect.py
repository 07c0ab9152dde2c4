"""The XML protocol that OSS, COS and OBS share with S3, answered from a `Store`; each vendor is a subclass.

A subclass says how a request is authenticated, where bucket and key stand, what the vendor's words are, and
what it limits. What all share is here: buckets, objects, ranges, conditions, lists, batch delete; multipart
is in s3_multipart.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import ClassVar, NoReturn
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from doubles.server import HttpServer, Request, Response, unquoted
from doubles.store import Bucket, Listed, Refusal, Store, Stored, StoredPart, User, cut_range, etag_matches

ATTRIBUTES = (
    "content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
)  # fmt: skip
SKEW = 15 * 60


def xml(name: str, *children: str) -> str:
    """An element of elements."""
    return f"<{name}>{''.join(children)}</{name}>"


def leaf(name: str, text: object) -> str:
    """An element with a text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parsed(body: bytes) -> ElementTree.Element:
    """An XML body without its namespaces. Raises MalformedXML."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise Refusal("MalformedXML", 400, "The XML you provided was not well-formed.") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


class XmlDouble(ABC):
    """A vendor. region: of the endpoint at an address without a name. log of requests: `server.requests`."""

    prefix: ClassVar[str]
    """Of the vendor's headers: ``x-oss-``."""
    default_type: ClassVar[str] = "application/octet-stream"
    part_min: ClassVar[int]
    list_version: ClassVar[int] = 1
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {}
    """Word and status of the vendor by S3's word, where they differ."""
    exists: ClassVar[str]
    """What the vendor says (409) to a put that must not overwrite."""
    digest_code: ClassVar[str] = "BadDigest"
    classes: ClassVar[frozenset[str]]
    default_class: ClassVar[str] = "STANDARD"
    documents: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Sub-resource of a bucket → (the answer when nothing is set, or "" and the code of its absence)."""

    def __init__(self, store: Store | None = None, region: str = "") -> None:
        self.store = store or Store()
        self.store.part_min = self.part_min
        self.region = region
        self.count = 0

    def serve(self) -> HttpServer:
        """A server of this vendor, to be entered."""
        return HttpServer(self.handle)

    # -- what a vendor says for itself -----------------------------------------------------------------------

    @abstractmethod
    def locate(self, request: Request) -> tuple[str, str | None, str]:
        """Bucket ("": the service itself), key (None: the bucket itself), and the region of the endpoint."""

    @abstractmethod
    def authenticate(self, request: Request, bucket: str, key: str | None, region: str) -> User:
        """Who signed this, recomputing the signature. Raises Refusal."""

    @abstractmethod
    def check_key(self, key: str) -> None:
        """Refuse keys that the vendor does not take."""

    def etag(self, tag: str) -> str:
        """An etag as the vendor writes it."""
        return f'"{tag}"'

    def vouched(self, item: Stored | StoredPart) -> dict[str, str]:
        """Headers by which the vendor vouches for content."""
        return {}

    def extra_headers(self, stored: Stored) -> dict[str, str]:
        """Headers of get and head that only this vendor has."""
        return {}

    def understood(self, request: Request) -> Request:
        """The request in the vendor's own words, when it also takes those of others."""
        return request

    def head_error(self, body: bytes, refusal: Refusal) -> dict[str, str]:
        """What an error without a body says in its headers."""
        return {}

    def elsewhere(self, bucket: Bucket, region: str) -> NoReturn:
        """The bucket is in another region than the endpoint."""
        raise Refusal("NoSuchBucket", 404, "The specified bucket does not exist.")

    # -- every request ---------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        self.count += 1
        try:
            response = self.dispatch(request)
        except Refusal as refusal:
            response = self.refuse(request, refusal)
        response.headers.setdefault(f"{self.prefix}request-id", f"{self.count:024X}")
        response.headers.setdefault("date", formatdate(self.store.clock(), usegmt=True))
        return response

    def dispatch(self, request: Request) -> Response:
        if "aws-chunked" in request.header("content-encoding"):
            raise Refusal("InvalidArgument", 400, "aws-chunked is not supported.")
        name, key, region = self.locate(request)
        user = self.authenticate(request, name, key, region)
        request = self.understood(request)
        self.check_digest(request)
        if not name:
            return self.list_buckets(user)
        if key is None and request.method == "PUT" and not request.raw_query:
            return self.create_bucket(request, name, region, user)
        bucket = self.store.bucket(name)
        if bucket.region != region:
            self.elsewhere(bucket, region)
        self.store.allow(user, bucket)
        if key is None:
            return self.on_bucket(request, bucket)
        self.check_key(key)
        return self.on_object(request, bucket, key)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        code, status = self.codes.get(refusal.code, (refusal.code, refusal.status))
        if status == 304:
            return Response(304)
        details = [leaf(name, value) for name, value in refusal.detail.items()]
        body = self.document(
            "Error", leaf("Code", code), leaf("Message", refusal.message), *details,
            leaf("RequestId", f"{self.count:024X}"), leaf("HostId", request.host),
            leaf("Resource", request.path),
        )  # fmt: skip
        headers = {"content-type": "application/xml"}
        if request.method == "HEAD":
            final = Refusal(code, status, refusal.message)
            return Response(status, {**headers, **self.head_error(body, final), "content-length": "0"})
        return Response(status, headers, body)

    def document(self, name: str, *children: str) -> bytes:
        """A whole XML document."""
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml(name, *children)}'.encode(
            "utf-8", "surrogateescape"
        )

    def answer(self, name: str, *children: str, headers: Mapping[str, str] | None = None) -> Response:
        return Response(
            200, {"content-type": "application/xml", **(headers or {})}, self.document(name, *children)
        )

    def check_digest(self, request: Request) -> None:
        """Hold the body to its Content-MD5."""
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
            raise Refusal(
                self.digest_code, 400, "The Content-MD5 you specified did not match what we received."
            )

    # -- buckets ---------------------------------------------------------------------------------------------

    def list_buckets(self, user: User) -> Response:
        buckets = [
            xml("Bucket", leaf("Name", bucket.name), leaf("Location", bucket.region),
                leaf("CreationDate", iso(bucket.created)))
            for bucket in self.store.buckets.values() if bucket.owner == user.owner
        ]  # fmt: skip
        return self.answer("ListAllMyBucketsResult", xml("Buckets", *buckets))

    def create_bucket(self, request: Request, name: str, region: str, user: User) -> Response:
        if not user.rights:
            raise Refusal("AccessDenied", 403, "Access denied.")
        acl = request.header(f"{self.prefix}acl") or "private"
        bucket = self.store.create_bucket(name, region, user.owner)
        bucket.settings["acl"] = acl
        return Response(200, {"location": f"/{name}"})

    def on_bucket(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        if request.method == "HEAD":
            return Response(200, {**self.bucket_headers(bucket), "content-length": "0"})
        if request.method == "POST" and "delete" in query:
            return self.delete_many(request, bucket)
        if request.method == "GET" and "uploads" in query:
            return self.list_uploads(request, bucket)
        if request.method == "GET" and "location" in query:
            return self.location(bucket)
        for name, (nothing, absent) in self.documents.items():
            if request.method == "GET" and name in query:
                if not nothing and name not in bucket.settings:
                    raise Refusal(absent, 404, f"The bucket has no {name}.")
                body = self.document_of(bucket, name, bucket.settings.get(name, nothing))
                return Response(200, {"content-type": "application/xml"}, body.encode())
        if request.method == "GET":
            return self.list_objects(request, bucket)
        if request.method == "DELETE" and not request.raw_query:
            if bucket.objects:
                raise Refusal("BucketNotEmpty", 409)
            del self.store.buckets[bucket.name]
            return Response(204)
        raise Refusal("MethodNotAllowed", 405)

    def document_of(self, bucket: Bucket, name: str, text: str) -> str:
        """The XML of a sub-resource. text: what is kept of it."""
        return text

    def bucket_headers(self, bucket: Bucket) -> dict[str, str]:
        return {f"{self.prefix}bucket-region": bucket.region}

    def location(self, bucket: Bucket) -> Response:
        return self.answer("LocationConstraint", escape(bucket.region))

    # -- objects ---------------------------------------------------------------------------------------------

    def on_object(self, request: Request, bucket: Bucket, key: str) -> Response:
        query = request.query
        if "uploadId" in query or "uploads" in query:
            return self.on_upload(request, bucket, key)
        if request.method in {"GET", "HEAD"}:
            return self.read(request, self.store.find(bucket, key))
        if request.method == "PUT" and self.copy_source(request):
            return self.copy(request, bucket, key)
        if request.method == "PUT":
            return self.put(request, bucket, key)
        if request.method == "DELETE":
            self.store.delete(bucket, key)
            return Response(204)
        raise Refusal("MethodNotAllowed", 405)

    def described(self, request: Request) -> tuple[dict[str, str], dict[str, str], str]:
        """Attributes, metadata and storage class of a request that writes."""
        attributes = {name: request.headers[name] for name in ATTRIBUTES if name in request.headers}
        attributes.setdefault("content-type", self.default_type)
        start = f"{self.prefix}meta-"
        metadata = {
            name.removeprefix(start): value
            for name, value in request.headers.items()
            if name.startswith(start)
        }
        chosen = request.header(f"{self.prefix}storage-class") or self.default_class
        if chosen.upper() not in {name.upper() for name in self.classes}:
            raise Refusal("InvalidStorageClass", 400, "The storage class you specified is not valid.")
        return attributes, metadata, chosen

    def check_overwrite(self, request: Request, bucket: Bucket, key: str) -> None:
        if request.header(f"{self.prefix}forbid-overwrite").lower() == "true" and key in bucket.objects:
            raise Refusal(
                self.exists, 409, "The object you specified already exists and cannot be overwritten."
            )

    def put(self, request: Request, bucket: Bucket, key: str) -> Response:
        attributes, metadata, chosen = self.described(request)
        with self.store.lock:
            self.check_overwrite(request, bucket, key)
            stored = self.store.put(bucket, key, request.body, attributes, metadata, chosen)
        return Response(200, {"etag": self.etag(stored.etag), **self.vouched(stored)})

    def read(self, request: Request, stored: Stored) -> Response:
        if not etag_matches(request.header("if-match") or "*", stored.etag):
            raise Refusal("PreconditionFailed", 412, "At least one of the pre-conditions did not hold.")
        unless = request.header("if-none-match")
        if unless and etag_matches(unless, stored.etag):
            raise Refusal("NotModified", 304)
        headers = {
            **stored.attributes,
            **{f"{self.prefix}meta-{name}": value for name, value in stored.metadata.items()},
            "etag": self.etag(stored.etag),
            "last-modified": formatdate(stored.modified, usegmt=True),
            "accept-ranges": "bytes",
            **self.vouched(stored),
            **self.extra_headers(stored),
        }
        for name, value in request.query.items():
            if name.startswith("response-"):
                headers[name.removeprefix("response-")] = value
        size = len(stored.data)
        if request.method == "HEAD":
            return Response(200, {**headers, "content-length": str(size)})
        span = cut_range(request.header("range"), size) if request.header("range") else None
        if span is None:
            return Response(200, headers, stored.data)
        first, last = span
        headers["content-range"] = f"bytes {first}-{last}/{size}"
        return Response(206, headers, memoryview(stored.data)[first : last + 1])

    def copy_source(self, request: Request) -> str:
        return request.header(f"{self.prefix}copy-source")

    def source(self, request: Request, user_bucket: Bucket) -> Stored:
        """The object that a copy reads; of the same owner."""
        name, key = self.parse_source(unquoted(self.copy_source(request)))
        bucket = self.store.bucket(name)
        if bucket.owner != user_bucket.owner:
            raise Refusal("AccessDenied", 403, "Access denied.")
        return self.store.find(bucket, key)

    def parse_source(self, text: str) -> tuple[str, str]:
        """Bucket and key of a decoded copy source."""
        bucket, _, key = text.removeprefix("/").partition("/")
        return bucket, key.partition("?versionId=")[0]

    def copy(self, request: Request, bucket: Bucket, key: str) -> Response:
        source = self.source(request, bucket)
        attributes, metadata, chosen = self.described(request)
        directive = request.header(f"{self.prefix}metadata-directive").upper()
        replace = directive in {"REPLACE", "REPLACED"}
        with self.store.lock:
            self.check_overwrite(request, bucket, key)
            stored = self.store.copy(
                source, bucket, key, attributes if replace else None, metadata if replace else None, chosen
            )
        return self.answer(
            "CopyObjectResult", leaf("ETag", self.etag(stored.etag)),
            leaf("LastModified", iso(stored.modified)), headers=self.vouched(stored),
        )  # fmt: skip

    def delete_many(self, request: Request, bucket: Bucket) -> Response:
        if not request.header("content-md5"):
            raise Refusal("InvalidRequest", 400, "Missing required header for this request: Content-MD5.")
        root = parsed(request.body)
        encoded = self.deletes_encoded(request, root)
        keys = [element.findtext("Key") or "" for element in root.iter("Object")]
        if not 0 < len(keys) <= 1000:
            raise Refusal("MalformedXML", 400, "The XML you provided was not well-formed.")
        quiet = (root.findtext("Quiet") or "").lower() == "true"
        entries = [leaf("EncodingType", "url")] if encoded else []
        for key in keys:
            self.store.delete(bucket, key)
            if not quiet:
                entries.append(xml("Deleted", leaf("Key", quote(key, safe="") if encoded else key)))
        return self.answer("DeleteResult", *entries)

    def deletes_encoded(self, request: Request, root: ElementTree.Element) -> bool:
        """Whether the answer of a batch delete has its keys percent-encoded."""
        return request.query.get("encoding-type") == "url"

    # -- lists -----------------------------------------------------------------------------------------------

    def list_objects(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        limit = self.limit(query, "max-keys")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        text = self.text_of(query)
        second = self.list_version == 2 and query.get("list-type") == "2"
        after = self.after(query) if second else query.get("marker", "")
        page = self.store.list(bucket, prefix, delimiter, after, limit)
        fields = [
            leaf("Name", bucket.name), leaf("Prefix", text(prefix)), leaf("MaxKeys", limit),
            leaf("Delimiter", text(delimiter)), leaf("IsTruncated", str(page.truncated).lower()),
        ]  # fmt: skip
        if query.get("encoding-type") == "url":
            fields.append(leaf("EncodingType", "url"))
        fields += self.markers(query, page, text) if not second else self.tokens(query, page)
        fields += [self.listed(stored, text) for stored in page.objects]
        fields += [xml("CommonPrefixes", leaf("Prefix", text(entry))) for entry in page.prefixes]
        return self.answer("ListBucketResult", *fields)

    def limit(self, query: Mapping[str, str], name: str) -> int:
        text = query.get(name, "")
        if text and (not text.isdigit() or int(text) > 1000):
            raise Refusal("InvalidArgument", 400, f"The argument {name} is not valid.")
        return int(text) if text else 100 if self.list_version == 2 else 1000

    def text_of(self, query: Mapping[str, str]) -> Callable[[str], str]:
        """How keys are written in a list."""
        if query.get("encoding-type") == "url":
            return lambda text: quote(text, safe="", errors="surrogateescape")
        return lambda text: text

    def after(self, query: Mapping[str, str]) -> str:
        token = query.get("continuation-token", "")
        if not token:
            return query.get("start-after", "")
        try:
            return base64.b64decode(token, validate=True).decode("utf-8", "surrogateescape")
        except binascii.Error as error:
            raise Refusal("InvalidArgument", 400, "The continuation token is not valid.") from error

    def tokens(self, query: Mapping[str, str], page: Listed) -> list[str]:
        fields = [leaf("KeyCount", len(page.entries))]
        if page.truncated:
            token = base64.b64encode(page.last.encode("utf-8", "surrogateescape")).decode()
            fields.append(leaf("NextContinuationToken", token))
        return fields

    def markers(self, query: Mapping[str, str], page: Listed, text: Callable[[str], str]) -> list[str]:
        fields = [leaf("Marker", text(query.get("marker", "")))]
        if page.truncated:
            fields.append(leaf("NextMarker", text(page.last)))
        return fields

    def listed(self, stored: Stored, text: Callable[[str], str]) -> str:
        return xml(
            "Contents", leaf("Key", text(stored.key)), leaf("LastModified", iso(stored.modified)),
            leaf("ETag", self.etag(stored.etag)), leaf("Size", len(stored.data)),
            leaf("StorageClass", stored.storage_class), self.listed_more(stored),
        )  # fmt: skip

    def listed_more(self, stored: Stored) -> str:
        return ""

    # -- multipart -------------------------------------------------------------------------------------------

    @abstractmethod
    def on_upload(self, request: Request, bucket: Bucket, key: str) -> Response: ...

    @abstractmethod
    def list_uploads(self, request: Request, bucket: Bucket) -> Response: ...
