"""Volcengine TOS (``volcengine-tos``), natively: TOS4-HMAC-SHA256, JSON bodies, the bucket in the host.

Sources: Volcengine, TOS API reference (docs/6349: PutObject, HeadObject, error codes 74874), and the SDK
``tos`` 2.9.3. TOS keeps keys as they are. It has no condition on the etag for the end of a multipart upload.

Not proved against Volcengine: the double in the tests follows the documentation and satisfies its SDK.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    ExpiredCredentials,
    InvalidInput,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    WrongRegion,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage._json_bucket import FactTable, Query, as_text, kept
from cloudberth.storage._json_objects import JsonObjects
from cloudberth.storage.contract import (
    GIB,
    MIB,
    BucketFacts,
    Capabilities,
    Checksum,
    Condition,
    StorageClass,
)
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning, invalid, unexpected
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.tos_v4 import TosV4
from cloudberth.storage.volcengine_credentials import STS, EcsRole, OidcRole

_CRC64 = "x-tos-hash-crc64ecma"


class VolcengineTosSettings(Settings):
    """Dify's VOLCENGINE_TOS_* variables, and where temporary keys come from when there are none of those."""

    schemes: ClassVar[tuple[str, ...]] = ("tos",)

    bucket: str = Field(alias="VOLCENGINE_TOS_BUCKET_NAME")
    access_key: str | None = Field(default=None, alias="VOLCENGINE_TOS_ACCESS_KEY")
    secret_key: SecretStr | None = Field(default=None, alias="VOLCENGINE_TOS_SECRET_KEY")
    token: SecretStr | None = Field(
        default=None, alias="TOS_SECURITY_TOKEN", description="security token of temporary keys (STS)"
    )
    region: str = Field(alias="VOLCENGINE_TOS_REGION", description="cn-beijing")
    endpoint: str | None = Field(
        default=None,
        alias="VOLCENGINE_TOS_ENDPOINT",
        description="https://tos-cn-beijing.volces.com; that of the region when it is not set",
    )
    ecs_role: str | None = Field(
        default=None, alias="VOLCENGINE_ECS_METADATA", description="role of the server to take keys from"
    )
    oidc_role: str | None = Field(
        default=None, alias="VOLCENGINE_OIDC_ROLE_TRN", description="role of a pod's service account (VKE)"
    )
    oidc_token_file: str | None = Field(default=None, alias="VOLCENGINE_OIDC_TOKEN_FILE")
    oidc_session: str | None = Field(default=None, alias="VOLCENGINE_OIDC_ROLE_SESSION_NAME")
    oidc_sts: str | None = Field(default=None, alias="VOLCENGINE_OIDC_STS_ENDPOINT")
    proxy: str | None = Field(
        default=None, alias="VOLCENGINE_TOS_PROXY", description="HTTP proxy for this bucket alone"
    )

    @property
    def server(self) -> Origin:
        """Of the region, without the bucket."""
        return Origin.parse(self.endpoint or f"https://tos-{self.region}.volces.com")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _check_server(self.server)
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("VOLCENGINE_TOS_ACCESS_KEY and VOLCENGINE_TOS_SECRET_KEY go together")
        if not self.access_key and not self.ecs_role and not (self.oidc_role and self.oidc_token_file):
            raise ValueError(
                "there are no keys: set VOLCENGINE_TOS_ACCESS_KEY and VOLCENGINE_TOS_SECRET_KEY, or for the "
                "role of a server VOLCENGINE_ECS_METADATA, or for the role of a pod VOLCENGINE_OIDC_ROLE_TRN "
                "and VOLCENGINE_OIDC_TOKEN_FILE"
            )
        return self


