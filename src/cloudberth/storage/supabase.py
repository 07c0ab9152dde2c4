"""Supabase Storage through its own REST interface, with the variables that Dify has: the type ``supabase``.

Facts are those of supabase/storage (the server's source, 2026-08). Errors are a 400 with the true status in
the body, and a bucket that does not exist looks like an empty one: so the bucket is asked for before an
answer of "nothing there" is believed. Which characters a key may have is the server's to say (today:
letters and digits of ASCII, and ``_/!.*'() &$=@;:+,?-``); segments ``.`` and ``..`` are refused here,
because gateways in front of it would resolve them.

Lists are those of ``/object/list-v2``, which sorts by bytes. The older ``/object/list`` does not tell upper
from lower case in the names of folders, so servers without the new one are refused.

A put has up to 5 GB. There are no parts: Supabase's resumable uploads (TUS) go one byte after the other,
and its parts need the keys of its S3 interface. With SUPABASE_S3_ACCESS_KEY and SUPABASE_S3_SECRET_KEY that
interface is used instead, which has multipart uploads and signed URLs of both kinds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    ExpiredCredentials,
    InvalidInput,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
    Unsupported,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    BucketFacts,
    Capabilities,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.credentials import Credentials, fixed
from cloudberth.storage.http.backend import Flow, HttpBackend, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, error_of, invalid, unexpected
from cloudberth.storage.http.headers import http_date
from cloudberth.storage.http.message import Origin, Request, Response, encode, encode_key
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.paging import Pages, Source, Straight
from cloudberth.storage.s3 import S3
from cloudberth.storage.settings import Settings, revealed

_PAGE = 1000
_PUT = 5_000_000_000
# By the member `code` of an error, or by `error` of older servers.
MEANINGS: Mapping[str, Meaning] = {
    "NoSuchBucket": BucketNotFound,
    "Bucket not found": BucketNotFound,
    "NoSuchKey": NotFound,
    "not_found": NotFound,
    "Not found": NotFound,
    "KeyAlreadyExists": PreconditionFailed,
    "ResourceAlreadyExists": PreconditionFailed,
    "BucketAlreadyExists": PreconditionFailed,
    "Duplicate": PreconditionFailed,
    "AccessDenied": PermissionDenied,
    "Unauthorized": PermissionDenied,
    "InvalidJWT": PermissionDenied,
    "TenantNotFound": PermissionDenied,
    "ExpiredToken": ExpiredCredentials,
    "InvalidRange": InvalidRange,
    "InvalidKey": Unsupported,
    "SlowDown": Throttled,
    "ResourceLocked": Unavailable,
    "LockTimeout": Unavailable,
    "DatabaseTimeout": Unavailable,
}
# Kept, so that a migration loses nothing; Supabase does not serve them as headers.
_IN_METADATA: Mapping[str, str] = {
    "content_disposition": "berth-content-disposition",
    "content_encoding": "berth-content-encoding",
    "content_language": "berth-content-language",
}
_EXPIRED = ("jwt expired", '"exp" claim timestamp check failed')
HINTS = {
    "InvalidKey": "Supabase takes letters and digits of ASCII, and _/!.*'() &$=@;:+,?- in a key",
    "EntityTooLarge": "raise the size limit of the project and of the bucket, or set SUPABASE_S3_ACCESS_KEY",
    "InvalidMimeType": "the bucket allows certain types of content only",
}


class SupabaseSettings(Settings):
    """Settings of Supabase, by Dify's names; those of its S3 interface are ours."""

    schemes: ClassVar[tuple[str, ...]] = ("supabase",)

    bucket: str = Field(alias="SUPABASE_BUCKET_NAME")
    url: str = Field(alias="SUPABASE_URL", description="of the project: https://<project>.supabase.co")
    api_key: SecretStr = Field(alias="SUPABASE_API_KEY", description="the key of the role service_role")
    s3_access_key: str = Field("", alias="SUPABASE_S3_ACCESS_KEY", description="use the S3 interface")
    s3_secret_key: SecretStr = Field(SecretStr(""), alias="SUPABASE_S3_SECRET_KEY")
    s3_region: str = Field("us-east-1", alias="SUPABASE_S3_REGION", description="of the project")

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> SupabaseSettings:
        if bool(self.s3_access_key) != bool(revealed(self.s3_secret_key)):
            raise ValueError("SUPABASE_S3_ACCESS_KEY and SUPABASE_S3_SECRET_KEY have to be set together")
        return self


