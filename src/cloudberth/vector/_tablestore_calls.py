"""Calls of Tablestore: signed requests over HTTP, and what its errors mean.

Signature (version 2, HMAC-SHA1 over the ``x-ots-`` headers, as Dify's library makes it) and headers:
https://help.aliyun.com/zh/tablestore/developer-reference/http. An answer is signed with the same key, and has
the MD5 of its body: both are compared.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloudberth.errors import (
    BackendError,
    CorruptData,
    ExpiredCredentials,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.failures import error_of
from cloudberth.storage.http.message import Origin, Request, Response
from cloudberth.storage.options import Options as HttpOptions
from cloudberth.vector._tablestore_messages import Message, decode, encode
from cloudberth.vector.options import Options

_VERSION = "2015-12-31"
_PREFIX = "x-ots-"
# Those that make something: sent twice, the second answer would say that it is there already.
_ONCE = frozenset({"CreateTable", "CreateSearchIndex"})
NOT_READY = "OTSTableNotReady"
_MEANINGS: Mapping[str, Callable[[str], BackendError]] = {
    "OTSAuthFailed": PermissionDenied,
    "OTSConditionCheckFail": PreconditionFailed,
    "OTSInternalServerError": Unavailable,
    "OTSNoPermissionAccess": PermissionDenied,
    "OTSNotEnoughCapacityUnit": Throttled,
    "OTSObjectAlreadyExist": PreconditionFailed,
    "OTSObjectNotExist": NotFound,
    "OTSOperationConflict": Unavailable,
    "OTSOperationThrottled": Throttled,
    "OTSPartitionUnavailable": Unavailable,
    "OTSQuotaExhausted": Throttled,
    "OTSRequestTimeout": TimedOut,
    "OTSRowOperationConflict": Unavailable,
    "OTSServerBusy": Throttled,
    "OTSServerUnavailable": Unavailable,
    NOT_READY: Unavailable,
    "OTSTimeout": TimedOut,
}


class Calls:
    """Calls of one instance. Thread-safe.

    key_id, key_secret: the AccessKey that signs. ca_file: of the authority that the endpoint's certificate is
    from; empty: those that the system knows.
    """

    def __init__(
        self, endpoint: str, instance: str, key_id: str, key_secret: str, options: Options, ca_file: str = ""
    ) -> None:
        self.origin = Origin.parse(endpoint)
        self._base = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}").path.rstrip("/")
        self._instance, self._key_id, self._key_secret = instance, key_id, key_secret
        self._client = Client(
            HttpOptions(
                connect_timeout=min(10.0, options.timeout),
                read_timeout=options.timeout,
                deadline=options.deadline,
                slowest=256,
                ca_bundle=ca_file or None,
            )
        )

    def __repr__(self) -> str:
        return f"Calls({self.origin}, {self._instance})"

    def __call__(self, operation: str, message: Mapping[str, Any]) -> Message:
        """What an operation answers. message: its request, by the names of the protocol."""
        body = encode(f"{operation}Request", message)
        headers = self._headers(operation, body)
        request = Request(
            "POST",
            self.origin,
            f"{self._base}/{operation}",
            (),
            headers,
            BytesBody(body),
            idempotent=operation not in _ONCE,
        )
        response = self._client.send(request)
        if not 200 <= response.status < 300:
            raise self._refusal(response)
        self._check(operation, response)
        return decode(f"{operation}Response", response.body)

    def close(self) -> None:
        self._client.close()

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        headers = {
            "x-ots-date": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "x-ots-apiversion": _VERSION,
            "x-ots-accesskeyid": self._key_id,
            "x-ots-instancename": self._instance,
            "x-ots-contentmd5": _md5(body),
        }
        text = f"/{operation}\nPOST\n\n{signed_headers(headers)}\n"
        return {**headers, "x-ots-signature": signature(self._key_secret, text)}

    def _check(self, operation: str, response: Response) -> None:
        """That the answer is whole, and from somebody who knows the key."""
        if not hmac.compare_digest(response.header("x-ots-contentmd5"), _md5(response.body)):
            raise CorruptData("the answer is not the one that was sent: its MD5 differs")
        expected = signature(self._key_secret, f"{signed_headers(response.headers)}\n/{operation}")
        known = f"OTS {self._key_id}:{expected}"
        if not hmac.compare_digest(response.header("authorization").encode(), known.encode()):
            raise CorruptData("the answer is not signed with the key of the request")

    def _refusal(self, response: Response) -> BackendError:
        try:
            found = decode("Error", response.body)
        except CorruptData:
            found = {}
        code = str(found.get("code") or "")
        if not code.startswith("OTS"):
            return error_of(response, code="", message="", where="", meanings={})
        return meant(code, str(found.get("message") or ""))


def meant(code: str, said: str) -> BackendError:
    """The error of a code, of a whole request or of one row."""
    said = " ".join(said.split())[:300]
    low = said.lower()
    kind = _MEANINGS.get(code)
    error: BackendError
    if code == "OTSAuthFailed" and "time" in low:
        error = ExpiredCredentials(f"{code}: {said}", hint="the clock of this machine is wrong")
    elif kind is PermissionDenied:
        error = PermissionDenied(
            f"{code}: {said}", hint="check TABLESTORE_ACCESS_KEY_ID, its secret and TABLESTORE_INSTANCE_NAME"
        )
    elif kind is not None:
        error = kind(f"{code}: {said}")
    elif "not exist" in low:
        error = NotFound(f"{code}: {said}")
    elif "dimension" in low:
        error = Mismatch(f"{code}: {said}")
    else:
        error = BackendError(f"{code}: {said}", kind=Kind.INVALID)
    error.code = code
    return error


def signed_headers(headers: Mapping[str, str]) -> str:
    """The lines of both signatures: ``name:value``, sorted."""
    names = (name for name in headers if name.startswith(_PREFIX))
    return "\n".join(sorted(f"{name}:{headers[name].strip()}" for name in names))


def signature(key_secret: str, text: str) -> str:
    return base64.b64encode(hmac.digest(key_secret.encode(), text.encode(), "sha1")).decode()


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