class VolcengineTos(JsonObjects, OpenableBackend):
    """A bucket of Volcengine TOS."""

    id = "volcengine-tos"
    settings = VolcengineTosSettings
    prefix = "x-tos-"
    copy_directive = "COPY"
    replace_directive = "REPLACE"
    capabilities = Capabilities(
        max_put=5 * GIB,
        part_min=5 * MIB,
        part_max=5 * GIB,
        copy_max=5 * GIB,
        conditional=frozenset({"absent", "match"}),
        presign=frozenset({"GET", "PUT"}),
        classes={
            StorageClass.STANDARD: "STANDARD",
            StorageClass.INFREQUENT: "IA",
            StorageClass.COLD: "ARCHIVE_FR",
            StorageClass.ARCHIVE: "COLD_ARCHIVE",
            StorageClass.DEEP_ARCHIVE: "DEEP_COLD_ARCHIVE",
        },
        checksum="crc64ecma",
    )
    meanings: ClassVar[Mapping[str, Meaning]] = {
        "AccessDenied": PermissionDenied,
        "BadDigest": CorruptData,
        "ExceedAccountQPSLimit": Throttled,
        "ExceedAccountRateLimit": Throttled,
        "ExceedBucketQPSLimit": Throttled,
        "ExceedBucketRateLimit": Throttled,
        "ExpiredToken": ExpiredCredentials,
        "InternalError": Unavailable,
        "InvalidAccessKeyId": PermissionDenied,
        "InvalidObjectState": invalid,
        "InvalidRange": InvalidRange,
        "NoSuchBucket": BucketNotFound,
        "NoSuchKey": NotFound,
        "NoSuchUpload": NotFound,
        "ObjectAlreadyExists": PreconditionFailed,
        "PermanentRedirect": WrongRegion,
        "PreconditionFailed": PreconditionFailed,
        "RequestTimeTooSkewed": ExpiredCredentials,
        "RequestTimeout": TimedOut,
        "ServiceUnavailable": Unavailable,
        "SignatureDoesNotMatch": PermissionDenied,
        "SlowDown": Throttled,
        "TemporaryRedirect": WrongRegion,
        "TooManyRequests": Throttled,
    }

    def __init__(self, settings: VolcengineTosSettings, client: Client, credentials: Provider) -> None:
        server, bucket = settings.server, settings.bucket
        named = server.host.startswith(f"{bucket}.")
        origin = server if named else server.with_host(f"{bucket}.{server.host}")
        super().__init__(client, bucket, origin, "", TosV4(settings.region), credentials)
        self.place = f"tos://{bucket}"

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        if not isinstance(settings, VolcengineTosSettings):
            raise TypeError(type(settings).__name__)
        return cls(settings, Client(options, settings.proxy), provider(settings, options))

    # -- how TOS spells things -------------------------------------------------------------------------------

    def parameter(self, name: str) -> str:
        return name

    def member(self, name: str) -> str:
        return name[0].upper() + name[1:]

    def list_query(self, prefix: str, delimiter: str, after: str, cursor: str | None, limit: int) -> Query:
        return kept(
            (
                ("list-type", "2"),
                ("max-keys", str(limit)),
                ("prefix", prefix),
                ("delimiter", delimiter),
                ("start-after", after),
                ("continuation-token", cursor or ""),
            )
        )

    def next_cursor(self, answer: Answer, last: str) -> str:
        del last  # the token stands for it
        token = answer.text("nextContinuationToken", "")
        if not token:
            raise unexpected("the list is cut short, and does not say where it goes on", where=self.place)
        return token

    def condition_headers(self, condition: Condition, *, finish: bool = False) -> dict[str, str]:
        if condition.match is not None:
            if finish:
                raise self.unsupported("condition on the etag for the end of a multipart upload")
            return {"x-tos-if-match": condition.match}
        return {"x-tos-forbid-overwrite": "true"} if condition.absent else {}

    def metadata_value(self, value: str) -> str:
        """Percent-encoded, as Volcengine's SDKs do."""
        return quote(value, safe="")

    def metadata_text(self, value: str) -> str:
        return unquote(as_text(value))

    def checksums(self, headers: Mapping[str, str]) -> dict[Checksum, str]:
        return _crc64(headers.get(_CRC64, ""))

    def entry_checksums(self, entry: Answer) -> dict[Checksum, str]:
        return _crc64(entry.text("hashCrc64ecma", ""))

    def copy_source(self, bucket: str, key: str) -> str:
        return f"{bucket}/{encode_key(key)}"

    def quiet(self) -> dict[str, Any]:
        return {"Quiet": True}

    def refusal(self, request: Request, response: Response, body: bytes) -> BackendError:
        error = super().refusal(request, response, body)
        region = response.header("x-tos-bucket-region")
        if isinstance(error, WrongRegion) and region:
            error.hint = f"set VOLCENGINE_TOS_REGION to {region}, and the endpoint to that region's"
        return error

    # -- what doctor asks ------------------------------------------------------------------------------------

    @flow
    def facts(self) -> Flow[BucketFacts]:
        return (yield from self.read_facts(_FACTS, _ABSENT))


