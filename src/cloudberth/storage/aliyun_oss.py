"""Alibaba Cloud OSS, by its own protocol with version 4 signatures.

Settings are Dify's. Every request is signed with version 4, which OSS takes for every bucket, whatever
ALIYUN_OSS_AUTH_VERSION says: version 1 is closed to accounts and buckets made since 2025. The region comes
from the endpoint when it is not set.

Limits that are OSS's: a key has up to 1,023 bytes and starts with neither ``/`` nor ``\\``. Proved against a
protocol double that `alibabacloud-oss-v2` accepts, never against OSS itself.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import BackendError, CorruptData, Throttled, WrongRegion
from cloudberth.storage import xml_text
from cloudberth.storage._s3_dialect import Dialect
from cloudberth.storage._s3_vendors import VENDOR_MEANINGS, S3Vendor
from cloudberth.storage.contract import MIB, Capabilities, StorageClass
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.credentials_aliyun import aliyun_chain
from cloudberth.storage.http.backend import Flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.oss_v4 import OssV4

CAPABILITIES = Capabilities(
    part_min=100 * 1024,
    copy_max=1024 * MIB,
    conditional=frozenset({"absent"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "Standard",
        StorageClass.INFREQUENT: "IA",
        StorageClass.ARCHIVE: "Archive",
        StorageClass.DEEP_ARCHIVE: "DeepColdArchive",
    },
    checksum="md5",
)
_REGION = re.compile(r"(?:^|\.)oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$")


class AliyunOssSettings(Settings):
    """Settings of OSS, by Dify's names."""

    schemes: ClassVar[tuple[str, ...]] = ("oss",)

    bucket: str = Field(alias="ALIYUN_OSS_BUCKET_NAME")
    endpoint: str = Field(
        "",
        alias="ALIYUN_OSS_ENDPOINT",
        description="https://oss-cn-hangzhou.aliyuncs.com; default: the region's",
    )
    region: str = Field("", alias="ALIYUN_OSS_REGION", description="cn-hangzhou; default: the endpoint's")
    access_key: str = Field(
        "",
        alias="ALIYUN_OSS_ACCESS_KEY",
        description="empty: ALIBABA_CLOUD_ACCESS_KEY_ID, the role of a pod (RRSA), or the server's RAM role",
    )
    secret_key: SecretStr = Field(SecretStr(""), alias="ALIYUN_OSS_SECRET_KEY")
    security_token: SecretStr = Field(
        SecretStr(""),
        alias="ALIBABA_CLOUD_SECURITY_TOKEN",
        description="of temporary keys (STS); not one of Dify's",
    )
    auth_version: Literal["v1", "v4"] = Field(
        "v4",
        alias="ALIYUN_OSS_AUTH_VERSION",
        description="read for Dify's sake: every request is signed with v4",
    )
    path: str = Field("", alias="ALIYUN_OSS_PATH", description="folder in the bucket, in front of every key")
    cloudbox_id: str = Field("", alias="ALIYUN_CLOUDBOX_ID", description="of a bucket in a CloudBox")
    proxy: str = Field(
        "", alias="ALIYUN_OSS_PROXY", description="HTTP proxy for this bucket alone; not one of Dify's"
    )

    @model_validator(mode="before")
    @classmethod
    def _path_is_a_prefix(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Dify joins folder and key with a slash. The prefix of a location stands above it."""
        folder = str(values.get("path") or values.get("ALIYUN_OSS_PATH") or "")
        if "prefix" in values or not folder:
            return values
        return {**values, "prefix": folder if folder.endswith("/") else f"{folder}/"}

    @model_validator(mode="after")
    def _fits_together(self) -> AliyunOssSettings:
        if bool(self.access_key) != bool(revealed(self.secret_key)):
            raise ValueError("ALIYUN_OSS_ACCESS_KEY and ALIYUN_OSS_SECRET_KEY have to be set together")
        if self.path.startswith(("/", "\\")):
            raise ValueError("ALIYUN_OSS_PATH may not start with a slash: OSS takes no such keys")
        if not self.endpoint and not self.region:
            raise ValueError("ALIYUN_OSS_ENDPOINT or ALIYUN_OSS_REGION has to be set")
        if not self.signing_region:
            raise ValueError("ALIYUN_OSS_REGION has to be set: the endpoint does not tell the region")
        return self

    @property
    def signing_region(self) -> str:
        """``cn-hangzhou``; empty when nothing tells it."""
        if self.cloudbox_id:
            return self.cloudbox_id
        if self.region:
            return self.region.removeprefix("oss-")
        found = _REGION.search(Origin.parse(self.endpoint).host)
        return found[1] if found and not found[1].startswith("accelerate") else ""


class AliyunOss(S3Vendor):
    """A bucket of OSS."""

    id = "aliyun-oss"
    capabilities = CAPABILITIES
    settings = AliyunOssSettings
    dialect = Dialect(header="x-oss-", default_class="Standard")
    longest_key = 1023
    everybody = ("public-read",)
    meanings: Mapping[str, Meaning] = {
        **VENDOR_MEANINGS,
        "DownloadTrafficRateLimitExceeded": Throttled,
        "InvalidDigest": CorruptData,
        "UploadTrafficRateLimitExceeded": Throttled,
    }

    def __init__(
        self, client: Client, origin: Origin, bucket: str, provider: Provider, signer: OssV4
    ) -> None:
        super().__init__(client, origin, bucket, provider, signer, path_style=signer.bucket_in_path)
        self.place = f"oss://{bucket}"
        self.region = signer.region

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, AliyunOssSettings)
        region = settings.signing_region
        origin = Origin.parse(settings.endpoint or f"https://oss-{region}.aliyuncs.com")
        product = "oss-cloudbox" if settings.cloudbox_id else "oss"
        signer = OssV4(region, settings.bucket, is_address(origin.host), product)
        client = Client(options, settings.proxy or None)
        return cls(client, origin, settings.bucket, _credentials(settings, options), signer)

    def check_key(self, key: str) -> None:
        super().check_key(key)
        if key.startswith(("/", "\\")):
            raise InvalidKey(f"OSS takes no key that starts with a slash: {key[:40]!r}", where=self.place)

    def copy_source(self, bucket: str, key: str) -> str:
        return f"/{bucket}/{encode_key(key)}"

    def md5_of(self, headers: Mapping[str, str]) -> str | None:
        """The ETag of what was put in one request; an appended object has one that only looks like an MD5."""
        if headers.get("x-oss-object-type", "Normal") != "Normal":
            return None
        return super().md5_of(headers)

    def _find_bucket(self) -> Flow[None]:
        """Nothing to ask: an error of OSS says also in an answer to HEAD what it is that is missing."""
        yield from ()

    def spoken(self, response: Response) -> Response:
        said = response.header("x-oss-err")
        if response.body or not said:
            return response
        try:
            return Response(response.status, response.headers, base64.b64decode(said, validate=True))
        except ValueError:
            return response

    def failure(self, request: Request, response: Response) -> BackendError:
        error = super().failure(request, response)
        if "specified endpoint" in error.what:
            root = xml_text.error_texts(self.spoken(response).body)[2]
            endpoint = xml_text.text_of(root, "Endpoint") if root is not None else ""
            elsewhere = f"the bucket is at {endpoint}: set ALIYUN_OSS_ENDPOINT" if endpoint else ""
            return _wrong_region(error, elsewhere)
        if error.code == "InvalidArgument" and "signing region" in error.what:
            return _wrong_region(
                error, f"ALIYUN_OSS_REGION is {self.region}, the endpoint is in another region"
            )
        return error

    def region_named(self, text: str) -> str:
        return text.removeprefix("oss-")


def _wrong_region(error: BackendError, hint: str) -> WrongRegion:
    found = WrongRegion(error.what, where=error.where, hint=hint or error.hint)
    found.code = error.code
    return found


def is_address(host: str) -> bool:
    """Whether a host is an IP address or this machine, in front of which no bucket can be put."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _credentials(settings: AliyunOssSettings, options: Options) -> Provider:
    if settings.access_key:
        token = revealed(settings.security_token) or None
        return fixed(
            Credentials(
                settings.access_key, revealed(settings.secret_key), token, source="ALIYUN_OSS_ACCESS_KEY"
            )
        )
    return aliyun_chain(options)
