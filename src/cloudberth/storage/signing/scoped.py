"""What Amazon's Signature Version 4 and those made after it have in common: a key that holds for one scope.

A scope is ``day/region/service/terminator``, like ``20261127/eu-central-1/s3/aws4_request``. Amazon (S3, and
the search engines), Alibaba Cloud (OSS, Simple Log Service) and Volcengine (TOS, OpenAPI) differ in what they
write before the secret, in the terminator, and in the canonical request, which their own modules make.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache


def signature(secret: str, algorithm: str, stamp: str, scope: str, canonical: str) -> str:
    """The signature, in hexadecimal. stamp: the whole date. canonical: the request in the vendor's form.

    secret: with the vendor's prefix, if it has one (``AWS4``).
    """
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{algorithm}\n{stamp}\n{scope}\n{digest}"
    return hmac.digest(_key(secret, scope), text.encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _key(secret: str, scope: str) -> bytes:
    """The key of one day: kept, so that a request costs one HMAC and not five."""
    key = secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
