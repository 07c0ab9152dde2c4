"""HTTP/1.1 as bytes: requests into bytes, bytes into answers. Pure; the sockets are elsewhere.

Our own and not a library's, because it is the hot path of everything (benchmarks/storage) and because nothing
between a key and the wire may clean it. What a server sends is not trusted: lengths, numbers and sizes are
checked, and whatever is not HTTP is an error of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudberth import __version__
from cloudberth.errors import BackendError, Kind
from cloudberth.storage.http.message import Request

MAX_HEAD = 128 * 1024
MAX_BODY = 64 * 1024 * 1024  # of an answer that is read whole; object contents are streamed
_NO_BODY = frozenset({204, 304})
_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


AGENT = f"cloudberth/{__version__}"


class NotHttp(BackendError):
    """What came is no answer in HTTP/1.1; the connection is of no more use."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the server does not speak HTTP: {what}", kind=Kind.UNEXPECTED, retryable=True)


def head_of(request: Request, *, absolute: bool = False) -> bytes:
    """Request line and headers. absolute: the form that plain proxies take."""
    target = request.url if absolute else request.target
    size = request.body.size
    lines = [
        f"{request.method} {target} HTTP/1.1\r\nhost: {request.origin.authority}\r\nuser-agent: {AGENT}\r\n"
    ]
    for name, value in request.headers.items():
        if "\r" in value or "\n" in value or "\0" in value:
            raise BackendError(f"the header {name} would hold a line break", kind=Kind.INVALID)
        lines.append(f"{name}: {value}\r\n")
    if size or request.method not in _WITHOUT_LENGTH:
        lines.append(f"content-length: {size}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("utf-8")


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case, repeated ones joined) of a head without its blank line."""
    lines = head.decode("latin-1").split("\r\n")
    first = lines[0]
    status = first[9:12]
    if not first.startswith(("HTTP/1.1 ", "HTTP/1.0 ")) or not (status.isascii() and status.isdecimal()):
        raise NotHttp(f"its answer begins with {first[:24]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise NotHttp("a header has no colon")
        name = name.lower()
        value = value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if first[7] == "0":
        headers.setdefault("connection", "close")
    return int(status), headers


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body of an answer ends: after so many bytes, by chunks, or (neither) with the connection."""

    length: int | None = None
    chunked: bool = False


def framing(method: str, status: int, headers: dict[str, str]) -> Framing:
    """How the body ends (RFC 9112, 6.3)."""
    if method == "HEAD" or status in _NO_BODY or status < 200:
        return Framing(length=0)
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise NotHttp(f"transfer-encoding {headers['transfer-encoding'][:40]!r}")
        return Framing(chunked=True)
    declared = headers.get("content-length")
    if declared is None:
        return Framing()
    if not (declared.isascii() and declared.isdecimal()) or len(declared) > 18:
        raise NotHttp(f"content-length {declared[:40]!r}")
    return Framing(length=int(declared))


def stays_open(headers: dict[str, str], how: Framing) -> bool:
    """Whether the connection can carry another request afterwards."""
    if how.length is None and not how.chunked:
        return False
    return headers.get("connection", "").lower() != "close"


def chunk_size(line: bytes) -> int:
    """The number in front of a chunk."""
    digits = line.partition(b";")[0].strip()
    try:
        size = int(digits, 16) if digits and len(digits) <= 15 and digits.isalnum() else -1
    except ValueError:
        size = -1
    if size < 0:
        raise NotHttp("a chunk without its size")
    return size
