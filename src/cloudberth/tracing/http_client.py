"""One HTTP/1.1 request at a time, for the exporter: total deadlines, checked addresses, no redirects,
nothing else.

Measured against what a library would bring: a client that follows redirects, reads proxies from the
environment and resolves names a second time is what a guard against forged requests has to forbid.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cloudberth.errors import CloudberthError, InvalidInput, TimedOut, Unavailable
from cloudberth.tracing.guard import Guard, host_of

_MOST_HEADERS = 64 * 1024
MOST_ANSWER = 1 << 20  # of an answer's body so much is read; the rest is left, with the connection
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. headers: lower-case names. body: at most `MOST_ANSWER` bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpClient:
    """A client for one destination: keeps one connection open between requests. Not to be shared between
    tasks.
    """

    def __init__(self, guard: Guard, *, connect_timeout: float = 3.0) -> None:
        self._guard = guard
        self._connect_timeout = connect_timeout
        self._open: tuple[str, asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, timeout: float = 10.0
    ) -> Answer:
        """One request; `timeout` seconds for all of it. Raises TimedOut, Unavailable, Refused (the guard)."""
        host = host_of(url)
        try:
            async with asyncio.timeout(timeout):
                return await self._request(method, url, host, headers, body)
        except CloudberthError:
            # Ours already; some of them are also errors of the system.
            await self.close()
            raise
        except TimeoutError:
            await self.close()
            raise TimedOut(f"no answer within {timeout:g} s", where=host) from None
        except (OSError, EOFError, ValueError) as error:
            await self.close()
            raise Unavailable(_said(error), where=host) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._open is not None:
            writer = self._open[2]
            self._open = None
            with contextlib.suppress(OSError, RuntimeError):
                writer.transport.abort()

    async def _request(
        self, method: str, url: str, host: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        is_kept = self._open is not None and self._open[0] == place
        message = _message(method, parts.path or "/", parts.query, parts.netloc, headers, body)
        try:
            return await self._exchange(place, host, message)
        except (ConnectionError, EOFError):
            # A server may close a kept connection at any time: that says nothing, a fresh one does.
            if not is_kept:
                raise
            await self.close()
            return await self._exchange(place, host, message)

    async def _exchange(self, place: str, host: str, message: bytes) -> Answer:
        if self._open is None or self._open[0] != place or self._open[1].at_eof():
            await self.close()
            reader, writer = await self._connect(place, host)
            self._open = (place, reader, writer)
        _, reader, writer = self._open
        # An answer may come before all is sent (413): sending and reading go on side by side.
        sending = asyncio.ensure_future(_send(writer, message))
        try:
            answer, can_stay = await _read_answer(reader)
        except (ConnectionError, EOFError):
            sending.cancel()
            raise
        finally:
            if not sending.done():
                sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending
        if not can_stay or sending.cancelled():
            await self.close()
        return answer

    async def _connect(self, place: str, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(place)
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise Unavailable("there is no such host", where=host) from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            self._guard.check(host, address)
        last: Exception = Unavailable("there is no such host", where=host)
        for address in addresses[:4]:
            try:
                async with asyncio.timeout(self._connect_timeout):
                    return await asyncio.open_connection(
                        address,
                        port,
                        ssl=_tls() if is_tls else None,
                        server_hostname=host if is_tls else None,
                        limit=_MOST_HEADERS,
                    )
            except TimeoutError:
                last = TimedOut(f"no connection within {self._connect_timeout:g} s", where=host)
            except OSError as error:
                last = error
        raise last


_tls_context: ssl.SSLContext | None = None


def _tls() -> ssl.SSLContext:
    global _tls_context
    if _tls_context is None:
        _tls_context = ssl.create_default_context()
    return _tls_context


async def _send(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(message)
    await writer.drain()


def _message(
    method: str, path: str, query: str, netloc: str, headers: Mapping[str, str], body: bytes
) -> bytes:
    target = f"{path}?{query}" if query else path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {netloc}", "User-Agent: cloudberth-traces"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if "\r" in line or "\n" in line or not line.isascii():
            raise InvalidInput(
                "a header or address holds letters that HTTP does not have", where=line.partition(":")[0][:40]
            )
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _read_answer(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """The answer, and whether the connection can be used again."""
    while True:
        status, headers = await _read_head(reader)
        if status >= 200 or status == 101:
            break
    stays = headers.get("connection", "").lower() != "close"
    if status in (204, 304):
        return Answer(status, headers), stays
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, whole = await _read_chunks(reader)
    elif "content-length" in headers:
        size = int(headers["content-length"])
        body = await reader.readexactly(max(0, min(size, MOST_ANSWER)))
        whole = size <= MOST_ANSWER
    else:
        body, whole = await _read_to_end(reader), False
    return Answer(status, headers, body), stays and whole


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise ValueError("the headers of the answer are too long") from None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
        raise ValueError("the answer is not HTTP")
    headers = {}
    for line in lines:
        name, found, value = line.partition(":")
        if found:
            headers[name.strip().lower()] = value.strip()
    return int(words[1]), headers


async def _read_chunks(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    total = 0
    while True:
        size = int((await reader.readline()).split(b";")[0].strip() or b"-1", 16)
        if size < 0:
            raise ValueError("the answer is cut short")
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return b"".join(parts), True
        if total + size > MOST_ANSWER:
            return b"".join(parts), False
        parts.append(await reader.readexactly(size))
        total += size
        await reader.readexactly(2)


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while total < MOST_ANSWER:
        part = await reader.read(65536)
        if not part:
            break
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS does not work: {error.reason or 'unknown'}"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, ConnectionError):
        return "the connection was reset"
    if isinstance(error, EOFError):
        return "the server closed the connection without an answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
