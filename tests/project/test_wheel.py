"""The wheel: what is in it, and that it runs without the checkout that it was built from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cloudberth import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "cloudberth"
LARGEST_MEGABYTES = 5


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the locked build backend with no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources() -> set[str]:
    """Every file of the package, as its path in the wheel."""
    files = (file for file in PACKAGE.rglob("*") if file.is_file())
    left_out = {"__pycache__", ".terraform", ".mypy_cache"}
    return {
        str(file.relative_to(PACKAGE.parent))
        for file in files
        if not left_out & set(file.parts) and file.suffix != ".pyc"
    }


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    """Data as well as code: hatchling leaves out what .gitignore names, which may hit a data file."""
    assert sources() - contents(wheel) == set()
    for needed in (
        "cloudberth/py.typed",
        "cloudberth/terraform/CONTRACT.md",
        "cloudberth/terraform/aws/main.tf",
        "cloudberth/infra/schemas/aws.json.gz",
        "cloudberth/deployment/sizes/aws.yaml",
        "cloudberth/apps/dify/1.17.1.yaml",
        "cloudberth/cost/prices/aws.csv",
    ):
        assert needed in contents(wheel), needed


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    others = {name for name in contents(wheel) - sources() if ".dist-info/" not in name}
    assert others == set()
    assert wheel.stat().st_size < LARGEST_MEGABYTES * 1_000_000


def test_what_the_wheel_says_about_itself(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("cloudberth", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("License-File", [])) == {"LICENSE", "NOTICE"}
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert set(metadata.get_all("Provides-Extra", [])) >= {"rehearsal", "terraform", "aws"}
    assert len(metadata["Summary"]) > 20


def test_without_an_extra_nothing_heavy_is_needed(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    always = {requirement.name.lower() for requirement in requirements if requirement.marker is None}
    assert always == {"click", "pydantic", "pyyaml", "rich"}


def test_the_licences_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            Path(name).name: archive.read(name).decode() for name in contents(wheel) if "/licenses/" in name
        }
    assert "Apache License" in texts["LICENSE"]
    assert "Mozilla Public License" in texts["NOTICE"]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; what it depends on is seen in the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps"]
    subprocess.run([*command, "--quiet", str(wheel)], check=True, capture_output=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    # A plain line in a .pth file adds a folder, but does not read the .pth files there: the editable install
    # of the checkout stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(installed: Path, *arguments: str) -> str:
    """What a program of the fresh environment prints, run outside the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(installed / "bin" / arguments[0]), *arguments[1:]]
    done = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_wheel_is_the_one_that_runs(installed: Path) -> None:
    place = run(installed, "python", "-c", "import cloudberth.errors as module; print(module.__file__)")
    assert str(installed) in place
    assert re.search(r"\d+\.\d+\.\d+", run(installed, "berth", "--version"))


@pytest.mark.slow
def test_the_installed_wheel_renders_a_workspace(installed: Path, tmp_path: Path) -> None:
    """So the Terraform, the sizes, the facts and the data of Dify are found where they were installed."""
    run(installed, "berth", "render", str(ROOT / "examples" / "dify-aws.yaml"), "--workspace", str(tmp_path))
    assert (tmp_path / "main.tf").exists()
    assert (tmp_path / "terraform.tfvars.json").exists()
