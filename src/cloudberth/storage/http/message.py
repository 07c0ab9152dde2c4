"""A request and a response as values. What travels is exactly what stands here: nothing is normalised.

Keys are put on the wire byte by byte (`encode_key`), because URL libraries that clean paths are what loses
``a//b`` and ``a/../b`` everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from cloudberth.errors import InvalidInput
from cloudberth.storage.body import EMPTY, Body, BytesReader, Reader

_UNRESERVED = "-_.~"
DEFAULT_PORTS = {"http": 80, "https": 443}


def encode(text: str) -> str:
    """Percent-encode everything but the unreserved characters of RFC 3986; ``/`` too."""
    return quote(text, safe=_UNRESERVED)


def encode_key(key: str) -> str:
    """A key as part of a path: like `encode`, with ``/`` as it is."""
    return quote(key, safe="/" + _UNRESERVED)


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """``a=b&c=``, in the order given, without the ``?``."""
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server. host: in lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """``https://host[:port]``; raises InvalidInput for anything that is no web address."""
        parts = urlsplit(url if "://" in url else f"https://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == -1:
            raise InvalidInput(f"{url!r} is no web address", hint="write https://host or http://host:port")
        return cls(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme])

    def with_host(self, host: str) -> Origin:
        """Another host, the same scheme and port (``bucket.`` in front of it, say)."""
        return Origin(self.scheme, host.lower(), self.port)

    @property
    def authority(self) -> str:
        """What stands in the Host header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(slots=True)
class Request:
    """One request. path: percent-encoded, with the leading ``/``. query: decoded pairs, in the order sent.

    headers: names in lower case; Host and Content-Length come from origin and body. stream: leave the body of
    the answer unread, for `Response.reader`. signed: whether the backend's credentials belong on it (not on
    signed URLs of other hosts). idempotent: may be sent again when the connection broke without an answer.
    """

    method: str
    origin: Origin
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = EMPTY
    stream: bool = False
    signed: bool = True
    idempotent: bool = True

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{encode_query(self.query)}" if self.query else self.path

    @property
    def url(self) -> str:
        return f"{self.origin}{self.target}"


@dataclass(slots=True)
class Response:
    """One answer. headers: names in lower case, repeated ones joined by ``, ``. body: b"" when streamed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    reader: Reader = field(default_factory=lambda: BytesReader(b""))

    def header(self, name: str) -> str:
        """A header, or an empty text."""
        return self.headers.get(name, "")
