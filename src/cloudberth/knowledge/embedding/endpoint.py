"""Asking a model behind HTTP: one JSON request, repeats, failures as errors of ours, answers that stream.

The interface is OpenAI's, which almost every server of models speaks. Azure's differs in the header of the
key and a parameter in the address; both can be set. Redirects are not followed: the key is for one host.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.retry import RetryPolicy
from cloudberth.settings import revealed
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options

KeyHeader = Literal["authorization", "api-key"]
_MESSAGE = 400
_PIECE = 16 * 1024
_LONGEST_LINE = 4 * 1024 * 1024
_NO_MORE_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "Arrearage"}


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """url: up to the version (``https://api.openai.com/v1``); a query in it goes with every request.

    key_header: ``authorization`` (Bearer) or ``api-key`` (Azure). timeout: seconds for one answer, all of it.
    """

    url: str
    key: SecretStr | None = None
    key_header: KeyHeader = "authorization"
    timeout: float = 60.0
    retries: int = 4


class Endpoint:
    """One server of models. Thread-safe. operation: what is put behind the address (``embeddings``)."""

    def __init__(self, settings: EndpointSettings, operation: str) -> None:
        parts = urlsplit(settings.url)
        path = parts.path.rstrip("/")
        self._origin = Origin.parse(f"{parts.scheme}://{parts.netloc}")
        if parts.username or parts.password:
            raise InvalidInput("an address cannot hold a password", where="url", hint="set the key")
        self._path = path if path.endswith(f"/{operation}") else f"{path}/{operation}"
        self._query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        self.where = f"{self._origin.authority} {operation}"
        self._key = settings.key
        if revealed(self._key) and self._origin.scheme == "http" and not _is_near(self._origin.host):
            raise InvalidInput(
                "the key would travel unencrypted", where=str(self._origin), hint="write https://"
            )
        self._key_header = settings.key_header
        deadline = settings.timeout * 2 + 60.0
        options = Options(read_timeout=settings.timeout, retries=settings.retries, deadline=deadline)
        self._client = Client(options)
        self._policy = RetryPolicy(retries=settings.retries, deadline=deadline, base=0.5, longest=20.0)

    def ask(self, body: Mapping[str, Any]) -> Any:
        """The JSON of the answer. Asked again when that can help, and as late as the server says."""
        response = self._policy.run(lambda: self._once(body, stream=False))
        try:
            return json.loads(response.body)
        except ValueError:
            raise unexpected("the answer is no JSON", self.where) from None

    def events(self, body: Mapping[str, Any]) -> Iterator[Any]:
        """The JSON of every server-sent event, as they come, up to ``[DONE]``. Closing it hangs up.

        Asked again only as long as nothing has come. Unavailable when the answer breaks off.
        """
        response = self._policy.run(lambda: self._once(body, stream=True))
        try:
            for line in _lines(response, self.where):
                name, _, value = line.partition(b":")
                if name != b"data":
                    continue
                value = value.strip()
                if value == b"[DONE]":
                    return
                yield self._event(value)
        except BackendError as error:
            error.where = error.where or self.where
            raise
        finally:
            response.reader.close()

    def close(self) -> None:
        self._client.close()

    def _once(self, body: Mapping[str, Any], *, stream: bool) -> Response:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if stream:
            headers["accept"] = "text/event-stream"
        key = revealed(self._key)
        if key:
            headers[self._key_header] = key if self._key_header == "api-key" else f"Bearer {key}"
        request = Request(
            "POST",
            self._origin,
            self._path,
            self._query,
            headers,
            BytesBody(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")),
            stream=stream,
        )
        try:
            response = self._client.send(request)
        except BackendError as error:
            error.where = error.where or self.where
            raise
        if response.status != 200:
            raise failure(response, self.where)
        return response

    def _event(self, value: bytes) -> Any:
        try:
            found = json.loads(value)
        except ValueError:
            raise unexpected("an event of the answer is no JSON", self.where) from None
        if isinstance(found, dict) and found.get("error"):
            code, text = words(found)
            error = Unavailable(text or code or "the answer broke off", where=self.where)
            error.code = code
            raise error
        return found


def _lines(response: Response, where: str) -> Iterator[bytes]:
    """The lines of an answer, each as soon as it is there."""
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    kept = bytearray()
    while count := response.reader.readinto(view):
        kept += view[:count]
        if len(kept) > _LONGEST_LINE:
            raise unexpected("a line of the answer does not end", where)
        *whole, rest = kept.split(b"\n")
        kept = bytearray(rest)
        for line in whole:
            yield bytes(line.rstrip(b"\r"))
    if kept:
        yield bytes(kept)


def failure(response: Response, where: str) -> BackendError:
    """The error of an answer that is none."""
    status = response.status
    try:
        code, text = words(json.loads(response.body))
    except ValueError:
        code, text = "", ""
    said = text or code or f"HTTP {status}"
    found: BackendError
    if status in (401, 403):
        found = PermissionDenied(said, where=where, hint="check the key, and what it may use")
    elif status == 402 or (status == 429 and code in _NO_MORE_MONEY):
        found = BackendError(
            said, kind=Kind.RATE_LIMITED, where=where, hint="the account has used up its credit"
        )
    elif status == 404:
        found = NotFound(said, where=where, hint="check the address and the name of the model")
    elif status == 429:
        found = Throttled(said, where=where, retry_after=_seconds(response))
    elif status in (408, 504):
        found = TimedOut(said, where=where)
    elif status >= 500:
        found = Unavailable(said, where=where)
        found.retry_after = _seconds(response)
    elif 300 <= status < 400:
        found = BackendError(
            f"it redirects (HTTP {status})", kind=Kind.INVALID, where=where, hint="check the address"
        )
    else:
        found = BackendError(said, kind=Kind.INVALID, where=where)
    found.code = code or str(status)
    return found


def words(answer: Any) -> tuple[str, str]:
    """The code and the sentence of a failure: OpenAI's ``error`` object, or what others put in its place."""
    if not isinstance(answer, dict):
        return "", ""
    error = answer.get("error", answer)
    if isinstance(error, str):
        return "", _line(error)
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code") or error.get("type") or ""
    text = error.get("message") or error.get("detail") or ""
    return str(code), _line(text if isinstance(text, str) else json.dumps(text))


def _line(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE]


def _seconds(response: Response) -> float | None:
    """How long the server wants us to wait: Retry-After in seconds, or Azure's in milliseconds."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(float(response.header(name)) * unit, 0.0), 120.0)
        except ValueError:
            continue
    return None


def unexpected(what: str, where: str) -> BackendError:
    """The server says something that the interface does not know."""
    return BackendError(what, kind=Kind.UNEXPECTED, where=where)


def _is_near(host: str) -> bool:
    """Whether a host is this machine, or a private network's, where plain HTTP is usual."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".svc"))
