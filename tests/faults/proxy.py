"""A proxy on loopback that breaks HTTP on purpose: which request, how, and how often is said by rules.

It speaks plain HTTP/1.1, changes neither Host nor target, and passes everything on to one server. Rules are
asked in their order, and the first one that fits a request strikes; what struck is kept in `struck`, so that
a test can show that its fault really happened::

    with FaultProxy(("127.0.0.1", 9000)) as proxy:
        proxy.rules.append(Rule(Fault.RESET_IN_ANSWER, method="GET", times=1))
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

Address = tuple[str, int]
PIECE = 64 * 1024
LONGEST_HEAD = 1024 * 1024


class Fault(Enum):
    """What goes wrong. Each strikes one request; the server may or may not see it."""

    DROP = "the connection is closed before any answer; the server sees nothing"
    DROP_AFTER = "the server takes the request, and its answer is lost"
    HANG = "nothing is ever answered; the server sees nothing"
    RESET_IN_REQUEST = "the connection is reset while the request's body is on its way to the server"
    RESET_IN_ANSWER = "the connection is reset in the middle of the answer's body"
    TRUNCATE = "the answer's body ends early, in good order, with the Content-Length of all of it"
    FLIP = "one bit of the answer's body is another one"
    FLIP_REQUEST = "one bit of the request's body is another one when the server gets it"
    TRICKLE = "the answer's body arrives byte by byte"
    ANSWER = "an answer of the proxy's own: status, headers and body are the rule's"


@dataclass(frozen=True, slots=True)
class Head:
    """The start of a request: what rules decide by. target: as it stands in the request line."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))


@dataclass(slots=True)
class Rule:
    """When a fault strikes. method: only of this one. when: only requests that it says yes to. skip: let so
    many fitting requests through first. times: strike so often; None: always.

    at: where in the body it strikes, as a part of its length. pause: seconds between the bytes of TRICKLE.
    status, headers, body: of ANSWER.
    """

    fault: Fault
    method: str | None = None
    when: Callable[[Head], bool] = lambda head: True
    skip: int = 0
    times: int | None = 1
    at: float = 0.5
    pause: float = 0.05
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def strikes(self, head: Head) -> bool:
        """Whether this request is hit; counts it. The proxy calls it under its lock."""
        if (self.method and head.method != self.method) or self.times == 0 or not self.when(head):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Broken(Exception):
    """A connection is at its end; not an error of the proxy."""


class Stream:
    """One socket with what was read from it too early."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._ahead = b""

    def head(self) -> bytes:
        """Up to and with the empty line; Broken when the other side is done."""
        while (end := self._ahead.find(b"\r\n\r\n")) < 0:
            piece = self._receive(PIECE)
            if not piece or len(self._ahead) > LONGEST_HEAD:
                raise Broken
            self._ahead += piece
        head, self._ahead = self._ahead[: end + 4], self._ahead[end + 4 :]
        return head

    def line(self) -> bytes:
        """Up to and with the end of the line."""
        while (end := self._ahead.find(b"\r\n")) < 0:
            piece = self._receive(PIECE)
            if not piece:
                raise Broken
            self._ahead += piece
        line, self._ahead = self._ahead[: end + 2], self._ahead[end + 2 :]
        return line

    def pieces(self, length: int | None) -> Iterator[bytes]:
        """So many bytes, or all until the end of the connection."""
        left = length
        while left is None or left > 0:
            most = PIECE if left is None else min(PIECE, left)
            piece, self._ahead = self._ahead[:most], self._ahead[most:]
            piece = piece or self._receive(most)
            if not piece:
                if left is None:
                    return
                raise Broken
            yield piece
            if left is not None:
                left -= len(piece)

    def _receive(self, most: int) -> bytes:
        try:
            return self.socket.recv(most)
        except OSError as error:
            raise Broken from error

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Broken from error

    def reset(self) -> None:
        """Close with RST, so that the other side gets an error and not an end."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def parsed(head: bytes) -> tuple[list[str], dict[str, str]]:
    """The words of the first line, and the headers with names in lower case."""
    lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines[1:] if ":" in line)
    return lines[0].split(" ", 2), {name.strip().lower(): value.strip() for name, _, value in fields}


