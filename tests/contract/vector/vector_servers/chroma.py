"""A real Chroma server out of its wheel: one for the whole run."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_READY = 60.0


def missing() -> str:
    """Why it cannot run here."""
    return "" if find_spec("chromadb") else "the library chromadb is not installed"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class ChromaProcess:
    """folder: of the data. It can be stopped and started again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        )
        ends = time.monotonic() + _READY
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the Chroma server does not come up")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def _command(self) -> Sequence[str]:
        program = "import sys; from chromadb.cli.cli import app; sys.exit(app())"
        options = ["run", "--path", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, "-c", program, *options]

    def _answers(self) -> bool:
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}/api/v2/heartbeat", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@cache
def server() -> ChromaProcess:
    """The server of this run, started when it is first needed."""
    folder = Path(tempfile.mkdtemp(prefix="berth-chroma-"))
    made = ChromaProcess(folder)
    made.start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(made.stop)
    return made
