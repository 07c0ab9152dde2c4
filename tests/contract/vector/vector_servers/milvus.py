"""A server of Milvus Lite out of its wheel, over gRPC: one for the whole run."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vector_servers.chroma import free_port

_READY = 60.0


def missing() -> str:
    """Why it cannot run here."""
    absent = [name for name in ("pymilvus", "milvus_lite", "jieba") if find_spec(name) is None]
    return f"the library {absent[0]} is not installed" if absent else ""


@cache
def port() -> int:
    """The port of this run's server, started when it is first needed."""
    folder = Path(tempfile.mkdtemp(prefix="berth-milvus-"))
    chosen = free_port()
    program = "import sys; from milvus_lite.cmdline import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "server", "--data-dir", str(folder), "--port", str(chosen)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(_stop, process)
    ends = time.monotonic() + _READY
    while not _listens(chosen):
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("the server of Milvus Lite does not come up")
        time.sleep(0.1)
    return chosen


def _listens(chosen: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", chosen)) == 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)
