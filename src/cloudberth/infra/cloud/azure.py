"""Azure through its REST interfaces, with the identity of `az login`, a service principal or the machine.

The state lives in a storage account that has a resource group to itself and knows no keys: whoever creates it
is given the role with which Terraform's ``azurerm`` backend (``use_azuread_auth``) reads and writes blobs.

Versions and bodies: https://learn.microsoft.com/rest/api/storagerp, …/rest/api/resources,
…/rest/api/authorization/role-assignments/create, …/rest/api/keyvault/secrets/get-secret.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound, PermissionDenied, Unavailable
from cloudberth.infra.cloud.rest import Hints, ask, document, prepared

_CONTAINER = "tfstate"
_STORAGE_API = "2023-05-01"
_RESOURCES_API = "2021-04-01"
_SUBSCRIPTIONS_API = "2022-12-01"
_ROLES_API = "2022-04-01"
_REDIS_API = "2024-10-01"
_VAULT_API = "7.4"
_BLOB_HEADERS = {"x-ms-version": "2023-11-03"}
# Storage Blob Data Contributor: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
_BLOB_ROLE = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
_VAULT_ENTRY = re.compile(r"(?P<vault>[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9])/(?P<name>[A-Za-z0-9-]{1,127})")
_DATABASE = re.compile(r"/subscriptions/[\w.()/-]+/redisEnterprise/[\w-]+/databases/[\w-]+", re.IGNORECASE)
_SIGN_IN_ERROR = re.compile(r"AADSTS\d+: [^\r\n]*?(?=[.\r\n]|$)")
_SIGN_IN_HINT = "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
_HINTS = Hints(
    credentials=f"{_SIGN_IN_HINT}; the identity needs rights on the subscription",
    conflict="names of storage accounts are shared by all of Azure: set another one under `state.bucket`",
)

# The library explains on standard error, at length, what the error here says in a line; a handler of its own
# keeps it from doing so where nobody has set up logging.
logging.getLogger("azure.identity").addHandler(logging.NullHandler())


class Token(Protocol):
    """What a credential gives."""

    @property
    def token(self) -> str: ...


class Credential(Protocol):
    """What azure-identity's credentials do."""

    def get_token(self, *scopes: str) -> Token:
        """Raises AzureError."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Azure answers; {} stands for the name of the storage account or vault."""

    management: str = "https://management.azure.com"
    blob: str = "https://{}.blob.core.windows.net"
    vault: str = "https://{}.vault.azure.net"


