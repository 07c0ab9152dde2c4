"""Google Cloud Storage: signed URLs of version 4, with an RSA key that is here or at Google's.

Pure: what signs is given (`Sign`): the key of a service account, or a call to IAM. Source: "V4 signing
process with your own program" of the Cloud Storage documentation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cloudberth.errors import InvalidInput
from cloudberth.storage.http.message import Origin, encode, encode_query

Sign = Callable[[bytes], bytes]
"""RSASSA-PKCS1-v1_5 with SHA-256 over some bytes."""

LONGEST = 7 * 86_400
_ALGORITHM = "GOOG4-RSA-SHA256"


def presign(
    method: str,
    origin: Origin,
    path: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    *,
    email: str,
    sign: Sign,
    seconds: int,
    now: float,
) -> str:
    """The URL. path: encoded. headers: names in lower case, all of them signed; Host is added.

    email: the service account whose key signs. Raises InvalidInput for more than seven days.
    """
    if not 0 < seconds <= LONGEST:
        raise InvalidInput(
            f"a signed URL holds from 1 to {LONGEST} seconds, not {seconds}",
            hint="ask for at most seven days",
        )
    moment = datetime.fromtimestamp(now, UTC)
    stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
    scope = f"{day}/auto/storage/goog4_request"
    signed = {"host": origin.authority, **{name: " ".join(value.split()) for name, value in headers.items()}}
    names = ";".join(sorted(signed))
    pairs = {
        **query,
        "X-Goog-Algorithm": _ALGORITHM,
        "X-Goog-Credential": f"{email}/{scope}",
        "X-Goog-Date": stamp,
        "X-Goog-Expires": str(seconds),
        "X-Goog-SignedHeaders": names,
    }
    line = encode_query(sorted(pairs.items(), key=lambda pair: encode(pair[0])))
    canonical = "\n".join(
        (
            method, path, line, *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names,
            "UNSIGNED-PAYLOAD",
        )
    )  # fmt: skip
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return f"{origin}{path}?{line}&X-Goog-Signature={sign(text.encode()).hex()}"
