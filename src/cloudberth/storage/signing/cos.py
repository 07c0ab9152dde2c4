"""Signatures of Tencent Cloud COS (``q-sign-algorithm=sha1``).

As Tencent documents it (Cloud Object Storage, "Request Signature"): the path is signed as it reads decoded,
the values of headers and of the query percent-encoded. Host and every parameter are part of it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Request, encode

VALID = 900
EARLIER = 60  # the server's clock may be behind ours
SIGNED = frozenset({
    "cache-control", "content-disposition", "content-encoding", "content-md5", "content-type", "if-match",
    "if-none-match", "range",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cos:
    """A signer; COS has neither region nor bucket in a signature but in the host that is signed."""

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put token and Authorization on a request. now: seconds since 1970; it holds for 15 minutes."""
        headers = request.headers
        headers.pop("x-cos-security-token", None)
        if credentials.token:
            headers["x-cos-security-token"] = credentials.token
        fields = self._fields(request, credentials, int(now) - EARLIER, int(now) + VALID)
        headers["authorization"] = "&".join(f"{name}={value}" for name, value in fields)

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None:
        """Put the signature into the query. Headers the request has must be sent as they are."""
        if credentials.token:
            request.query = (*request.query, ("x-cos-security-token", credentials.token))
        fields = self._fields(request, credentials, int(now) - EARLIER, int(now) + seconds)
        request.query = (*request.query, *fields)

    def _fields(
        self, request: Request, credentials: Credentials, start: int, end: int
    ) -> tuple[tuple[str, str], ...]:
        period = f"{start};{end}"
        signed = {
            name: value
            for name, value in request.headers.items()
            if name in SIGNED or name.startswith("x-cos-")
        }
        headers = _encoded({**signed, "host": request.origin.authority}.items())
        parameters = _encoded(request.query)
        canonical = "\n".join((
            request.method.lower(), unquote(request.path, errors="surrogateescape"), _joined(parameters),
            _joined(headers), "",
        ))  # fmt: skip
        hashed = hashlib.sha1(canonical.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        key = hmac.digest(credentials.secret_key.encode(), period.encode(), "sha1").hex()
        signature = hmac.digest(key.encode(), f"sha1\n{period}\n{hashed}\n".encode(), "sha1").hex()
        return (
            ("q-sign-algorithm", "sha1"),
            ("q-ak", credentials.access_key),
            ("q-sign-time", period),
            ("q-key-time", period),
            ("q-header-list", ";".join(name for name, _ in headers)),
            ("q-url-param-list", ";".join(name for name, _ in parameters)),
            ("q-signature", signature),
        )


def _encoded(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted((encode(name).lower(), encode(value)) for name, value in pairs)


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)
