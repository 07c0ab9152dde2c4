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
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import BackendError, PermissionDenied, PreconditionFailed
from cloudberth.storage import xml_text
from cloudberth.storage._s3 import MEANINGS, S3Like
from cloudberth.storage.contract import Attributes, BucketFacts, Capabilities, SignedRequest
from cloudberth.storage.credentials import Credentials, Provider, fixed
from cloudberth.storage.http.backend import Flow, flow
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import Meaning
from cloudberth.storage.http.message import Origin, Request, Response, encode_key
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
    """Dify's OCI_* variables."""

    schemes: ClassVar[tuple[str, ...]] = ("oci",)

    bucket: str = Field(alias="OCI_BUCKET_NAME")
    access_key: str = Field(alias="OCI_ACCESS_KEY", description="of a customer secret key")
    secret_key: SecretStr = Field(alias="OCI_SECRET_KEY", description="of a customer secret key")
    endpoint: str = Field(
        alias="OCI_ENDPOINT",
        description="https://NAMESPACE.compat.objectstorage.REGION.oraclecloud.com",
    )
    region: str = Field("", alias="OCI_REGION", description="us-ashburn-1; that of the endpoint when not set")

    @property
    def signed_region(self) -> str:
        """The region that signatures are for."""
        return self.region or self._of_endpoint()

    def _of_endpoint(self) -> str:
        found = _HOST.match(Origin.parse(self.endpoint).host)
        return found["region"] if found else ""

    @model_validator(mode="after")
    def _one_region(self) -> Self:
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
