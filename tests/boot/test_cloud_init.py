"""User data: small, valid, without a secret; and its little program that gets the bundle and checks it."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from machine_rig import SOURCE, Metadata, Rig, bundle, mode, old_python, serving, set_up

from cloudberth.infra.workspace import boot_files

TEMPLATE = SOURCE / "terraform/boot/cloud-init.yaml.tftpl"
LIMIT = 16_384
"""Bytes of user data before base64 (EC2 User Guide, "Run commands when you launch an instance")."""


def user_data(sha256: str) -> str:
    """The template filled in; its only special signs are Terraform's."""
    values = {"bucket": "dify-files-0a1b", "key": f"cloudberth/boot/app-{sha256}.json.gz", "sha256": sha256}
    download = boot_files("aws")["fetch.py.tftpl"].replace("\n", "\n      ")
    text = TEMPLATE.read_text().replace("${indent(6, download)}", download)
    for name, value in {**values, "region": "eu-central-1", "install": "dnf install -y docker"}.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    assert "%{" not in text
    return text


def files_of(text: str) -> dict[str, str]:
    document: dict[str, Any] = yaml.safe_load(text)
    return {entry["path"]: entry["content"] for entry in document["write_files"]}


@pytest.fixture(scope="module")
def metadata() -> Iterator[str]:
    with serving(Metadata) as address:
        yield address


def test_it_stays_far_below_the_limit() -> None:
    size = len(gzip.compress(user_data("0" * 64).encode()))
    assert size < LIMIT * 0.75
    assert size < 2_000


@pytest.mark.parametrize("group", ["app", "stateful"])
def test_the_bundle_would_not_fit_with_a_margin(group: str) -> None:
    """Why it is an object in the bucket: remove the detour when this fails."""
    size = len(gzip.compress(json.dumps(bundle(group)).encode()))
    assert LIMIT * 0.75 < size < 64_000


def test_the_modules_make_the_bundle_that_is_rehearsed_here() -> None:
    """The keys that Terraform writes are those that the rehearsals use."""
    folder = SOURCE / "terraform/aws/modules/compute"
    hcl = "".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    keys = {*bundle("stateful"), *bundle("stateful")["cloud"]}
    assert [key for key in keys if not re.search(rf"\b{key}\s+=", hcl)] == []
    for variable in re.findall(r"\$\{(\w+)\}", TEMPLATE.read_text()):
        assert re.search(rf"\b{variable}\s+=", hcl), variable


def test_it_is_cloud_init() -> None:
    text = user_data("0" * 64)
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    assert set(document) == {"write_files", "runcmd"}
    compile(files_of(text)["/opt/cloudberth/fetch.py"], "fetch.py", "exec")


def test_docker_is_told_before_it_is_installed() -> None:
    daemon = json.loads(files_of(user_data("0" * 64))["/etc/docker/daemon.json"])
    pools = [pool["base"] for pool in daemon["default-address-pools"]] + [daemon["bip"]]
    # No private network can overlap with these, so containers never hide a part of the VPC.
    assert all(pool.startswith(("198.18.", "198.19.")) for pool in pools)
    assert daemon["live-restore"] is True


def test_the_units() -> None:
    files = files_of(user_data("0" * 64))
    service = files["/etc/systemd/system/cloudberth.service"]
    assert service.index("ExecStartPre=/usr/bin/python3 /opt/cloudberth/fetch.py") < service.index(
        "ExecStart=/usr"
    )
    for line in ("Restart=on-failure", "PartOf=docker.service", "RemainAfterExit=yes", "UMask=0077"):
        assert line in service
    commands = {
        line.split("boot.py ")[1]
        for text in files.values()
        for line in text.splitlines()
        if line.startswith(("ExecStart=", "ExecStop=")) and "boot.py" in line
    }
    assert commands == {"start", "stop", "metric", "watch", "logs"}


class Fetch:
    """fetch.py on a machine whose `aws s3 cp` brings a given object."""

    def __init__(self, rig: Rig, text: bytes, sha256: str) -> None:
        self.rig = rig
        (rig.state / "bundle.gz").write_bytes(gzip.compress(text))
        self.program = rig.root / "fetch.py"
        self.program.write_text(files_of(user_data(sha256))["/opt/cloudberth/fetch.py"])
        for path in (rig.root / "opt/cloudberth").iterdir():
            path.unlink()

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [old_python(), str(self.program)], env=self.rig.environment(), capture_output=True, text=True
        )


@pytest.fixture
def rig(tmp_path: Path, metadata: str) -> Rig:
    return set_up(tmp_path, "app", metadata)


def test_it_gets_the_bundle_and_its_programs(rig: Rig) -> None:
    text = json.dumps(rig.bundle()).encode()
    fetch = Fetch(rig, text, hashlib.sha256(text).hexdigest())
    done = fetch.run()
    assert done.returncode == 0, done.stderr
    folder = rig.root / "opt/cloudberth"
    assert (folder / "bundle.json").read_bytes() == text
    assert {path.name for path in folder.glob("*.py")} == set(rig.bundle()["programs"])
    assert mode(folder / "bundle.json") == "0o600"
    assert rig.boot().code == 0, "and the machine starts from what it got"


def test_a_bundle_that_was_changed_is_refused(rig: Rig) -> None:
    """Whoever can write to the bucket cannot change what machines run."""
    text = json.dumps(rig.bundle()).encode()
    fetch = Fetch(rig, text.replace(b"nginx", b"evil!"), hashlib.sha256(text).hexdigest())
    done = fetch.run()
    assert done.returncode != 0
    assert "not the one that was meant" in done.stderr
    assert not list((rig.root / "opt/cloudberth").glob("*.py"))
    assert not (rig.root / "opt/cloudberth/bundle.json").exists()


def test_it_does_not_ask_again_after_a_reboot(rig: Rig) -> None:
    text = json.dumps(rig.bundle()).encode()
    fetch = Fetch(rig, text, hashlib.sha256(text).hexdigest())
    fetch.run()
    (rig.state / "bundle.gz").unlink()
    assert fetch.run().returncode == 0


def test_a_local_copy_that_was_changed_is_replaced(rig: Rig) -> None:
    text = json.dumps(rig.bundle()).encode()
    fetch = Fetch(rig, text, hashlib.sha256(text).hexdigest())
    fetch.run()
    (rig.root / "opt/cloudberth/bundle.json").write_text("{}")
    assert fetch.run().returncode == 0
    assert (rig.root / "opt/cloudberth/bundle.json").read_bytes() == text


def test_a_bucket_that_does_not_answer(rig: Rig) -> None:
    text = json.dumps(rig.bundle()).encode()
    fetch = Fetch(rig, text, hashlib.sha256(text).hexdigest())
    rig.fail("aws s3 cp", stderr="fatal error: An error occurred (403)")
    done = fetch.run()
    assert done.returncode != 0, "systemd tries again"
    assert "could not be read" in done.stderr
