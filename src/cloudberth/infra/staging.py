"""A throw-away copy of a workspace, in which a rehearsal may do what it likes.

The user's folder is only read. The copy gets a local backend by an override file, keeps the relative places
of modules outside the workspace (`source = "../modules/x"`), and goes away however the run ends; what a
killed run left behind, the next one sweeps.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from cloudberth.errors import InvalidInput

PREFIX: Final = "berth-rehearsal-"
OVERRIDE: Final = "zz_rehearsal_override.tf.json"
LEFT_OUT: Final = shutil.ignore_patterns(
    ".git", ".terraform", ".terraform.lock.hcl", "*.tfstate", "*.tfstate.*", "*.tfplan", "crash*.log",
    "node_modules", ".venv", "__pycache__", ".terraform.tfstate.lock.info",
)  # fmt: skip
_LOCAL_SOURCE = re.compile(r'^\s*source\s*=\s*"(\.\.?/[^"]*)"', re.MULTILINE)
_PROTECTED = re.compile(r"^(\s*prevent_destroy\s*=\s*)true\b", re.MULTILINE)
_PROVISIONER = re.compile(r'^\s*provisioner\s+"([a-z-]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stage:
    """home: temporary folder for everything. folder: the workspace's copy below it. state: the state file."""

    home: Path
    folder: Path
    state: Path

    @property
    def data(self) -> Path:
        """Terraform's data folder."""
        return self.home / "data"

    def configuration_files(self) -> list[Path]:
        return sorted((self.home / "copy").rglob("*.tf"))

    def lift_protection(self) -> int:
        """Turn `prevent_destroy` off in the copy, so that a rehearsal can end empty; how often it was on."""
        lifted = 0
        for file in self.configuration_files():
            text, count = _PROTECTED.subn(r"\1false", file.read_text())
            if count:
                file.write_text(text)
                lifted += count
        return lifted

    def provisioners(self) -> list[str]:
        """`file: kind` of every provisioner: those run programs on this machine, also in a rehearsal."""
        return [
            f"{file.relative_to(self.home / 'copy')}: {kind}"
            for file in self.configuration_files()
            for kind in _PROVISIONER.findall(file.read_text())
        ]


@contextlib.contextmanager
def staged(workspace: Path) -> Iterator[Stage]:
    """A copy of the workspace until the block ends; InvalidInput when there is no Terraform in it."""
    workspace = workspace.resolve()
    if not any((*workspace.glob("*.tf"), *workspace.glob("*.tf.json"))):
        raise InvalidInput("there is no Terraform configuration here", where=str(workspace))
    sweep()
    with _ended_by_signal():
        # The process id in the name tells a later run whether the folder's owner is alive.
        home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        try:
            yield _copy(workspace, home)
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _copy(workspace: Path, home: Path) -> Stage:
    folders = [workspace, *_outside(workspace)]
    root = Path(os.path.commonpath(folders))
    for folder in folders:
        target = home / "copy" / folder.relative_to(root)
        shutil.copytree(folder, target, ignore=LEFT_OUT, dirs_exist_ok=True, ignore_dangling_symlinks=True)
    copy = home / "copy" / workspace.relative_to(root)
    state = home / "terraform.tfstate"
    backend = {"terraform": {"backend": {"local": {"path": str(state)}}}}
    (copy / OVERRIDE).write_text(json.dumps(backend))
    return Stage(home, copy, state)


def _outside(workspace: Path) -> list[Path]:
    """Folders of local modules that are not inside the workspace."""
    found: set[Path] = set()
    queue = [workspace]
    while queue:
        for file in queue.pop().rglob("*.tf"):
            for source in _LOCAL_SOURCE.findall(file.read_text(errors="replace")):
                folder = (file.parent / source).resolve()
                if folder.is_dir() and not folder.is_relative_to(workspace) and folder not in found:
                    found.add(folder)
                    queue.append(folder)
    return sorted(found)


def sweep() -> None:
    """Remove folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C does, so that everything is put away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
