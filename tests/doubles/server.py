"""A small loopback HTTP/1.1 server for doubles of vendors: requests arrive as they were sent, byte by byte.

It does what a vendor's front end does and no more: keep-alive, ``Expect: 100-continue``, chunked request
bodies, HEAD without a body. Paths and queries are never normalised. A request target may be absolute
(``GET http://bucket.vendor.com/key``): vendors' SDKs are pointed at a double as at a proxy, so that the host
name they sign stays the true one; a tunnel (CONNECT) ends here too.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import unquote_to_bytes

BODY_KEPT = 64 * 1024


@dataclass(frozen=True)
class Request:
    """One request. headers: names in lower case, repeated ones joined by ``,``; raw_path, raw_query: as sent.

    The raw path has no query; it starts with ``/`` also when the target was absolute. authority: of an
    absolute target, else the Host header.
    """

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    authority: str
    body: bytes = b""

    @property
    def host(self) -> str:
        """The name without the port, in lower case."""
        name, _, port = self.authority.rpartition(":")
        return (name if name and port.isdigit() else self.authority).lower()

    @property
    def target(self) -> str:
        """Path and query, as sent."""
        return f"{self.raw_path}?{self.raw_query}" if self.raw_query else self.raw_path

    @property
    def path(self) -> str:
        """The path, percent-decoded; ``surrogateescape`` for bytes that are no UTF-8."""
        return unquoted(self.raw_path)

    @property
    def raw_pairs(self) -> tuple[tuple[str, str | None], ...]:
        """The query as it was sent; the value is None where there is no ``=``."""
        pairs: list[tuple[str, str | None]] = []
        for piece in self.raw_query.split("&") if self.raw_query else ():
            name, equals, value = piece.partition("=")
            pairs.append((name, value if equals else None))
        return tuple(pairs)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The query, decoded (``+`` stays ``+``), in the order sent."""
        return tuple((unquoted(name), unquoted(value or "")) for name, value in self.raw_pairs)

    @property
    def query(self) -> dict[str, str]:
        """The query as a mapping; the last one of a name wins."""
        return dict(self.pairs)

    def header(self, name: str) -> str:
        """A header, or an empty text."""
        return self.headers.get(name, "")

    def json(self) -> Any:
        """The document in the body; None where there is none."""
        return json.loads(self.body) if self.body else None


@dataclass
class Response:
    """One answer. Content-Length is added unless it stands there (HEAD tells the size of what it omits)."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""


class Stream(Protocol):
    """What a request is read from."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self, size: int = -1, /) -> bytes: ...


def json_response(status: int, document: object) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(document).encode())


Handler = Callable[[Request], Response]
Fault = Callable[[Request], Response | None]


def unquoted(text: str) -> str:
    """Percent-decoded UTF-8."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


class HttpServer:
    """Serves a handler on a port of its own until it is left; a thread per connection.

    requests: the last thousand (large bodies left out), for tests that ask what was on the wire. fault: asked
    before the handler when set; answers in its place when it gives a Response. crashes: exceptions of the
    handler, which the client sees as 500 and which leaving the server raises.
    """

    def __init__(
        self, handler: Handler, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.handler = handler
        self.fault: Fault | None = None
        self.requests: deque[Request] = deque(maxlen=1000)
        self.crashes: list[BaseException] = []
        self._tls = tls
        self._socket = socket.create_server((host, 0), backlog=256)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = False

    @property
    def authority(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.authority}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name=f"double {self.authority}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self.crashes and error is None:
            raise self.crashes[0]

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        wire = connection
        try:
            if self._tls is not None:
                # The plain socket has nothing to shut down from here on: the secure one has its place.
                wire = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.add(wire)
            with wire, wire.makefile("rb", buffering=256 * 1024) as stream:
                while self._exchange(wire, stream):
                    pass
        except (OSError, ValueError):
            pass  # the client went away, or does not speak HTTP
        finally:
            with self._lock:
                self._connections -= {connection, wire}

    def _exchange(self, connection: socket.socket, stream: Stream) -> bool:
        """Read one request and answer it; whether the connection goes on."""
        line = stream.readline(1 << 20)
        if not line.strip():
            return False
        method, target, version = line.decode("latin-1").split()
        headers = dict(_headers(stream))
        if method == "CONNECT":
            # A tunnel to the vendor: it ends here, and what comes through it is plain HTTP.
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return True
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _body(stream, headers)
        request = _request(method, target, headers, body)
        response = self._answer(request)
        stays = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        _send(connection, request, response, stays)
        return stays

    def _answer(self, request: Request) -> Response:
        kept = request if len(request.body) <= BODY_KEPT else replace(request, body=b"")
        self.requests.append(kept)
        try:
            response = self.fault(request) if self.fault else None
            return response or self.handler(request)
        except Exception as error:
            self.crashes.append(error)
            return Response(500, {}, f"the double crashed: {error!r}".encode())


def _headers(stream: Stream) -> Iterator[tuple[str, str]]:
    found: dict[str, str] = {}
    while (line := stream.readline(1 << 20)) not in {b"\r\n", b"\n", b""}:
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        found[name] = f"{found[name]},{value}" if name in found else value
    yield from found.items()


def _body(stream: Stream, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return _exactly(stream, int(headers.get("content-length") or 0))
    pieces = []
    while size := int(stream.readline().split(b";")[0].strip() or b"0", 16):
        pieces.append(_exactly(stream, size))
        stream.readline()
    while stream.readline().strip():
        pass  # trailers
    return b"".join(pieces)


def _exactly(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise OSError("the request was cut short")
    return data


def _request(method: str, target: str, headers: dict[str, str], body: bytes) -> Request:
    authority = headers.get("host", "")
    if "://" in target[:10]:
        rest = target.partition("://")[2]
        authority = re.split("[/?]", rest, maxsplit=1)[0]
        target = rest[len(authority) :]
        target = target if target.startswith("/") else f"/{target}"
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, authority, body)


def _cased(name: str) -> str:
    """A header as vendors write it: ``ETag``, ``Content-MD5``, ``x-oss-meta-a``; some SDKs insist."""
    lower = name.lower()
    if lower.startswith("x-"):
        return lower
    return {"etag": "ETag", "content-md5": "Content-MD5"}.get(lower) or lower.title()


def _send(connection: socket.socket, request: Request, response: Response, stays: bool) -> None:
    headers = {_cased(name): value for name, value in response.headers.items()}
    if response.status not in {204, 304}:
        headers.setdefault("Content-Length", str(len(response.body)))
    if not stays:
        headers["Connection"] = "close"
    names = {status.value: status.phrase for status in HTTPStatus}
    lines = [f"HTTP/1.1 {response.status} {names.get(response.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if request.method == "HEAD" or response.status in {204, 304}:
        connection.sendall(head)
    elif len(response.body) <= BODY_KEPT:
        connection.sendall(head + bytes(response.body))
    else:
        connection.sendall(head)
        connection.sendall(response.body)
