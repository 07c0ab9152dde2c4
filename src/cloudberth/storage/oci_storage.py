"""Oracle Cloud's Object Storage (``oci-storage``) by its S3 endpoint, with customer secret keys, as in Dify.

Sources: Oracle, "Object Storage Amazon S3 Compatibility API", and what users of other clients report
(mc#4329, Alluxio#14133: the region that is signed has to be the endpoint's). Only addresses of path style,
bodies go unchunked, batch deletes with Content-MD5. The S3 interface knows no ACLs, lifecycle or CORS of a
bucket, and no condition on the etag, which is another one than the native interface's. Terraform's lock files
work on it, so it knows If-None-Match.

Not proved against Oracle: the double in the tests follows that documentation and satisfies boto3.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self, cast

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import BackendError, PermissionDenied, PreconditionFailed
from cloudberth.storage import xml_text
from cloudberth.storage._s3 import S3Like
from cloudberth.storage._s3_dialect import MEANINGS
from cloudberth.storage.contract import Attributes, BucketFacts, Capabilities, SignedRequest
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
from cloudberth.storage.oci_native import OciNative
from cloudberth.storage.oci_principals import METADATA, CachedKey, InstancePrincipal, KeyProvider, api_key
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings, revealed
from cloudberth.storage.signing.sigv4 import SigV4

_HOST = re.compile(
    r"(?P<namespace>[^.]+)\.compat\.objectstorage\.(?P<region>[a-z0-9-]+)\.(?:oraclecloud|oci\.customer-oci)\."
)
_NO_ATTRIBUTES = Attributes()
_SILENT = "the S3 interface of Oracle does not tell"


class OciStorageSettings(Settings):
    """Dify's OCI_* variables; and OCI_AUTH for principals that have no secret keys."""

    schemes: ClassVar[tuple[str, ...]] = ("oci",)

    bucket: str = Field(alias="OCI_BUCKET_NAME")
    access_key: str = Field("", alias="OCI_ACCESS_KEY", description="of a customer secret key")
    secret_key: SecretStr = Field(
        SecretStr(""), alias="OCI_SECRET_KEY", description="of a customer secret key"
    )
    endpoint: str = Field(
        "",
        alias="OCI_ENDPOINT",
        description="https://NAMESPACE.compat.objectstorage.REGION.oraclecloud.com",
    )
    region: str = Field("", alias="OCI_REGION", description="us-ashburn-1; that of the endpoint when not set")
    auth: Literal["", "secret_key", "instance_principal", "api_key"] = Field(
        "",
        alias="OCI_AUTH",
        description="instance_principal, or api_key of a configuration file: both by Oracle's own interface",
    )
    namespace: str = Field("", alias="OCI_NAMESPACE", description="with OCI_AUTH; asked for when not set")
    compartment: str = Field("", alias="OCI_COMPARTMENT_ID", description="of a new bucket, with OCI_AUTH")
    config_file: str = Field("~/.oci/config", alias="OCI_CONFIG_FILE", description="with OCI_AUTH=api_key")
    profile: str = Field("DEFAULT", alias="OCI_CONFIG_PROFILE", description="with OCI_AUTH=api_key")
    metadata: str = Field(
        METADATA, alias="OCI_METADATA_BASE_URL", description="with OCI_AUTH=instance_principal"
    )
    auth_endpoint: str = Field("", alias="OCI_AUTH_ENDPOINT", description="of the region's auth service")

    @property
    def native(self) -> bool:
        """Whether it is Oracle's own interface that is spoken."""
        return self.auth not in {"", "secret_key"}

    @property
    def signed_region(self) -> str:
        """The region that signatures are for."""
        return self.region or self._of_endpoint()

    def _of_endpoint(self) -> str:
        found = _HOST.match(Origin.parse(self.endpoint).host) if self.endpoint else None
        return found["region"] if found else ""

    @model_validator(mode="after")
    def _one_region(self) -> Self:
        if self.native:
            if not self.region:
                raise ValueError(f"OCI_REGION is not set, and OCI_AUTH={self.auth} needs it")
            return self
        for name in ("endpoint", "access_key", "secret_key"):
            value = getattr(self, name)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise ValueError(f"{self.variables()[name]} is not set, and OCI_AUTH does not say who signs")
        of_endpoint = self._of_endpoint()
        if not self.signed_region:
            raise ValueError("OCI_REGION is not set, and OCI_ENDPOINT names no region")
        if of_endpoint and self.region and of_endpoint != self.region:
            raise ValueError(f"OCI_REGION is {self.region}, but OCI_ENDPOINT is one of {of_endpoint}")
        return self


