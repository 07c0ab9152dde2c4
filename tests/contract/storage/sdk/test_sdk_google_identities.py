"""Where tokens of Google Cloud come from: each place played by the gate, each flow done by google-auth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth import exceptions
from google.auth.compute_engine import _metadata

from cloudberth import storage as storages
from cloudberth.errors import BackendError, ExpiredCredentials, PermissionDenied, Unavailable, Unsupported
from cloudberth.storage.google_credentials import GoogleIdentity, _refused
from cloudberth.storage.google_storage import GoogleStorage
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options
from doubles.google_gate import GoogleGate
from doubles.server import Request as Received

EMAIL = "berth@test-project.iam.gserviceaccount.com"
OPTIONS = Options(retries=0, deadline=10.0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleGate]:
    """Google, with nothing in the environment or the home that would be somebody's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)  # of a variable that is read at the import
    double = GoogleGate("127.0.0.1", 9)
    with double.serve():
        yield double


def backend_of(gate: GoogleGate, account: dict[str, str] | None = None) -> GoogleStorage:
    """A backend whose IAM is the gate too."""
    client = Client(OPTIONS)
    origin = Origin.parse(gate.url)

    def send(request: Request) -> Response | BackendError:
        request.signed = False
        return backend.exchange(request)

    backend = GoogleStorage(client, origin, "box", None)
    backend.identity = backend.signs = GoogleIdentity(account, send, iam=origin)
    return backend


def token_of(backend: GoogleStorage) -> str:
    request = Request("GET", backend.origin, "/")
    backend.authorize(request)
    scheme, token = request.headers["authorization"].split(" ")
    assert scheme == "Bearer"
    return token


def test_a_service_account_gets_one_token_for_many_requests(gate: GoogleGate) -> None:
    backend = backend_of(gate, gate.account_json(EMAIL))
    assert {token_of(backend) for _ in range(3)} == {*gate.tokens}
    assert gate.issued == [EMAIL]


def test_a_key_that_was_deleted_is_refused(gate: GoogleGate) -> None:
    backend = backend_of(gate, gate.account_json(EMAIL, key_from="somebody@else"))
    with pytest.raises(PermissionDenied, match="invalid_grant") as caught:
        token_of(backend)
    assert not isinstance(caught.value, ExpiredCredentials)
    assert not caught.value.retryable


def test_a_private_key_that_is_none(gate: GoogleGate) -> None:
    account = {**gate.account_json(EMAIL), "private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END"}
    with pytest.raises(PermissionDenied) as caught:
        token_of(backend_of(gate, account))
    assert "AAAA" not in str(caught.value)


def test_an_endpoint_that_does_not_answer_is_worth_another_try(gate: GoogleGate) -> None:
    account = gate.account_json(EMAIL, token_url="http://127.0.0.1:9/token")
    with pytest.raises(Unavailable) as caught:
        token_of(backend_of(gate, account))
    assert caught.value.retryable


def test_a_clock_that_is_wrong_is_said() -> None:
    message = "invalid_grant: Invalid JWT: Token must be a short-lived token and in a reasonable timeframe."
    assert isinstance(_refused(exceptions.RefreshError(message)), ExpiredCredentials)
    busy = exceptions.RefreshError("internal_failure", retryable=True)
    assert isinstance(_refused(busy), Unavailable)


def test_a_machine_has_its_own_account(gate: GoogleGate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute Engine, GKE, Cloud Run: the metadata server; and IAM signs what no key here could sign."""
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
    host = gate.url.removeprefix("http://")
    monkeypatch.setenv("GCE_METADATA_IP", host)
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)
    backend = backend_of(gate)
    assert token_of(backend) in gate.tokens
    assert set(gate.issued) == {gate.machine}
    signed = backend.presign("GET", "a/ü +", 60)
    assert "machine%40project.iam.gserviceaccount.com" in signed.url
    # The gate recomputes the signature with the public key.
    assert gate.refused_url(_request_of(signed.url)) is None
    tampered = _request_of(signed.url.replace("/a/", "/b/"))
    refused = gate.refused_url(tampered)
    assert refused is not None
    assert refused.status == 403


def _request_of(url: str) -> Any:
    _, _, rest = url.partition("://")
    authority, _, target = rest.partition("/")
    path, _, query = f"/{target}".partition("?")
    return Received("GET", path, query, {"host": authority}, authority)


def test_workload_identity_federation(
    gate: GoogleGate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A token of another cloud, in a file, exchanged for one of Google. Such an identity cannot sign URLs."""
    gate.subject_tokens.add("token-of-another-cloud")
    (tmp_path / "token").write_text("token-of-another-cloud")
    configuration = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gate.url}/sts/token",
        "credential_source": {"file": str(tmp_path / "token")},
    }
    (tmp_path / "adc.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    backend = backend_of(gate)
    assert token_of(backend) in gate.tokens
    assert gate.issued == ["federated"]
    with pytest.raises(Unsupported, match="service account"):
        backend.presign("GET", "a", 60)
    (tmp_path / "token").write_text("another token")
    with pytest.raises(PermissionDenied, match="invalid_grant"):
        token_of(backend_of(gate))


def test_a_machine_without_credentials_is_told_what_to_set(gate: GoogleGate) -> None:
    with pytest.raises(PermissionDenied) as caught:
        token_of(backend_of(gate))
    assert "GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64" in caught.value.hint


def test_an_emulator_gets_no_token(gate: GoogleGate) -> None:
    environment = {
        "STORAGE_TYPE": "google-storage", "GOOGLE_STORAGE_BUCKET_NAME": "box",
        "STORAGE_EMULATOR_HOST": gate.url.removeprefix("http://"),
    }  # fmt: skip
    with storages.open(environment, OPTIONS) as storage:
        assert not storage.capabilities.presign
        with pytest.raises(PermissionDenied):  # the gate wants one, an emulator would not
            storage.load("a")
    assert gate.issued == []


def test_the_library_is_not_loaded_before_a_token_is_needed() -> None:
    code = (
        "import sys; from cloudberth import storage; storage.open({'STORAGE_TYPE': 'google-storage',"
        "'GOOGLE_STORAGE_BUCKET_NAME': 'box'});"
        "late = ('google.', 'requests', 'cryptography');"
        "assert not [name for name in sys.modules if name.startswith(late)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
