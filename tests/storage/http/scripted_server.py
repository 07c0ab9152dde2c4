"""A server for tests of the client: it answers connection by connection what a script says."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Script = Callable[["Peer"], None]


@dataclass
class Peer:
    """One accepted connection. number: counted from 0."""

    socket: socket.socket
    number: int
    requests: list[bytes] = field(default_factory=list)

    def request(self) -> bytes:
        """The head of the next request, its body read; b"" when the client is done."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.socket.recv(65536)
        self.requests.append(head)
        return head

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        import struct

        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass
class Server:
    """address: where it listens. peers: every connection so far."""

    address: tuple[str, int]
    peers: list[Peer]

    @property
    def requests(self) -> list[bytes]:
        return [head for peer in self.peers for head in peer.requests]


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a script for every connection, each on a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(listener.getsockname()[:2], [])

    def serve(connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            wrapped = context.wrap_socket(connection, server_side=True) if context else connection
            wrapped.settimeout(20)
            peer = Peer(wrapped, number)
            server.peers.append(peer)
            with wrapped:
                script(peer)

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection, number), daemon=True).start()
            number += 1

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def always_ok(peer: Peer) -> None:
    """200 to everything."""
    while peer.request():
        peer.send(OK)