class AzureAccount:
    """A subscription, with the credentials of the environment.

    account: its id; default: ARM_SUBSCRIPTION_ID, AZURE_SUBSCRIPTION_ID, or the only one that is enabled.
    patience_seconds, pause_seconds: how long to wait for what Azure does later, and between two looks.
    """

    def __init__(
        self,
        region: str,
        account: str | None = None,
        *,
        credential: Credential | None = None,
        endpoints: Endpoints | None = None,
        patience_seconds: float = 600,
        pause_seconds: float = 5,
    ) -> None:
        self._region = region
        self._subscription = account or _subscription_of_the_environment()
        self._credential = credential
        self._endpoints = endpoints or Endpoints()
        self._patience_seconds = patience_seconds
        self._pause_seconds = pause_seconds
        self._session = prepared(requests.Session())

    def account_id(self) -> str:
        where = "azure subscription"
        if self._subscription is None:
            self._subscription = self._only_subscription()
        path = f"/subscriptions/{quote(self._subscription, safe='')}"
        return str(self._manage("GET", path, _SUBSCRIPTIONS_API, where)["subscriptionId"])

    def default_state_bucket(self, name: str) -> str:
        """Letters of the name, and a hash of name and subscription: 24 letters and digits hold no more."""
        mark = hashlib.sha256(f"{name}/{self.account_id()}".encode()).hexdigest()[:8]
        return f"{re.sub('[^a-z0-9]', '', name.lower())[:11]}state{mark}"

    def bucket_exists(self, bucket: str) -> bool:
        """Whether there is a storage account of this name with the container of the state.

        One of another subscription counts when this identity may read it.
        """
        where = _where(bucket)
        _require_account_name(bucket)
        if self._is_free(bucket, where):
            return False
        identifier = next((i for i in self._storage_accounts(where) if i.endswith(f"/{bucket}")), None)
        if identifier is None:
            return self._container_is_readable(bucket)
        try:
            self._manage("GET", _container(identifier), _STORAGE_API, where)
        except NotFound:
            return False
        return True

    def create_state_bucket(self, bucket: str) -> None:
        """Every step can be repeated; the container comes last, so that it stands for the whole."""
        where = _where(bucket)
        _require_account_name(bucket)
        group = f"{self._root()}/resourceGroups/{bucket}-rg"
        account = f"{group}/providers/Microsoft.Storage/storageAccounts/{bucket}"
        self._register_storage(where)
        self._manage("PUT", group, _RESOURCES_API, where, {"location": self._region})
        self._manage("PUT", account, _STORAGE_API, where, _account_body(self._region))
        self._wait(lambda: self._is_provisioned(account, where), where, "the account is not ready yet")
        for path, body in _protection():
            self._manage("PUT", f"{account}/{path}", _STORAGE_API, where, body)
        self._allow_blobs(account, where)
        closed = {"properties": {"publicAccess": "None"}}
        self._manage("PUT", _container(account), _STORAGE_API, where, closed)
        self._wait(lambda: self._answers(bucket), where, "the role on the storage account has no effect yet")

    def secret(self, identifier: str) -> str:
        """VAULT/NAME: a secret of a Key Vault. /subscriptions/…: a cache database, whose key Azure keeps."""
        entry = _VAULT_ENTRY.fullmatch(identifier)
        where = f"azure secret {identifier}"
        if entry:
            base = self._endpoints.vault.format(entry["vault"])
            address, query = f"{base}/secrets/{entry['name']}", {"api-version": _VAULT_API}
            token = self._token("https://vault.azure.net/.default", where)
            response = ask(
                self._session, "GET", address, where=where, hints=_HINTS, query=query, bearer=token
            )
            value = document(response, where).get("value")
        elif _DATABASE.fullmatch(identifier):
            value = self._manage("POST", f"{identifier}/listKeys", _REDIS_API, where).get("primaryKey")
        else:
            raise InvalidInput(
                f"{identifier!r} is not the id of a secret on Azure", hint="it is VAULT/NAME of a Key Vault"
            )
        if not isinstance(value, str):
            raise BackendError("the entry holds no text", kind=Kind.UNEXPECTED, where=where)
        return value

    # ---------------------------------------------------------------- steps

    def _root(self) -> str:
        if self._subscription is None:
            self._subscription = self._only_subscription()
        return f"/subscriptions/{quote(self._subscription, safe='')}"

    def _only_subscription(self) -> str:
        where = "azure subscriptions"
        found = self._manage("GET", "/subscriptions", _SUBSCRIPTIONS_API, where).get("value", [])
        enabled = [str(each["subscriptionId"]) for each in found if each.get("state") == "Enabled"]
        if len(enabled) == 1:
            return enabled[0]
        # Azure promises no order of the list: the first one may be another tomorrow, and the state with it.
        raise PermissionDenied(
            f"the credentials reach {len(enabled)} enabled subscriptions, and none is named",
            where=where,
            hint="set ARM_SUBSCRIPTION_ID, or `account` in the deployment file",
        )

    def _is_free(self, bucket: str, where: str) -> bool:
        path = f"{self._root()}/providers/Microsoft.Storage/checkNameAvailability"
        body = {"name": bucket, "type": "Microsoft.Storage/storageAccounts"}
        try:
            return bool(self._manage("POST", path, _STORAGE_API, where, body).get("nameAvailable"))
        except BackendError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            return (
                True  # Microsoft.Storage is not registered: this subscription has no storage account at all
            )

    def _storage_accounts(self, where: str) -> Iterator[str]:
        """Ids of the subscription's storage accounts, page by page."""
        path: str | None = f"{self._root()}/providers/Microsoft.Storage/storageAccounts"
        while path:
            page = self._manage("GET", path, _STORAGE_API, where)
            yield from (str(each["id"]) for each in page.get("value", []))
            # Only what stands behind our own address: the token goes nowhere else.
            following = str(page.get("nextLink") or "")
            ours = following.startswith(f"{self._endpoints.management}/")
            path = following.removeprefix(self._endpoints.management) if ours else None

    def _register_storage(self, where: str) -> None:
        """A new subscription cannot make storage accounts before it is told so once."""
        path = f"{self._root()}/providers/Microsoft.Storage"

        def registered() -> bool:
            return bool(
                self._manage("GET", path, _RESOURCES_API, where).get("registrationState") == "Registered"
            )

        if not registered():
            self._manage("POST", f"{path}/register", _RESOURCES_API, where)
            self._wait(registered, where, "Microsoft.Storage is not registered yet")

    def _is_provisioned(self, account: str, where: str) -> bool:
        try:
            found = self._manage("GET", account, _STORAGE_API, where)
        except NotFound:  # for a moment after Azure said that it began
            return False
        return bool(found["properties"].get("provisioningState") == "Succeeded")

    def _allow_blobs(self, account: str, where: str) -> None:
        principal = _object_id(self._token(f"{self._audience()}/.default", where), where)
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{account}/{principal}/{_BLOB_ROLE}")
        path = f"{account}/providers/Microsoft.Authorization/roleAssignments/{name}"
        role = f"{self._root()}/providers/Microsoft.Authorization/roleDefinitions/{_BLOB_ROLE}"
        body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
        try:
            self._manage("PUT", path, _ROLES_API, where, body)
        except BackendError as error:
            if error.kind is not Kind.CONFLICT:  # the identity has the role already, under another name
                raise

    def _container_is_readable(self, bucket: str) -> bool:
        try:
            self._blob(bucket)
        except (NotFound, PermissionDenied):
            raise PermissionDenied(
                "the storage account belongs to somebody else", where=_where(bucket), hint=_HINTS.conflict
            ) from None
        return True

    def _answers(self, bucket: str) -> bool:
        try:
            self._blob(bucket)
        except (NotFound, PermissionDenied, Unavailable):
            return False
        return True

    def _wait(self, done: Callable[[], bool], where: str, late: str) -> None:
        deadline = time.monotonic() + self._patience_seconds
        while not done():
            if time.monotonic() >= deadline:
                raise Unavailable(late, where=where, hint="Azure can take ten minutes: run this again then")
            time.sleep(self._pause_seconds)

    # ---------------------------------------------------------------- calls

    def _blob(self, bucket: str) -> None:
        where = _where(bucket)
        ask(
            self._session,
            "GET",
            f"{self._endpoints.blob.format(bucket)}/{_CONTAINER}",
            where=where,
            hints=_HINTS,
            query={"restype": "container"},
            headers=_BLOB_HEADERS,
            bearer=self._token("https://storage.azure.com/.default", where),
        )

    def _manage(
        self, method: str, path: str, version: str, where: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A call to the resource manager."""
        response = ask(
            self._session,
            method,
            f"{self._endpoints.management}{path}",
            where=where,
            hints=_HINTS,
            query={} if "api-version=" in path else {"api-version": version},
            body=body,
            bearer=self._token(f"{self._audience()}/.default", where),
        )
        return document(response, where)

    @staticmethod
    def _audience() -> str:
        return Endpoints().management

    def _token(self, scope: str, where: str) -> str:
        try:
            if self._credential is None:
                self._credential = _credential()
            return self._credential.get_token(scope).token
        except (ClientAuthenticationError, ValueError) as error:
            raise PermissionDenied(
                f"no usable Azure credentials: {_why(error)}", where=where, hint=_SIGN_IN_HINT
            ) from None
        except AzureError as error:
            raise Unavailable(
                f"the sign-in of Azure does not answer: {_why(error)}",
                where=where,
                hint="check the network, then try again",
            ) from None


def _credential() -> Credential:
    """The service principal that Terraform's provider would take, else the library's own chain."""
    principal = [os.environ.get(f"ARM_{part}") for part in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")]
    tenant, client, secret = principal
    if tenant and client and secret:
        return ClientSecretCredential(tenant, client, secret)
    return DefaultAzureCredential()


def _subscription_of_the_environment() -> str | None:
    return os.environ.get("ARM_SUBSCRIPTION_ID") or os.environ.get("AZURE_SUBSCRIPTION_ID") or None


def _why(error: Exception) -> str:
    """The reason that Entra gives, which the library buries in a list; else the library's first line."""
    text = str(error)
    found = _SIGN_IN_ERROR.search(text)
    return found[0] if found else next(iter(text.strip().splitlines()), type(error).__name__)


def _object_id(token: str, where: str) -> str:
    """Who the token is about: the claim ``oid``. Azure checks the signature, nothing is decided here."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return str(claims["oid"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise BackendError(
            "the credentials do not say whose they are, so that the role on the state cannot be given",
            kind=Kind.UNEXPECTED,
            where=where,
            hint="create the storage account yourself and name it under `state.bucket`",
        ) from None


def _where(bucket: str) -> str:
    return f"azure storage account {bucket}"


def _require_account_name(bucket: str) -> None:
    if not _ACCOUNT_NAME.fullmatch(bucket):
        raise InvalidInput(
            f"{bucket!r} is no name of a storage account",
            where="state.bucket",
            hint="3 to 24 lower-case letters and digits",
        )


def _container(account: str) -> str:
    return f"{account}/blobServices/default/containers/{_CONTAINER}"


def _account_body(region: str) -> dict[str, Any]:
    """Encrypted at rest as every storage account is; TLS 1.2, no keys, nothing public."""
    return {
        "location": region,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},  # the one that every region has
        "properties": {
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": False,
            "allowCrossTenantReplication": False,
            "defaultToOAuthAuthentication": True,
        },
    }


def _protection() -> tuple[tuple[str, dict[str, Any]], ...]:
    """What keeps old states, and for how long: path below the account → body."""
    kept = {"enabled": True, "days": 30}
    versions = {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}}
    rule = {
        "name": "old-state",
        "enabled": True,
        "type": "Lifecycle",
        "definition": {"filters": {"blobTypes": ["blockBlob"]}, "actions": versions},
    }
    blobs = {
        "isVersioningEnabled": True,
        "deleteRetentionPolicy": kept,
        "containerDeleteRetentionPolicy": kept,
    }
    return (
        ("blobServices/default", {"properties": blobs}),
        ("managementPolicies/default", {"properties": {"policy": {"rules": [rule]}}}),
    )
