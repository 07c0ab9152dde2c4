"""One connection of the lanes: a request going out and its answer coming in, without ever waiting."""

from __future__ import annotations

import ssl
import time
from collections import deque

from cloudberth.storage.http import wire
from cloudberth.storage.http.connection import Connection
from cloudberth.storage.http.incoming import Incoming
from cloudberth.storage.http.message import Request, Response

_PIECE = 256 * 1024
_JOIN_UP_TO = 64 * 1024
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Lane:
    """A connection that does not block. request: what is on it now; None: it is idle."""

    __slots__ = ("_incoming", "_rest", "connection", "deadline", "request", "secure", "socket", "used")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.socket = connection.socket
        self.secure = isinstance(self.socket, ssl.SSLSocket)
        self.socket.setblocking(False)
        self.request: Request | None = None
        self.deadline = 0.0
        self.used = 0
        self._incoming = Incoming("GET")
        self._rest: deque[memoryview] = deque()

    def start(self, request: Request) -> bool:
        """Begin an exchange; whether all of the request is out. Raises OSError, and what a header refuses."""
        head = wire.head_of(request, absolute=self.connection.absolute)
        options = self.connection.options
        self.request = request
        self.used += 1
        self._incoming = Incoming(request.method)
        self.deadline = time.monotonic() + options.read_timeout + request.body.size / options.slowest
        self._rest.clear()
        if request.body.size <= _JOIN_UP_TO:
            self._rest.append(memoryview(head + request.body.read() if request.body.size else head))
        else:
            body = request.body.view
            self._rest += (memoryview(head), memoryview(request.body.read()) if body is None else body)
        return self.flush()

    def flush(self) -> bool:
        """Send what the socket takes; whether that was all."""
        rest = self._rest
        while rest:
            try:
                sent = self.socket.send(rest[0])
            except _WAIT:
                return False
            if sent == len(rest[0]):
                rest.popleft()
            else:
                rest[0] = rest[0][sent:]
        return True

    def receive(self) -> Response | None:
        """Read what is there; the answer when it is whole. Raises OSError, NotHttp."""
        while True:
            try:
                data = self.socket.recv(_PIECE)
            except _WAIT:
                return None
            if self.request is None:
                raise ConnectionResetError("closed while idle")
            response = self._incoming.feed(data)
            if response is not None or (not self.secure and len(data) < _PIECE):
                return response

    @property
    def answered(self) -> bool:
        """Whether any of an answer has come."""
        return self._incoming.begun

    @property
    def reusable(self) -> bool:
        """Whether another request can follow the answer that has come."""
        return self._incoming.open_afterwards and not self._rest