class Supabase(HttpBackend, OpenableBackend):
    """A bucket of Supabase."""

    id = "supabase"
    settings = SupabaseSettings
    capabilities = Capabilities(
        max_put=_PUT,
        max_parts=0,
        copy_max=_PUT,
        conditional=frozenset({"absent"}),
        presign=frozenset({"GET"}),
    )

    def __init__(self, client: Client, url: str, api_key: str, bucket: str) -> None:
        super().__init__(client)
        self.origin = Origin.parse(url)
        self.base = f"{urlsplit(url).path.rstrip('/')}/storage/v1"
        self.bucket = bucket
        self.place = f"supabase://{bucket}"
        self._api_key = api_key
        self._bucket_is_there = False
        self._pages = Pages(self._source)

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Backend:
        if not isinstance(settings, SupabaseSettings):
            raise InvalidInput(f"these are settings of {type(settings).__name__}", where=cls.id)
        if settings.s3_access_key:
            return SupabaseS3.of(settings, options)
        return cls(Client(options), settings.url, revealed(settings.api_key), settings.bucket)

    def authorize(self, request: Request) -> None:
        request.headers["authorization"] = f"Bearer {self._api_key}"
        request.headers["apikey"] = self._api_key

    def failure(self, request: Request, response: Response) -> BackendError:
        answer = _members(response.body)
        status = str(answer.get("statusCode", ""))
        message = str(answer.get("message", ""))
        code = str(answer.get("code") or answer.get("error") or "")
        if any(word in message for word in _EXPIRED):
            code = "ExpiredToken"
        elif code == "S3Error" and message in MEANINGS:
            code = message
        true = Response(int(status) if status.isdecimal() else response.status, response.headers)
        where = f"{self.place}/{self._key_of(request.path)}"
        return error_of(
            true, code=code, message=message, where=where, meanings=MEANINGS, hint=HINTS.get(code, "")
        )

    def _key_of(self, path: str) -> str:
        """The key of a path that `_path` made; empty for other paths."""
        return unquote(path.partition(f"/{encode(self.bucket)}/")[2])

    # -- requests --------------------------------------------------------------------------------------------

    def _path(self, key: str, *before: str) -> str:
        """The path of an object below ``/object``. Raises Unsupported for what gateways would resolve."""
        if any(part in (".", "..") for part in key.split("/")):
            raise Unsupported(f"the key {key!r} has a segment . or ..", where=self.place)
        middle = "".join(f"/{part}" for part in before)
        return f"{self.base}/object{middle}/{encode(self.bucket)}/{encode_key(key)}"

    def _demand_possible(self, key: str) -> None:
        """Raise NotFound for a key that nothing can have been written under."""
        try:
            self._path(key)
        except Unsupported as error:
            raise NotFound(error.what, where=f"{self.place}/{key}") from None

    def _json(self, method: str, path: str, members: Mapping[str, Any]) -> Request:
        body = BytesBody(json.dumps(members).encode())
        headers = {"content-type": "application/json"}
        return Request(method, self.origin, f"{self.base}{path}", (), headers, body)

    def _assure_bucket(self) -> Flow[None]:
        """Raise BucketNotFound unless the bucket is there; asked once."""
        if not self._bucket_is_there:
            yield self._bucket_request()
            self._bucket_is_there = True

    def _bucket_request(self) -> Request:
        return Request("GET", self.origin, f"{self.base}/bucket/{encode(self.bucket)}")

    def _missing(self, error: NotFound) -> Flow[NotFound]:
        """The error itself, when it is not the bucket that is missing."""
        if not isinstance(error, BucketNotFound):
            yield from self._assure_bucket()
        return error

    # -- objects ---------------------------------------------------------------------------------------------

    @flow
    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Flow[Written]:
        if condition.match is not None:
            raise self.unsupported("condition on an etag")
        headers = {
            "content-type": attributes.content_type or "application/octet-stream",
            "x-upsert": "false" if condition.absent else "true",
        }
        if headers["content-type"].startswith("multipart/form-data"):
            raise invalid("Supabase would take the content for a form", where=f"{self.place}/{key}")
        if attributes.cache_control:
            headers["cache-control"] = attributes.cache_control
        headers |= _metadata(attributes)
        yield Request("POST", self.origin, self._path(key), (), headers, body)
        return Written()

    @flow
    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Flow[Opened]:
        headers = {}
        if span is not None:
            last = "" if span.length is None else str(span.start + span.length - 1)
            headers["range"] = f"bytes={span.start}-{last}"
        self._demand_possible(key)
        try:
            response = yield Request("GET", self.origin, self._path(key), (), headers, stream=True)
        except NotFound as error:
            raise (yield from self._missing(error)) from None
        info = _info_of_headers(key, response, f"{self.place}/{key}")
        if match is not None and info.etag != match:
            response.reader.close()
            raise PreconditionFailed("the object was changed", where=f"{self.place}/{key}")
        if span is not None and response.status != 206:
            response.reader.close()
            if span.start >= info.size:
                raise InvalidRange(f"byte {span.start} is behind the end", where=f"{self.place}/{key}")
            raise unexpected("the server ignored the range", where=f"{self.place}/{key}")
        return Opened(info, response.reader)

    @flow
    def head(self, key: str) -> Flow[ObjectInfo]:
        self._demand_possible(key)
        try:
            response = yield Request("GET", self.origin, self._path(key, "info"))
        except NotFound as error:
            raise (yield from self._missing(error)) from None
        answer = Answer.parse(response.body, f"{self.place}/{key}")
        kept = _texts(_members(response.body).get("metadata"))
        attributes = Attributes(
            content_type=answer.text("content_type", "") or None,
            cache_control=_cache_control(answer.text("cache_control", "")),
            **{field: kept.pop(name, None) for field, name in _IN_METADATA.items()},
            metadata=kept,
        )
        etag = answer.text("etag", "").strip('"') or None
        return ObjectInfo(
            key, answer.integer("size"), answer.moment("last_modified"), etag, attributes=attributes
        )

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        page = self._pages.page(prefix, delimiter, after, cursor, limit)
        if not page.entries:
            self.run(self._assure_bucket())
        return page

    def _source(self, prefix: str, floor: bytes) -> Source:
        return Straight(self._from, prefix)

    def _from(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        # The server's own cursor: where to go on, the kind of order. So a list can begin anywhere.
        cursor = base64.b64encode(f"l:{after}\no:asc".encode()).decode() if after else ""
        while True:
            found, cursor = self.run(self._second_list(prefix, cursor, _PAGE))
            yield from found
            if not cursor:
                return

    def _second_list(self, prefix: str, cursor: str, limit: int) -> Flow[tuple[Sequence[ObjectInfo], str]]:
        members = {"prefix": prefix, "limit": limit, **({"cursor": cursor} if cursor else {})}
        try:
            response = yield self._json("POST", f"/object/list-v2/{encode(self.bucket)}", members)
        except BackendError as error:
            if error.code not in ("404", "NotFound", "Not Found") and "not available" not in error.what:
                raise
            raise Unsupported(
                "this server is too old to list objects reliably",
                where=self.place,
                hint="use one with /object/list-v2 (2025), or set SUPABASE_S3_ACCESS_KEY",
            ) from None
        answer = Answer.parse(response.body, self.place)
        objects = _members(response.body).get("objects") or []
        found = [
            _info_of_row(str(row.get("name", "")), row, self.place) for row in _rows(objects, self.place)
        ]
        return found, answer.text("nextCursor", "") if answer.flag("hasNext") else ""

    @flow
    def delete(self, keys: Sequence[str]) -> Flow[Sequence[DeleteFailure]]:
        if not keys:
            return ()
        response = yield self._json("DELETE", f"/object/{encode(self.bucket)}", {"prefixes": [*keys]})
        if response.body.strip() in (b"[]", b""):
            yield from self._assure_bucket()
        return ()

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        return self.run(self._copy(self.bucket, source, key, attributes))

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        same = isinstance(other, Supabase) and (other.origin, other.base) == (self.origin, self.base)
        if not isinstance(other, Supabase) or not same:
            raise self.unsupported(f"copy on the server from {other.place}")
        return self.run(self._copy(other.bucket, source, key, attributes))

    def _copy(self, bucket: str, source: str, key: str, attributes: Attributes | None) -> Flow[Written]:
        for checked in (source, key):
            self._path(checked)
        members: dict[str, Any] = {
            "bucketId": bucket,
            "sourceKey": source,
            "destinationBucket": self.bucket,
            "destinationKey": key,
            "copyMetadata": attributes is None,
        }
        if attributes is not None:
            members["metadata"] = {
                "cacheControl": attributes.cache_control or "no-cache",
                "mimetype": attributes.content_type or "application/octet-stream",
            }
        request = self._json("POST", "/object/copy", members)
        request.headers["x-upsert"] = "true"
        request.headers |= _metadata(attributes or Attributes())
        try:
            yield request
        except NotFound as error:
            yield from self._missing(error)
            raise type(error)(error.what, where=f"{self.place}/{source}", hint=error.hint) from None
        return Written()

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self,
        method: Literal["GET", "PUT"],
        key: str,
        seconds: int,
        attributes: Attributes = Attributes(),
    ) -> SignedRequest:
        """Signed by the server, so this makes a request, and the object has to exist."""
        if method != "GET":
            # Its own upload URLs hold for two hours, whatever one asks for.
            raise self.unsupported("signed URLs for writing (without the keys of its S3 interface)")
        return self.run(self._signed(key, seconds))

    def _signed(self, key: str, seconds: int) -> Flow[SignedRequest]:
        path = self._path(key, "sign")
        response = yield self._json("POST", path.removeprefix(self.base), {"expiresIn": seconds})
        said = Answer.parse(response.body, self.place).text("signedURL")
        token = parse_qs(urlsplit(said).query).get("token", [""])[0]
        if not token:
            raise unexpected("the signed URL has no token", where=f"{self.place}/{key}")
        return SignedRequest("GET", f"{self.origin}{path}?token={encode(token)}")

    @flow
    def check_bucket(self) -> Flow[None]:
        self._bucket_is_there = False
        yield from self._assure_bucket()

    @flow
    def create_bucket(self) -> Flow[None]:
        try:
            yield self._json("POST", "/bucket", {"id": self.bucket, "name": self.bucket, "public": False})
        except PreconditionFailed:
            yield from self._assure_bucket()

    @flow
    def facts(self) -> Flow[BucketFacts]:
        response = yield self._bucket_request()
        return BucketFacts(public=Answer.parse(response.body, self.place).flag("public"))


