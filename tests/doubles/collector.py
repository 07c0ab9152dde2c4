"""A provider on this machine that takes OTLP: asks for a header, notes what came, says what it is told."""

from __future__ import annotations

from doubles.server import HttpServer, Request, Response


class Collector(HttpServer):
    """headers: what a request has to show, else 401. words: the body of a refusal."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(self._judge)
        self._wanted = headers
        self.words = "no"

    def _judge(self, request: Request) -> Response:
        if any(request.header(name) != value for name, value in self._wanted.items()):
            return Response(401, {}, self.words.encode())
        return Response(200, {}, b'{"data": []}' if request.method == "GET" else b"")
