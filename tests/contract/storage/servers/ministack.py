"""ministack: an emulator of AWS. Its S3 knows conditional puts and verifies CRC32C; it checks signed URLs,
but no Authorization header."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from servers.processes import HOST, Shared, free_port, process, wait

ACCESS_KEY = "AKIAEXAMPLE000000000"
SECRET_KEY = "example-secret-key-of-no-account"


@dataclass(frozen=True, slots=True)
class Ministack:
    """A ministack that is up, with nothing in it. It checks signed URLs with its one secret key."""

    host: str
    port: int
    access_key: str = ACCESS_KEY
    secret_key: str = field(default=SECRET_KEY, repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def program() -> str | None:
    """The command, beside the interpreter or on the PATH."""
    beside = Path(sys.executable).with_name("ministack")
    return str(beside) if beside.exists() else shutil.which("ministack")


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    return "" if find_spec("ministack") or program() else "ministack is not installed (pip install ministack)"


def healthy(url: str) -> bool:
    """Whether the gateway answers HTTP."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/_ministack/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def started(folder: Path) -> Iterator[Ministack]:
    """A server of one's own, in memory."""
    port = free_port()
    log = folder / "ministack.log"
    environment = {
        "BIND_HOST": HOST, "GATEWAY_PORT": str(port), "SERVICES": "s3,sts,iam", "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "0", "HOME": str(folder), "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }  # fmt: skip
    with process([program() or "ministack"], log, environment) as running:
        wait(running, lambda: healthy(f"http://{HOST}:{port}"), log)
        yield Ministack(HOST, port)


up = Shared("ministack", started)
