"""Amazon S3, and every server that speaks S3 with Signature Version 4 (Ceph, MinIO, R2, …).

Settings are Dify's. Unlike there, an endpoint and an address style also hold when the credentials come from
AWS's default chain, and a bucket is created in its region.
"""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import (
    BackendError,
    ExpiredCredentials,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.storage import xml_text
from cloudberth.storage._s3 import S3Like
from cloudberth.storage.body import EMPTY, BytesBody
from cloudberth.storage.contract import (
    Attributes,
    BucketFacts,
    Capabilities,
    SignedRequest,
    StorageClass,
)
from cloudberth.storage.credentials import Cached, Credentials, Provider, fixed
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.sigv4 import SigV4

CAPABILITIES = Capabilities(
    conditional=frozenset({"absent", "match"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.INFREQUENT: "STANDARD_IA",
        StorageClass.COLD: "GLACIER_IR",
        StorageClass.ARCHIVE: "GLACIER",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
)
_DNS_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_AMAZON = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")
_ABORTING = ("AbortIncompleteMultipartUpload", "AbortMultipartUpload")
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


class S3Settings(Settings):
    """Settings of S3, by Dify's names."""

    schemes: ClassVar[tuple[str, ...]] = ("s3",)

    bucket: str = Field(alias="S3_BUCKET_NAME")
    endpoint: str = Field("", alias="S3_ENDPOINT", description="of another server than Amazon's")
    region: str = Field("", alias="S3_REGION", description="default: that of AWS's configuration, us-east-1")
    access_key: str = Field("", alias="S3_ACCESS_KEY", description="empty: AWS's default credential chain")
    secret_key: SecretStr = Field(SecretStr(""), alias="S3_SECRET_KEY")
    session_token: SecretStr = Field(
        SecretStr(""), alias="S3_SESSION_TOKEN", description="of temporary keys; not one of Dify's"
    )
    address_style: Literal["auto", "virtual", "path"] = Field("auto", alias="S3_ADDRESS_STYLE")
    use_aws_managed_iam: bool = Field(
        False, alias="S3_USE_AWS_MANAGED_IAM", description="the default chain even when keys are set"
    )

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> S3Settings:
        if not self.use_aws_managed_iam and bool(self.access_key) != bool(revealed(self.secret_key)):
            raise ValueError("S3_ACCESS_KEY and S3_SECRET_KEY have to be set together, or neither")
        return self


class S3(S3Like, OpenableBackend):
    """A bucket of S3."""

    id = "s3"
    capabilities = CAPABILITIES
    settings = S3Settings

    def __init__(
        self,
        client: Client,
        origin: Origin,
        bucket: str,
        region: str,
        provider: Provider,
        *,
        path_style: bool,
    ) -> None:
        super().__init__(client, origin, bucket, path_style=path_style)
        self.region = region
        self.provider = provider
        self.signer = SigV4(region)
        self.place = f"s3://{bucket}"
        self.amazon = _AMAZON.search(origin.host) is not None

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        assert isinstance(settings, S3Settings)
        provider, configured = _credentials(settings)
        region = settings.region or configured or "us-east-1"
        china = ".cn" if region.startswith("cn-") else ""
        origin = Origin.parse(settings.endpoint or f"https://s3.{region}.amazonaws.com{china}")
        return cls(
            Client(options),
            origin,
            settings.bucket,
            region,
            provider,
            path_style=_path_style(settings),
        )

    def authorize(self, request: Request) -> None:
        self.signer.sign(request, self.provider(), time.time())

    @flow
    def create_bucket(self) -> Flow[None]:
        """Private, because S3 makes no others; in the region, which us-east-1 alone must not name."""
        body = EMPTY
        if self.amazon and self.region != "us-east-1":
            body = BytesBody(
                "<CreateBucketConfiguration><LocationConstraint>"
                f"{self.region}</LocationConstraint></CreateBucketConfiguration>".encode()
            )
        try:
            yield self.request("PUT", "", (), {}, body)
        except BackendError as error:
            if error.code == "BucketAlreadyExists":
                raise PermissionDenied(
                    f"the bucket {self.bucket} belongs to another account", hint="choose another name"
                ) from None
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        headers = {"content-type": attributes.content_type} if attributes.content_type else {}
        path = f"{self.base}/{encode_key(key)}"
        url = self.signer.presign(method, self.origin, path, headers, self.provider(), seconds, time.time())
        return SignedRequest(method, url, headers)

    def facts(self) -> BucketFacts:
        unreadable: dict[str, str] = {}

        def ask(name: str, missing: str = "") -> Any:
            try:
                return self._subresource(name)
            except NotFound:
                return missing
            except BackendError as error:
                unreadable[name] = error.what
                return None

        location, versioning, encryption = ask("location"), ask("versioning"), ask("encryption")
        lifecycle, cors, acl = ask("lifecycle"), ask("cors"), ask("acl")
        return BucketFacts(
            region=None if location is None else _text(location, ".") or "us-east-1",
            public=None if acl is None else _EVERYBODY in acl,
            versioning=None if versioning is None else _text(versioning, "Status") == "Enabled",
            encryption=None if encryption is None else _text(encryption, ".//SSEAlgorithm") or "none",
            lifecycle=None if lifecycle is None else _rules(lifecycle, "Rule"),
            cors=None if cors is None else _rules(cors, "CORSRule"),
            unreadable=unreadable,
        )

    @flow
    def _subresource(self, name: str) -> Flow[str]:
        response: Response = yield self.request("GET", "", ((name, ""),))
        return response.body.decode("utf-8", "replace")


def _text(document: str, path: str) -> str:
    if not document:
        return ""
    root = xml_text.parse(document.encode())
    return (root.text or "").strip() if path == "." else xml_text.text_of(root, path)


def _rules(document: str, tag: str) -> str:
    count = document.count(f"<{tag}>")
    aborts = any(f"<{name}>" in document for name in _ABORTING)
    return f"{count} rule{'s' * (count != 1)}{', aborting unfinished uploads' if aborts else ''}"


def _path_style(settings: S3Settings) -> bool:
    """As boto3 decides `auto`: the bucket's own host at Amazon where its name allows it, a path elsewhere."""
    if settings.address_style != "auto":
        return settings.address_style == "path"
    return bool(settings.endpoint) or _DNS_BUCKET.fullmatch(settings.bucket) is None


def _credentials(settings: S3Settings) -> tuple[Provider, str]:
    """Who we are, and the region that AWS's configuration names when it was asked."""
    if settings.access_key and not settings.use_aws_managed_iam:
        token = revealed(settings.session_token) or None
        keys = Credentials(settings.access_key, revealed(settings.secret_key), token, source="S3_ACCESS_KEY")
        return fixed(keys), ""
    return aws_chain("s3 without keys")


def _no_credentials(error: Exception) -> BackendError:
    """What botocore raises while it fetches credentials, as an error of ours."""
    what = f"AWS credentials cannot be fetched: {' '.join(str(error).split())[:300]}"
    if isinstance(error, RuntimeError):  # "refreshed, but the refreshed credentials are still expired"
        return ExpiredCredentials(what)
    if type(error).__name__ in {
        "MetadataRetrievalError",
        "CredentialRetrievalError",
        "EndpointConnectionError",
    }:
        return Unavailable(what)
    return PermissionDenied(what, hint="try: aws sts get-caller-identity")


def aws_chain(needed_for: str) -> tuple[Provider, str]:
    """AWS's default chain: environment, web identity, profiles, container, instance role. And its region."""
    session = late_import("botocore.session", extra="aws", needed_for=needed_for).get_session()

    def provider() -> Credentials:
        try:
            found = session.get_credentials()
            frozen = found.get_frozen_credentials() if found else None
        except Exception as error:  # botocore has a class for each way that it cannot get any
            raise _no_credentials(error) from None
        if found is None or frozen is None:
            raise PermissionDenied(
                "there are no AWS credentials",
                hint="set S3_ACCESS_KEY and S3_SECRET_KEY, or run with a role: aws sts get-caller-identity",
            )
        expiry = getattr(found, "_expiry_time", None)
        return Credentials(
            frozen.access_key,
            frozen.secret_key,
            frozen.token,
            expires=expiry.timestamp() if expiry else None,
            source=f"AWS chain: {found.method}",
        )

    try:
        region = session.get_config_variable("region") or ""
    except Exception as error:  # a broken profile; botocore has a class for each way
        raise InvalidInput(f"AWS's configuration cannot be read: {error}") from None
    return Cached(provider), region
