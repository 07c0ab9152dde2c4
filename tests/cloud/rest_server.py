"""A server of ours on this machine, which answers REST calls as a test says and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Call:
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: Any


Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, JSON document (None: nothing; bytes: as they are), headers."""


@dataclass
class Served:
    """The server's address and its memory."""

    address: str
    calls: list[Call] = field(default_factory=list)


@contextmanager
def served(answer: Callable[[Call], Reply]) -> Iterator[Served]:
    """Serve until the end of the block. answer: decides the reply to a call."""
    memory = Served("")

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(content) if "json" in self.headers.get("Content-Type", "") else content or None,
            )
            memory.calls.append(call)
            status, document, *more = answer(call)
            found = document if isinstance(document, bytes) else json.dumps(document).encode()
            found = b"" if document is None else found
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    memory.address = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield memory
    finally:
        server.shutdown()
        server.server_close()
