#!/usr/bin/env python3
"""Write the lock files in requirements/ from pyproject.toml.

    tools/lock_requirements.py              keep the locked versions, add and drop what pyproject.toml says
    tools/lock_requirements.py --upgrade    move everything to the newest versions that fit

Each file is complete for its purpose, pins every package with the hashes of all its files, and holds for
Python 3.11 and later on every platform that has wheels. A package stands with one version in all files
but security.txt, because `./check` installs those on top of each other. Needs `uv` on the PATH
(`python3 -m pip install uv`).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file: what goes in, and which earlier files its versions have to agree with."""

    file: str
    project: bool = False
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    agrees_with: tuple[str, ...] = ()


LOCKS = (
    Lock(
        "runtime.txt",
        project=True,
        extras=(
            "rehearsal",
            "aws",
            "azure",
            "google",
            "opendal",
            "oracle",
            "postgres",
            "checksums",
            "server",
            "tracing",
            "documents",
            "embedding",
            "mysql",
            "redis",
            "vector",
            "couchbase",
        ),
    ),
    Lock("terraform.txt", extras=("terraform",), agrees_with=("runtime.txt",)),
    Lock("build.txt", groups=("build",), agrees_with=("runtime.txt",)),
    Lock("dev.txt", groups=("dev",), agrees_with=("runtime.txt", "build.txt")),
    Lock("vendors.txt", groups=("vendors",), agrees_with=("runtime.txt", "build.txt", "dev.txt")),
    Lock("security.txt", groups=("security",)),
)


def requirements_of(lock: Lock, pyproject: dict[str, Any]) -> list[str]:
    """The requirement lines that go into a lock, as they stand in pyproject.toml."""
    lines: list[str] = list(pyproject["project"]["dependencies"]) if lock.project else []
    for extra in lock.extras:
        lines += pyproject["project"]["optional-dependencies"][extra]
    for group in lock.groups:
        lines += pyproject["dependency-groups"][group]
    return lines


def write(lock: Lock, lines: list[str], uv: str, *, upgrade: bool) -> None:
    """Let uv write one lock file."""
    command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--python-version", "3.11"]
    command += ["--custom-compile-command", "tools/lock_requirements.py"]
    # Annotations would name the file that the lines came from, which is a pipe here.
    command += ["--no-annotate"]
    for earlier in lock.agrees_with:
        command += ["--constraints", f"requirements/{earlier}"]
    if upgrade:
        command += ["--upgrade"]
    command += ["--output-file", f"requirements/{lock.file}", "-"]
    text = "\n".join(lines)
    subprocess.run(command, input=text, text=True, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def main() -> int:
    """Write all files; 0 when each was written."""
    parser = argparse.ArgumentParser(description="Write requirements/*.txt from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="newest versions instead of the locked ones")
    arguments = parser.parse_args()
    uv = shutil.which("uv")
    if uv is None:
        print("uv is not on the PATH: python3 -m pip install uv", file=sys.stderr)
        return 1
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    FOLDER.mkdir(exist_ok=True)
    for lock in LOCKS:
        write(lock, requirements_of(lock, pyproject), uv, upgrade=arguments.upgrade)
        lines = (FOLDER / lock.file).read_text(encoding="utf-8").splitlines()
        print(f"requirements/{lock.file}: {sum(line[:1].isalnum() for line in lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
