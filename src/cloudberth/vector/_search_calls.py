"""REST of Elasticsearch and its relatives: bulk bodies, signatures of AWS, and what their errors mean."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cloudberth.errors import (
    BackendError,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.credentials import Provider
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Request, Response
from cloudberth.storage.signing.sigv4 import SigV4
from cloudberth.vector._rest import Rest
from cloudberth.vector.options import Options

# Bytes of one bulk request; servers take 10 MB (small ones of AWS) to 100 MB.
_BULK = 8_000_000


class SearchRest(Rest):
    """Requests to one cluster. signer: what puts a signature on each, if the server asks for one."""

    def __init__(
        self,
        url: str,
        options: Options,
        *,
        headers: Mapping[str, str] | None = None,
        ca_file: str = "",
        signer: RequestSigner | None = None,
    ) -> None:
        super().__init__(url, options, headers=headers, ca_file=ca_file, meaning=meaning)
        if signer is not None:
            self._client = _SigningClient(self._client, signer)  # type: ignore[assignment]

    def exists(self, path: str) -> bool:
        """Whether there is an index at a path."""
        try:
            self.call("HEAD", path)
        except NotFound:
            return False
        return True

    def bulk(self, path: str, lines: Iterable[bytes], query: tuple[tuple[str, str], ...]) -> int:
        """Send actions, each a line or two; how many removed something. Raises for the first that failed."""
        removed = 0
        for body in _bodies(lines):
            headers = {**self.headers, "content-type": "application/x-ndjson"}
            request = Request(
                "POST", self.origin, self.base + path, query, headers, BytesBody(body), idempotent=True
            )
            response = self._client.send(request)
            found = _json(response)
            if response.status >= 300:
                raise self._error(response, found)
            for item in (found or {}).get("items", ()):
                (result,) = item.values()
                if result.get("error"):
                    raise _of_item(result)
                removed += result.get("result") == "deleted"
        return removed


class RequestSigner:
    """Signature version 4 for a service of AWS: ``es`` (OpenSearch Service), ``aoss`` (serverless).

    For services other than S3 paths would be encoded twice; those of indexes have nothing to encode.
    """

    def __init__(self, region: str, service: str, credentials: Provider) -> None:
        self._signature = SigV4(region, service)
        self._credentials = credentials

    def sign(self, request: Request) -> None:
        self._signature.sign(request, self._credentials(), time.time())


class _SigningClient:
    def __init__(self, client: Client, signer: RequestSigner) -> None:
        self._client = client
        self._signer = signer

    def send(self, request: Request) -> Response:
        self._signer.sign(request)
        return self._client.send(request)

    def close(self) -> None:
        self._client.close()


def line(action: Any, document: Any = None) -> bytes:
    """An action of a bulk request."""
    parts = [action] if document is None else [action, document]
    return "".join(
        json.dumps(part, separators=(",", ":"), ensure_ascii=False) + "\n" for part in parts
    ).encode()


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means where its status alone does not say it."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, str):
        return _meant(status, "", error)
    if not isinstance(error, Mapping):
        conflicts = isinstance(body, Mapping) and bool(body.get("version_conflicts"))
        return Unavailable("records were changed while they were removed") if conflicts else None
    causes = [error, *(error.get("root_cause") or ()), error.get("caused_by") or {}]
    said = next((str(one["reason"]) for one in reversed(causes) if one.get("reason")), "")
    return _meant(status, str(error.get("type", "")), f"{error.get('reason', '')}: {said}")


def _of_item(result: Mapping[str, Any]) -> BackendError:
    error = result["error"]
    kind, said = (error.get("type", ""), str(error)) if isinstance(error, Mapping) else ("", str(error))
    status = int(result.get("status", 400))
    found = _meant(status, str(kind), said)
    return found or BackendError(" ".join(said.split())[:300], kind=Kind.UNEXPECTED)


def _meant(status: int, kind: str, said: str) -> BackendError | None:
    said = " ".join(said.split())[:300]
    if "index_not_found" in kind or status == 404:
        return NotFound(said or "there is no such index")
    if "already_exists" in kind:
        return PreconditionFailed(said)
    if status == 429 or "rejected_execution" in kind:
        return Throttled(said)
    if "version_conflict" in kind:
        return Unavailable(said)
    if status in {401, 403}:
        return PermissionDenied(said, hint="check user and password, or the role, and what they may do")
    if "dimension" in said and any(
        word in said for word in ("different", "does not match", "length", "Invalid")
    ):
        return Mismatch(said)
    return BackendError(said, kind=Kind.INVALID) if status == 400 else None


def _bodies(lines: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for one in lines:
        if held and size + len(one) > _BULK:
            yield b"".join(held)
            held, size = [], 0
        held.append(one)
        size += len(one)
    if held:
        yield b"".join(held)


def _json(response: Response) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None
