"""The Google Cloud account, against a server of ours that keeps Google's rules, and without credentials."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.auth", reason="google-auth is part of the development environment")

from google.oauth2.credentials import Credentials
from rest_server import Call, Reply, Served, served

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound, PermissionDenied, Unavailable
from cloudberth.infra.cloud import cloud_account
from cloudberth.infra.cloud.google import Endpoints, GoogleAccount

TOKEN = "ya29.of-a-test"
PROJECT = "example-123"


@dataclass
class Google:
    """What exists, by path; and what is said instead."""

    buckets: dict[str, Any] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    secrets: dict[str, bytes] = field(default_factory=dict)
    instead: Reply | None = None
    anonymous: bool = False

    def answer(self, call: Call) -> Reply:
        if self.instead:
            return self.instead
        if call.headers.get("authorization") != (None if self.anonymous else f"Bearer {TOKEN}"):
            return failure(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if call.path.startswith("/v1/"):
            value = self.secrets.get(call.path)
            if value is None:
                return failure(404, "NOT_FOUND", f"Secret [{call.path}] not found or has no versions.")
            return 200, {"payload": {"data": base64.b64encode(value).decode()}}
        if call.method == "POST" and call.path == "/storage/v1/b":
            return self._create(call)
        return self._look(call.path.removeprefix("/storage/v1/b/"))

    def _create(self, call: Call) -> Reply:
        if "project" not in call.query:
            return failure(400, 400, "Required parameter: project")
        name = call.body["name"]
        if name in self.foreign or name in self.buckets:
            return failure(409, 409, "The requested bucket name is not available.")
        self.buckets[name] = {**call.body, "project": call.query["project"]}
        return 200, call.body

    def _look(self, name: str) -> Reply:
        if name in self.foreign:
            return failure(403, 403, "someone does not have storage.buckets.get access to the bucket.")
        if name not in self.buckets:
            return failure(404, 404, "The specified bucket does not exist.")
        return 200, {"name": name}


def failure(status: int, code: str | int, message: str) -> Reply:
    """Secret Manager has a status in words, Cloud Storage a number alone."""
    words = {"status": code} if isinstance(code, str) else {}
    return status, {"error": {"code": status, "message": message, **words}}


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def server(google: Google) -> Iterator[Served]:
    with served(google.answer) as running:
        yield running


@pytest.fixture
def account(server: Served) -> GoogleAccount:
    return opened(server.address, PROJECT)


def opened(address: str, project: str | None = None, region: str = "europe-west3") -> GoogleAccount:
    endpoints = Endpoints(storage=address, secrets=address)
    return GoogleAccount(region, project, credentials=Credentials(TOKEN), endpoints=endpoints)  # type: ignore[no-untyped-call]


def test_project_of_the_deployment_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = "http://127.0.0.1:1"
    with pytest.raises(PermissionDenied, match="name no project") as caught:
        opened(nobody).account_id()
    assert "GOOGLE_CLOUD_PROJECT" in caught.value.hint
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    assert opened(nobody).account_id() == "of-the-environment"
    monkeypatch.setenv("GOOGLE_PROJECT", "of-terraform")
    assert opened(nobody).account_id() == "of-terraform"
    assert opened(nobody, PROJECT).account_id() == PROJECT


@pytest.mark.parametrize(
    ("project", "bucket"),
    [
        (PROJECT, "dify-state-example-123"),
        ("example.com:old", "dify-state-example-com-old"),
    ],
)
def test_default_name(project: str, bucket: str) -> None:
    assert opened("http://127.0.0.1:1", project).default_state_bucket("dify") == bucket


def test_state_bucket_is_private_and_versioned(account: GoogleAccount, google: Google) -> None:
    assert not account.bucket_exists("dify-state")
    account.create_state_bucket("dify-state")
    assert account.bucket_exists("dify-state")
    bucket = google.buckets["dify-state"]
    assert (bucket["project"], bucket["location"]) == (PROJECT, "europe-west3")
    assert bucket["iamConfiguration"] == {
        "uniformBucketLevelAccess": {"enabled": True},
        "publicAccessPrevention": "enforced",
    }
    assert bucket["versioning"] == {"enabled": True}
    rules = bucket["lifecycle"]["rule"]
    assert {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 90}} in rules


def test_bucket_of_somebody_else(account: GoogleAccount, google: Google) -> None:
    google.foreign.add("taken")
    with pytest.raises(PermissionDenied):
        account.bucket_exists("taken")
    with pytest.raises(BackendError, match="not available") as caught:
        account.create_state_bucket("taken")
    assert caught.value.kind is Kind.CONFLICT
    assert "state.bucket" in caught.value.hint


def test_secret_value_and_absence(account: GoogleAccount, google: Google) -> None:
    identifier = f"projects/{PROJECT}/secrets/dify-secret_key"
    google.secrets[f"/v1/{identifier}/versions/latest:access"] = "s3crét".encode()
    assert account.secret(identifier) == "s3crét"
    with pytest.raises(NotFound, match="NOT_FOUND"):
        account.secret(f"projects/{PROJECT}/secrets/absent")


def test_secret_that_is_no_text_is_not_shown(account: GoogleAccount, google: Google) -> None:
    identifier = f"projects/{PROJECT}/secrets/key"
    google.secrets[f"/v1/{identifier}/versions/latest:access"] = b"\xff\xfe"
    with pytest.raises(BackendError, match="holds no text"):
        account.secret(identifier)


@pytest.mark.parametrize("identifier", ["secret", "projects/x", "projects/x/secrets/y/../z", "//h/secrets/y"])
def test_identifier_that_is_none_asks_nobody(account: GoogleAccount, server: Served, identifier: str) -> None:
    with pytest.raises(InvalidInput, match="is not the id of a secret"):
        account.secret(identifier)
    assert not server.calls


def test_emulator_of_the_environment_gets_no_token(
    server: Served, google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.anonymous = True
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address.removeprefix("http://"))
    account = opened("http://127.0.0.1:1", PROJECT)
    account.create_state_bucket("dify-state")
    assert account.bucket_exists("dify-state")


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [
        (400, Kind.INVALID, 1),
        (403, Kind.PERMISSION, 1),
        (409, Kind.CONFLICT, 1),
        (429, Kind.RATE_LIMITED, 4),
        (503, Kind.UNAVAILABLE, 4),
    ],
)
def test_failures_are_ours_without_the_token(
    account: GoogleAccount, google: Google, server: Served, status: int, kind: Kind, times: int
) -> None:
    google.instead = failure(status, "SOME_CODE", "What happened.")
    with pytest.raises(BackendError) as caught:
        account.bucket_exists("dify-state")
    error = caught.value
    assert (error.kind, error.what) == (kind, "SOME_CODE: What happened.")
    assert TOKEN not in f"{error}{error.hint}"
    assert ("gcloud auth application-default login" in error.hint) is (kind is Kind.PERMISSION)
    assert len(server.calls) == times


def test_creation_is_not_repeated(account: GoogleAccount, google: Google, server: Served) -> None:
    google.instead = failure(503, "UNAVAILABLE", "Busy.")
    with pytest.raises(Unavailable):
        account.create_state_bucket("dify-state")
    assert len(server.calls) == 1


def test_redirect_is_not_followed(account: GoogleAccount, google: Google) -> None:
    with served(lambda call: (200, {})) as elsewhere:
        google.instead = (307, None, {"Location": elsewhere.address})
        with pytest.raises(BackendError, match="307"):
            account.bucket_exists("dify-state")
    assert not elsewhere.calls


def test_an_endpoint_that_does_not_answer() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        opened("http://127.0.0.1:1", PROJECT).bucket_exists("dify-state")


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of gcloud, no gcloud, and no look for a machine's identity, which asks the network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.mark.usefixtures("nobody")
def test_no_credentials() -> None:
    for ask in (
        lambda account: account.account_id(),
        lambda account: account.bucket_exists("dify-state"),
        lambda account: account.secret("projects/example-123/secrets/key"),
    ):
        with pytest.raises(PermissionDenied, match="no usable Google credentials") as caught:
            ask(cloud_account("google", "europe-west3"))
        assert "gcloud auth application-default login" in caught.value.hint
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("nobody")
def test_sign_in_that_google_withdrew(
    tmp_path: Path, google: Google, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real library, with the file that gcloud writes; the token server is ours and says no."""
    google.instead = (400, {"error": "invalid_grant", "error_description": "Token has been revoked."})
    file = {
        "type": "external_account_authorized_user",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/q",
        "client_id": "client",
        "client_secret": "pa55",
        "refresh_token": "refr3sh",
        "token_url": f"{server.address}/v1/oauthtoken",
        "token_info_url": f"{server.address}/v1/introspect",
    }
    (tmp_path / "adc.json").write_text(json.dumps(file))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    with pytest.raises(PermissionDenied, match="invalid_grant") as caught:
        cloud_account("google", "europe-west3", PROJECT).bucket_exists("dify-state")
    assert "pa55" not in str(caught.value)
    assert "refr3sh" not in str(caught.value)
