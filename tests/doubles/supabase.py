"""A double of Supabase Storage's REST interface, after the server's source (supabase/storage, August 2026).

What it holds clients to: the key is a JWT of the role service_role, whose HS256 signature and expiry are
checked; the characters of keys; errors are a 400 with the true status in the body; a bucket that is not there
looks like an empty one to reading, listing and deleting; the older list shows one level, by offset.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.parser import BytesParser
from email.utils import formatdate
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from doubles.server import HttpServer, Request, Response, unquoted
from doubles.store import Bucket, Refusal, Store, Stored, cut_range

BASE = "/storage/v1"
VALID_KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$=@;:+,?-]+")
LISTED_AT_ONCE = 1000


def token(claims: Mapping[str, Any], secret: str) -> str:
    """A JWT with HS256 (RFC 7519)."""
    head = _part(b'{"alg":"HS256","typ":"JWT"}')
    body = _part(json.dumps(claims).encode())
    return f"{head}.{body}.{_part(_mac(f'{head}.{body}', secret))}"


def claims_of(given: str, secret: str, now: float) -> dict[str, Any]:
    """The claims of a JWT; Refusal when its signature is wrong or its time is over."""
    head, _, rest = given.partition(".")
    body, _, signature = rest.partition(".")
    if not hmac.compare_digest(signature, _part(_mac(f"{head}.{body}", secret))):
        raise Refusal("AccessDenied", 403, "signature verification failed", error="Unauthorized")
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims.get("exp", now + 1) <= now:
        raise Refusal("AccessDenied", 403, '"exp" claim timestamp check failed', error="Unauthorized")
    return claims


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(text: str, secret: str) -> bytes:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def no_bucket() -> Refusal:
    return Refusal("NoSuchBucket", 404, "Bucket not found", error="Bucket not found")


def no_key() -> Refusal:
    return Refusal("NoSuchKey", 404, "Object not found", error="not_found")


class SupabaseDouble:
    """A project. second_list: whether it knows list-v2; limit: bytes of an upload."""

    def __init__(self, secret: str, *, second_list: bool = True, limit: int = 5_000_000_000) -> None:
        self.store = Store(time.time)
        self.secret = secret
        self.second_list = second_list
        self.limit = limit
        self.public: dict[str, bool] = {}

    def serve(self) -> HttpServer:
        return HttpServer(self.handle)

    def create_bucket(self, name: str, public: bool = False) -> None:
        self.store.create_bucket(name, "", "project")
        self.public[name] = public

    def handle(self, request: Request) -> Response:
        try:
            return self.route(request)
        except Refusal as refusal:
            body = {
                "statusCode": str(refusal.status),
                "code": refusal.code,
                "error": refusal.detail.get("error", refusal.code),
                "message": refusal.message,
            }
            return _json(body, 500 if refusal.status == 500 else 400)

    def route(self, request: Request) -> Response:
        path = request.raw_path
        if not path.startswith(f"{BASE}/"):
            return _json({"message": "no Route matched with those values"}, 404)
        path = path.removeprefix(f"{BASE}/")
        if request.method == "GET" and path.startswith("object/sign/"):
            return self.read_signed(request, path.removeprefix("object/sign/"))
        self.authenticate(request)
        room, _, rest = path.partition("/")
        if room == "bucket":
            return self.bucket_room(request, unquoted(rest))
        if room == "object":
            return self.object_room(request, rest)
        raise self.unknown(request)

    def unknown(self, request: Request) -> Refusal:
        return Refusal("404", 404, f"Route {request.method}:{request.raw_path} not found", error="Not Found")

    def authenticate(self, request: Request) -> None:
        given = request.header("authorization").removeprefix("Bearer ")
        if request.header("apikey") not in ("", given):
            raise Refusal("AccessDenied", 403, "apikey and bearer differ", error="Unauthorized")
        claims = claims_of(given, self.secret, self.store.clock())
        if claims.get("role") != "service_role":
            text = "new row violates row-level security policy"
            raise Refusal("AccessDenied", 403, text, error="Unauthorized")

    # -- buckets ---------------------------------------------------------------------------------------------

    def bucket_room(self, request: Request, name: str) -> Response:
        if request.method == "POST":
            wanted = json.loads(request.body)
            if wanted["name"] in self.public:
                raise Refusal("BucketAlreadyExists", 409, "The resource already exists", error="Duplicate")
            self.create_bucket(wanted["name"], bool(wanted.get("public")))
            return _json({"name": wanted["name"]})
        self.bucket(name)
        return _json({"id": name, "name": name, "public": self.public[name], "file_size_limit": None})

    def bucket(self, name: str) -> Bucket:
        if name not in self.public:
            raise no_bucket()
        return self.store.bucket(name)

    def found(self, name: str, key: str) -> Stored:
        """What is there; a missing bucket is a missing object."""
        stored = self.store.bucket(name).objects.get(key) if name in self.public else None
        if stored is None:
            raise no_key()
        return stored

    # -- objects ---------------------------------------------------------------------------------------------

    def object_room(self, request: Request, rest: str) -> Response:
        first, _, more = rest.partition("/")
        post = request.method == "POST"
        if post and first in ("copy", "move") and not more:
            return self.copy(request, first == "move")
        if post and first == "list":
            return self.first_list(unquoted(more), json.loads(request.body))
        if post and first == "list-v2":
            if not self.second_list:
                raise self.unknown(request)
            return self.list_by_cursor(unquoted(more), json.loads(request.body))
        if post and first == "sign":
            return self.sign(more, json.loads(request.body))
        if request.method == "GET" and first == "info":
            return self.info(*self.split(more))
        if request.method == "GET":
            return self.read(request, *self.split(rest.removeprefix("authenticated/")))
        if request.method == "DELETE" and not more:
            return self.delete(unquoted(first), json.loads(request.body)["prefixes"])
        if request.method in ("POST", "PUT") and more:
            return self.write(request, *self.split(rest))
        raise self.unknown(request)

    def split(self, rest: str) -> tuple[str, str]:
        bucket, _, key = rest.partition("/")
        return unquoted(bucket), unquoted(key)

    def write(self, request: Request, name: str, key: str) -> Response:
        bucket = self.bucket(name)
        check_key(key)
        data, kind, cache, metadata = content_of(request)
        if len(data) > self.limit:
            text = "The object exceeded the maximum allowed size"
            raise Refusal("EntityTooLarge", 413, text, error="Payload too large")
        exists = key in bucket.objects
        if request.method == "PUT" and not exists:
            raise no_key()
        replace = request.method == "PUT" or request.header("x-upsert") == "true"
        if exists and not replace:
            raise Refusal("KeyAlreadyExists", 409, "The resource already exists", error="Duplicate")
        try:
            self.store.put(
                bucket,
                key,
                data,
                {"content-type": kind, "cache-control": cache},
                metadata,
                absent=not replace,
            )
        except Refusal:
            text = "The resource already exists"
            raise Refusal("KeyAlreadyExists", 409, text, error="Duplicate") from None
        return _json({"Key": f"{name}/{key}", "Id": _id(name, key)})

    def read(self, request: Request, name: str, key: str) -> Response:
        stored = self.found(name, key)
        headers = {
            "etag": f'"{stored.etag}"',
            "last-modified": formatdate(stored.modified, usegmt=True),
            "accept-ranges": "bytes",
            **stored.attributes,
        }
        if request.header("range"):
            try:
                span = cut_range(request.header("range"), len(stored.data))
            except Refusal:
                raise Refusal("S3Error", 416, "InvalidRange", error="The range is not satisfiable") from None
            if span is not None:
                headers["content-range"] = f"bytes {span[0]}-{span[1]}/{len(stored.data)}"
                return Response(206, headers, memoryview(stored.data)[span[0] : span[1] + 1])
        return Response(200, headers, stored.data)

    def info(self, name: str, key: str) -> Response:
        stored = self.found(name, key)
        return _json(
            {
                "id": _id(name, key),
                "name": key,
                "bucket_id": name,
                "size": len(stored.data),
                "content_type": stored.attributes["content-type"],
                "cache_control": stored.attributes["cache-control"],
                "etag": f'"{stored.etag}"',
                "metadata": dict(stored.metadata) or None,
                "last_modified": _time(stored),
                "created_at": _time(stored),
            }
        )

    def delete(self, name: str, keys: list[str]) -> Response:
        if not keys or len(keys) > LISTED_AT_ONCE:
            raise Refusal("InvalidRequest", 400, "body/prefixes must NOT have fewer than 1 items")
        if name not in self.public:
            return _json([])
        bucket = self.bucket(name)
        gone = [key for key in dict.fromkeys(keys) if self.store.delete(bucket, key)]
        return _json([{"name": key, "bucket_id": name} for key in gone])

    def copy(self, request: Request, move: bool) -> Response:
        wanted = json.loads(request.body)
        source = self.found(wanted["bucketId"], wanted["sourceKey"])
        check_key(wanted["destinationKey"])
        target = self.bucket(wanted.get("destinationBucket") or wanted["bucketId"])
        key = wanted["destinationKey"]
        if key in target.objects and request.header("x-upsert") != "true":
            raise Refusal("KeyAlreadyExists", 409, "The resource already exists", error="Duplicate")
        attributes, metadata = dict(source.attributes), dict(source.metadata)
        if not wanted.get("copyMetadata", True):
            given = wanted.get("metadata") or {}
            attributes["content-type"] = given.get("mimetype", attributes["content-type"])
            attributes["cache-control"] = given.get("cacheControl", attributes["cache-control"])
            metadata = metadata_of(request.header("x-metadata"))
        self.store.put(target, key, source.data, attributes, metadata)
        if move:
            self.store.delete(self.bucket(wanted["bucketId"]), wanted["sourceKey"])
        return _json({"Key": f"{target.name}/{key}"})

    # -- lists -----------------------------------------------------------------------------------------------

    def list_by_cursor(self, name: str, wanted: Mapping[str, Any]) -> Response:
        if name not in self.public:
            return _json({"hasNext": False, "folders": [], "objects": []})
        parts = base64.b64decode(wanted.get("cursor", "")).decode().split("\n")
        marks = {part[:1]: part[2:] for part in parts if part}
        if set(marks) - set("loca"):
            raise Refusal("InvalidParameter", 400, "Invalid Parameter continuation token")
        limit = min(wanted.get("limit", LISTED_AT_ONCE), LISTED_AT_ONCE)
        delimiter = "/" if wanted.get("with_delimiter") else ""
        page = self.store.list(
            self.bucket(name), wanted.get("prefix", ""), delimiter, marks.get("l", ""), limit
        )
        answer: dict[str, Any] = {"hasNext": page.truncated, "folders": [], "objects": []}
        answer["folders"] = [{"name": folder} for folder in page.prefixes]
        answer["objects"] = [_row(name, stored, stored.key) for stored in page.objects]
        if page.truncated:
            answer["nextCursor"] = base64.b64encode(f"l:{page.last}\no:asc".encode()).decode()
        return _json(answer)

    def first_list(self, name: str, wanted: Mapping[str, Any]) -> Response:
        """One level below a folder, as the server's search() gives it."""
        if name not in self.public:
            return _json([])
        folder = wanted.get("prefix", "")
        folder = f"{folder}/" if folder and not folder.endswith("/") else folder
        rows: dict[str, dict[str, Any]] = {}
        for key, stored in self.bucket(name).objects.items():
            if key.lower().startswith(folder.lower()):
                level, slash, _ = key[len(folder) :].partition("/")
                rows[level + slash] = {"name": level, "id": None} if slash else _row(name, stored, level)
        ordered = [rows[level] for level in sorted(rows)]
        start = wanted.get("offset", 0)
        return _json(ordered[start : start + wanted.get("limit", 100)])

    # -- signed URLs -----------------------------------------------------------------------------------------

    def sign(self, rest: str, wanted: Mapping[str, Any]) -> Response:
        self.found(*self.split(rest))
        seconds = int(wanted["expiresIn"])
        signed = {"url": unquoted(rest), "exp": self.store.clock() + seconds}
        return _json({"signedURL": f"/object/sign/{unquoted(rest)}?token={token(signed, self.secret)}"})

    def read_signed(self, request: Request, rest: str) -> Response:
        try:
            claims = claims_of(request.query.get("token", ""), self.secret, self.store.clock())
        except Refusal as refusal:
            raise Refusal("InvalidJWT", 400, refusal.message) from None
        if claims["url"] != unquoted(rest):
            raise Refusal("InvalidSignature", 400, "Invalid signature")
        return self.read(request, *self.split(rest))


