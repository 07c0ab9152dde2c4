"""TOS4-HMAC-SHA256, the signature of Volcengine TOS: Amazon's SigV4 with other names.

Source: Volcengine TOS, "Signature mechanism" (docs/6349/74839), and what the SDK ``tos`` 2.9.3 sends. Unlike
SigV4 the key chain starts from the secret itself, the scope ends in ``tos/request``, and the payload is not
hashed: bodies go with Content-MD5, which the server checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Request, encode_query
from cloudberth.storage.signing.scoped import signature

ALGORITHM = "TOS4-HMAC-SHA256"
PREFIX = "x-tos-"
UNSIGNED = "UNSIGNED-PAYLOAD"


class TosV4:
    """Signs requests to one region."""

    def __init__(self, region: str) -> None:
        self.region = region

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put date, token and Authorization on a request, in the place of older ones. now: since 1970."""
        headers = request.headers
        headers.pop("authorization", None)
        headers["x-tos-date"] = stamp = moment(now)
        headers["x-tos-content-sha256"] = UNSIGNED
        if credentials.token:
            headers["x-tos-security-token"] = credentials.token
        signed = {
            name: value
            for name, value in headers.items()
            if name == "content-type" or name.startswith(PREFIX)
        }
        signed["host"] = request.origin.authority
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{self._scope(stamp)}, "
            f"SignedHeaders={';'.join(sorted(signed))}, "
            f"Signature={self._signature(request, credentials, stamp, signed)}"
        )

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None:
        """Put the signature into the query; all headers that the request has are signed with Host."""
        stamp = moment(now)
        signed = {"host": request.origin.authority, **request.headers}
        query = [(name, value) for name, value in request.query if not name.lower().startswith(PREFIX)]
        query += [
            ("X-Tos-Algorithm", ALGORITHM),
            ("X-Tos-Credential", f"{credentials.access_key}/{self._scope(stamp)}"),
            ("X-Tos-Date", stamp),
            ("X-Tos-Expires", str(seconds)),
            ("X-Tos-SignedHeaders", ";".join(sorted(signed))),
        ]
        if credentials.token:
            query.append(("X-Tos-Security-Token", credentials.token))
        request.query = tuple(query)
        request.query = (*query, ("X-Tos-Signature", self._signature(request, credentials, stamp, signed)))

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/tos/request"

    def _signature(
        self, request: Request, credentials: Credentials, stamp: str, signed: Mapping[str, str]
    ) -> str:
        names = sorted(signed)
        canonical = "\n".join(
            (
                request.method,
                request.path,
                _canonical_query(request.query),
                *(f"{name}:{signed[name].strip()}" for name in names),
                "",
                ";".join(names),
                UNSIGNED,
            )
        )
        return signature(credentials.secret_key, ALGORITHM, stamp, self._scope(stamp), canonical)


def moment(now: float) -> str:
    """``20260102T030405Z``."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _canonical_query(query: Iterable[tuple[str, str]]) -> str:
    return encode_query(sorted(pair for pair in query if pair[0].lower() != "x-tos-signature"))
