"""HMAC-SHA256, the signature of Volcengine's OpenAPI: Amazon's SigV4 with other names.

Source: Volcengine VikingDB, docs/84313/1254529, and what the vendor's Python SDK sends. The key chain starts
from the secret itself, the scope ends in ``request``, and the payload is hashed into a header.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from cloudberth.storage.http.message import Request, encode_query
from cloudberth.storage.signing.scoped import signature
from cloudberth.vector._rest import Rest
from cloudberth.vector.options import Options

ALGORITHM = "HMAC-SHA256"


class Signed(Rest):
    """Requests signed with an access key. service: ``air`` for VikingDB."""

    def __init__(
        self,
        url: str,
        options: Options,
        *,
        access_key: str,
        secret_key: str,
        service: str,
        region: str,
        **named: Any,
    ) -> None:
        super().__init__(url, options, **named)
        self._access_key = access_key
        self._secret_key = secret_key
        self._scope = f"{region}/{service}/request"

    def _sign(self, request: Request, data: bytes) -> None:
        sign(request, data, self._access_key, self._secret_key, self._scope, time.time())


def sign(request: Request, data: bytes, access_key: str, secret_key: str, scope: str, now: float) -> None:
    """Put date, hash and Authorization on a request. scope: ``region/service/request``. now: since 1970."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    hashed = hashlib.sha256(data).hexdigest()
    headers = request.headers
    headers["x-date"], headers["x-content-sha256"] = stamp, hashed
    signed = {
        name: value for name, value in headers.items() if name == "content-type" or name.startswith("x-")
    }
    signed["host"] = request.origin.authority
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    query = encode_query(sorted(request.query))
    canonical = "\n".join((request.method, request.path, query, lines, names, hashed))
    dated = f"{stamp[:8]}/{scope}"
    headers["authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{dated}, SignedHeaders={names}, "
        f"Signature={signature(secret_key, ALGORITHM, stamp, dated, canonical)}"
    )