class OciStorage(S3Like, OpenableBackend):
    """A bucket of Oracle's Object Storage."""

    id = "oci-storage"
    settings = OciStorageSettings
    capabilities = Capabilities(conditional=frozenset({"absent"}), presign=frozenset({"GET", "PUT"}))
    meanings: Mapping[str, Meaning] = {
        **MEANINGS,
        "BucketAlreadyExists": PreconditionFailed,
        "BucketAlreadyOwnedByYou": PreconditionFailed,
        "IfNoneMatchFailed": PreconditionFailed,
        "NotAuthenticated": PermissionDenied,
    }

    def __init__(self, settings: OciStorageSettings, client: Client, credentials: Provider) -> None:
        origin = Origin.parse(settings.endpoint)
        super().__init__(client, origin, settings.bucket, path_style=True)
        self.credentials = credentials
        self.signer = SigV4(settings.signed_region)
        self.place = f"oci://{settings.bucket}"

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:
        if not isinstance(settings, OciStorageSettings):
            raise TypeError(type(settings).__name__)
        if settings.native:
            # Another interface of the same type: what is opened is a backend all the same.
            return cast(Self, open_native(settings, options))
        keys = Credentials(settings.access_key, revealed(settings.secret_key), source="OCI_ACCESS_KEY")
        return cls(settings, Client(options), fixed(keys))

    def authorize(self, request: Request) -> None:
        self.signer.sign(request, self.credentials(), time.time())

    def failure(self, request: Request, response: Response) -> BackendError:
        error = super().failure(request, response)
        if isinstance(error, PermissionDenied) and "region" in error.what.lower():
            error.hint = (
                "check OCI_ACCESS_KEY: customer secret keys of a new user take minutes to arrive; and "
                f"OCI_REGION: {self.signer.region} is what was signed"
            )
        return error

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = _NO_ATTRIBUTES
    ) -> SignedRequest:
        headers = self.write_headers(attributes) if method == "PUT" else {}
        path = f"{self.base}/{encode_key(key)}"
        keys = self.credentials()
        url = self.signer.presign(method, self.origin, path, headers, keys, seconds, time.time())
        return SignedRequest(method, url, headers)

    @flow
    def create_bucket(self) -> Flow[None]:
        """In the compartment that the tenancy names for S3 clients; a new bucket is private."""
        try:
            yield self.request("PUT")
        except PreconditionFailed:
            yield self.request("GET", "", (("list-type", "2"), ("max-keys", "1")))  # ours, or somebody's

    @flow
    def facts(self) -> Flow[BucketFacts]:
        unreadable = dict.fromkeys(("public", "versioning", "encryption", "lifecycle", "cors"), _SILENT)
        try:
            response = yield self.request("GET", "", (("location", ""),))
        except BackendError as error:
            return BucketFacts(unreadable={**unreadable, "region": error.what})
        region = (xml_text.parse(response.body).text or "").strip() or self.signer.region
        return BucketFacts(region=region, unreadable=unreadable)


def open_native(settings: OciStorageSettings, options: Options) -> OciNative:
    """The bucket by Oracle's own interface, with the key that OCI_AUTH names."""
    client = Client(options)
    keys: KeyProvider
    if settings.auth == "instance_principal":
        keys = CachedKey(
            InstancePrincipal(client, settings.region, settings.metadata, settings.auth_endpoint)
        )
    else:
        keys = CachedKey(partial(api_key, Path(settings.config_file).expanduser(), settings.profile))
    origin = Origin.parse(settings.endpoint or f"https://objectstorage.{settings.region}.oraclecloud.com")
    return OciNative(client, origin, settings.namespace, settings.bucket, keys, settings.compartment)
