"""One container of Azure Blob Storage, as what every request to it shares: paths, credentials, errors."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

from cloudberth.errors import (
    BackendError,
    NotFound,
    Unsupported,
)
from cloudberth.storage import azure_xml
from cloudberth.storage.azure_credentials import Entra, Identity, SasToken, default_token
from cloudberth.storage.azure_failures import failure_of
from cloudberth.storage.azure_settings import Account
from cloudberth.storage.azure_wire import (
    Batch,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import (
    MIB,
    TIB,
    Capabilities,
    StorageClass,
)
from cloudberth.storage.http.backend import Flow, HttpBackend
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Request, Response, encode_key
from cloudberth.storage.signing.azure_shared_key import DelegationKey
from cloudberth.storage.token_cache import TokenCache

# A backslash, and what XML 1.0 cannot hold: one such key makes Azurite fail every list of its container, and
# the service allows no control characters either ("Naming and referencing containers, blobs, and metadata").
REFUSED = re.compile("[\\\\\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
CAPABILITIES = Capabilities(
    max_put=5000 * MIB,
    part_min=1,
    part_max=4000 * MIB,
    max_parts=50_000,
    copy_max=190 * TIB,
    conditional=frozenset({"absent", "match"}),
    presign=frozenset({"GET", "PUT"}),
    classes={
        StorageClass.STANDARD: "Hot",
        StorageClass.INFREQUENT: "Cool",
        StorageClass.COLD: "Cold",
        StorageClass.ARCHIVE: "Archive",
    },
    checksum="md5",
)


class AzureContainer(HttpBackend):
    """Base of the backend. version: of the REST API that requests ask for."""

    id = "azure-blob"

    def __init__(
        self, client: Client, account: Account, container: str, identity: Identity | None, version: str
    ) -> None:
        super().__init__(client)
        self.account = account
        self.container = container
        self.version = version
        self.place = f"azblob://{account.name}/{container}"
        self._root = f"{account.base}/{encode_key(container)}"
        self.identity = identity or Entra(account.name, default_token(), self._ask_for_key)
        self.capabilities = (
            replace(CAPABILITIES, presign=frozenset())
            if isinstance(self.identity, SasToken)
            else CAPABILITIES
        )

    # -- what every request shares ---------------------------------------------------------------------------

    def path(self, key: str) -> str:
        """A key as the path of a request. Raises Unsupported for one that the service would change."""
        if (bad := REFUSED.search(key)) is not None:
            what = "a backslash is a slash to this service" if bad[0] == "\\" else "no list could hold it"
            raise Unsupported(
                f"{bad[0]!r} cannot stand in a key: {what}", where=f"{self.place}/{key!r}", hint="rename it"
            )
        if key in (".", ".."):
            raise Unsupported(
                f"{key!r} is a step in a path, no name, to what stands before this service",
                where=f"{self.place}/{key}", hint="rename it",
            )  # fmt: skip
        encoded = encode_key(key)
        if not {".", ".."}.isdisjoint(key.split("/")):
            encoded = encoded.replace("/", "%2F")
        return f"{self._root}/{encoded}"

    def authorize(self, request: Request) -> None:
        request.headers["x-ms-version"] = self.version
        if isinstance(request, Batch):
            for part in request.parts:
                self.identity.authorize(part)
            request.assemble()
        self.identity.authorize(request)

    def keep_tokens_in(self, cache: TokenCache) -> None:
        """Share what an identity borrows for signing URLs with other processes; other credentials keep
        nothing.
        """
        if isinstance(self.identity, Entra):
            self.identity.cache = cache

    def failure(self, request: Request, response: Response) -> BackendError:
        return failure_of(response, where=self._where(request), over=self.identity.expired)

    def _where(self, request: Request) -> str:
        return f"{self.place}{unquote(request.path.removeprefix(self._root))}"

    def _on_container(self, method: str, *query: tuple[str, str]) -> Request:
        return Request(method, self.account.origin, self._root, (("restype", "container"), *query))

    def _on_blob(self, method: str, key: str, *query: tuple[str, str]) -> Request:
        return Request(method, self.account.origin, self.path(key), query)

    def _ask(self, request: Request) -> Flow[Response]:
        return (yield request)

    def _ask_for_key(self, start: str, expiry: str) -> DelegationKey:
        query = (("restype", "service"), ("comp", "userdelegationkey"))
        body = BytesBody(azure_xml.key_request(start, expiry))
        request = Request("POST", self.account.origin, f"{self.account.base}/", query, body=body)
        return azure_xml.delegation_key(self.run(self._ask(request)).body)


def is_gone(error: BackendError) -> bool:
    """Whether an error says that the blob is not there; that its container is not, is another thing."""
    return type(error) is NotFound
