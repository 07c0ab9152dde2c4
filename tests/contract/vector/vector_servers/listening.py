"""What the doubles of vendors' HTTP interfaces have in common: a port of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from doubles.server import HttpServer, Request, Response


class Double(Protocol):
    """port: where it listens, once it does."""

    port: int

    def handle(self, request: Request) -> Response:
        """The answer to one request."""


Kind = TypeVar("Kind", bound=Double)


@contextmanager
def serving(double: Kind) -> Iterator[Kind]:
    """The double on a port of its own."""
    with HttpServer(double.handle) as server:
        double.port = server.address[1]
        yield double