def provider(settings: VolcengineTosSettings, options: Options) -> Provider:
    """Where keys come from: Dify's variables, else a pod's service account, else the role of the server."""
    if settings.access_key:
        return fixed(
            Credentials(
                settings.access_key,
                revealed(settings.secret_key),
                revealed(settings.token) or None,
                source="VOLCENGINE_TOS_ACCESS_KEY",
            )
        )
    if settings.oidc_role and settings.oidc_token_file:
        role = OidcRole(
            settings.oidc_role,
            Path(settings.oidc_token_file),
            settings.oidc_sts or STS,
            settings.oidc_session or "",
            options,
        )
        return Cached(role)
    return Cached(EcsRole(settings.ecs_role or ""))


def _check_server(server: Origin) -> None:
    """TOS wants the bucket in the host name, and its S3 endpoints speak another protocol."""
    if server.host.startswith("tos-s3-"):
        raise ValueError(
            "VOLCENGINE_TOS_ENDPOINT is for S3 clients: write it without -s3, tos-cn-beijing.volces.com"
        )
    try:
        ipaddress.ip_address(server.host)
    except ValueError:
        return
    raise InvalidInput(
        "TOS is reached by name only: the bucket stands in the host name",
        where="VOLCENGINE_TOS_ENDPOINT",
        hint="write https://tos-cn-beijing.volces.com, or set VOLCENGINE_TOS_PROXY to go through an address",
    )


def _crc64(decimal: str) -> dict[Checksum, str]:
    if not (decimal.isascii() and decimal.isdecimal() and len(decimal) <= 20 and int(decimal) < 1 << 64):
        return {}
    return {"crc64ecma": f"{int(decimal):016x}"}


def _public(response: Response) -> bool:
    return any(
        grant.member("grantee").text("canned", "") == "AllUsers"
        and grant.text("permission", "") in {"READ", "READ_NON_LIST", "FULL_CONTROL"}
        for grant in Answer.parse(response.body, "").members("grants")
    )


def _encryption(response: Response) -> str:
    rule = Answer.parse(response.body, "").member("rule")
    return rule.member("applyServerSideEncryptionByDefault").text("sseAlgorithm", "none")


def _versioning(response: Response) -> bool:
    return Answer.parse(response.body, "").text("status", "") == "Enabled"


def _count(name: str) -> Callable[[Response], str]:
    return lambda response: f"{sum(1 for _ in Answer.parse(response.body, '').members(name))} rules"


_FACTS: FactTable = {
    "region": ("", lambda response: response.header("x-tos-bucket-region") or None),
    "public": ("acl", _public),
    "versioning": ("versioning", _versioning),
    "encryption": ("encryption", _encryption),
    "lifecycle": ("lifecycle", _count("rules")),
    "cors": ("cors", _count("corsRules")),
}
_ABSENT = {"versioning": False, "encryption": "none", "lifecycle": "0 rules", "cors": "0 rules"}
