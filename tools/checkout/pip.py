"""Run pip, turn its output into progress, and its failures into sentences."""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checkout.failure import explain
from checkout.progress import Progress

# Settings that send packages elsewhere than into the environment that is being made. Index, proxy,
# certificates and cache stay as the machine has them.
_MISLEADING = {
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_PYTHON",
    "PIP_CONSTRAINT",
    "PIP_DRY_RUN",
    "PIP_LOG",
    "PIP_REPORT",
    "PIP_QUIET",
    "PIP_VERBOSE",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
}


@dataclass(slots=True)
class PipReader:
    """What pip is doing, read from its output line by line.

    packages: how many packages the lock file has, for "3 of 21".
    """

    packages: int = 0
    _seen: int = 0
    _name: str = ""
    _retries: int = 0
    _patterns: tuple[tuple[re.Pattern[str], str], ...] = field(
        default=(
            (re.compile(r"(?:Collecting|Processing) (?P<value>\S+)"), "package"),
            (re.compile(r"Progress (?P<value>\d+ of \d+)"), "bytes"),
            (re.compile(r"Installing collected packages: (?P<value>.+)"), "unpack"),
            (re.compile(r"WARNING: Retrying \((?P<value>.)"), "retry"),
        ),
        repr=False,
    )

    def read(self, line: str) -> str | None:
        """The new detail to show, or None when the line says nothing worth showing."""
        for pattern, kind in self._patterns:
            match = pattern.match(line.strip())
            if match:
                return self._detail(kind, match["value"])
        return None

    def _detail(self, kind: str, value: str) -> str:
        if kind == "package":
            self._seen += 1
            self._name = _package_name(value)
            return self._place()
        if kind == "bytes":
            done, total = (int(number) / 1e6 for number in value.split(" of "))
            return f"{self._place()}, {done:.1f} of {total:.1f} MB"
        if kind == "unpack":
            return f"unpacking {value.count(',') + 1} packages"
        self._retries += 1
        return f"the package index does not answer, trying again ({self._retries})"

    def _place(self) -> str:
        count = f"{min(self._seen, self.packages)} of {self.packages}: " if self.packages else ""
        return f"{count}{self._name}"


def _package_name(value: str) -> str:
    """``annotated-types`` from ``annotated-types==0.8.0`` or from the path of a wheel."""
    if value.endswith(".whl"):
        return value.rsplit("/", 1)[-1].split("-")[0].replace("_", "-")
    return re.split(r"[=<>~!]", value)[0]


def pip_environment(environment: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The environment variables for pip: the machine's own, without what would lead packages elsewhere.

    scratch: for pip's temporary files; a /tmp may be too small for Terraform's 64 MB.
    """
    kept = {name: value for name, value in environment.items() if name not in _MISLEADING}
    kept |= {
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONUNBUFFERED": "1",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(scratch),
    }
    return kept


def run(
    command: list[str], *, task: str, log: Path, lock_fd: int, progress: Progress, packages: int = 0
) -> None:
    """Run one command of the set-up to its end.

    task: what it is for, for the error. log: its output is added there. lock_fd: the child keeps the lock
    open, so that the environment stays locked even if this process is killed.
    Raises SetUpFailed when it ends with another code than 0.
    """
    scratch = log.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=pip_environment(os.environ, scratch),
        pass_fds=(lock_fd,),
    )
    try:
        output = _follow(child, PipReader(packages), progress)
    finally:
        _end(child)
        if child.stdout is not None:
            child.stdout.close()
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{output}\n")
    if child.returncode != 0:
        raise explain(output, task)


def _follow(child: subprocess.Popen[bytes], reader: PipReader, progress: Progress) -> str:
    """Read the output as it comes, keep the progress going, and return all of it."""
    if child.stdout is None:
        return ""
    fd = child.stdout.fileno()
    whole, rest = bytearray(), b""
    while True:
        if select.select([fd], [], [], 0.25)[0]:
            piece = os.read(fd, 65536)
            if not piece:
                child.wait()
                return whole.decode("utf-8", "replace")
            whole += piece
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                detail = reader.read(line.decode("utf-8", "replace"))
                if detail:
                    progress.update(detail)
        progress.tick()


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that still runs, because this process was interrupted."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