class FaultProxy:
    """The proxy, listening as long as it is used as a context manager. rules may be changed at any time."""

    def __init__(self, server: Address, *rules: Rule) -> None:
        self.server = server
        self.rules = list(rules)
        self.seen: list[Head] = []
        self.struck: list[tuple[Head, Fault]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address: Address = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, daemon=True, name="fault-proxy")

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        client = Stream(connection)
        server: Stream | None = None
        with self._lock:
            self._open.add(connection)
        try:
            while not self._closed.is_set():
                raw = client.head()
                if server is None:
                    server = Stream(socket.create_connection(self.server))
                    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._exchange(raw, client, server)
        except (Broken, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
            if server is not None:
                server.socket.close()

    def _rule_for(self, head: Head) -> Rule | None:
        with self._lock:
            self.seen.append(head)
            for rule in self.rules:
                if rule.strikes(head):
                    self.struck.append((head, rule.fault))
                    return rule
        return None

    def _exchange(self, raw: bytes, client: Stream, server: Stream) -> None:
        """One request and its answer; Broken when the connection cannot be used any more."""
        words, headers = parsed(raw)
        head = Head(words[0], words[1], headers)
        rule = self._rule_for(head)
        fault = rule.fault if rule else None
        if rule and fault is Fault.ANSWER:
            _drain(client, head)
            client.send(_own_answer(rule))
            return
        if fault is Fault.HANG:
            _drain(client, head)
            self._closed.wait(600)
            raise Broken
        if fault is Fault.DROP:
            _drain(client, head)
            raise Broken
        server.send(raw)
        if headers.get("expect", "").lower() == "100-continue":
            client.send(server.head())
        _pass_request(rule, head, client, server)
        _pass_answer(rule, head.method, client, server, self._closed)


def _drain(client: Stream, head: Head) -> None:
    """Take the request's body and throw it away, so that the client is not cut off while it sends."""
    if head.headers.get("expect", "").lower() == "100-continue":
        client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    for _ in _body(client, head.headers, head.length):
        pass


def _own_answer(rule: Rule) -> bytes:
    lines = [f"HTTP/1.1 {rule.status} Because", f"Content-Length: {len(rule.body)}"]
    lines += [f"{name}: {value}" for name, value in rule.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + rule.body


def _body(stream: Stream, headers: dict[str, str], length: int | None) -> Iterator[bytes]:
    """The raw bytes of a body; a chunked one with its chunk lines."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        yield from stream.pieces(length)
        return
    while True:
        line = stream.line()
        yield line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        yield from stream.pieces(size + 2)
    while (line := stream.line()) != b"\r\n":
        yield line
    yield b"\r\n"


def _pass_request(rule: Rule | None, head: Head, client: Stream, server: Stream) -> None:
    fault = rule.fault if rule else None
    strike = int(head.length * rule.at) if rule else 0
    at = 0
    for piece in _body(client, head.headers, head.length):
        if fault is Fault.RESET_IN_REQUEST and at + len(piece) > strike:
            server.send(piece[: strike - at])
            server.reset()
            client.reset()
            raise Broken
        if fault is Fault.FLIP_REQUEST and at <= strike < at + len(piece):
            piece = _flipped(piece, strike - at)
        server.send(piece)
        at += len(piece)
    if fault is Fault.RESET_IN_REQUEST:  # a request without a body
        server.reset()
        client.reset()
        raise Broken


def _flipped(piece: bytes, at: int) -> bytes:
    return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]


def _pass_answer(
    rule: Rule | None, method: str, client: Stream, server: Stream, closed: threading.Event
) -> None:
    raw = server.head()
    words, headers = parsed(raw)
    status = int(words[1])
    while status == 100:
        raw = server.head()
        words, headers = parsed(raw)
        status = int(words[1])
    fault = rule.fault if rule else None
    if fault is Fault.DROP_AFTER:
        raise Broken
    empty = method == "HEAD" or status in (204, 304)
    length: int | None = int(headers["content-length"]) if "content-length" in headers else None
    body = iter(()) if empty else _body(server, headers, length)
    client.send(raw)
    strike = int((length or 0) * rule.at) if rule else 0
    at = 0
    for piece in body:
        if fault in (Fault.RESET_IN_ANSWER, Fault.TRUNCATE) and at + len(piece) > strike:
            client.send(piece[: strike - at])
            if fault is Fault.RESET_IN_ANSWER:
                client.reset()
            raise Broken
        if fault is Fault.FLIP and at <= strike < at + len(piece):
            piece = _flipped(piece, strike - at)
        if rule and fault is Fault.TRICKLE:
            for index in range(len(piece)):
                if closed.wait(rule.pause):
                    raise Broken
                client.send(piece[index : index + 1])
        else:
            client.send(piece)
        at += len(piece)
    if (not empty and length is None and "chunked" not in headers.get("transfer-encoding", "").lower()) or (
        headers.get("connection", "").lower() == "close"
    ):
        raise Broken
