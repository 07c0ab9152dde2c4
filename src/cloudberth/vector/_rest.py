"""JSON over HTTP, for stores with a REST API: one pooled client, one table of errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloudberth.errors import BackendError, InvalidInput, PermissionDenied
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import error_of
from cloudberth.storage.http.message import Origin, Request, Response, encode
from cloudberth.storage.options import Options as HttpOptions
from cloudberth.vector.options import Options

# What an answer that says no means: (status, parsed body or None) → an error, or None for the table.
Meaning = Callable[[int, Any], BackendError | None]


class Rest:
    """Requests to one server. url: with the path that stands before every path. Thread-safe."""

    def __init__(
        self,
        url: str,
        options: Options,
        *,
        headers: Mapping[str, str] | None = None,
        ca_file: str = "",
        meaning: Meaning = lambda _status, _body: None,
    ) -> None:
        self.origin = Origin.parse(url if "://" in url else f"http://{url}")
        self.base = urlsplit(url if "://" in url else f"http://{url}").path.rstrip("/")
        self.headers = dict(headers or {})
        self._meaning = meaning
        self._client = Client(
            HttpOptions(
                connect_timeout=min(10.0, options.timeout),
                read_timeout=options.timeout,
                deadline=options.deadline,
                slowest=256,
                ca_bundle=ca_file or None,
            )
        )

    def __repr__(self) -> str:
        return f"Rest({self.origin}{self.base})"

    def call(
        self, method: str, path: str, body: Any = None, *, query: tuple[tuple[str, str], ...] = ()
    ) -> Any:
        """What the server answers, parsed; None for an empty answer. Every request here may be repeated."""
        headers = dict(self.headers)
        data = b""
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        request = Request(
            method, self.origin, self.base + path, query, headers, BytesBody(data), idempotent=True
        )
        self._sign(request, data)
        response = self._client.send(request)
        found = _parsed(response)
        if response.status >= 300:
            raise self._error(response, found)
        return found

    def close(self) -> None:
        self._client.close()

    def _sign(self, request: Request, data: bytes) -> None:
        """What stores do whose requests are signed. data: the body."""

    def _error(self, response: Response, found: Any) -> BackendError:
        known = self._meaning(response.status, found)
        if known is not None:
            return known
        error = error_of(response, code="", message=_message(found, response), where="", meanings={})
        error.hint = "check the key and what it may do" if isinstance(error, PermissionDenied) else ""
        return error


def quoted(part: str) -> str:
    """A name as one part of a path."""
    return encode(part)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {_one_line(token)}"} if token else {}


def key_header(name: str, key: str) -> dict[str, str]:
    return {name: _one_line(key)} if key else {}


def basic(credentials: str) -> dict[str, str]:
    """credentials: ``user:password``."""
    return {"authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


def _one_line(secret: str) -> str:
    if not secret.isascii() or not secret.isprintable():
        raise InvalidInput("a key has printable ASCII characters only", where="key")
    return secret


def _parsed(response: Response) -> Any:
    if not response.body.strip():
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _message(found: Any, response: Response) -> str:
    """The sentence in an answer that says no, wherever the vendor puts it."""
    if isinstance(found, Mapping):
        for name in ("message", "error", "detail", "status"):
            value = found.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, Mapping):
                return _message(value, response)
            if isinstance(value, list) and value:
                return _message(value[0], response) if isinstance(value[0], Mapping) else str(value[0])
    return response.body[:300].decode("utf-8", "replace")
