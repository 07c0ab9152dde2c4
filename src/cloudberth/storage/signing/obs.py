"""Signatures of Huawei Cloud OBS (``OBS access-key:signature``), which are S3's version 2 under other names.

As Huawei documents it (Object Storage Service API, "User Signature Authentication"): HMAC-SHA1 over the
method, MD5, type and date, the ``x-obs-`` headers, and the path with those parameters that name a
sub-resource. With the dialect `AWS` the same signer speaks S3's version 2, which other servers understand.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Request

# Parameters that belong to the signature; all others (prefix, marker …) do not.
SIGNED = frozenset({
    "acl", "append", "cors", "delete", "deletebucket", "encryption", "length", "lifecycle", "location",
    "logging", "metadata", "modify", "name", "notification", "partNumber", "policy", "position", "quota",
    "rename", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
    "restore", "storageClass", "storagePolicy", "storageinfo", "tagging", "torrent", "truncate", "uploadId",
    "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip
PREFIX = {"OBS": "x-obs-", "AWS": "x-amz-"}
KEY_PARAMETER = {"OBS": "AccessKeyId", "AWS": "AWSAccessKeyId"}


@dataclass(frozen=True, slots=True)
class Obs:
    """A signer for one bucket. bucket_in_path: the path of requests starts with the bucket."""

    bucket: str
    bucket_in_path: bool = False
    dialect: Literal["OBS", "AWS"] = "OBS"

    @property
    def prefix(self) -> str:
        return PREFIX[self.dialect]

    def sign(self, request: Request, credentials: Credentials, now: float) -> None:
        """Put date, token and Authorization on a request. now: seconds since 1970."""
        headers = request.headers
        headers["date"] = formatdate(now, usegmt=True)
        headers.pop(f"{self.prefix}security-token", None)
        if credentials.token:
            headers[f"{self.prefix}security-token"] = credentials.token
        signature = self._signature(request, credentials, headers["date"])
        headers["authorization"] = f"{self.dialect} {credentials.access_key}:{signature}"

    def presign(self, request: Request, credentials: Credentials, now: float, seconds: int) -> None:
        """Put the signature into the query. Headers the request has must be sent as they are."""
        if credentials.token:
            request.query = (*request.query, (f"{self.prefix}security-token", credentials.token))
        expires = str(int(now) + seconds)
        signature = self._signature(request, credentials, expires)
        request.query = (
            *request.query,
            (KEY_PARAMETER[self.dialect], credentials.access_key),
            ("Expires", expires),
            ("Signature", signature),
        )

    def _signature(self, request: Request, credentials: Credentials, date: str) -> str:
        text = self.canonical(request, date).encode()
        return base64.b64encode(hmac.digest(credentials.secret_key.encode(), text, "sha1")).decode()

    def canonical(self, request: Request, date: str) -> str:
        """What is signed. date: the Date header, or the second a signed URL expires."""
        named = sorted(
            (name, value.strip()) for name, value in request.headers.items() if name.startswith(self.prefix)
        )
        headers = "".join(f"{name}:{value}\n" for name, value in named)
        path = request.path if self.bucket_in_path else f"/{self.bucket}{request.path}"
        signed = sorted(
            (name, value)
            for name, value in request.query
            if name in SIGNED or name.lower().startswith(self.prefix)
        )
        resource = "&".join(f"{name}={value}" if value else name for name, value in signed)
        digest, kind = request.headers.get("content-md5", ""), request.headers.get("content-type", "")
        separator = "?" if resource else ""
        return f"{request.method}\n{digest}\n{kind}\n{date}\n{headers}{path}{separator}{resource}"
