"""`up`, `status`, `outputs`, `env`, `down` as users run them: the live path, with a plain Terraform.

The providers are the simulated ones, as plugin executables that Terraform finds through the user's own CLI
configuration; AWS's own API is a local emulator, in whose bucket Terraform really keeps the state.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from typed_commands import Berth

from cloudberth.infra.cloud.aws import AwsAccount

moto_server = pytest.importorskip("moto.server", reason="moto[server] is part of the development environment")

pytestmark = pytest.mark.terraform

FILE = "name: dify\napp: dify\ncloud: aws\nregion: us-east-1\n"
# Half as many resources, for what does not depend on the application.
SMALL = (
    "name: move\napp: custom\ncloud: aws\nregion: us-east-1\n"
    "cache: null\nalarms: {enabled: false}\nbudget: null\n"
    "services:\n  web:\n    image: nginx:1\n    port: 80\n    routes: [{path: /}]\n"
    "    resources: {cpu: 1, memory_mb: 512}\n"
)


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mirror")
    command = [sys.executable, "-m", "cloudberth.infra.simulation", "mirror", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("export TF_CLI_CONFIG_FILE=")


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(providers: str, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", providers)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    # Terraform addresses buckets as host names; the emulator, as an HTTP proxy, answers for all of them.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.us-east-1.amazonaws.com")
    monkeypatch.setenv("HTTP_PROXY", aws)
    monkeypatch.setenv("http_proxy", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def policy_without_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator takes our "deny without TLS" as "deny": it does not look at conditions."""
    create = AwsAccount.create_state_bucket

    def create_open(self: AwsAccount, bucket: str) -> None:
        create(self, bucket)
        boto3.client("s3", region_name="us-east-1").delete_bucket_policy(Bucket=bucket)

    monkeypatch.setattr(AwsAccount, "create_state_bucket", create_open)


def write(folder: Path, text: str) -> Path:
    path = folder / "berth.yaml"
    path.write_text(text)
    return path


def test_the_whole_life_with_state_in_a_bucket(
    berth: Berth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, FILE)
    created = berth("up", file, "--yes")
    assert created.code == 0, created.err
    assert "Creating bucket dify-state-" in created.err
    assert " a month" in created.err
    assert created.out.strip().startswith("http://dify-")

    bucket = next(b["Name"] for b in boto3.client("s3", region_name="us-east-1").list_buckets()["Buckets"])
    store = boto3.client("s3", region_name="us-east-1")
    state = store.get_object(Bucket=bucket, Key="dify/terraform.tfstate")["Body"].read()
    assert len(json.loads(state)["resources"]) > 100
    assert not (tmp_path / "dify-aws" / "terraform.tfstate").exists()

    again = berth("up", file, "--yes")
    assert again.code == 0
    assert "Nothing to do" in again.out

    outputs = json.loads(berth("outputs", file, "--json").out)
    assert outputs["facts"]["database"]["host"].endswith(".rds.amazonaws.com")

    masked = berth("env", "worker", file)
    assert "DB_PASSWORD=********" in masked.out
    monkeypatch.setattr("cloudberth.cli.status.cloud_account", lambda cloud, region: Vault())
    revealed = berth("env", "worker", file, "--reveal")
    assert f"DB_PASSWORD=value of {outputs['secrets']['database_password']}" in revealed.out

    answered = berth("status", file, "--drift")
    assert answered.code == 0
    assert "no drift" in answered.out

    removed = berth("down", file, "--yes", "--delete-data")
    assert removed.code == 0, removed.err


class Vault:
    """A secret store that tells which entry it was asked for."""

    def secret(self, identifier: str) -> str:
        return f"value of {identifier}"


def test_up_asks_and_no_means_nothing(berth: Berth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, FILE.replace("name: dify", "name: shop") + "state: {type: local}\n")
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    result = berth("up", file)
    assert result.code == 130
    assert not (tmp_path / "shop-aws" / "terraform.tfstate").exists()


def test_state_in_the_folder_is_kept_from_others_from_loss_and_moves_to_the_bucket(
    berth: Berth, tmp_path: Path
) -> None:
    """One deployment with its state in the folder: who may read it, what may not be lost, and its move."""
    text = SMALL + "state: {type: local}\n"
    file = write(tmp_path, text)
    assert berth("up", file, "--yes").code == 0
    states = list((tmp_path / "move-aws").glob("*.tfstate*"))
    assert tmp_path / "move-aws" / "terraform.tfstate" in states
    assert not any(stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH for path in states)

    write(tmp_path, text + "database: {engine: aurora, machine_type: db.serverless}\n")
    refused = berth("up", file, "--yes")
    assert refused.code == 3, refused.err
    assert "--allow-data-loss" in refused.err

    write(tmp_path, SMALL)
    moved = berth("up", file, "--yes")
    assert moved.code == 0, moved.err
    assert "The state moves" in moved.err
    assert "Nothing to do" in moved.out

    refused = berth("down", file, "--yes")
    assert refused.code == 3
    assert "aws_db_instance" in refused.err
    assert "--delete-data" in refused.err
    assert berth("down", file, "--yes", "--delete-data").code == 0
    gone = berth("down", file, "--yes", "--delete-data")
    assert "nothing to remove" in gone.out


def test_what_terraform_refuses_is_shown_with_its_place(berth: Berth, tmp_path: Path) -> None:
    file = write(tmp_path, FILE.replace("name: dify", "name: oops") + "state: {type: local}\n")
    assert berth("render", file).code == 0
    (tmp_path / "oops-aws" / "extra.tf").write_text(
        'resource "aws_vpc" "x" {\n  cidr_blok = "10.0.0.0/16"\n}\n'
    )
    result = berth("up", file, "--yes")
    assert result.code == 1
    assert "extra.tf:2" in result.err
    assert "Traceback" not in result.err


def test_terraform_alone_works_in_the_workspace(berth: Berth, tmp_path: Path) -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("no terraform or tofu on the PATH")
    file = write(tmp_path, FILE + "state: {type: local}\n")
    assert berth("render", file).code == 0
    folder = tmp_path / "dify-aws"
    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        done = subprocess.run([terraform, *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "Apply complete!" in done.stdout
