"""AWS Signature Version 4 for S3, and for those who speak it: header and query form.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. Paths are encoded once,
as S3 has it. Checked against botocore's own signatures, and by a server that refuses wrong ones.
"""

from __future__ import annotations

import hashlib
import time

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode, encode_query
from cloudberth.storage.signing.scoped import signature

UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
# Not signed, because the wire adds or changes them.
_UNSIGNED_HEADERS = frozenset({"authorization", "user-agent", "expect", "proxy-authorization"})


class SigV4:
    """Signs for one service in one region. Safe to share."""

    def __init__(self, region: str, service: str = "s3") -> None:
        self.region = region
        self.service = service
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
        headers["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{self._scope(date)}, SignedHeaders={joined}, "
            f"Signature={self._signature(canonical, credentials, date)}"
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
        return f"{origin}{path}?{text}&X-Amz-Signature={self._signature(canonical, credentials, date)}"

    def _signature(self, canonical: str, credentials: Credentials, date: str) -> str:
        return signature(f"AWS4{credentials.secret_key}", _ALGORITHM, date, self._scope(date), canonical)

    def _scope(self, date: str) -> str:
        return f"{date[:8]}/{self.region}/{self.service}/aws4_request"

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
