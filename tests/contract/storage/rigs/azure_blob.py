"""Azure Blob Storage against Azurite, Microsoft's own emulator: it checks keys, signed URLs and their end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import BlobServiceClient, generate_container_sas
from rig import Proof, Rig, Running
from servers import azurite

CONTAINER = "berth-contract"
WRONG_KEY = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXktd3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXktd3I="


def create_container(server: azurite.Azurite, container: str = CONTAINER) -> None:
    """By the vendor's own SDK, so that a rig does not rest on what it is to prove."""
    with BlobServiceClient(server.url, {"account_name": server.account, "account_key": server.key}) as client:
        client.create_container(container)


def environment_of(server: azurite.Azurite, container: str = CONTAINER) -> dict[str, str]:
    """Dify's variables."""
    return {
        "STORAGE_TYPE": "azure-blob",
        "AZURE_BLOB_ACCOUNT_NAME": server.account,
        "AZURE_BLOB_ACCOUNT_KEY": server.key,
        "AZURE_BLOB_CONTAINER_NAME": container,
        "AZURE_BLOB_ACCOUNT_URL": server.url,
    }


def expired_sas(server: azurite.Azurite, container: str = CONTAINER) -> str:
    """A SAS that would have been good until a minute ago, made by the vendor's SDK."""
    now = datetime.now(UTC)
    return generate_container_sas(
        server.account, container, server.key, permission="racwdl",
        start=now - timedelta(hours=1), expiry=now - timedelta(minutes=1),
    )  # fmt: skip


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    with azurite.started(folder) as server:
        create_container(server)
        environment = environment_of(server)
        with_sas = {name: value for name, value in environment.items() if name != "AZURE_BLOB_ACCOUNT_KEY"}
        yield Running(
            environment,
            (server.host, server.port),
            lambda address: {
                **environment,
                "AZURE_BLOB_ACCOUNT_URL": f"http://{address[0]}:{address[1]}/{server.account}",
            },
            {
                "secret": {**environment, "AZURE_BLOB_ACCOUNT_KEY": WRONG_KEY},
                "bucket": {**environment, "AZURE_BLOB_CONTAINER_NAME": "no-such-container"},
                "token": {**with_sas, "AZURE_BLOB_SAS_TOKEN": expired_sas(server)},
            },
        )


RIGS = (
    Rig(
        "azure-blob@azurite",
        "azure-blob",
        Proof.VENDOR_EMULATOR,
        start,
        azurite.missing,
    ),
)
