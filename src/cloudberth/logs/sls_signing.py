"""Signatures of Alibaba Cloud's Simple Log Service, version 1 (HMAC-SHA1) and 4 (HMAC-SHA256).

https://www.alibabacloud.com/help/en/sls/developer-reference/request-signatures. Both are compared with the
vendor's own SDK in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import encode
from cloudberth.storage.signing.scoped import signature

VERSION = "0.6.0"
_ALGORITHM = "SLS4-HMAC-SHA256"
Pairs = Mapping[str, str]


def headers_v1(
    method: str, path: str, query: Pairs, headers: Pairs, body: bytes, keys: Credentials, now: datetime
) -> dict[str, str]:
    """All headers of a signed request, names in lower case. path: not encoded."""
    found = _first(headers, keys)
    found["x-log-signaturemethod"] = "hmac-sha1"
    found["date"] = format_datetime(now.astimezone(UTC), usegmt=True)
    if body:
        found["content-md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    ours = sorted((name, value) for name, value in found.items() if name.startswith(("x-log-", "x-acs-")))
    resource = path + ("?" + "&".join(f"{name}={query[name]}" for name in sorted(query)) if query else "")
    text = "\n".join(
        [
            method,
            found.get("content-md5", ""),
            found.get("content-type", ""),
            found["date"],
            *(f"{name}:{value}" for name, value in ours),
            resource,
        ]
    )
    digest = hmac.new(keys.secret_key.encode(), text.encode(), hashlib.sha1).digest()
    found["authorization"] = f"LOG {keys.access_key}:{base64.b64encode(digest).decode()}"
    return found


def headers_v4(
    method: str,
    path: str,
    query: Pairs,
    headers: Pairs,
    body: bytes,
    keys: Credentials,
    now: datetime,
    region: str,
) -> dict[str, str]:
    """All headers of a signed request, names in lower case. The host is signed when it is among `headers`."""
    found = _first(headers, keys)
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    found["x-log-date"] = moment
    found["x-log-content-sha256"] = hashlib.sha256(body).hexdigest()
    signed = {
        name: value.strip()
        for name, value in sorted(found.items())
        if name in ("content-type", "host") or name.startswith(("x-log-", "x-acs-"))
    }
    request = "\n".join(
        [
            method,
            path,
            "&".join(f"{name}={encode(value)}" if value else name for name, value in sorted(query.items())),
            "".join(f"{name}:{value}\n" for name, value in signed.items()),
            ";".join(signed),
            found["x-log-content-sha256"],
        ]
    )
    scope = f"{moment[:8]}/{region}/sls/aliyun_v4_request"
    found["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope},"
        f"Signature={signature(f'aliyun_v4{keys.secret_key}', _ALGORITHM, moment, scope, request)}"
    )
    return found


def _first(headers: Pairs, keys: Credentials) -> dict[str, str]:
    found = {name.lower(): value for name, value in headers.items()}
    found["x-log-apiversion"] = VERSION
    if keys.token:
        found["x-acs-security-token"] = keys.token
    return found
