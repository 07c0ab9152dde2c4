"""Settings of azure-blob: Dify's variables, and three of ours for a SAS token, a connection string, a
version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from cloudberth.errors import InvalidInput
from cloudberth.storage.http.message import Origin
from cloudberth.storage.settings import Settings, revealed

MANAGED_IDENTITY = "managedidentity"
"""What Dify writes for the account key when an identity of Microsoft Entra is meant."""
REQUEST_VERSION = "2026-02-06"
"""Of the REST API. The first with ``startFrom`` of List Blobs."""
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
# Published with the emulator; every installation of it has this key.
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# Azure's own variables, which its command line and its samples read; after all of ours.
_STANDARD = {
    "connection_string": "AZURE_STORAGE_CONNECTION_STRING",
    "sas_token": "AZURE_STORAGE_SAS_TOKEN",
    "account": "AZURE_STORAGE_ACCOUNT",
    "account_key": "AZURE_STORAGE_KEY",
}
_OURS = ("account_key", "sas_token", "connection_string")


class AzureSettings(Settings):
    """One container of one storage account.

    Credentials are one of: an account key; ``managedidentity`` instead of the key, or none at all (managed
    identity, workload identity, and what else azure-identity finds); a SAS token; a connection string.
    """

    schemes: ClassVar[tuple[str, ...]] = ("azblob",)

    bucket: str = Field(alias="AZURE_BLOB_CONTAINER_NAME")
    account: str | None = Field(default=None, alias="AZURE_BLOB_ACCOUNT_NAME")
    account_key: SecretStr | None = Field(
        default=None, alias="AZURE_BLOB_ACCOUNT_KEY", description=f"a key, or {MANAGED_IDENTITY}"
    )
    account_url: str | None = Field(
        default=None,
        alias="AZURE_BLOB_ACCOUNT_URL",
        description="https://ACCOUNT.blob.core.windows.net when not set",
    )
    sas_token: SecretStr | None = Field(default=None, alias="AZURE_BLOB_SAS_TOKEN")
    connection_string: SecretStr | None = Field(default=None, alias="AZURE_BLOB_CONNECTION_STRING")
    version: str = Field(
        default=REQUEST_VERSION,
        alias="AZURE_BLOB_API_VERSION",
        description="an older one for Azure Stack, or a cloud that lags behind",
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str) -> Self:
        """As every backend; without any credential of ours, Azure's own variables count."""
        variables = cls.variables()
        if not any(environment.get(variables[name], "").strip() for name in _OURS):
            environment = dict(environment)
            for name, variable in _STANDARD.items():
                if environment.get(variable, "").strip() and not environment.get(variables[name], "").strip():
                    environment[variables[name]] = environment[variable]
                    if name in ("connection_string", "sas_token"):
                        break
        return super().from_environment(environment, **given)

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        names = [name for name in _OURS if revealed(getattr(self, name))]
        if len(names) > 1:
            variables = " and ".join(self.variables()[name] for name in names)
            raise ValueError(f"{variables} are set: only one can be meant")
        if not self.connection_string and not self.account and not self.account_url:
            raise ValueError("AZURE_BLOB_ACCOUNT_NAME is not set")
        return self


@dataclass(frozen=True, slots=True)
class Account:
    """Where a storage account answers. base: path in front of the container (``/devstoreaccount1``), or
    empty.

    key, sas: secrets that a connection string brought.
    """

    name: str
    origin: Origin
    base: str = ""
    key: str = ""
    sas: str = ""

    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.origin}{self.base})"


def account_of(settings: AzureSettings) -> Account:
    """The account that settings mean, with its secrets. Raises InvalidInput when they make no sense."""
    if text := revealed(settings.connection_string):
        return _of_connection_string(text)
    url = settings.account_url or f"https://{settings.account}.blob.core.windows.net"
    key = revealed(settings.account_key)
    return _at(
        url, settings.account or "", "" if key == MANAGED_IDENTITY else key, revealed(settings.sas_token)
    )


def _of_connection_string(text: str) -> Account:
    pairs = (piece.partition("=") for piece in text.split(";") if piece.strip())
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if values.get("usedevelopmentstorage") == "true":
        url = f"http://127.0.0.1:10000/{DEVELOPMENT_ACCOUNT}"
        return _at(url, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, "")
    name = values.get("accountname", "")
    suffix = values.get("endpointsuffix") or "core.windows.net"
    scheme = values.get("defaultendpointsprotocol") or "https"
    url = values.get("blobendpoint") or (f"{scheme}://{name}.blob.{suffix}" if name else "")
    if not url:
        raise InvalidInput(
            "the connection string names no account",
            where="AZURE_BLOB_CONNECTION_STRING",
            hint="copy it from the portal: Security + networking, Access keys",
        )
    return _at(url, name, values.get("accountkey", ""), values.get("sharedaccesssignature", ""))


def _at(url: str, name: str, key: str, sas: str) -> Account:
    origin = Origin.parse(url)
    base = urlsplit(url if "://" in url else f"https://{url}").path.rstrip("/")
    if not name:
        name = base.strip("/").split("/")[0] if base else origin.host.partition(".")[0]
    return Account(name, origin, base, key, sas.lstrip("?"))


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
