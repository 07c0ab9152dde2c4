"""bce-auth-v1, the signature of Baidu's clouds: HMAC-SHA256 over method, path, query and named headers.

Source: Baidu AI Cloud, "Authentication mechanism" (the generation of the authentication string), and what
bce-python-sdk 0.9.79 sends. The headers that are signed are named, so that nothing depends on a default of
the server: Host, Content-MD5, Content-Type, and all that start with ``x-bce-``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Request, encode, encode_query

PREFIX = "x-bce-"
TOKEN = "x-bce-security-token"  # noqa: S105
VALID = 1800
"""Seconds that a signature in a header holds."""


class BceV1:
    """Signs requests to one service of Baidu. Has no state."""

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put date, token and Authorization on a request, in the place of older ones. now: since 1970."""
        headers = request.headers
        headers.pop("authorization", None)
        headers["x-bce-date"] = moment(now)
        if credentials.token:
            headers[TOKEN] = credentials.token
        signed = {
            name: value
            for name, value in headers.items()
            if name in {"content-md5", "content-type"} or name.startswith(PREFIX)
        }
        headers["authorization"] = authorization(request, credentials, now, VALID, signed)

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None:
        """Put the signature into the query; all headers that the request has are signed with Host."""
        query = [(name, value) for name, value in request.query if name not in {"authorization", TOKEN}]
        if credentials.token:
            query.append((TOKEN, credentials.token))
        request.query = tuple(query)
        value = authorization(request, credentials, now, seconds, request.headers)
        request.query = (*query, ("authorization", value))


def authorization(
    request: Request, credentials: Credentials, now: float, seconds: int, headers: Mapping[str, str]
) -> str:
    """The authentication string. headers: to be signed besides Host; those without a value never are."""
    signed = {"host": request.origin.authority, **{name: value for name, value in headers.items() if value}}
    names = ";".join(sorted(signed))
    prefix = f"bce-auth-v1/{credentials.access_key}/{moment(now)}/{seconds}"
    key = _hex_hmac(credentials.secret_key, prefix)
    canonical = "\n".join(
        (request.method, request.path, _canonical_query(request.query), _canonical_headers(signed))
    )
    return f"{prefix}/{names}/{_hex_hmac(key, canonical)}"


def moment(now: float) -> str:
    """``2016-04-06T08:23:49Z``."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _canonical_query(query: Iterable[tuple[str, str]]) -> str:
    return "&".join(sorted(encode_query([pair]) for pair in query if pair[0].lower() != "authorization"))


def _canonical_headers(headers: Mapping[str, str]) -> str:
    return "\n".join(sorted(f"{encode(name)}:{encode(value.strip())}" for name, value in headers.items()))


def _hex_hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
