"""Alibaba Cloud's OpenAPI as AnalyticDB for PostgreSQL has it: signed requests, and what its errors mean.

Signature: ACS3-HMAC-SHA256, https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from cloudberth.errors import (
    BackendError,
    Kind,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.http.message import Request, encode_query
from cloudberth.vector._rest import Rest, _parsed
from cloudberth.vector.options import Options

_VERSION = "2016-05-03"
_ALGORITHM = "ACS3-HMAC-SHA256"
# Regions whose instances are behind the central endpoint, as the vendor's SDK 5.12 lists them.
_CENTRAL = frozenset({"cn-hangzhou", "ap-south-1", "ap-southeast-2", "cn-fujian", "cn-wuhan", "cn-zhangbei"})


def endpoint_of(region: str) -> str:
    return "https://gpdb.aliyuncs.com" if region in _CENTRAL else f"https://gpdb.{region}.aliyuncs.com"


class OpenApi(Rest):
    """Calls by action. common: parameters of every call (instance, region)."""

    def __init__(
        self, url: str, options: Options, *, key_id: str, key_secret: str, common: Mapping[str, str]
    ) -> None:
        super().__init__(url, options, meaning=meaning)
        self._key_id = key_id
        self._key_secret = key_secret
        self._common = dict(common)

    def act(self, action: str, asked: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> Any:
        """What an action answers. asked: parameters of the query, without those that are None.

        The vendor's interface takes parameters, passwords of the database among them, in the query only.
        """
        given = {**self._common, **{name: _text(value) for name, value in asked.items() if value is not None}}
        query = tuple(sorted(given.items()))
        data = encode_query((name, _text(value)) for name, value in (body or {}).items()).encode()
        headers = self._headers(action, data, form=body is not None)
        headers["authorization"] = self._authorization(headers, query)
        request = Request("POST", self.origin, "/", query, headers, BytesBody(data), idempotent=True)
        response = self._client.send(request)
        found = _parsed(response)
        if response.status >= 300:
            raise self._error(response, found)
        if isinstance(found, Mapping) and found.get("Status") == "fail":
            said = str(found.get("Message") or "it failed")
            raise _meant("", said, 400) or BackendError(said[:300], kind=Kind.UNEXPECTED)
        return found or {}

    def _headers(self, action: str, data: bytes, *, form: bool) -> dict[str, str]:
        headers = {
            "accept": "application/json",
            "x-acs-action": action,
            "x-acs-version": _VERSION,
            "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(data).hexdigest(),
        }
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
        return headers

    def _authorization(self, headers: Mapping[str, str], query: tuple[tuple[str, str], ...]) -> str:
        signed = {"host": self.origin.authority, **headers}
        names = sorted(
            name for name in signed if name.startswith("x-acs-") or name in {"host", "content-type"}
        )
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in names)
        canonical = "\n".join(
            ("POST", "/", encode_query(query), lines, ";".join(names), headers["x-acs-content-sha256"])
        )
        text = f"{_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key_secret.encode(), text.encode(), "sha256").hex()
        return f"{_ALGORITHM} Credential={self._key_id},SignedHeaders={';'.join(names)},Signature={signature}"


def meaning(status: int, body: Any) -> BackendError | None:
    """What an answer means where its status alone does not say it."""
    if not isinstance(body, Mapping):
        return None
    return _meant(str(body.get("Code") or ""), str(body.get("Message") or ""), status)


def _meant(code: str, said: str, status: int) -> BackendError | None:
    said = " ".join(said.split())[:300]
    error: BackendError | None = None
    if "NotFound" in code or status == 404:
        error = NotFound(said)
    elif "AlreadyExist" in code or "already exists" in said:
        error = PreconditionFailed(said)
    elif code.startswith("Throttling") or status == 429:
        error = Throttled(said)
    elif "dimension" in said.lower():
        error = Mismatch(said)
    elif code.startswith(("Forbidden", "InvalidAccessKey", "SignatureDoesNotMatch")) or "password" in said:
        error = PermissionDenied(said, hint="check the key, and the passwords of account and namespace")
    elif code.startswith(("ServiceUnavailable", "InternalError")):
        error = Unavailable(said)
    elif status == 400:
        error = BackendError(said, kind=Kind.INVALID)
    if error is not None:
        error.code = code
    return error


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
