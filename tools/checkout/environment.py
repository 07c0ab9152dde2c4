"""The environment in .venv: is it the right one, and if not, make it so.

Each layer that is in place has a stamp with the fingerprint of what it was made from. A stamp is written
before its layer is begun (as unfinished) and again after, so whatever interrupts a set-up (Ctrl-C, kill -9,
a full disk) leaves a stamp that says so, and the next run starts again from nothing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkout.failure import SetUpFailed
from checkout.lock import Lock

if TYPE_CHECKING:
    from checkout.progress import Progress

UNFINISHED = "unfinished"
LOCK_FILE = ".lock"
# Layers that may be laid again over themselves, because pip replaces their one package; every other change
# starts from an empty folder, so that nothing of an older lock file stays behind.
REPEATABLE = {"package", "terraform"}


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done: whether to empty the folder first, and which layers to install, in order."""

    empty_first: bool
    layers: tuple[str, ...]


def decide(stamps: Mapping[str, str], wanted: Mapping[str, str]) -> Work:
    """What turns an environment with these stamps into one that has the wanted layers.

    stamps: layer to fingerprint, as found. wanted: layer to fingerprint, lowest layer first.
    """
    stale = any(
        name not in REPEATABLE and name in stamps and stamps[name] != fingerprint
        for name, fingerprint in wanted.items()
    )
    baseless = bool(wanted) and next(iter(wanted)) not in stamps
    if UNFINISHED in stamps.values() or stale or baseless:
        return Work(empty_first=True, layers=tuple(wanted))
    return Work(empty_first=False, layers=tuple(name for name in wanted if stamps.get(name) != wanted[name]))


def relies_on_path(folder: Path) -> Path:
    """The file in an environment that says: its Terraform layer is empty, one on the PATH does its work."""
    return folder / ".setup" / "terraform-on-path"


class Environment:
    """The environment of one checkout. Holds its lock from `make_ready` on."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self._stamps = folder / ".setup" / "stamps"
        self._lock: Lock | None = None

    @property
    def python(self) -> str:
        """The interpreter of the environment."""
        return str(self.folder / "bin" / "python")

    def program(self, name: str) -> str:
        """A script that one of the packages brought."""
        return str(self.folder / "bin" / name)

    def make_ready(self, layers: Sequence[str]) -> None:
        """See to it that these layers are in place, and hold the environment so that nobody changes it.

        layers: names of LAYERS, lowest first. Raises SetUpFailed.
        """
        wanted = {name: self._fingerprint(name) for name in layers}
        lock = self._open_lock()
        waiting = _Waiting(self.folder)
        while True:
            lock.share(waiting)
            if self._work(wanted) == Work(False, ()):
                break
            lock.own(waiting)
            work = self._work(wanted)
            if work.layers:
                self._make(work, wanted, lock)
        self._lock = lock

    def keep_over_exec(self) -> None:
        """Let the program that replaces this one hold the environment."""
        if self._lock is not None:
            self._lock.keep_over_exec()

    def _work(self, wanted: Mapping[str, str]) -> Work:
        if not os.path.exists(self.python):  # noqa: PTH110 (a link to a Python that is gone does not exist)
            return Work(empty_first=True, layers=tuple(wanted))
        stamps = self._read_stamps()
        on_path = shutil.which("terraform") or shutil.which("tofu")
        if relies_on_path(self.folder).exists() and ("dev" in wanted or not on_path):
            stamps.pop("terraform", None)
        return decide(stamps, wanted)

    def _fingerprint(self, layer: str) -> str:
        """What a layer is made from, in one short text."""
        sources = {"python": "requirements/build.txt", "package": "pyproject.toml"}
        digest = hashlib.sha256((self.root / sources.get(layer, f"requirements/{layer}.txt")).read_bytes())
        if layer == "python":
            place = (*sys.version_info[:2], sys.base_prefix, platform.machine(), self.root, self.folder)
            digest.update(repr(place).encode())
        return digest.hexdigest()

    def _read_stamps(self) -> dict[str, str]:
        try:
            return {file.name: file.read_text(encoding="utf-8") for file in self._stamps.iterdir()}
        except OSError:
            return {}

    def _stamp(self, layer: str, text: str) -> None:
        aside = self._stamps.with_name("stamp.new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(self._stamps / layer)

    def _open_lock(self) -> Lock:
        """Open the lock file, made with the folder if need be."""
        path = self.folder / LOCK_FILE
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not path.exists() and any(self.folder.iterdir()):
                raise SetUpFailed(
                    f"{self.folder} exists and was not made by this checkout",
                    "Move it away, or name another folder: BERTH_VENV=/some/other/folder.",
                )
            return Lock(path, writable=True)
        except OSError as error:
            if path.exists():
                return Lock(path, writable=False)
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> SetUpFailed:
        return SetUpFailed(
            f"the environment cannot be made in {self.folder}: {error.strerror}",
            "Name a folder that can be written: BERTH_VENV=~/.cache/berth-venv.",
        )

    def _make(self, work: Work, wanted: Mapping[str, str], lock: Lock) -> None:
        """Do the work, under the lock that is held alone."""
        from checkout.layers import LAYERS, Site
        from checkout.progress import Progress

        progress = Progress(len(work.layers))
        site = Site(self.root, self.folder, lock.fd, progress, for_checks="dev" in wanted)
        try:
            if work.empty_first:
                self._empty()
            needed = sum(LAYERS[name].megabytes for name in work.layers)
            self._announce(work, needed, progress)
            self._stamps.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            for name in work.layers:
                self._stamp(name, UNFINISHED)
                progress.start(LAYERS[name].title)
                progress.done(LAYERS[name].install(site))
                self._stamp(name, wanted[name])
            shutil.rmtree(self.folder / ".setup" / "tmp", ignore_errors=True)
            progress.say(f"Ready after {time.monotonic() - began:.0f} s.\n")
        except OSError as error:
            raise self._not_writable(error) from error

    def _announce(self, work: Work, megabytes: int, progress: Progress) -> None:
        progress.say(f"Setting up {self.folder} (needed once; {megabytes} MB on disk)")
        free = shutil.disk_usage(self.folder).free // 1_000_000
        if work.empty_first and free < megabytes:
            raise SetUpFailed(
                f"the disk is full: {megabytes} MB are needed and {free} MB are free",
                "Make room, or put the environment elsewhere: BERTH_VENV=/path/with/room.",
            )

    def _empty(self) -> None:
        """Remove all but the lock; the stamps first, so that a half-emptied folder is known as such."""
        shutil.rmtree(self._stamps, ignore_errors=True)
        for entry in list(self.folder.iterdir()):
            if entry.name == LOCK_FILE:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


class _Waiting:
    """Tell, at once and then every few seconds, that another process holds the environment."""

    def __init__(self, folder: Path, say: Callable[[str], None] | None = None) -> None:
        self._folder = folder
        self._say = say or (lambda text: print(text, file=sys.stderr, flush=True))
        self._began = time.monotonic()
        self._next = 0.0

    def __call__(self) -> None:
        elapsed = time.monotonic() - self._began
        if elapsed >= self._next:
            self._say(f"Waiting for another ./berth or ./check that uses {self._folder} … {elapsed:.0f} s")
            self._next = elapsed + 4.0
