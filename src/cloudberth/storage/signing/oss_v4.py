"""Signatures of Alibaba Cloud OSS, version 4 (``OSS4-HMAC-SHA256``); version 1 is closed to new accounts.

As Alibaba documents it (Object Storage Service, "Include a V4 signature in the header" and "… in a URL"). The
signed path has the bucket also where the host name has it. The body is not part of the signature: its MD5 or
the checksum of the answer vouches for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Request, encode
from cloudberth.storage.signing.scoped import signature

ALGORITHM = "OSS4-HMAC-SHA256"
PAYLOAD = "UNSIGNED-PAYLOAD"
LONGEST = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class OssV4:
    """A signer for one bucket. region: ``cn-hangzhou``, without ``oss-``; of a CloudBox its id.

    product: ``oss``, or ``oss-cloudbox``. bucket_in_path: the path of requests starts with the bucket.
    """

    region: str
    bucket: str
    bucket_in_path: bool = False
    product: str = "oss"

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put date, token and Authorization on a request. now: seconds since 1970."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        headers = request.headers
        headers["x-oss-date"] = stamp
        headers["x-oss-content-sha256"] = PAYLOAD
        headers.pop("x-oss-security-token", None)
        if credentials.token:
            headers["x-oss-security-token"] = credentials.token
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{self._scope(stamp)},"
            f"Signature={self._signature(request, request.query, credentials, stamp)}"
        )

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None:
        """Put the signature into the query. Headers the request has must be sent as they are."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        pairs = [
            *request.query,
            ("x-oss-signature-version", ALGORITHM),
            ("x-oss-credential", f"{credentials.access_key}/{self._scope(stamp)}"),
            ("x-oss-date", stamp),
            ("x-oss-expires", str(seconds)),
        ]
        if credentials.token:
            pairs.append(("x-oss-security-token", credentials.token))
        made = self._signature(request, tuple(pairs), credentials, stamp)
        request.query = (*pairs, ("x-oss-signature", made))

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.product}/aliyun_v4_request"

    def _signature(
        self, request: Request, query: tuple[tuple[str, str], ...], credentials: Credentials, stamp: str
    ) -> str:
        secret = f"aliyun_v4{credentials.secret_key}"
        return signature(secret, ALGORITHM, stamp, self._scope(stamp), self.canonical(request, query))

    def canonical(self, request: Request, query: tuple[tuple[str, str], ...]) -> str:
        """What is hashed: method, path, query, headers of OSS, and that the body is not signed."""
        path = request.path if self.bucket_in_path else f"/{self.bucket}{request.path}"
        if path == f"/{self.bucket}":
            path += "/"
        pairs = sorted((encode(name), encode(value)) for name, value in query)
        text = "&".join(f"{name}={value}" if value else name for name, value in pairs)
        signed = sorted(
            (name, value.strip())
            for name, value in request.headers.items()
            if name in {"content-type", "content-md5"} or name.startswith("x-oss-")
        )
        headers = "".join(f"{name}:{value}\n" for name, value in signed)
        return f"{request.method}\n{path}\n{text}\n{headers}\n\n{PAYLOAD}"
