"""Oracle's own object storage interface, for principals that have no secret keys (``OCI_AUTH``).

Source: Oracle, Object Storage Service API 20160918, and the SDK ``oci`` 2.189. It has conditions on the etag
and tiers, which the S3 interface has not; it has no signed URLs (those are objects of the server, PARs), and
its copies are jobs of the server: here bytes go through the client instead. Folding of keys knows ``/`` only.

Not proved against Oracle: the double in the tests follows the documentation and satisfies Oracle's SDK.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from hashlib import md5
from typing import Any, ClassVar
from urllib.parse import unquote

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import EMPTY, Body, BytesBody
from cloudberth.storage.contract import (
    GIB,
    MIB,
    Attributes,
    BucketFacts,
    Capabilities,
    Checksum,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    Prefix,
    Span,
    StorageClass,
    Written,
)
from cloudberth.storage.http.backend import Flow, HttpBackend, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, error_of, unexpected
from cloudberth.storage.http.headers import (
    attributes_of_headers,
    attributes_to_headers,
    encode_value,
    http_date,
    range_header,
    whole_size,
)
from cloudberth.storage.http.message import Origin, Request, Response, encode
from cloudberth.storage.oci_principals import KeyProvider
from cloudberth.storage.signing.oci_rsa import OciRsa

_META = "opc-meta-"
_TIER = "storage-tier"
_PLAIN, _ALWAYS = Attributes(), Condition()
_FIELDS = "name,size,etag,md5,timeModified,storageTier"
_MEANINGS: Mapping[str, Meaning] = {
    "BucketNotFound": BucketNotFound,
    "NamespaceNotFound": BucketNotFound,
    "IfMatchFailed": PreconditionFailed,
    "IfNoneMatchFailed": PreconditionFailed,
    "InvalidRange": InvalidRange,
    "NoSuchUpload": NotFound,
    "NotAuthenticated": PermissionDenied,
    "NotAuthorized": PermissionDenied,
    "NotAuthorizedOrNotFound": BucketNotFound,
    "ObjectNotFound": NotFound,
    "TooManyRequests": Throttled,
    "UnmatchedContentMD5": CorruptData,
}
_NAMESPACE = re.compile(r"[A-Za-z0-9_-]+")
Query = tuple[tuple[str, str], ...]


class OciNative(HttpBackend):
    """A bucket by Oracle's own interface. region_origin: ``https://objectstorage.REGION.oraclecloud.com``.

    compartment: where a bucket is created; the S3 interface has one by itself, this one has not.
    """

    id = "oci-storage"
    capabilities: Capabilities = Capabilities(
        max_put=50 * GIB,
        part_min=MIB,
        part_max=50 * GIB,
        copy_max=0,
        conditional=frozenset({"absent", "match"}),
        classes={
            StorageClass.STANDARD: "Standard",
            StorageClass.INFREQUENT: "InfrequentAccess",
            StorageClass.ARCHIVE: "Archive",
        },
        checksum="md5",
    )
    meanings: ClassVar[Mapping[str, Meaning]] = _MEANINGS

    def __init__(
        self, client: Client, region_origin: Origin, namespace: str, bucket: str, keys: KeyProvider,
        compartment: str = "",
    ) -> None:  # fmt: skip
        super().__init__(client)
        self.origin = region_origin
        self.bucket = bucket
        self.keys = keys
        self.compartment = compartment
        self._namespace = namespace
        self.signer = OciRsa()
        self.place = f"oci://{bucket}"
        self._bucket_is_there = False

    # -- requests and refusals -------------------------------------------------------------------------------

    def authorize(self, request: Request) -> None:
        uploads = request.method == "PUT"
        self.signer.sign(request, self.keys(), time.time(), object_body=uploads)

    def failure(self, request: Request, response: Response) -> BackendError:
        try:
            answer = Answer.parse(response.body, "")
            code, message = answer.text("code", ""), answer.text("message", "")
        except BackendError:
            code, message = "", response.body[:200].decode("utf-8", "replace")
        pieces = request.path.split("/", 6)
        where = f"{self.place}/{unquote(pieces[6])}" if len(pieces) == 7 and pieces[5] in "ou" else self.place
        return error_of(response, code=code, message=message, where=where, meanings=self.meanings)

    def _namespace_flow(self) -> Flow[str]:
        """That of the tenancy, asked for once when it is not set."""
        if not self._namespace:
            response = yield Request("GET", self.origin, "/n/")
            try:
                found = json.loads(response.body)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, str) or not _NAMESPACE.fullmatch(found):
                raise unexpected("the tenancy has no namespace", where=self.place)
            self._namespace = found
        return self._namespace

    def _request(
        self, method: str, path: str, query: Query = (), headers: dict[str, str] | None = None,
        body: Body = EMPTY, *, stream: bool = False, idempotent: bool = True,
    ) -> Flow[Response]:  # fmt: skip
        """About the bucket: path is behind its own (``/o/key``, encoded)."""
        namespace = yield from self._namespace_flow()
        place = f"/n/{encode(namespace)}/b/{encode(self.bucket)}{path}"
        return (
            yield Request(
                method, self.origin, place, query, headers or {}, body, stream=stream, idempotent=idempotent
            )
        )

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = _PLAIN, condition: Condition = _ALWAYS
    ) -> Flow[Written]:
        headers = attributes_to_headers(attributes, _META, _TIER)
        headers |= {**_condition(condition), **_integrity(body)}
        headers.setdefault("content-type", "application/octet-stream")
        response = yield from self._request("PUT", f"/o/{encode(key)}", (), headers, body)
        self._bucket_is_there = True
        return Written(_etag(response), _md5(response.header("opc-content-md5")))

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        headers = {"range": range_header(span)} if span is not None else {}
        if match is not None:
            headers["if-match"] = match
        response = yield from self._request("GET", f"/o/{encode(key)}", (), headers, stream=True)
        self._bucket_is_there = True
        return Opened(self._info(key, response), response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        """An answer to HEAD has no body, so what it says no with is asked for again where it is not clear."""
        try:
            response = yield from self._request("HEAD", f"/o/{encode(key)}")
        except NotFound:
            if not self._bucket_is_there:
                yield from self._request("GET", "/o", (("limit", "1"),))
                self._bucket_is_there = True
            raise
        self._bucket_is_there = True
        return self._info(key, response)

    def _info(self, key: str, response: Response) -> ObjectInfo:
        headers = response.headers
        size = whole_size(headers)
        if size < 0:
            raise unexpected("the answer does not tell the size", where=f"{self.place}/{key}")
        return ObjectInfo(
            key,
            size,
            http_date(headers.get("last-modified", "")),
            _etag(response),
            _md5(headers.get("content-md5", "")),
            attributes_of_headers(headers, _META, _TIER, "Standard"),
        )

    @flow
    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Flow[Page]:  # fmt: skip
        if delimiter not in {"", "/"}:
            raise self.unsupported(f"folding of keys at {delimiter!r}, only at '/'")
        query = [("fields", _FIELDS), ("limit", str(limit))]
        pairs = {"prefix": prefix, "delimiter": delimiter}
        pairs |= {"start": cursor} if cursor else {"startAfter": after}
        query += [(name, value) for name, value in pairs.items() if value]
        response = yield from self._request("GET", "/o", tuple(query))
        self._bucket_is_there = True
        answer = Answer.parse(response.body, self.place)
        prefixes = answer.raw("prefixes") or []
        if not isinstance(prefixes, list) or not all(isinstance(entry, str) for entry in prefixes):
            raise unexpected("the prefixes are no texts", where=self.place)
        entries: list[ObjectInfo | Prefix] = [_listed(entry) for entry in answer.members("objects")]
        entries += [Prefix(entry) for entry in prefixes]
        entries.sort(key=lambda entry: entry.key.encode("utf-8", "surrogatepass"))
        return Page(tuple(entries), answer.text("nextStartWith", "") or None)

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        if len(keys) == 1:
            try:
                yield from self._request("DELETE", f"/o/{encode(keys[0])}")
            except BucketNotFound:
                raise
            except NotFound:
                pass
            return ()
        objects = [{"objectName": key} for key in keys]
        body = _json({"objects": objects, "isSkipDeletedResult": True})
        response = yield from self._request("POST", "/actions/batchDeleteObjects", (), _typed(), body)
        failures = []
        for entry in Answer.parse(response.body, self.place).members("failed"):
            status = entry.integer("statusCode")
            error = error_of(
                Response(status, {}), code="", message=entry.text("errorMessage", ""), where=self.place,
                meanings=self.meanings,
            )  # fmt: skip
            if type(error) is not NotFound:
                failures.append(DeleteFailure(entry.text("objectName"), error))
        return tuple(failures)

    # -- multipart -------------------------------------------------------------------------------------------

    @flow
    def start_upload(self, key: str, attributes: Attributes = _PLAIN) -> Flow[str]:
        details: dict[str, Any] = {"object": key}
        for field, name in (
            ("content_type", "contentType"), ("cache_control", "cacheControl"),
            ("content_disposition", "contentDisposition"), ("content_encoding", "contentEncoding"),
            ("content_language", "contentLanguage"), ("storage_class", "storageTier"),
        ):  # fmt: skip
            value = getattr(attributes, field)
            if value is not None:
                details[name] = value
        if attributes.metadata:
            details["metadata"] = {
                f"{_META}{name.lower()}": encode_value(value) for name, value in attributes.metadata.items()
            }
        response = yield from self._request("POST", "/u", (), _typed(), _json(details), idempotent=False)
        return Answer.parse(response.body, self.place).text("uploadId")

    @flow
    def put_part(self, key: str, upload: str, number: int, body: Body) -> Flow[Part]:
        query = (("uploadId", upload), ("uploadPartNum", str(number)))
        headers = {"content-type": "application/octet-stream", **_integrity(body)}
        response = yield from self._request("PUT", f"/u/{encode(key)}", query, headers, body)
        etag = _etag(response)
        if etag is None:
            raise unexpected("the answer names no etag", where=self.place)
        return Part(number, etag, body.size)

    @flow
    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = _PLAIN,
        condition: Condition = _ALWAYS,
    ) -> Flow[Written]:  # fmt: skip
        """The answer to the first try may have been lost: an object of as many parts and bytes is success."""
        del attributes  # the start had them
        ordered = sorted(parts, key=lambda part: part.number)
        body = _json({"partsToCommit": [{"partNum": p.number, "etag": p.etag} for p in ordered]})
        headers = {**_typed(), **_condition(condition)}
        path, query = f"/u/{encode(key)}", (("uploadId", upload),)
        try:
            response = yield from self._request("POST", path, query, headers, body, idempotent=False)
        except BucketNotFound:
            raise
        except NotFound:
            response = yield from self._request("HEAD", f"/o/{encode(key)}")
            count = response.header("opc-multipart-md5").rpartition("-")[2]
            size = sum(part.size for part in parts)
            if count != str(len(parts)) or whole_size(response.headers) != size:
                raise
        return Written(_etag(response))

    @flow
    def abort_upload(self, key: str, upload: str) -> Flow[None]:
        try:
            yield from self._request("DELETE", f"/u/{encode(key)}", (("uploadId", upload),))
        except BucketNotFound:
            raise
        except NotFound:
            pass

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        for entry in self._pages(f"/u/{encode(key)}", (("uploadId", upload),)):
            yield Part(entry.integer("partNumber"), entry.text("etag"), entry.integer("size"))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        for entry in self._pages("/u", ()):
            key = entry.text("object")
            if key.startswith(prefix):
                yield PendingUpload(key, entry.text("uploadId"), entry.moment("timeCreated"))

    def _pages(self, path: str, query: Query) -> Iterator[Answer]:
        page = ""
        while True:
            entries, behind = self._page(
                path, (*query, ("limit", "1000"), *((("page", page),) if page else ()))
            )
            yield from entries
            if not behind:
                return
            if behind == page:
                raise unexpected("the list does not go on", where=self.place)
            page = behind

    @flow
    def _page(self, path: str, query: Query) -> Flow[tuple[Sequence[Answer], str]]:
        response = yield from self._request("GET", path, query)
        wrapped = Answer.parse(b'{"entries": %s}' % (response.body.strip() or b"[]"), self.place)
        return tuple(wrapped.members("entries")), response.header("opc-next-page")

    # -- the bucket ------------------------------------------------------------------------------------------

    @flow
    def check_bucket(self) -> Flow[None]:
        yield from self._request("GET", "/o", (("limit", "1"),))
        self._bucket_is_there = True

    @flow
    def create_bucket(self) -> Flow[None]:
        if not self.compartment:
            raise self.unsupported("creating the bucket without OCI_COMPARTMENT_ID")
        namespace = yield from self._namespace_flow()
        body = _json(
            {"name": self.bucket, "compartmentId": self.compartment, "publicAccessType": "NoPublicAccess"}
        )
        try:
            yield Request("POST", self.origin, f"/n/{encode(namespace)}/b", (), _typed(), body)
        except PreconditionFailed:
            yield from self._request("GET", "/o", (("limit", "1"),))  # ours, or somebody's

    @flow
    def facts(self) -> Flow[BucketFacts]:
        response = yield from self._request("GET", "")
        bucket = Answer.parse(response.body, self.place)
        try:
            found = yield from self._request("GET", "/l")
            lifecycle = f"{sum(1 for _ in Answer.parse(found.body, self.place).members('items'))} rules"
        except NotFound:
            lifecycle = "0 rules"
        return BucketFacts(
            region=self.origin.host.removeprefix("objectstorage.").partition(".")[0],
            public=bucket.text("publicAccessType", "NoPublicAccess") != "NoPublicAccess",
            versioning=bucket.text("versioning", "Disabled") == "Enabled",
            encryption="key of the vault" if bucket.raw("kmsKeyId") else "AES256",
            lifecycle=lifecycle,
            unreadable={"cors": "Oracle has no CORS of buckets"},
        )


def _listed(entry: Answer) -> ObjectInfo:
    return ObjectInfo(
        entry.text("name"),
        entry.integer("size"),
        entry.moment("timeModified"),
        entry.text("etag", "") or None,
        _md5(entry.text("md5", "")) if isinstance(entry.raw("md5"), str) else {},
        Attributes(storage_class=entry.text("storageTier", "Standard")),
    )


def _condition(condition: Condition) -> dict[str, str]:
    if condition.match is not None:
        return {"if-match": condition.match}
    return {"if-none-match": "*"} if condition.absent else {}


def _integrity(body: Body) -> dict[str, str]:
    """Content-MD5 of a body in memory, which the server checks."""
    view = body.view
    return (
        {} if view is None else {"content-md5": b64encode(md5(view, usedforsecurity=False).digest()).decode()}
    )


def _md5(value: str) -> dict[Checksum, str]:
    """An MD5 in base64; that of a multipart object ends in its number of parts, and is none."""
    try:
        digest = b64decode(value, validate=True)
    except NotBase64:
        return {}
    return {"md5": digest.hex()} if len(digest) == 16 else {}


def _etag(response: Response) -> str | None:
    return response.header("etag").strip('"') or None


def _json(value: Mapping[str, Any]) -> BytesBody:
    return BytesBody(json.dumps(value).encode())


def _typed() -> dict[str, str]:
    return {"content-type": "application/json"}
