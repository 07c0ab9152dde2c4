"""Asking a vendor's JSON interface: repeats, and failures as errors of ours. Shared by three stores."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

from cloudberth.errors import (
    BackendError,
    ExpiredCredentials,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    Throttled,
    Unavailable,
)
from cloudberth.retry import RetryPolicy
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options

OPTIONS = Options(read_timeout=200.0, deadline=600.0)
"""Queries over much data take minutes; Azure gives up after ten."""
_MESSAGE_LENGTH = 400

Explain = Callable[[Mapping[str, Any]], tuple[str, str]]
"""The vendor's code and words in the JSON object of a failure."""
Authorize = Callable[[Request], None]


class JsonService:
    """One vendor's interface. authorize: puts credentials on a request, anew for each attempt.

    where: the store, for people. hint: what to do when the vendor says no.
    """

    def __init__(
        self,
        origin: Origin,
        authorize: Authorize,
        explain: Explain,
        *,
        where: str,
        hint: str,
        options: Options = OPTIONS,
        proxy: str | None = None,
    ) -> None:
        self.origin = origin
        self.where = where
        self._authorize = authorize
        self._explain = explain
        self._hint = hint
        self._client = Client(options, proxy)
        self._policy = RetryPolicy.of(options)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Any, Response]:
        """The JSON of the answer, and the answer. Only reads: all is asked again when that can help."""

        def once() -> Response:
            request = Request(method, self.origin, path, query, dict(headers or {}))
            if body is not None:
                request.headers["content-type"] = "application/json"
                request.body = BytesBody(json.dumps(body).encode())
            self._authorize(request)
            response = self._client.send(request)
            if response.status != 200:
                raise self._failure(response)
            return response

        response = self._policy.run(once)
        try:
            return json.loads(response.body or b"null"), response
        except ValueError:
            raise BackendError("the answer is no JSON", kind=Kind.UNEXPECTED, where=self.where) from None

    def close(self) -> None:
        self._client.close()

    def _failure(self, response: Response) -> BackendError:
        status, (code, text) = response.status, self._words(response)
        said = f"{code}: {text}" if code and text else code or text or f"HTTP {status}"
        found: BackendError
        if status in (401, 403):
            expired = "expired" in said.lower()
            found = (ExpiredCredentials if expired else PermissionDenied)(
                said, where=self.where, hint=self._hint
            )
        elif status == 404:
            found = NotFound(said, where=self.where)
        elif status == 429:
            found = Throttled(said, where=self.where, retry_after=_seconds(response.header("retry-after")))
        elif status >= 500:
            found = Unavailable(said, where=self.where)
            found.retry_after = _seconds(response.header("retry-after"))
        else:
            found = BackendError(said, kind=Kind.INVALID, where=self.where)
        found.code = code
        return found

    def _words(self, response: Response) -> tuple[str, str]:
        try:
            code, text = self._explain(json.loads(response.body))
        except (ValueError, TypeError, KeyError, AttributeError):
            return "", f"HTTP {response.status}"
        line = " ".join(text.split())[:_MESSAGE_LENGTH]
        return code, line


def _seconds(text: str) -> float | None:
    try:
        return min(max(float(text), 0.0), 120.0)
    except ValueError:
        return None


def origin_of(given: str | None, default: str) -> Origin:
    """The server to ask. given: of a location; plain HTTP is for this machine alone, tokens travel on it."""
    origin = Origin.parse(given or default)
    if origin.scheme == "http" and not _is_here(origin.host):
        raise InvalidInput(f"{origin} is not encrypted", hint="write https://")
    return origin


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
