"""The Azure account, against a server of ours that keeps Azure's rules, and against no credentials at all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("azure.identity", reason="azure-identity is part of the development environment")

from rest_server import Call, Reply, Served, served

from cloudberth.deployment.model.operations import State
from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from cloudberth.infra.cloud import cloud_account
from cloudberth.infra.cloud.azure import AzureAccount, Endpoints
from cloudberth.infra.workspace import azurerm_backend

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
PERSON = "11111111-1111-1111-1111-111111111111"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
CLAIMS = base64.urlsafe_b64encode(json.dumps({"oid": PERSON}).encode()).decode().rstrip("=")
VERSIONS = {
    "subscriptions": "2022-12-01",
    "Microsoft.Storage": "2023-05-01",
    "resources": "2021-04-01",
    "Microsoft.Authorization": "2022-04-01",
    "redisEnterprise": "2024-10-01",
    "vault": "7.4",
}


class StaticCredential:
    """A token by scope, so that the server can tell whether the right one came."""

    def get_token(self, *scopes: str) -> SimpleNamespace:
        return SimpleNamespace(token=f"{audience(scopes[0])}.{CLAIMS}.signature")


def audience(scope: str) -> str:
    return re.sub(r"\W", "-", scope.removesuffix("/.default"))


@dataclass
class Azure:
    """What exists, by path; and what is said instead."""

    things: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    subscriptions: list[dict[str, str]] = field(
        default_factory=lambda: [{"subscriptionId": SUBSCRIPTION, "state": "Enabled"}]
    )
    taken: set[str] = field(default_factory=set)
    readable: set[str] = field(default_factory=set)
    registered: bool = True
    denials: int = 0
    """How often blobs are refused, once there is a role."""
    instead: Reply | None = None

    def answer(self, call: Call) -> Reply:
        if self.instead:
            return self.instead
        service = call.path.split("/")[1]
        wanted = {"vault": "https://vault.azure.net", "blob": "https://storage.azure.com"}.get(
            service, "https://management.azure.com"
        )
        if call.headers.get("authorization") != f"Bearer {audience(wanted)}.{CLAIMS}.signature":
            return failure(401, "InvalidAuthenticationToken", "The access token is of the wrong audience.")
        if service == "blob":
            return self._blob(call)
        version = call.query.get("api-version")
        if version != _version(call.path):
            return failure(400, "InvalidApiVersionParameter", f"{version} is not supported.")
        return self._vault(call) if service == "vault" else self._manage(call)

    def _vault(self, call: Call) -> Reply:
        value = self.secrets.get(call.path)
        if value is None:
            return failure(404, "SecretNotFound", "A secret with (name/id) absent was not found.")
        return 200, {"value": value}

    def _blob(self, call: Call) -> Reply:
        assert (call.query, call.headers["x-ms-version"]) == ({"restype": "container"}, "2023-11-03")
        name = call.path.split("/")[2]
        if (
            any("roleAssignments" in path and f"/{name}/" in path for path in self.things)
            and not self.denials
        ):
            return 200, None
        self.denials = max(0, self.denials - 1)
        if name in self.readable:
            return 200, None
        return 403, b"<?xml?>", {"x-ms-error-code": "AuthorizationPermissionMismatch"}

    def _manage(self, call: Call) -> Reply:
        accounts = [path for path in self.things if re.search(r"/storageAccounts/\w+$", path)]
        if call.path == "/subscriptions":
            return 200, {"value": self.subscriptions}
        if call.path == ROOT:
            return 200, {"subscriptionId": SUBSCRIPTION}
        if call.path.endswith("/checkNameAvailability"):
            if not self.registered:
                return failure(409, "MissingSubscriptionRegistration", "The subscription is not registered.")
            assert call.body["type"] == "Microsoft.Storage/storageAccounts"
            here = {path.rpartition("/")[2] for path in accounts}
            return 200, {"nameAvailable": call.body["name"] not in here | self.taken}
        if call.path == f"{ROOT}/providers/Microsoft.Storage/storageAccounts":
            return 200, {"value": [{"id": path} for path in accounts]}
        if call.path == f"{ROOT}/providers/Microsoft.Storage/register":
            self.registered = True
            return 200, {"registrationState": "Registering"}
        if call.path == f"{ROOT}/providers/Microsoft.Storage":
            return 200, {"registrationState": "Registered" if self.registered else "NotRegistered"}
        if call.path.endswith("/listKeys"):
            return 200, {"primaryKey": "cache key", "secondaryKey": "other"}
        return self._put(call) if call.method == "PUT" else self._get(call)

    def _put(self, call: Call) -> Reply:
        parent = re.sub(
            r"(/providers)?/[^/]+/[^/]+$", "", call.path.replace("/providers/Microsoft.Storage", "")
        )
        known = {path.replace("/providers/Microsoft.Storage", "") for path in self.things} | {ROOT}
        base = re.sub(r"/(blobServices|managementPolicies|providers/Microsoft.Authorization).*", "", parent)
        if base not in known:
            return failure(404, "ParentResourceNotFound", f"{base} could not be found.")
        if call.path.rpartition("/")[2] in self.taken:
            return failure(409, "StorageAccountAlreadyTaken", "The storage account named x is already taken.")
        again = call.path in self.things
        self.things[call.path] = call.body
        return (200 if again else 202 if "/storageAccounts/" in call.path else 201), None

    def _get(self, call: Call) -> Reply:
        if call.path not in self.things:
            return failure(404, "ResourceNotFound", "The Resource was not found.\r\nRequestId: 1234")
        found = dict(self.things[call.path])
        state = "Succeeded" if found.pop("seen", False) else "Creating"
        self.things[call.path]["seen"] = True
        return 200, {**found, "properties": {**found["properties"], "provisioningState": state}}


def _version(path: str) -> str:
    for part in ("redisEnterprise", "Microsoft.Authorization"):
        if part in path:
            return VERSIONS[part]
    if path.startswith("/vault/"):
        return VERSIONS["vault"]
    if path in ("/subscriptions", ROOT):
        return VERSIONS["subscriptions"]
    if path.endswith(("-rg", "/providers/Microsoft.Storage", "/register")):
        return VERSIONS["resources"]
    return VERSIONS["Microsoft.Storage"]


def failure(status: int, code: str, message: str) -> Reply:
    return status, {"error": {"code": code, "message": message}}


@pytest.fixture
def azure() -> Azure:
    return Azure()


@pytest.fixture
def server(azure: Azure) -> Iterator[Served]:
    with served(azure.answer) as running:
        yield running


@pytest.fixture
def account(server: Served) -> AzureAccount:
    return opened(server, SUBSCRIPTION)


def opened(server: Served, subscription: str | None = None, patience: float = 5) -> AzureAccount:
    base = server.address
    return AzureAccount(
        "westeurope",
        subscription,
        credential=StaticCredential(),
        endpoints=Endpoints(base, base + "/blob/{}", base + "/vault/{}"),
        patience_seconds=patience,
        pause_seconds=0.01,
    )


def test_subscription_of_the_deployment_of_the_environment_or_the_only_one(
    server: Served, azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(server, SUBSCRIPTION).account_id() == SUBSCRIPTION
    azure.subscriptions.append({"subscriptionId": "0b", "state": "Disabled"})
    assert opened(server).account_id() == SUBSCRIPTION
    azure.subscriptions.append({"subscriptionId": "0c", "state": "Enabled"})
    with pytest.raises(PermissionDenied, match="2 enabled subscriptions") as caught:
        opened(server).account_id()
    assert "ARM_SUBSCRIPTION_ID" in caught.value.hint
    for name in ("AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID"):
        with monkeypatch.context() as environment:
            environment.setenv(name, SUBSCRIPTION)
            assert opened(server).account_id() == SUBSCRIPTION


@pytest.mark.parametrize("name", ["abc", "dify", "a-name-of-20-letters", "x--y"])
def test_default_name_is_one_that_azure_takes_and_stays(server: Served, name: str) -> None:
    found = opened(server, SUBSCRIPTION).default_state_bucket(name)
    assert re.fullmatch(r"[a-z0-9]{3,24}", found)
    assert found == opened(server, SUBSCRIPTION).default_state_bucket(name)
    assert found != opened(server, SUBSCRIPTION).default_state_bucket(f"{name}x")


def test_state_account_has_no_keys_nothing_public_and_old_versions(
    account: AzureAccount, azure: Azure, server: Served
) -> None:
    azure.registered = False
    azure.denials = 2
    assert not account.bucket_exists("difystate")
    account.create_state_bucket("difystate")
    assert account.bucket_exists("difystate")
    assert azure.things[f"{ROOT}/resourceGroups/difystate-rg"]["location"] == "westeurope"
    path = f"{ROOT}/resourceGroups/difystate-rg/providers/Microsoft.Storage/storageAccounts/difystate"
    body = azure.things[path]
    assert (body["kind"], body["location"]) == ("StorageV2", "westeurope")
    properties = body["properties"]
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"]
    assert not properties["allowBlobPublicAccess"]
    assert not properties["allowSharedKeyAccess"]
    blobs = azure.things[f"{path}/blobServices/default"]["properties"]
    assert blobs["isVersioningEnabled"]
    assert blobs["deleteRetentionPolicy"]["enabled"]
    rules = azure.things[f"{path}/managementPolicies/default"]["properties"]["policy"]["rules"]
    assert rules[0]["definition"]["actions"]["version"]["delete"] == {"daysAfterCreationGreaterThan": 90}
    (role,) = (thing for name, thing in azure.things.items() if "roleAssignments" in name)
    assert role["properties"]["principalId"] == PERSON
    assert azure.denials == 0  # it waited until the role had an effect
    assert any(call.path.startswith("/blob/difystate/tfstate") for call in server.calls)


def test_container_is_the_one_that_terraform_looks_for(account: AzureAccount, azure: Azure) -> None:
    account.create_state_bucket("difystate")
    settings = azurerm_backend(State(type="azurerm"), "dify", "westeurope", "difystate").settings
    containers = [path for path in azure.things if "/containers/" in path]
    assert [path.rpartition("/")[2] for path in containers] == [settings["container_name"]]
    assert azure.things[containers[0]]["properties"]["publicAccess"] == "None"
    assert settings["use_azuread_auth"]


def test_creation_can_be_repeated_after_a_failure(account: AzureAccount, azure: Azure) -> None:
    account.create_state_bucket("difystate")
    for path in [path for path in azure.things if "/containers/" in path]:
        del azure.things[path]
    assert not account.bucket_exists("difystate")
    account.create_state_bucket("difystate")
    assert account.bucket_exists("difystate")


def test_role_that_takes_too_long(server: Served, azure: Azure) -> None:
    azure.denials = 1_000_000
    with pytest.raises(Unavailable, match="no effect yet") as caught:
        opened(server, SUBSCRIPTION, patience=0.05).create_state_bucket("difystate")
    assert "ten minutes" in caught.value.hint


def test_name_that_somebody_else_has(account: AzureAccount, azure: Azure) -> None:
    azure.taken.add("difystate")
    with pytest.raises(PermissionDenied, match="somebody else"):
        account.bucket_exists("difystate")
    with pytest.raises(BackendError, match="already taken") as caught:
        account.create_state_bucket("difystate")
    assert caught.value.kind is Kind.CONFLICT
    assert "state.bucket" in caught.value.hint


def test_account_of_another_subscription_that_is_ours_to_read(account: AzureAccount, azure: Azure) -> None:
    azure.taken.add("central")
    azure.readable.add("central")
    assert account.bucket_exists("central")


def test_name_that_is_none(account: AzureAccount, server: Served) -> None:
    for call in (account.bucket_exists, account.create_state_bucket):
        with pytest.raises(InvalidInput, match="no name of a storage account"):
            call("dify-state")
    assert not server.calls


def test_secret_of_a_vault_and_key_of_a_cache(account: AzureAccount, azure: Azure, server: Served) -> None:
    azure.secrets["/vault/dify-ab12/secrets/secret-key"] = "s3cr3t"
    assert account.secret("dify-ab12/secret-key") == "s3cr3t"
    database = f"{ROOT}/resourceGroups/dify/providers/Microsoft.Cache/redisEnterprise/dify/databases/default"
    assert account.secret(database) == "cache key"
    assert server.calls[-1].method == "POST"
    with pytest.raises(NotFound, match="SecretNotFound"):
        account.secret("dify-ab12/absent")


@pytest.mark.parametrize("identifier", ["secret", "host.example/x", "a#b/c", "dify/../x", "/subscriptions/x"])
def test_identifier_that_is_none_asks_nobody(account: AzureAccount, server: Served, identifier: str) -> None:
    with pytest.raises(InvalidInput, match="is not the id of a secret"):
        account.secret(identifier)
    assert not server.calls


@pytest.mark.parametrize(
    ("status", "kind", "times"),
    [
        (400, Kind.INVALID, 1),
        (401, Kind.PERMISSION, 1),
        (403, Kind.PERMISSION, 1),
        (404, Kind.NOT_FOUND, 1),
        (409, Kind.CONFLICT, 1),
        (418, Kind.UNEXPECTED, 1),
        (429, Kind.RATE_LIMITED, 4),
        (503, Kind.UNAVAILABLE, 4),
    ],
)
def test_failures_are_ours_in_one_line_without_the_token(
    account: AzureAccount, azure: Azure, server: Served, status: int, kind: Kind, times: int
) -> None:
    azure.instead = failure(status, "SomeCode", "What happened.\r\nRequestId: 1234\r\nTime: now")
    with pytest.raises(BackendError) as caught:
        account.account_id()
    error = caught.value
    assert (error.kind, error.what) == (kind, "SomeCode: What happened.")
    assert error.retryable is (kind in (Kind.RATE_LIMITED, Kind.UNAVAILABLE))
    assert "signature" not in f"{error}{error.hint}"
    assert ("az login" in error.hint) is (kind is Kind.PERMISSION)
    assert len(server.calls) == times


def test_answer_that_is_no_json(account: AzureAccount, azure: Azure) -> None:
    azure.instead = (200, b"<html>")
    with pytest.raises(BackendError, match="not a JSON object"):
        account.account_id()


def test_redirect_is_not_followed(account: AzureAccount, azure: Azure, server: Served) -> None:
    with served(lambda call: (200, {"subscriptionId": "stolen"})) as elsewhere:
        azure.instead = (302, None, {"Location": elsewhere.address})
        with pytest.raises(BackendError, match="302"):
            account.account_id()
    assert not elsewhere.calls


def test_token_is_not_replaced_by_a_netrc(
    account: AzureAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert account.account_id() == SUBSCRIPTION


def test_an_endpoint_that_does_not_answer() -> None:
    nobody = Endpoints("http://127.0.0.1:1")
    account = AzureAccount("westeurope", SUBSCRIPTION, credential=StaticCredential(), endpoints=nobody)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        account.account_id()


def test_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # "dev" leaves out what asks the network: the identities of machines.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PermissionDenied, match="no usable Azure credentials") as caught:
        cloud_account("azure", "westeurope", SUBSCRIPTION).account_id()
    assert "az login" in caught.value.hint
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_service_principal_of_terraform_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_TENANT_ID", "not a tenant!")
    monkeypatch.setenv("ARM_CLIENT_ID", "client")
    monkeypatch.setenv("ARM_CLIENT_SECRET", "pa55")
    with pytest.raises(PermissionDenied, match="tenant") as caught:
        cloud_account("azure", "westeurope", SUBSCRIPTION).account_id()
    assert "pa55" not in str(caught.value)