def check_key(key: str) -> None:
    if not VALID_KEY.fullmatch(key):
        raise Refusal("InvalidKey", 400, f"Invalid key: {key}")


def content_of(request: Request) -> tuple[bytes, str, str, dict[str, str]]:
    """Content, its type, cache control and metadata of an upload, which is a form or the bytes themselves."""
    kind = request.header("content-type") or "application/octet-stream"
    if not kind.startswith("multipart/form-data"):
        cache = request.header("cache-control") or "no-cache"
        return request.body, kind, cache, metadata_of(request.header("x-metadata"))
    form = BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + request.body)
    data, cache, metadata = b"", "no-cache", {}
    for part in form.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        if name == "cacheControl":
            cache = f"max-age={value.decode()}"
        elif name == "metadata":
            metadata = json.loads(value)
        else:
            data, kind = value, part.get_content_type()
    return data, kind, cache, metadata


def metadata_of(header: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.b64decode(header)) if header else {}
    return found


def _row(bucket: str, stored: Stored, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "id": _id(bucket, stored.key),
        "updated_at": _time(stored),
        "created_at": _time(stored),
        "metadata": {
            "eTag": f'"{stored.etag}"',
            "size": len(stored.data),
            "mimetype": stored.attributes["content-type"],
            "cacheControl": stored.attributes["cache-control"],
            "contentLength": len(stored.data),
            "httpStatusCode": 200,
        },
    }


def _id(bucket: str, key: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{bucket}/{key}"))


def _time(stored: Stored) -> str:
    return (
        datetime.fromtimestamp(stored.modified, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json; charset=utf-8"}, json.dumps(value).encode())
