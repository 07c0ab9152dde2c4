"""Huawei Cloud OBS, by its own protocol or by S3's version 2, as Huawei's SDK does.

Settings are Dify's. With the bucket in the host, requests are signed as OBS; with HUAWEI_OBS_PATH_STYLE (or
an address as the server) they are S3's version 2 with ``x-amz-`` headers, which is what Huawei's SDK sends
then, and what private installations and other servers understand. HUAWEI_OBS_SIGNATURE decides it by hand.

`if_absent` is the header x-obs-forbid-overwrite, which clients of OBS send; we did not find it in Huawei's
documentation. For large objects we also look before the last step, so that at worst two at once both win.

OBS's own protocol is proved against a protocol double that `esdk-obs-python` accepts, version 2 also against
Ceph's gateway; neither against OBS itself.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import BackendError, WrongRegion
from cloudberth.storage import xml_text
from cloudberth.storage._s3_dialect import Dialect
from cloudberth.storage._s3_vendors import S3Vendor
from cloudberth.storage.aliyun_oss import is_address
from cloudberth.storage.body import EMPTY, Body
from cloudberth.storage.contract import Capabilities, StorageClass
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.credentials_huawei import huawei_chain
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response, encode, encode_key
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.obs import Obs

CAPABILITIES = Capabilities(
    part_min=100 * 1024,
    conditional=frozenset({"absent"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.INFREQUENT: "WARM",
        StorageClass.ARCHIVE: "COLD",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    checksum="md5",
)
CAPABILITIES_V2 = replace(
    CAPABILITIES,
    conditional=frozenset(),
    classes={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.INFREQUENT: "STANDARD_IA",
        StorageClass.ARCHIVE: "GLACIER",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
)
_REGION = re.compile(r"^obs[.-]([a-z0-9-]+)\.(?:my)?huaweicloud\.(?:com|eu)$")


class HuaweiObsSettings(Settings):
    """Settings of OBS, by Dify's names."""

    schemes: ClassVar[tuple[str, ...]] = ("obs",)

    bucket: str = Field(alias="HUAWEI_OBS_BUCKET_NAME")
    server: str = Field(alias="HUAWEI_OBS_SERVER", description="https://obs.cn-north-4.myhuaweicloud.com")
    access_key: str = Field(
        "",
        alias="HUAWEI_OBS_ACCESS_KEY",
        description="empty: OBS_ACCESS_KEY_ID, HUAWEICLOUD_SDK_AK, or the agency of the server",
    )
    secret_key: SecretStr = Field(SecretStr(""), alias="HUAWEI_OBS_SECRET_KEY")
    security_token: SecretStr = Field(
        SecretStr(""), alias="OBS_SECURITY_TOKEN", description="of temporary keys; not one of Dify's"
    )
    path_style: bool = Field(False, alias="HUAWEI_OBS_PATH_STYLE", description="the bucket in the path")
    signature: Literal["auto", "obs", "v2"] = Field(
        "auto",
        alias="HUAWEI_OBS_SIGNATURE",
        description="auto: v2 with path style, else obs; not one of Dify's",
    )
    region: str = Field(
        "",
        alias="HUAWEI_OBS_REGION",
        description="to create a bucket; default: the server's; not one of Dify's",
    )
    proxy: str = Field(
        "", alias="HUAWEI_OBS_PROXY", description="HTTP proxy for this bucket alone; not one of Dify's"
    )

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> HuaweiObsSettings:
        if bool(self.access_key) != bool(revealed(self.secret_key)):
            raise ValueError("HUAWEI_OBS_ACCESS_KEY and HUAWEI_OBS_SECRET_KEY have to be set together")
        return self


class _BareRequest(Request):
    """A request that writes ``?uploads`` and not ``?uploads=``: as version 2 signs it, so it is sent."""

    __slots__ = ()

    @property
    def target(self) -> str:
        pairs = (f"{encode(name)}={encode(value)}" if value else encode(name) for name, value in self.query)
        return f"{self.path}?{'&'.join(pairs)}" if self.query else self.path


class HuaweiObs(S3Vendor):
    """A bucket of OBS."""

    id = "huawei-obs"
    capabilities = CAPABILITIES
    settings = HuaweiObsSettings
    dialect = Dialect(header="x-obs-", list_version=1)
    looks_before_finishing = True
    everybody = ("<Canned>Everyone<", "groups/global/AllUsers")

    def __init__(
        self, client: Client, origin: Origin, bucket: str, provider: Provider, signer: Obs, region: str
    ) -> None:
        super().__init__(client, origin, bucket, provider, signer, path_style=signer.bucket_in_path)
        self.place = f"obs://{bucket}"
        self.region = region
        self.own = signer.dialect == "OBS"
        if not self.own:
            self.dialect = replace(type(self).dialect, header="x-amz-")
            self.capabilities = CAPABILITIES_V2

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, HuaweiObsSettings)
        origin = Origin.parse(settings.server)
        in_path = settings.path_style or is_address(origin.host)
        own = settings.signature == "obs" or (settings.signature == "auto" and not in_path)
        signer = Obs(settings.bucket, in_path, "OBS" if own else "AWS")
        found = _REGION.match(origin.host)
        region = settings.region or (found[1] if found else "")
        client = Client(options, settings.proxy or None)
        return cls(client, origin, settings.bucket, _credentials(settings), signer, region)

    def request(
        self, method: str, key: str = "", query: tuple[tuple[str, str], ...] = (),
        headers: dict[str, str] | None = None, body: Body = EMPTY, *, stream: bool = False,
        idempotent: bool = True,
    ) -> Request:  # fmt: skip
        made = super().request(method, key, query, headers, body, stream=stream, idempotent=idempotent)
        return _BareRequest(
            made.method, made.origin, made.path, made.query, made.headers, made.body, made.stream,
            idempotent=made.idempotent,
        )  # fmt: skip

    def copy_source(self, bucket: str, key: str) -> str:
        return f"/{bucket}/{encode_key(key)}"

    def spoken(self, response: Response) -> Response:
        code = response.header(f"{self.dialect.header}error-code")
        if response.body or not code:
            return response
        message = response.header(f"{self.dialect.header}error-message")
        escaped = (xml_text.escape(code), xml_text.escape(message))
        body = "<Error><Code>{}</Code><Message>{}</Message></Error>".format(*escaped)
        return Response(response.status, response.headers, body.encode())

    def failure(self, request: Request, response: Response) -> BackendError:
        error = super().failure(request, response)
        if isinstance(error, WrongRegion):
            root = xml_text.error_texts(response.body)[2]
            endpoint = xml_text.text_of(root, "Endpoint") if root is not None else ""
            if endpoint:
                error.hint = f"the bucket is at {endpoint}: set HUAWEI_OBS_SERVER"
        return error

    def bucket_to_create(self) -> tuple[dict[str, str], bytes]:
        headers, _ = super().bucket_to_create()
        name = "Location" if self.own else "LocationConstraint"
        where = f"<{name}>{xml_text.escape(self.region)}</{name}>"
        text = f"<CreateBucketConfiguration>{where}</CreateBucketConfiguration>" if self.region else ""
        return headers, text.encode()


def _credentials(settings: HuaweiObsSettings) -> Provider:
    if settings.access_key:
        token = revealed(settings.security_token) or None
        secret = revealed(settings.secret_key)
        return fixed(Credentials(settings.access_key, secret, token, source="HUAWEI_OBS_ACCESS_KEY"))
    return huawei_chain()
