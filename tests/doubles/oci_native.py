"""A double of Oracle's own Object Storage interface: paths, JSON, words; RSA signatures are verified.

What it holds clients to is Oracle's API reference and what the SDK ``oci`` sends and reads. Keys of
principals (``ST$token``) and of users (``tenancy/user/fingerprint``) are known by their public key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from doubles.json_dialect import moment
from doubles.server import HttpServer, Request, Response, unquoted
from doubles.store import Bucket, Refusal, Store, Stored, cut_range, etag_matches

SKEW = 5 * 60
FIELD = re.compile(r'(\w+)="([^"]*)"')
WITH_BODY = ["content-length", "content-type", "x-content-sha256"]
ATTRIBUTES = (
    "content-type", "cache-control", "content-disposition", "content-encoding", "content-language"
)  # fmt: skip
JSON_NAMES = {
    "content-type": "contentType", "cache-control": "cacheControl", "content-language": "contentLanguage",
    "content-disposition": "contentDisposition", "content-encoding": "contentEncoding",
}  # fmt: skip
TIERS = ("Standard", "InfrequentAccess", "Archive")


class OciNativeDouble:
    """One tenancy in one region. keys: public key by keyId."""

    codes: ClassVar[Mapping[str, tuple[str, int]]] = {
        "NoSuchBucket": ("BucketNotFound", 404),
        "NoSuchKey": ("ObjectNotFound", 404),
        "NoSuchUpload": ("NoSuchUpload", 404),
        "BucketAlreadyOwnedByYou": ("BucketAlreadyExists", 409),
        "InvalidPart": ("InvalidUploadPart", 400),
    }

    def __init__(self, namespace: str = "tenancy1", region: str = "eu-frankfurt-1") -> None:
        self.store = Store()
        self.store.part_min = 0
        self.namespace = namespace
        self.region = region
        self.keys: dict[str, RSAPublicKey] = {}

    def serve(self) -> HttpServer:
        return HttpServer(self.handle)

    def create_bucket(self, name: str) -> Bucket:
        return self.store.create_bucket(name, self.region, self.namespace)

    # -- every request ---------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        try:
            response = self._dispatch(request)
        except Refusal as refusal:
            code, status = self.codes.get(refusal.code, (refusal.code, refusal.status))
            if refusal.code == "PreconditionFailed":
                code = "IfMatchFailed" if request.header("if-match") else "IfNoneMatchFailed"
            body = json.dumps({"code": code, "message": refusal.message}).encode()
            response = Response(status, {"content-type": "application/json"}, body)
            if request.method == "HEAD":
                response = Response(status, {"content-length": "0"})
        response.headers.setdefault("opc-request-id", "double")
        return response

    def _dispatch(self, request: Request) -> Response:
        pieces = request.raw_path.split("/")
        object_body = request.method == "PUT" and pieces[5:6] in (["o"], ["u"])
        self._authenticate(request, object_body)
        self._check_digest(request)
        if pieces[:2] != ["", "n"]:
            raise Refusal("NotFound", 404)
        if not "".join(pieces[2:]):
            return _json(self.namespace)
        if pieces[2] != self.namespace:
            raise Refusal("NamespaceNotFound", 404, "There is no such namespace.")
        if pieces[3:] == ["b"] or pieces[3:] == ["b", ""]:
            details = json.loads(request.body)
            assert details["compartmentId"]
            bucket = self.store.create_bucket(details["name"], self.region, self.namespace)
            bucket.settings["publicAccessType"] = details.get("publicAccessType", "NoPublicAccess")
            return _json(self._bucket(bucket))
        bucket = self.store.bucket(unquoted(pieces[4]))
        return self._on_bucket(request, bucket, pieces[5:])

    def _authenticate(self, request: Request, object_body: bool) -> None:
        scheme, _, rest = request.header("authorization").partition(" ")
        given = dict(FIELD.findall(rest))
        if scheme != "Signature" or given.get("algorithm") != "rsa-sha256":
            raise Refusal("NotAuthenticated", 401, "The required information was not provided.")
        names = given.get("headers", "").split()
        wanted = ["date", "(request-target)", "host"]
        if request.method in {"POST", "PUT"} and not object_body:
            wanted += WITH_BODY
            digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
            if request.header("x-content-sha256") != digest:
                raise Refusal("NotAuthenticated", 401, "The content hash is not that of the body.")
        if not set(wanted) <= set(names):
            raise Refusal("NotAuthenticated", 401, f"These have to be signed: {wanted}")
        date = parsedate_to_datetime(request.header("date")).timestamp()
        if abs(date - self.store.clock()) > SKEW:
            raise Refusal("NotAuthenticated", 401, "Date is outside of the allowed clock skew.")
        target = f"{request.raw_path}?{request.raw_query}" if request.raw_query else request.raw_path
        values = {**request.headers, "(request-target)": f"{request.method.lower()} {target}"}
        text = "\n".join(f"{name}: {values.get(name, '')}" for name in names)
        key = self.keys.get(given.get("keyId", ""))
        try:
            if key is None:
                raise InvalidSignature
            key.verify(base64.b64decode(given["signature"]), text.encode("latin-1"), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise Refusal("NotAuthenticated", 401, "The signature is not valid for this key.") from None

    def _check_digest(self, request: Request) -> None:
        given = request.header("content-md5")
        if given and base64.b64decode(given) != hashlib.md5(request.body).digest():
            raise Refusal("UnmatchedContentMD5", 400, "The computed MD5 does not match the one provided.")

    # -- buckets ---------------------------------------------------------------------------------------------

    def _on_bucket(self, request: Request, bucket: Bucket, rest: Sequence[str]) -> Response:
        kind = rest[0] if rest else ""
        key = unquoted("/".join(rest[1:]))
        if kind == "" and request.method in {"GET", "HEAD"}:
            return _json(self._bucket(bucket))
        if kind == "o" and not key and request.method == "GET":
            return self._list(request, bucket)
        if kind == "o" and key:
            return self._on_object(request, bucket, key)
        if kind == "u":
            return self._on_upload(request, bucket, key)
        if list(rest) == ["actions", "batchDeleteObjects"]:
            for entry in json.loads(request.body)["objects"]:
                self.store.delete(bucket, entry["objectName"])
            return _json({"deleted": [], "failed": []})
        raise Refusal(
            "LifecyclePolicyNotFound" if kind == "l" else "NotFound", 404, "There is no such thing."
        )

    def _bucket(self, bucket: Bucket) -> dict[str, Any]:
        return {
            "namespace": self.namespace, "name": bucket.name, "versioning": "Disabled",
            "publicAccessType": bucket.settings.get("publicAccessType", "NoPublicAccess"),
            "kmsKeyId": bucket.settings.get("kmsKeyId"),
        }  # fmt: skip

    def _list(self, request: Request, bucket: Bucket) -> Response:
        query = request.query
        limit = int(query.get("limit", "1000"))
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        if delimiter not in {"", "/"}:
            raise Refusal("InvalidParameter", 400, "The delimiter can only be '/'.")
        if not 1 <= limit <= 1000 or ("start" in query and "startAfter" in query):
            raise Refusal("InvalidParameter", 400, "limit, start or startAfter is not valid.")
        start = query.get("start", "")
        found = self.store.list(bucket, prefix, delimiter, query.get("startAfter", ""), 100_000)
        entries = [entry for entry in found.entries if _name(entry).encode() >= start.encode()]
        page = entries[:limit]
        body: dict[str, Any] = {
            "objects": [self._summary(entry) for entry in page if isinstance(entry, Stored)],
            "prefixes": [entry for entry in page if isinstance(entry, str)],
        }
        if len(entries) > limit:
            body["nextStartWith"] = _name(entries[limit])
        return _json(body)

    def _summary(self, stored: Stored) -> dict[str, Any]:
        return {
            "name": stored.key, "size": len(stored.data), "etag": stored.etag, "md5": _md5(stored),
            "timeModified": moment(stored.modified), "storageTier": stored.storage_class,
        }  # fmt: skip

    # -- objects ---------------------------------------------------------------------------------------------

    def _on_object(self, request: Request, bucket: Bucket, key: str) -> Response:
        if request.method == "PUT":
            metadata = {
                name[9:]: value for name, value in request.headers.items() if name.startswith("opc-meta-")
            }
            attributes = {name: request.headers[name] for name in ATTRIBUTES if name in request.headers}
            tier = _tier(request.header("storage-tier"))
            absent, match = self._conditions(request)
            stored = self.store.put(
                bucket, key, request.body, attributes, metadata, tier, absent=absent, match=match,
                etag=_uuid(request.body),
            )  # fmt: skip
            return Response(200, {"etag": stored.etag, "opc-content-md5": _md5(stored)})
        if request.method == "DELETE":
            if not self.store.delete(bucket, key):
                raise Refusal(
                    "NoSuchKey", 404, f"The object '{key}' does not exist in bucket '{bucket.name}'."
                )
            return Response(204)
        return self._read(request, self.store.find(bucket, key))

    def _conditions(self, request: Request) -> tuple[bool, str | None]:
        unless = request.header("if-none-match")
        if unless not in {"", "*"}:
            raise Refusal("InvalidParameter", 400, "If-None-Match can only be '*'.")
        return bool(unless), request.header("if-match") or None

    def _read(self, request: Request, stored: Stored) -> Response:
        if not etag_matches(request.header("if-match") or "*", stored.etag):
            raise Refusal("PreconditionFailed", 412, "The If-Match header does not match.")
        headers = {
            **stored.attributes,
            **{f"opc-meta-{name}": value for name, value in stored.metadata.items()},
            "etag": stored.etag, "storage-tier": stored.storage_class, "accept-ranges": "bytes",
            "last-modified": formatdate(stored.modified, usegmt=True),
            "opc-multipart-md5" if stored.parts else "content-md5": _md5(stored),
        }  # fmt: skip
        size = len(stored.data)
        if request.method == "HEAD":
            return Response(200, {**headers, "content-length": str(size)})
        span = cut_range(request.header("range"), size) if request.header("range") else None
        if span is None:
            return Response(200, headers, stored.data)
        first, last = span
        headers["content-range"] = f"bytes {first}-{last}/{size}"
        return Response(206, headers, memoryview(stored.data)[first : last + 1])

    # -- multipart -------------------------------------------------------------------------------------------

    def _on_upload(self, request: Request, bucket: Bucket, key: str) -> Response:
        upload_id = request.query.get("uploadId", "")
        if not key and request.method == "POST":
            return self._start(request, bucket)
        if not key:
            uploads, _ = self.store.list_uploads(bucket, limit=1_000_000)
            return self._paged(request, [
                {"namespace": self.namespace, "bucket": bucket.name, "object": upload.key,
                 "uploadId": upload.id, "timeCreated": moment(upload.started)}
                for upload in uploads
            ])  # fmt: skip
        if request.method == "PUT":
            number = int(request.query["uploadPartNum"])
            part = self.store.put_part(bucket, key, upload_id, number, request.body)
            md5 = base64.b64encode(hashlib.md5(part.data).digest()).decode()
            return Response(200, {"etag": part.etag, "opc-content-md5": md5})
        if request.method == "DELETE":
            self.store.abort_upload(bucket, key, upload_id)
            return Response(204)
        if request.method == "POST":
            parts = [(entry["partNum"], entry["etag"]) for entry in json.loads(request.body)["partsToCommit"]]
            absent, match = self._conditions(request)
            stored = self.store.finish_upload(bucket, key, upload_id, parts, absent=absent, match=match)
            return Response(200, {"etag": stored.etag, "opc-multipart-md5": _md5(stored)})
        parts_found, _ = self.store.list_parts(self.store.upload(bucket, key, upload_id), 0, 10_000)
        return self._paged(request, [
            {"partNumber": part.number, "etag": part.etag, "size": len(part.data), "md5": ""}
            for part in parts_found
        ])  # fmt: skip

    def _start(self, request: Request, bucket: Bucket) -> Response:
        details = json.loads(request.body)
        attributes = {name: details[other] for name, other in JSON_NAMES.items() if details.get(other)}
        metadata = {}
        for name, value in (details.get("metadata") or {}).items():
            if not name.startswith("opc-meta-"):
                raise Refusal("InvalidMetadata", 400, f"{name} does not start with opc-meta-.")
            metadata[name[9:]] = value
        tier = _tier(details.get("storageTier") or "")
        upload = self.store.start_upload(bucket, details["object"], attributes, metadata, tier)
        return _json({"namespace": self.namespace, "bucket": bucket.name, "object": upload.key,
                      "uploadId": upload.id, "timeCreated": moment(upload.started)})  # fmt: skip

    def _paged(self, request: Request, entries: list[dict[str, Any]]) -> Response:
        start, limit = int(request.query.get("page", "0")), int(request.query.get("limit", "100"))
        response = _json(entries[start : start + limit])
        if start + limit < len(entries):
            response.headers["opc-next-page"] = str(start + limit)
        return response


def _json(value: Any) -> Response:
    return Response(200, {"content-type": "application/json"}, json.dumps(value).encode())


def _name(entry: Stored | str) -> str:
    return entry if isinstance(entry, str) else entry.key


def _md5(stored: Stored) -> str:
    """In base64; with the number of parts behind it for multipart objects."""
    digest = base64.b64encode(hashlib.md5(stored.data).digest()).decode()
    return f"{digest}-{stored.parts}" if stored.parts else digest


def _tier(name: str) -> str:
    if name and name not in TIERS:
        raise Refusal("InvalidParameter", 400, f"{name} is no storage tier.")
    return name or "Standard"


def _uuid(data: bytes) -> str:
    """Etags of Oracle look like this, and are no MD5."""
    text = hashlib.sha256(data).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"
