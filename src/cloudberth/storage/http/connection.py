"""One connection to one server: send a request, read its answer. Blocking; used by one thread at a time."""

from __future__ import annotations

import base64
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from functools import cache
from urllib.parse import unquote, urlsplit

from cloudberth.errors import BackendError, Kind, TimedOut, Unavailable
from cloudberth.storage.body import Body, FileBody, Reader
from cloudberth.storage.http import wire
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options

_JOIN_UP_TO = 64 * 1024  # a head and a body this small go out in one packet's worth of one call
_BUFFER = 64 * 1024


@cache
def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Certificates are checked against this machine's authorities, or those of a file."""
    context = ssl.create_default_context(cafile=ca_bundle)
    paths = ssl.get_default_verify_paths()
    if not ca_bundle and not context.cert_store_stats()["x509_ca"] and not paths.capath:
        try:
            import certifi
        except ModuleNotFoundError:
            return context
        context.load_verify_locations(certifi.where())
    return context


class Connection:
    """A socket, with what has been read ahead of it. timeouts: Options."""

    def __init__(self, origin: Origin, options: Options, proxy: str | None = None) -> None:
        self.origin = origin
        self.options = options
        self.absolute = proxy is not None and origin.scheme == "http"
        self.used = 0
        self.idle_since = 0.0
        self._proxy_authorization = _proxy_authorization(proxy) if proxy else ""
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._deadline = 0.0
        self.socket = self._connect(proxy)

    # -- opening and closing ---------------------------------------------------------------------------------

    def _connect(self, proxy: str | None) -> socket.socket:
        server = Origin.parse(proxy) if proxy else self.origin
        try:
            plain = socket.create_connection((server.host, server.port), self.options.connect_timeout)
        except TimeoutError:
            raise TimedOut(f"no connection to {server.host}:{server.port} in time") from None
        except OSError as error:
            what = f"no connection to {server.host}:{server.port}: {error.strerror or error}"
            hint = "check the name and the network"
            raise Unavailable(what, hint=hint) from None
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.origin.scheme == "http":
                return self._with_kernel_timeouts(plain)
            if proxy:
                self._tunnel(plain)
            return self._with_tls(plain)
        except BaseException:
            plain.close()
            raise

    def _with_kernel_timeouts(self, plain: socket.socket) -> socket.socket:
        """Blocking calls that the kernel ends: half the system calls of Python's own timeouts."""
        plain.settimeout(None)
        whole = int(self.options.read_timeout)
        value = struct.pack("ll", whole, int((self.options.read_timeout - whole) * 1e6) or (not whole) * 1000)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
        return plain

    def _with_tls(self, plain: socket.socket) -> socket.socket:
        context = tls_context(self.options.ca_bundle)
        plain.settimeout(self.options.connect_timeout)
        try:
            secure = context.wrap_socket(plain, server_hostname=self.origin.host)
        except ssl.SSLCertVerificationError as error:
            raise BackendError(
                f"the certificate of {self.origin.host} is not trusted: {error.verify_message}",
                kind=Kind.INVALID,
                hint="check the endpoint; for an authority of your own set SSL_CERT_FILE to its certificate",
            ) from None
        except TimeoutError:
            raise TimedOut(f"{self.origin.host} does not answer the TLS handshake") from None
        except OSError as error:
            raise Unavailable(f"no TLS with {self.origin.host}: {error}") from None
        secure.settimeout(self.options.read_timeout)
        return secure

    def _tunnel(self, plain: socket.socket) -> None:
        """Ask an HTTP proxy for a way to the server; TLS goes through it from here."""
        place = f"{self.origin.host}:{self.origin.port}"
        authorization = (
            f"proxy-authorization: {self._proxy_authorization}\r\n" if self._proxy_authorization else ""
        )
        try:
            plain.sendall(f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{authorization}\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer and len(answer) < _BUFFER:
                piece = plain.recv(4096)
                if not piece:
                    break
                answer += piece
        except OSError as error:
            raise Unavailable(f"the proxy does not answer: {error}") from None
        status, _ = wire.parse_head(answer.partition(b"\r\n\r\n")[0])
        if status != 200:
            raise Unavailable(f"the proxy refuses the way to {place}: {status}")

    def is_stale(self) -> bool:
        """Whether the server has closed it, or said something that nobody asked for."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        self.socket.close()

    # -- one exchange ----------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Write a request. Raises OSError of the socket; the caller knows whether it may be sent again."""
        if self.absolute and self._proxy_authorization:
            request.headers["proxy-authorization"] = self._proxy_authorization
        head = wire.head_of(request, absolute=self.absolute)
        self.used += 1
        body = request.body
        if not body.size:
            self.socket.sendall(head)
            return
        view = body.view
        if view is not None and body.size <= _JOIN_UP_TO:
            self.socket.sendall(b"".join((head, view)))
            return
        self.socket.sendall(head)
        if isinstance(body, FileBody) and not isinstance(self.socket, ssl.SSLSocket):
            self._send_file(body)
            return
        self._send_chunks(body)

    def _send_chunks(self, body: Body) -> None:
        sent = 0
        for chunk in body.chunks():
            self.socket.sendall(chunk)
            sent += len(chunk)
        if sent != body.size:
            raise ValueError(f"a body of {body.size} bytes gave {sent}")

    def _send_file(self, body: FileBody) -> None:
        """From the page cache to the socket, not through this process."""
        at, end = body.start, body.start + body.size
        with body.path.open("rb", buffering=0) as file:
            while at < end:
                count = os.sendfile(self.socket.fileno(), file.fileno(), at, min(end - at, 1 << 30))
                if not count:
                    raise ValueError(f"{body.path} became shorter while it was sent")
                at += count

    def receive(self, request: Request, done: Callable[[bool], None]) -> Response:
        """Read the answer. done: called once, at the end of the body: whether the connection can go on."""
        self._deadline = time.monotonic() + self.options.read_timeout
        status, headers = self._head()
        while status < 200:
            status, headers = self._head()
        how = wire.framing(request.method, status, headers)
        reusable = wire.stays_open(headers, how)
        if how.length == 0:
            done(reusable)
            return Response(status, headers)
        if how.length is not None:
            self._deadline += how.length / self.options.slowest
        reader = BodyReader(self, how, reusable, done)
        if request.stream and status < 300:
            return Response(status, headers, reader=reader)
        if (how.length or 0) > wire.MAX_BODY:
            reader.close()
            raise wire.NotHttp(f"an answer of {how.length} bytes")
        return Response(status, headers, reader.read_limited(wire.MAX_BODY))

    def _head(self) -> tuple[int, dict[str, str]]:
        searched = self._start
        while True:
            at = self._buffer.find(b"\r\n\r\n", searched, self._end)
            if at >= 0:
                head = bytes(self._view[self._start : at])
                self._start = at + 4
                return wire.parse_head(head)
            if self._end - self._start > wire.MAX_HEAD:
                raise wire.NotHttp("the headers do not end")
            searched = max(self._start, self._end - 3)
            before = self._start
            if not self._fill():
                raise ConnectionResetError(
                    "closed before an answer" if self._end == 0 else "closed in the headers"
                )
            searched -= before - self._start

    def _fill(self) -> int:
        """Read more behind what is there; 0 at the end of the connection."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == len(self._buffer):
            kept = self._end - self._start
            if kept > len(self._buffer) // 2:
                self._view.release()
                self._buffer.extend(bytes(len(self._buffer)))
                self._view = memoryview(self._buffer)
            self._view[:kept] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, kept
        count = self._receive_into(self._view[self._end :])
        self._end += count
        return count

    def _receive_into(self, target: memoryview) -> int:
        if time.monotonic() > self._deadline:
            raise TimeoutError("too slow")
        try:
            return self.socket.recv_into(target)
        except BlockingIOError:
            raise TimeoutError("nothing arrives") from None

    # -- for readers of bodies -------------------------------------------------------------------------------

    def buffered(self) -> int:
        """Bytes that are here already."""
        return self._end - self._start

    def take(self, target: memoryview) -> int:
        """Some bytes: what is here already, else what arrives next; 0 at the end of the connection."""
        here = self._end - self._start
        if here:
            count = min(here, len(target))
            target[:count] = self._view[self._start : self._start + count]
            self._start += count
            return count
        return self._receive_into(target)

    def line(self) -> bytes:
        """One line of the framing of chunks, without its end."""
        searched = self._start
        while True:
            at = self._buffer.find(b"\r\n", searched, self._end)
            if at >= 0:
                line = bytes(self._view[self._start : at])
                self._start = at + 2
                return line
            if self._end - self._start > 4096:
                raise wire.NotHttp("a line of a chunk does not end")
            if not self._fill():
                raise ConnectionResetError("closed inside of the body")
            searched = self._start


class BodyReader(Reader):
    """The body of an answer, as it comes; at its end the connection goes back. A break is Unavailable."""

    def __init__(
        self, connection: Connection, how: wire.Framing, reusable: bool, done: Callable[[bool], None]
    ) -> None:
        self._connection = connection
        self._left = how.length
        self._chunk = 0 if how.chunked else None
        self._reusable = reusable
        self._done: Callable[[bool], None] | None = done
        self._first = True

    def readinto(self, buffer: memoryview) -> int:
        if self._done is None or not len(buffer):
            return 0
        try:
            return self._next(buffer)
        except BackendError:
            self._end(False)
            raise
        except TimeoutError as error:
            self._end(False)
            raise TimedOut(f"the answer stopped on its way: {error}") from None
        except OSError as error:
            self._end(False)
            raise Unavailable(f"the connection broke inside of an answer: {error}") from None

    def _next(self, buffer: memoryview) -> int:
        if self._chunk is not None:
            return self._next_of_chunk(buffer)
        wanted = buffer if self._left is None else buffer[: self._left]
        count = self._connection.take(wanted)
        if self._left is None:
            if not count:
                self._end(False)
            return count
        if not count:
            raise ConnectionResetError(f"{self._left} bytes are missing")
        self._left -= count
        if not self._left:
            self._end(self._reusable)
        return count

    def _next_of_chunk(self, buffer: memoryview) -> int:
        assert self._chunk is not None
        if not self._chunk:
            if not self._first and self._connection.line():
                raise wire.NotHttp("a chunk is longer than it says")
            self._first = False
            self._chunk = wire.chunk_size(self._connection.line())
            if not self._chunk:
                while self._connection.line():
                    pass  # trailers
                self._end(self._reusable)
                return 0
        count = self._connection.take(buffer[: self._chunk])
        if not count:
            raise ConnectionResetError("closed inside of a chunk")
        self._chunk -= count
        return count

    def read(self, size: int = -1) -> bytes:
        """As Reader says; the pieces are as large as what arrives lets them be."""
        if size >= 0:
            return self._read_up_to(size)
        if self._left is not None:
            return self._read_up_to(self._left)
        return self.read_limited(1 << 62)

    def _read_up_to(self, size: int) -> bytes:
        if self._left is not None:
            size = min(size, self._left)
        data = bytearray(size)
        view = memoryview(data)
        filled = 0
        while filled < size:
            count = self.readinto(view[filled:])
            if not count:
                break
            filled += count
        view.release()
        if filled < size:
            del data[filled:]
        return bytes(data)

    def read_limited(self, most: int) -> bytes:
        """Everything, or NotHttp when it is more than that."""
        if self._left is not None:
            return self._read_up_to(self._left)
        pieces: list[bytes] = []
        size = 0
        while piece := self._read_up_to(_BUFFER):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                self.close()
                raise wire.NotHttp(f"an answer of more than {most} bytes")
        return b"".join(pieces)

    def close(self) -> None:
        self._end(False)

    def _end(self, reusable: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(reusable)


def _proxy_authorization(proxy: str) -> str:
    parts = urlsplit(proxy)
    if not parts.username:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
