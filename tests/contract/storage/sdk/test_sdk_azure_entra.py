"""Identities of Microsoft Entra: tokens from where azure-identity finds them, and what they do on Azurite.

Azurite takes bearer tokens over https only, and lends keys for user delegation SAS, which it checks.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
from rigs.azure_blob import environment_of
from servers import azurite
from servers.processes import HOST, answers, free_port, process, wait

from cloudberth import storage as storages
from cloudberth.errors import ExpiredCredentials, InvalidInput, PermissionDenied, Unavailable
from cloudberth.storage.azure_blob import AzureBlob
from cloudberth.storage.azure_credentials import Entra as EntraIdentity
from cloudberth.storage.azure_credentials import default_token
from cloudberth.storage.credentials import Credentials, fixed
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.token_cache import MemoryTokenCache
from doubles import entra

CONTAINER = "berth-contract"
MANAGED = {"AZURE_BLOB_ACCOUNT_KEY": "managedidentity"}
needs_azurite = pytest.mark.skipif(bool(azurite.missing()), reason=azurite.missing())


@dataclass(frozen=True, slots=True)
class Secure:
    """An Azurite over https, and the certificate to trust."""

    server: azurite.Azurite
    url: str
    certificate: Path

    @property
    def options(self) -> Options:
        return Options(retries=1, deadline=30.0, ca_bundle=str(self.certificate))

    @property
    def environment(self) -> dict[str, str]:
        return {**environment_of(self.server), "AZURE_BLOB_ACCOUNT_URL": self.url, **MANAGED}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("azurite-https")
    certificate, key = entra.certificate(folder)
    port = free_port()
    command = [
        azurite.program() or "", "--blobHost", HOST, "--blobPort", str(port), "--inMemoryPersistence",
        "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--oauth", "basic", "--cert", certificate,
        "--key", key,
    ]  # fmt: skip
    log = folder / "azurite.log"
    with process(command, log) as running:
        wait(running, lambda: answers(port), log)
        url = f"https://{HOST}:{port}/{azurite.ACCOUNT}"
        with sdk(url, certificate) as client:
            client.create_container(CONTAINER)
        yield Secure(azurite.Azurite(HOST, port), url, certificate)


class Fixed:
    """A credential of the SDK that always gives a good token."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        return AccessToken(entra.token(), int(time.time()) + 3600)


def sdk(url: str, certificate: Path) -> BlobServiceClient:
    return BlobServiceClient(url, Fixed(), connection_verify=str(certificate))


@pytest.fixture
def app_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[entra.Entra]:
    """A managed identity as App Service and Container Apps give it."""
    double = entra.Entra()
    with double.serve() as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", double.identity_header)
        yield double


@pytest.fixture
def managed(secure: Secure, app_service: entra.Entra) -> Iterator[Storage]:
    with storages.open(secure.environment, secure.options) as storage:
        storage.delete_prefix("")
        yield storage


def fetched(
    url: str, certificate: Path, method: str = "GET", body: bytes | None = None, **headers: str
) -> bytes:
    """What anybody gets at a URL."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    context = ssl.create_default_context(cafile=str(certificate))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request) as answer:
        found: bytes = answer.read()
        return found


# -- on Azurite ----------------------------------------------------------------------------------------------


@pytest.mark.server
@needs_azurite
def test_a_managed_identity_reads_and_writes(
    managed: Storage, app_service: entra.Entra, secure: Secure
) -> None:
    managed.check()
    managed.save("a/ü +", b"x", content_type="a/b")
    managed.save("large", bytes(9_000_000))
    managed.copy("a/ü +", "b")
    assert [info.key for info in managed.list()] == ["a/ü +", "b", "large"]
    assert managed.load("b") == b"x"
    with sdk(secure.url, secure.certificate) as client:
        assert client.get_blob_client(CONTAINER, "a/ü +").download_blob().readall() == b"x"
    managed.delete(["a/ü +", "b", "large", "missing"])
    assert list(managed.list()) == []
    assert app_service.asked == ["app service"], "one token serves them all"


@pytest.mark.server
@needs_azurite
def test_signed_urls_of_an_identity(managed: Storage, secure: Secure) -> None:
    """User delegation SAS: the key for them is asked for once."""
    managed.save("a/ü +?", b"content")
    first = managed.presign("a/ü +?", seconds=60)
    second = managed.presign("b", "PUT", seconds=60, content_type="a/b")
    asked = [query for query in (first.url, second.url) if "skoid=" in query]
    assert len(asked) == 2
    assert fetched(first.url, secure.certificate) == b"content"
    fetched(second.url, secure.certificate, "PUT", b"from anybody", **second.headers)
    assert managed.load("b") == b"from anybody"
    assert managed.head("b").attributes.content_type == "a/b"
    with pytest.raises(OSError, match="403"):
        fetched(first.url.replace("a/%C3%BC", "a/x"), secure.certificate)


@pytest.mark.server
@needs_azurite
def test_the_delegation_key_is_kept_under_a_name_that_tells_nothing(secure: Secure) -> None:
    """And asked for again when the URL would outlive it, or another process' value makes no sense."""
    backend = storages.open(secure.environment, secure.options).backend
    azure = getattr(backend, "inner", backend)
    assert isinstance(azure, AzureBlob)
    asked: list[tuple[str, str]] = []
    real = azure._ask_for_key

    def ask(start: str, expiry: str) -> Any:
        asked.append((start, expiry))
        return real(start, expiry)

    cache = Recorded()
    azure.identity = EntraIdentity(
        azure.account.name, fixed(Credentials("", entra.token(), expires=time.time() + 3600)), ask, cache
    )
    for _ in range(3):
        azure.presign("GET", "a", 60)
    assert len(asked) == 1
    azure.presign("GET", "a", 3 * 86_400)
    azure.presign("GET", "a", 3 * 86_400)
    assert len(asked) == 2
    (short, long) = cache.names
    assert short != long
    assert azurite.ACCOUNT not in short
    assert 0 < cache.seconds[short] <= 86_400
    cache.set(short, "of another version", 60)
    azure.presign("GET", "a", 60)
    assert len(asked) == 3
    with pytest.raises(InvalidInput, match="seven days"):
        azure.presign("GET", "a", 604_800)
    azure.close()