class SupabaseS3(S3):
    """The same buckets through the S3 interface of Supabase, with keys of its own."""

    id = "supabase"
    capabilities = Capabilities(presign=frozenset({"GET", "PUT"}))

    @classmethod
    def of(cls, settings: SupabaseSettings, options: Options) -> SupabaseS3:
        keys = Credentials(
            settings.s3_access_key, revealed(settings.s3_secret_key), source="SUPABASE_S3_ACCESS_KEY"
        )
        origin = Origin.parse(settings.url)
        region = settings.s3_region
        made = cls(Client(options), origin, settings.bucket, region, fixed(keys), path_style=True)
        made.base = f"{urlsplit(settings.url).path.rstrip('/')}/storage/v1/s3/{settings.bucket}"
        made.place = f"supabase://{settings.bucket}"
        return made


def _metadata(attributes: Attributes) -> dict[str, str]:
    """The header of user metadata, and of attributes that Supabase does not know: JSON in base64."""
    kept = dict(attributes.metadata)
    for field, name in _IN_METADATA.items():
        if value := getattr(attributes, field):
            kept[name] = value
    return {"x-metadata": base64.b64encode(json.dumps(kept).encode()).decode()} if kept else {}


def _texts(metadata: object) -> dict[str, str]:
    """User metadata, which may hold anything that JSON can."""
    members = metadata.items() if isinstance(metadata, dict) else ()
    return {name.lower(): value if isinstance(value, str) else json.dumps(value) for name, value in members}


def _cache_control(value: str) -> str | None:
    """``no-cache`` is what Supabase says when nothing was said."""
    return value if value and value != "no-cache" else None


def _members(body: bytes) -> dict[str, Any]:
    """A JSON object; empty when it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(found: object, where: str) -> Sequence[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise unexpected("the list is none", where=where)
    return found


def _info_of_row(key: str, row: Mapping[str, Any], where: str) -> ObjectInfo:
    metadata = row.get("metadata")
    known = Answer(metadata if isinstance(metadata, dict) else {}, where)
    etag = known.text("eTag", "").strip('"') or None
    return ObjectInfo(key, known.integer("size"), Answer(row, where).moment("updated_at"), etag)


def _info_of_headers(key: str, response: Response, where: str) -> ObjectInfo:
    total = response.header("content-range").rpartition("/")[2] or response.header("content-length")
    if not total.isdecimal():
        raise unexpected("the answer does not tell the size", where=where)
    attributes = Attributes(
        content_type=response.header("content-type") or None,
        cache_control=_cache_control(response.header("cache-control")),
    )
    etag = response.header("etag").strip('"') or None
    return ObjectInfo(
        key, int(total), http_date(response.header("last-modified")), etag, attributes=attributes
    )
