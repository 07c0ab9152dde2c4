"""The AWS account, against a local emulator of its API, and against no credentials at all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest

moto_server = pytest.importorskip("moto.server", reason="moto[server] is part of the development environment")

from cloudberth.errors import BackendError, Kind, NotFound, PermissionDenied, Unavailable  # noqa: E402
from cloudberth.infra.cloud import cloud_account  # noqa: E402


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def test_account_id() -> None:
    assert cloud_account("aws", "us-east-1").account_id().isdigit()


def test_default_bucket_of_the_state_names_the_account() -> None:
    account = cloud_account("aws", "us-east-1")
    assert account.default_state_bucket("dify") == f"dify-state-{account.account_id()}"


def test_credentials_of_another_account_than_the_deployment_names() -> None:
    mine = cloud_account("aws", "us-east-1").account_id()
    assert cloud_account("aws", "us-east-1", mine).account_id() == mine
    with pytest.raises(PermissionDenied, match=f"{mine}.*999999999999"):
        cloud_account("aws", "us-east-1", "999999999999").account_id()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_state_bucket_is_private_encrypted_versioned_and_tls_only(region: str) -> None:
    bucket = f"dify-state-{region}"
    account = cloud_account("aws", region)
    assert not account.bucket_exists(bucket)
    account.create_state_bucket(bucket)
    assert account.bucket_exists(bucket)
    client = boto3.client("s3", region_name=region)
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    statement = json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert (client.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1") == region


def test_secret_value_and_absence() -> None:
    client = boto3.client("secretsmanager", region_name="us-east-1")
    arn = client.create_secret(Name="dify/secret_key", SecretString="s3cr3t")["ARN"]
    account = cloud_account("aws", "us-east-1")
    assert account.secret(arn) == "s3cr3t"
    with pytest.raises(NotFound):
        account.secret("dify/absent")


def test_bucket_of_somebody_else_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    account = cloud_account("aws", "eu-central-1")
    account.create_state_bucket("taken-bucket")
    with pytest.raises(BackendError) as caught:
        account.create_state_bucket("taken-bucket")
    assert caught.value.kind is Kind.CONFLICT
    assert "state.bucket" in caught.value.hint


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PermissionDenied, match="credentials") as caught:
        cloud_account("aws", "us-east-1").account_id()
    assert "AWS_PROFILE" in caught.value.hint


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PermissionDenied, match="nobody"):
        cloud_account("aws", "us-east-1").account_id()


def test_an_endpoint_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        cloud_account("aws", "us-east-1").account_id()
