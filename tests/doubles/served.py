"""`berth serve` as a process of its own, with a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

MEBIBYTE = 1 << 20


class Server:
    """A server process."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        command = [
            sys.executable,
            "-m",
            "cloudberth.cli",
            "serve",
            "--port",
            "0",
            "--data",
            str(data),
            *options,
        ]
        # A file: nothing that is said gets lost, and nobody waits for a reader.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "BERTH_TRACES_ALLOW": "private", "BERTH_TRACES_LONGEST_WAIT": "1"},
        )
        ends = time.monotonic() + 60
        while "listens on" not in self.said:
            assert self.process.poll() is None and time.monotonic() < ends, f"it did not start: {self.said}"
            time.sleep(0.05)
        self.address = str(re.search(r"listens on (http://\S+)", self.said)[1])
        self.host, port = self.address.removeprefix("http://").split(":")
        self.port = int(port)

    @property
    def said(self) -> str:
        """Everything that it said so far."""
        return os.pread(self._output.fileno(), MEBIBYTE, 0).decode()

    def stop(self) -> str:
        """End it; everything that it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return self.said

    def memory(self) -> float:
        """MiB that the server has taken at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def send(self, key: str, body: bytes, **headers: str) -> int:
        request = urllib.request.Request(
            f"{self.address}/v1/traces",
            body,
            {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