class Recorded(MemoryTokenCache):
    """A cache that tells what was kept."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return list(self.seconds)

    def set(self, name: str, value: str, seconds: int) -> None:
        self.seconds[name] = seconds
        super().set(name, value, seconds)


@pytest.mark.server
@needs_azurite
def test_a_token_that_is_too_old_is_said_so(secure: Secure) -> None:
    storage = storages.open(secure.environment, secure.options)
    azure = getattr(storage.backend, "inner", storage.backend)
    azure.identity = EntraIdentity(
        azure.account.name, fixed(Credentials("", entra.token(-60))), lambda *_: None
    )
    with storage, pytest.raises(ExpiredCredentials):
        storage.load("a")


# -- where tokens come from ----------------------------------------------------------------------------------


def test_app_service(app_service: entra.Entra) -> None:
    found = default_token()()
    assert found.expires is not None
    assert found.expires > time.time() + 3000
    assert found.secret_key.count(".") == 2
    assert app_service.asked == ["app service"]


def test_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    double = entra.Entra()
    with double.serve() as url:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", url)
        assert default_token()().secret_key
    assert "imds" in double.asked


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[entra.Entra]:
    """The tenant's own endpoint, at an authority that Microsoft does not know."""
    certificate, key = entra.certificate(tmp_path)
    double = entra.Entra()
    with double.serve((certificate, key)) as url:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        monkeypatch.setenv("AZURE_TENANT_ID", entra.TENANT)
        monkeypatch.setenv("AZURE_CLIENT_ID", "client-1")
        yield double


def test_a_service_principal(tenant: entra.Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.secrets["client-1"] = "s3cret-of-the-client"
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "s3cret-of-the-client")
    assert default_token()().secret_key
    assert tenant.asked == ["secret"]


def test_workload_identity(tenant: entra.Entra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token of Kubernetes, in a file, for one of Entra."""
    tenant.federated.add("token-of-kubernetes")
    (tmp_path / "token").write_text("token-of-kubernetes")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    assert default_token()().secret_key
    assert tenant.asked == ["federated"]


def test_a_wrong_secret_is_refused_and_not_told(tenant: entra.Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant.secrets["client-1"] = "s3cret-of-the-client"
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "another-s3cret")
    with pytest.raises(PermissionDenied) as caught:
        default_token()()
    assert "another-s3cret" not in f"{caught.value} {caught.value.hint}"


def test_nobody_gives_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any identity: one error that says what to do, in reasonable time."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path))
    start = time.monotonic()
    with pytest.raises((PermissionDenied, Unavailable)) as caught:
        default_token()()
    assert time.monotonic() - start < 60
    assert caught.value.where == "azure-identity"


def test_a_token_does_not_go_over_the_network_in_the_clear() -> None:
    environment = {
        "STORAGE_TYPE": "azure-blob",
        "AZURE_BLOB_CONTAINER_NAME": "box",
        "AZURE_BLOB_ACCOUNT_URL": "http://account.blob.example.com",
        **MANAGED,
    }
    with pytest.raises(InvalidInput, match="clear"):
        storages.open(environment)


def test_the_library_is_not_loaded_before_a_token_is_needed() -> None:
    code = (
        "import sys; from cloudberth import storage; storage.open({'STORAGE_TYPE': 'azure-blob',"
        "'AZURE_BLOB_CONTAINER_NAME': 'box', 'AZURE_BLOB_ACCOUNT_NAME': 'acct',"
        "'AZURE_BLOB_ACCOUNT_KEY': 'managedidentity'});"
        "assert not [name for name in sys.modules if name.startswith(('azure', 'msal', 'requests'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
