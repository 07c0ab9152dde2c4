"""AWS Signature Version 4 for S3, and for those who speak it: header and query form.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. The service is always
``s3``, so paths are encoded once. Checked against botocore's own signatures, and by a server that refuses
wrong ones.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode, encode_query

UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
# Not signed, because the wire adds or changes them.
_UNSIGNED_HEADERS = frozenset({"authorization", "user-agent", "expect", "proxy-authorization"})


@dataclass(slots=True)
class _Day:
    """The signing key of one day for one secret: three of four HMACs are spared for each request."""

    name: str = ""
    secret: str = ""
    key: bytes = b""


class SigV4:
    """Signs for one region. Safe to share: at worst two threads derive the same key."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._day = _Day()
        self._second = (0, "")

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put x-amz-date, x-amz-content-sha256 and authorization on a request; earlier ones are replaced."""
        date = self._date(now)
        headers = request.headers
        headers.pop("authorization", None)
        headers["x-amz-date"] = date
        headers["x-amz-content-sha256"] = digest = payload_digest(request)
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        signed = {"host": request.origin.authority}
        for name, value in headers.items():
            if name not in _UNSIGNED_HEADERS:
                signed[name] = " ".join(value.split()) if "  " in value else value
        names = sorted(signed)
        joined = ";".join(names)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        query = encode_query(sorted(request.query)) if request.query else ""
        canonical = f"{request.method}\n{request.path}\n{query}\n{lines}\n{joined}\n{digest}"
        scope, signature = self._signature(canonical, credentials, date)
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={joined}, "
            f"Signature={signature}"
        )

    def presign(
        self,
        method: str,
        origin: Origin,
        path: str,
        headers: dict[str, str],
        credentials: Credentials,
        seconds: int,
        now: float,
        query: tuple[tuple[str, str], ...] = (),
    ) -> str:
        """A URL that holds for so many seconds. headers: those that have to be sent with it."""
        date = self._date(now)
        signed = {"host": origin.authority, **headers}
        names = sorted(signed)
        pairs = [
            *query,
            ("X-Amz-Algorithm", _ALGORITHM),
            ("X-Amz-Credential", f"{credentials.access_key}/{self._scope(date)}"),
            ("X-Amz-Date", date),
            ("X-Amz-Expires", str(seconds)),
            ("X-Amz-SignedHeaders", ";".join(names)),
        ]
        if credentials.token:
            pairs.append(("X-Amz-Security-Token", credentials.token))
        text = encode_query(sorted(pairs, key=lambda pair: (encode(pair[0]), encode(pair[1]))))
        lines = "".join(f"{name}:{signed[name]}\n" for name in names)
        canonical = f"{method}\n{path}\n{text}\n{lines}\n{';'.join(names)}\n{UNSIGNED}"
        _, signature = self._signature(canonical, credentials, date)
        return f"{origin}{path}?{text}&X-Amz-Signature={signature}"

    def _signature(self, canonical: str, credentials: Credentials, date: str) -> tuple[str, str]:
        scope = self._scope(date)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{date}\n{scope}\n{digest}"
        key = self._key(credentials.secret_key, date[:8])
        return scope, hmac.digest(key, text.encode(), "sha256").hex()

    def _scope(self, date: str) -> str:
        return f"{date[:8]}/{self.region}/s3/aws4_request"

    def _key(self, secret: str, day: str) -> bytes:
        known = self._day
        if known.name == day and known.secret == secret:
            return known.key
        key = f"AWS4{secret}".encode()
        for step in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        self._day = _Day(day, secret, key)
        return key

    def _date(self, now: float) -> str:
        second, text = self._second
        if second != int(now):
            text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
            self._second = (int(now), text)
        return text


def payload_digest(request: Request) -> str:
    """SHA-256 of a body in memory, which the server then checks; files are not read twice for it."""
    body = request.body
    if not body.size:
        return _EMPTY_SHA256
    view = body.view
    return hashlib.sha256(view).hexdigest() if view is not None else UNSIGNED
