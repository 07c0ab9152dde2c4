"""A server of ours on this machine, which answers REST calls as a test says and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from doubles.server import HttpServer, Request, Response


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

    def handle(request: Request) -> Response:
        body = json.loads(request.body) if "json" in request.header("content-type") else request.body or None
        call = Call(request.method, request.raw_path, request.query, dict(request.headers), body)
        memory.calls.append(call)
        status, document, *more = answer(call)
        found = document if isinstance(document, bytes) else json.dumps(document).encode()
        return Response(status, more[0] if more else {}, b"" if document is None else found)

    with HttpServer(handle) as server:
        memory.address = server.url
        yield memory
