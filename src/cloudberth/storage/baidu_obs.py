"""Baidu BOS (``baidu-obs`` to Dify), natively: bce-auth-v1 signatures, JSON bodies.

Sources: Baidu AI Cloud, BOS API reference (PutObject, GetObject, UploadPart, error codes), and the SDK
bce-python-sdk 0.9.79. BOS has no key with a segment ``.`` or ``..``, and takes one that starts with ``/`` for
the key without it (the SDK's bos_handler.py says so of the server): we refuse all three before anything is
sent. BOS documents no Content-Language: it is sent, and may be lost.

Not proved against Baidu: the double in the tests follows the documentation and satisfies Baidu's SDK.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import ClassVar, Self

from pydantic import Field, SecretStr, field_validator

from cloudberth.errors import BucketNotFound as NoBucket
from cloudberth.errors import (
    CorruptData,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage._json_bucket import FactTable, Query, kept
from cloudberth.storage._json_objects import JsonObjects
from cloudberth.storage.body import EMPTY, Body
from cloudberth.storage.contract import (
    GIB,
    MIB,
    BucketFacts,
    Capabilities,
    Checksum,
    Condition,
    StorageClass,
)
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning
from cloudberth.storage.http.headers import decode_value, encode_value
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.bce_v1 import BceV1

_SUFFIX = ".bcebos.com"


class BaiduBosSettings(Settings):
    """Dify's BAIDU_OBS_* variables, and a session token of Baidu's STS."""

    schemes: ClassVar[tuple[str, ...]] = ("bos",)

    bucket: str = Field(alias="BAIDU_OBS_BUCKET_NAME")
    access_key: str = Field(alias="BAIDU_OBS_ACCESS_KEY", description="access key id")
    secret_key: SecretStr = Field(alias="BAIDU_OBS_SECRET_KEY", description="secret access key")
    token: SecretStr | None = Field(
        default=None, alias="BCE_SESSION_TOKEN", description="session token of temporary keys (STS)"
    )
    endpoint: str = Field(
        alias="BAIDU_OBS_ENDPOINT",
        description="https://bj.bcebos.com; with the bucket in front of it, or a host of your own, as well",
    )
    proxy: str | None = Field(
        default=None, alias="BAIDU_OBS_PROXY", description="HTTP proxy for this bucket alone"
    )

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        Origin.parse(value)
        return value


class BaiduBos(JsonObjects, OpenableBackend):
    """A bucket of Baidu BOS."""

    id = "baidu-obs"
    settings = BaiduBosSettings
    prefix = "x-bce-"
    copy_directive = "copy"
    replace_directive = "replace"
    capabilities = Capabilities(
        max_put=5 * GIB,
        part_min=5 * MIB,
        part_max=5 * GIB,
        copy_max=5 * GIB,
        conditional=frozenset({"absent", "match"}),
        presign=frozenset({"GET", "PUT"}),
        classes={
            StorageClass.STANDARD: "STANDARD",
            StorageClass.INFREQUENT: "STANDARD_IA",
            StorageClass.COLD: "COLD",
            StorageClass.ARCHIVE: "ARCHIVE",
        },
        checksum="md5",
    )
    meanings: ClassVar[Mapping[str, Meaning]] = {
        "AccessDenied": PermissionDenied,
        "AccountOverdue": PermissionDenied,
        "BadDigest": CorruptData,
        "InternalError": Unavailable,
        "InvalidAccessKeyId": PermissionDenied,
        "InvalidHTTPAuthHeader": PermissionDenied,
        "InvalidRange": InvalidRange,
        "NoSuchBucket": NoBucket,
        "NoSuchKey": NotFound,
        "NoSuchUpload": NotFound,
        "RequestExpired": ExpiredCredentials,
        "RequestTimeout": TimedOut,
        "ServiceUnavailable": Unavailable,
        "SignatureDoesNotMatch": PermissionDenied,
        "SlowDown": Throttled,
    }

    def __init__(self, settings: BaiduBosSettings, client: Client, credentials: Provider) -> None:
        origin, root = placed(settings.bucket, Origin.parse(settings.endpoint))
        super().__init__(client, settings.bucket, origin, root, BceV1(), credentials)
        self.place = f"bos://{settings.bucket}"

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        if not isinstance(settings, BaiduBosSettings):
            raise TypeError(type(settings).__name__)
        token = revealed(settings.token) or None
        keys = Credentials(
            settings.access_key, revealed(settings.secret_key), token, source="BAIDU_OBS_ACCESS_KEY"
        )
        return cls(settings, Client(options, settings.proxy), fixed(keys))

    # -- how BOS spells things -------------------------------------------------------------------------------

    def parameter(self, name: str) -> str:
        first, *rest = name.split("-")
        return first + "".join(word.capitalize() for word in rest)

    def member(self, name: str) -> str:
        return name

    def list_query(self, prefix: str, delimiter: str, after: str, cursor: str | None, limit: int) -> Query:
        return kept(
            (
                ("maxKeys", str(limit)),
                ("prefix", prefix),
                ("delimiter", delimiter),
                ("marker", cursor if cursor is not None else after),
            )
        )

    def next_cursor(self, answer: Answer, last: str) -> str:
        marker = answer.text("nextMarker", last) or last
        return str(self.onward("", marker))

    def condition_headers(self, condition: Condition, *, finish: bool = False) -> dict[str, str]:
        del finish  # both ends take the same headers
        if condition.match is not None:
            return {"if-match": condition.match}
        return {"if-none-match": "*"} if condition.absent else {}

    def metadata_value(self, value: str) -> str:
        """As it is, in UTF-8; as an encoded word (RFC 2047) when a header could not hold it."""
        plain = value.isprintable() and value == value.strip() and not value.startswith("=?")
        return value if plain else encode_value(value)

    def metadata_text(self, value: str) -> str:
        return decode_value(value)

    def checksums(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        found: dict[Checksum, str] = {}
        try:
            digest = b64decode(headers.get("content-md5", ""), validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) == 16:
            found["md5"] = digest.hex()
        crc32 = headers.get("x-bce-content-crc32", "")
        if crc32.isascii() and crc32.isdecimal() and len(crc32) <= 10:
            found["crc32"] = f"{int(crc32):08x}"
        return found

    def entry_checksums(self, entry: Answer) -> dict[Checksum, str]:
        del entry  # a list tells an etag, which is an MD5 of some objects only
        return {}

    def copy_source(self, bucket: str, key: str) -> str:
        return f"/{bucket}/{encode_key(key)}"

    def bucket_headers(self) -> dict[str, str]:
        return {}  # private is what a new bucket is; the API takes no header for it

    def object_request(
        self, method: str, key: str, query: Query = (), headers: dict[str, str] | None = None,
        body: Body = EMPTY, *, stream: bool = False, idempotent: bool = True,
    ) -> Request:  # fmt: skip
        if key.startswith("/") or any(segment in {".", ".."} for segment in key.split("/")):
            raise InvalidKey(
                f"BOS has no key like {key[:80]!r}",
                where=self.place,
                hint="no key starts with /, and no part of it between slashes is . or ..",
            )
        return super().object_request(method, key, query, headers, body, stream=stream, idempotent=idempotent)

    def meanings_of(
        self, request: Request, response: Response, code: str, message: str
    ) -> Mapping[str, Meaning]:
        if code == "AccessDenied" and "request rate is too high" in message:
            return {code: Throttled}
        return super().meanings_of(request, response, code, message)

    # -- what doctor asks ------------------------------------------------------------------------------------

    @flow
    def facts(self) -> Flow[BucketFacts]:
        return (yield from self.read_facts(_FACTS, _ABSENT))


def placed(bucket: str, endpoint: Origin) -> tuple[Origin, str]:
    """Server and path of a bucket: in the host for BOS's own regions, in the path for other hosts."""
    host = endpoint.host
    if host.endswith(_SUFFIX):
        if host.startswith(f"{bucket}."):
            return endpoint, ""
        if host.count(".") == _SUFFIX.count("."):
            return endpoint.with_host(f"{bucket}.{host}"), ""
    return endpoint, f"/{bucket}"


def _public(response: Response) -> bool:
    return any(
        grantee.text("id", "") == "*" and set(entry.raw("permission") or ()) & {"READ", "FULL_CONTROL"}
        for entry in Answer.parse(response.body, "").members("accessControlList")
        for grantee in entry.members("grantee")
    )


def _text(name: str, default: str | None = None) -> Callable[[Response], str]:
    return lambda response: Answer.parse(response.body, "").text(name, default)


def _count(name: str) -> Callable[[Response], str]:
    return lambda response: f"{sum(1 for _ in Answer.parse(response.body, '').members(name))} rules"


_FACTS: FactTable = {
    "region": ("location", _text("locationConstraint")),
    "public": ("acl", _public),
    "versioning": ("versioning", lambda response: _text("status", "")(response) == "enabled"),
    "encryption": ("encryption", _text("encryptionAlgorithm", "none")),
    "lifecycle": ("lifecycle", _count("rule")),
    "cors": ("cors", _count("corsConfiguration")),
}
_ABSENT = {"versioning": False, "encryption": "none", "lifecycle": "0 rules", "cors": "0 rules"}
