"""The lock files cover what pyproject.toml asks for, and hold for everybody."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lock_requirements as tool

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOGETHER = ("runtime", "terraform", "build", "dev", "vendors")
"""These are installed on top of each other."""
LOCKS = (*TOGETHER, "security")


@dataclass(frozen=True)
class Pin:
    """One package of a lock file; where the version depends on the Python, the one for this Python."""

    name: str
    version: Version
    hashes: tuple[str, ...]


def pins(lock: str) -> dict[str, Pin]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    found = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        requirement = Requirement(line.partition("--hash")[0].strip())
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", line
        name = canonicalize_name(requirement.name)
        found[name] = Pin(
            name, Version(specifier.version), tuple(re.findall(r"--hash=sha256:(\w{64})", line))
        )
    return found


def complaints(requirements: list[str], locks: tuple[str, ...]) -> list[str]:
    """What is missing in these lock files, or locked to a version that the requirement does not allow."""
    locked = {name: pin for lock in locks for name, pin in pins(lock).items()}
    wrong = []
    for line in requirements:
        requirement = Requirement(line)
        pin = locked.get(canonicalize_name(requirement.name))
        if pin is None:
            wrong.append(f"{line}: in none of {locks}")
        elif pin.version not in requirement.specifier:
            wrong.append(f"{line}: locked to {pin.version}")
    return wrong


def test_what_berth_needs_is_locked() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = PYPROJECT["project"]["dependencies"] + extras["rehearsal"] + extras["aws"]
    assert complaints(asked, ("runtime",)) == []
    assert complaints(extras["terraform"], ("terraform",)) == []


def test_every_extra_is_locked_somewhere() -> None:
    """So that the checks run with each of them."""
    for name, asked in PYPROJECT["project"]["optional-dependencies"].items():
        assert complaints(asked, ("runtime", "terraform", "dev", "vendors")) == [], name


def test_the_groups_are_locked() -> None:
    groups = PYPROJECT["dependency-groups"]
    assert complaints(groups["dev"], ("dev",)) == []
    assert complaints(groups["vendors"], ("vendors",)) == []
    assert complaints(groups["security"], ("security",)) == []
    assert complaints(groups["build"] + PYPROJECT["build-system"]["requires"], ("build",)) == []


def test_the_test_of_locks_sees_a_gap_and_a_wrong_version() -> None:
    assert complaints(["no-such-package>=1"], LOCKS)
    assert complaints(["click<1"], LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_by_hashes(lock: str) -> None:
    assert pins(lock)
    assert [pin.name for pin in pins(lock).values() if not pin.hashes] == []


def test_a_package_has_one_version_in_all_lock_files() -> None:
    versions: dict[str, set[Version]] = {}
    for lock in TOGETHER:
        for name, pin in pins(lock).items():
            versions.setdefault(name, set()).add(pin.version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_host_and_no_path(lock: str) -> None:
    """Where packages come from is the machine's own choice."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host| @ |(^|\s)/\w", text)


def test_the_lock_is_complete_for_this_machine() -> None:
    """Whatever a locked package needs here is locked as well, so that `pip --no-deps` leaves no gap."""
    locked = {name for lock in TOGETHER for name in pins(lock)}
    gaps = []
    for name in sorted(locked):
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue  # for another platform
        for requirement in map(Requirement, needed):
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(requirement.name) not in locked:
                gaps.append(f"{name} needs {requirement}")
    assert gaps == []


def test_the_tool_that_writes_the_locks_knows_every_file() -> None:
    files = {file.name for file in (ROOT / "requirements").glob("*.txt")}
    assert {lock.file for lock in tool.LOCKS} == files == {f"{lock}.txt" for lock in LOCKS}
    for lock in tool.LOCKS:
        asked = tool.requirements_of(lock, PYPROJECT)
        assert asked
        assert complaints(asked, (lock.file.removesuffix(".txt"),)) == []
