"""A provider on this machine that takes OTLP: asks for a header, notes what came, says what it is told."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """headers: names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Collector:
    """headers: what a request has to show, else 401. words: the body of a refusal."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._wanted = headers
        self.words = "no"
        self.requests: list[Received] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b'{"data": []}')

            def do_POST(self) -> None:
                self._answer(b"")

            def _answer(self, good: bytes) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.requests.append(Received(self.command, self.path, headers, body))
                known = all(headers.get(name) == value for name, value in collector._wanted.items())
                said = good if known else collector.words.encode()
                self.send_response(200 if known else 401)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *arguments: object) -> None:
                """Tests are quiet."""

        return Handler
