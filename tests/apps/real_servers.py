"""Real servers on this machine, and small HTTP servers that stand for the application behind them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def program(name: str) -> str:
    """A server's program; without it the test is skipped with the command that installs it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        package = {"redis-server": "redis-server"}.get(name, name)
        pytest.skip(f"NOT TESTED: {name} is not installed (apt-get install {package})")
    return str(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"the server did not come up: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


FIRST_WAS_READ = threading.Event()
"""A stream goes on when the test has read its first part."""


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked. ``/stream`` sends two lines half a second apart."""

    protocol_version = "HTTP/1.1"
    name = ""

    def do_GET(self) -> None:
        if self.path.startswith("/console/api/stream"):
            self._stream()
            return
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(b"hello")
            return
        length = int(self.headers.get("Content-Length") or 0)
        answer = {
            "service": self.name,
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": len(self.rfile.read(length)),
        }
        self._send(json.dumps(answer).encode())

    do_POST = do_GET

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.wfile.flush()
        FIRST_WAS_READ.wait(60)
        self.wfile.write(b"data: last\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def echo_server(name: str, port: int | None = None) -> Iterator[int]:
    handler = type(f"Echo{name.title()}", (Echo,), {"name": name})
    server = ThreadingHTTPServer(("127.0.0.1", port or 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def postgres_programs() -> Path:
    """The folder of initdb and postgres; without them the test is skipped with the command for it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("NOT TESTED: PostgreSQL is not installed (apt-get install postgresql)")
    return found[-1].parent
