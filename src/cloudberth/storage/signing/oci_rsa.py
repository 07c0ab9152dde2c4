"""Oracle Cloud's signatures: RSA-SHA256 over date, request line and host, a draft of "Signing HTTP Messages".

Source: Oracle, "Request Signatures", and what the SDK ``oci`` 2.189 sends. Requests with a body sign its
length, type and SHA-256 as well, but not uploads of objects and parts: those are signed as if they had none.
RSA is that of cryptography, which is loaded late.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from cloudberth.extras import late_import
from cloudberth.storage.http.message import Request

GENERIC = ("date", "(request-target)", "host")
WITH_BODY = (*GENERIC, "content-length", "content-type", "x-content-sha256")


@dataclass(frozen=True, slots=True)
class OciKey:
    """A private key and its name. expires: seconds since 1970, None: never. source: where it came from.

    name: ``tenancy/user/fingerprint`` of an API key, ``ST$token`` of a principal.
    """

    name: str = field(repr=False)
    private: Any = field(repr=False)
    expires: float | None = None
    source: str = ""


class OciRsa:
    """Signs requests. Has no state."""

    def sign(self, request: Request, key: OciKey, now: float, *, object_body: bool = False) -> None:
        """Put date and Authorization on a request, in the place of older ones. object_body: see above."""
        headers = request.headers
        headers["date"] = formatdate(now, usegmt=True)
        names: tuple[str, ...] = GENERIC
        values = {
            "date": headers["date"],
            "(request-target)": f"{request.method.lower()} {request.target}",
            "host": request.origin.authority,
        }
        if request.method in {"POST", "PUT", "PATCH"} and not object_body:
            names = WITH_BODY
            body = request.body.read()
            headers.setdefault("content-type", "application/json")
            headers["x-content-sha256"] = b64encode(hashlib.sha256(body).digest()).decode()
            values |= {
                "content-length": str(len(body)),
                "content-type": headers["content-type"],
                "x-content-sha256": headers["x-content-sha256"],
            }
        text = "\n".join(f"{name}: {values[name]}" for name in names)
        headers["authorization"] = (
            f'Signature algorithm="rsa-sha256",headers="{" ".join(names)}",keyId="{key.name}",'
            f'signature="{signature(key.private, text.encode())}",version="1"'
        )


def signature(private: Any, text: bytes) -> str:
    """RSASSA-PKCS1-v1_5 with SHA-256, in base64."""
    padding = _cryptography("cryptography.hazmat.primitives.asymmetric.padding")
    hashes = _cryptography("cryptography.hazmat.primitives.hashes")
    return b64encode(private.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def _cryptography(module: str) -> Any:
    return late_import(module, extra="oracle", needed_for="Oracle Cloud without secret keys")
