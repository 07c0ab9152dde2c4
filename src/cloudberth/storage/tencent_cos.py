"""Tencent Cloud COS, by its own protocol.

Settings are Dify's. A bucket's name ends with the number of its account (``examplebucket-1250000000``), and
stands in the host. A custom domain stands for the bucket and the region. The sample value of Dify's
``.env.example``, ``your-custom-domain``, which Dify itself takes for a host, counts as not set.

Limits that are COS's: a key has up to 850 bytes and starts with neither ``/`` nor ``\\``; keys that are
nothing but dots and slashes are refused as Tencent's SDK refuses them: they read as the bucket itself. COS
says of a bucket in another region that it does not exist: `check_bucket` then asks which region it is in.
Proved against a protocol double that `cos-python-sdk-v5` accepts, never against COS itself.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from cloudberth.errors import BackendError, BucketNotFound, WrongRegion
from cloudberth.storage import xml_text
from cloudberth.storage._s3_dialect import Dialect
from cloudberth.storage._s3_vendors import S3Vendor
from cloudberth.storage.contract import MIB, Capabilities, StorageClass
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.credentials_tencent import tencent_chain
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, encode_key
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.cos import Cos

CAPABILITIES = Capabilities(
    part_min=MIB,
    conditional=frozenset({"absent"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.INFREQUENT: "STANDARD_IA",
        StorageClass.ARCHIVE: "ARCHIVE",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    checksum="md5",
)
SAMPLE_DOMAIN = "your-custom-domain"
_ACCOUNT = re.compile(r"-\d+$")
_log = logging.getLogger(__name__)


class TencentCosSettings(Settings):
    """Settings of COS, by Dify's names."""

    schemes: ClassVar[tuple[str, ...]] = ("cos",)

    bucket: str = Field(
        alias="TENCENT_COS_BUCKET_NAME", description="with the account: examplebucket-1250000000"
    )
    region: str = Field("", alias="TENCENT_COS_REGION", description="ap-guangzhou")
    secret_id: str = Field(
        "",
        alias="TENCENT_COS_SECRET_ID",
        description="empty: TENCENTCLOUD_SECRET_ID, the role of a pod (TKE), or the server's CAM role",
    )
    secret_key: SecretStr = Field(SecretStr(""), alias="TENCENT_COS_SECRET_KEY")
    session_token: SecretStr = Field(
        SecretStr(""), alias="TENCENTCLOUD_SESSIONTOKEN", description="of temporary keys; not one of Dify's"
    )
    scheme: Literal["http", "https"] = Field("https", alias="TENCENT_COS_SCHEME")
    custom_domain: str = Field(
        "", alias="TENCENT_COS_CUSTOM_DOMAIN", description="a domain of yours that stands for the bucket"
    )
    endpoint: str = Field(
        "",
        alias="TENCENT_COS_ENDPOINT",
        description="host without the bucket: cos.accelerate.myqcloud.com; not one of Dify's",
    )
    proxy: str = Field(
        "", alias="TENCENT_COS_PROXY", description="HTTP proxy for this bucket alone; not one of Dify's"
    )

    @field_validator("custom_domain")
    @classmethod
    def _no_sample(cls, value: str) -> str:
        if value != SAMPLE_DOMAIN:
            return value
        _log.warning("TENCENT_COS_CUSTOM_DOMAIN=%s is the sample of Dify's .env: not used", SAMPLE_DOMAIN)
        return ""

    @model_validator(mode="after")
    def _fits_together(self) -> TencentCosSettings:
        if bool(self.secret_id) != bool(revealed(self.secret_key)):
            raise ValueError("TENCENT_COS_SECRET_ID and TENCENT_COS_SECRET_KEY have to be set together")
        if not (self.region or self.endpoint or self.custom_domain):
            raise ValueError("TENCENT_COS_REGION has to be set")
        if not self.custom_domain and not _ACCOUNT.search(self.bucket):
            raise ValueError("TENCENT_COS_BUCKET_NAME lacks the account: examplebucket-1250000000")
        return self


class TencentCos(S3Vendor):
    """A bucket of COS."""

    id = "tencent-cos"
    capabilities = CAPABILITIES
    settings = TencentCosSettings
    dialect = Dialect(header="x-cos-", list_version=1, replace="Replaced")
    longest_key = 850
    everybody = ("groups/global/AllUsers", ">anyone<")

    def __init__(
        self,
        client: Client,
        origin: Origin,
        bucket: str,
        provider: Provider,
        region: str,
        domain: Origin | None,
    ) -> None:
        super().__init__(client, origin, bucket, provider, Cos(), path_style=False)
        self.place = f"cos://{bucket}"
        self.region = region
        if domain is not None:
            self.origin = self.service = domain
        if not region:
            self.capabilities = replace(CAPABILITIES, copy_max=0)

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, TencentCosSettings)
        host = settings.endpoint or f"cos.{settings.region or 'unknown'}.myqcloud.com"
        origin = Origin.parse(host if "://" in host else f"{settings.scheme}://{host}")
        domain = settings.custom_domain
        named = (
            Origin.parse(domain if "://" in domain else f"{settings.scheme}://{domain}") if domain else None
        )
        client = Client(options, settings.proxy or None)
        return cls(client, origin, settings.bucket, _credentials(settings, options), settings.region, named)

    def check_key(self, key: str) -> None:
        super().check_key(key)
        if key.startswith(("/", "\\")):
            raise InvalidKey(f"COS takes no key that starts with a slash: {key[:40]!r}", where=self.place)
        if posixpath.normpath(f"/{key}") == "/":
            raise InvalidKey(f"COS reads the key {key[:40]!r} as the bucket itself", where=self.place)

    def copy_source(self, bucket: str, key: str) -> str:
        if not self.region:
            raise self.unsupported("copy on the server without TENCENT_COS_REGION")
        return f"{bucket}.cos.{self.region}.myqcloud.com/{encode_key(key)}"

    @flow
    def check_bucket(self) -> Flow[None]:
        """COS says NoSuchBucket also of a bucket in another region, so its list of buckets is asked."""
        try:
            yield self.request("GET", "", (("max-keys", "1"),))
            self._bucket_is_there = True
        except BucketNotFound as error:
            if self.service.host.endswith(".myqcloud.com"):
                yield from self._find_elsewhere(error)
            raise

    def _find_elsewhere(self, missing: BackendError) -> Flow[None]:
        service = self.service.with_host("service.cos.myqcloud.com")
        try:
            response = yield Request("GET", service, "/")
        except BackendError:
            return  # these keys may not list buckets: that it is missing is all we know
        for entry in xml_text.parse(response.body).iterfind("Buckets/Bucket"):
            region = xml_text.text_of(entry, "Location")
            if xml_text.text_of(entry, "Name") == self.bucket and region != self.region:
                raise WrongRegion(
                    f"the bucket {self.bucket} is not in {self.region}",
                    where=self.place,
                    hint=f"it is in {region}: set TENCENT_COS_REGION",
                ) from missing

    def md5_of(self, headers: Mapping[str, str]) -> str | None:
        """The ETag of what was put in one request; an appended object has one that only looks like an MD5."""
        if headers.get("x-cos-object-type", "normal") != "normal":
            return None
        return super().md5_of(headers)


def _credentials(settings: TencentCosSettings, options: Options) -> Provider:
    if settings.secret_id:
        token = revealed(settings.session_token) or None
        secret = revealed(settings.secret_key)
        return fixed(Credentials(settings.secret_id, secret, token, source="TENCENT_COS_SECRET_ID"))
    return tencent_chain(options=options)
