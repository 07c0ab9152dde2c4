"""Azure Storage: Shared Key signatures and shared access signatures (SAS). Pure; standard library only.

Sources: "Authorize with Shared Key", "Create a service SAS", "Create an account SAS", "Create a user
delegation SAS" of the Azure Storage REST reference. The fields of a SAS depend on its version
(`SAS_VERSION`); it is pinned apart from the version of requests, because later versions only add fields
that are not used here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import unquote

from cloudberth.errors import InvalidInput
from cloudberth.storage.http.message import Request

SAS_VERSION = "2022-11-02"

_SIGNED_HEADERS = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
_RESPONSE_HEADERS = ("rscc", "rscd", "rsce", "rscl", "rsct")


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A storage account and one of its two keys."""

    account: str
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, account: str, key: str) -> SharedKey:
        """From the base64 text that the portal shows; InvalidInput when it is none."""
        try:
            return cls(account, base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            raise InvalidInput(
                "the account key is not base64",
                hint="copy the whole key, with the = at its end; or write managedidentity",
            ) from None


@dataclass(frozen=True, slots=True)
class DelegationKey:
    """A key that the service lends to an identity of Microsoft Entra, to sign SAS with.

    start, expiry: as the service wrote them (ISO 8601); they are signed as they are.
    """

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    value: str = field(repr=False)


def sign(request: Request, credentials: SharedKey, now: float) -> None:
    """Put ``x-ms-date`` and ``Authorization`` on a request. now: seconds since 1970."""
    headers = request.headers
    headers.pop("authorization", None)
    headers["x-ms-date"] = _http_time(int(now))
    signature = _signature(credentials.key, string_to_sign(request, credentials.account))
    headers["authorization"] = f"SharedKey {credentials.account}:{signature}"


def string_to_sign(request: Request, account: str) -> str:
    """What is signed: the method, standard headers, ``x-ms-`` headers, and the path with its query."""
    headers, size = request.headers, request.body.size
    said = headers.get
    lines = [request.method, *[said(name, "") for name in _SIGNED_HEADERS]]
    lines[3] = str(size) if size else ""
    lines[6] = ""  # the date is signed as x-ms-date
    own = sorted([name for name in headers if name.startswith("x-ms-")], key=_header_order)
    lines += [f"{name}:{headers[name].strip()}" for name in own]
    lines.append(f"/{account}{request.path}")
    if request.query:
        by_name: dict[str, list[str]] = {}
        for name, value in request.query:
            by_name.setdefault(name.lower(), []).append(value)
        lines += [f"{name}:{','.join(sorted(by_name[name]))}" for name in sorted(by_name)]
    return "\n".join(lines)


def _header_order(name: str) -> str:
    # The service sorts headers as words: "_" before digits before letters, which ASCII does not.
    return name.replace("_", "!")


def blob_sas(
    credentials: SharedKey,
    resource: str,
    permissions: str,
    expires: float,
    *,
    kind: str = "b",
    https_only: bool = True,
    answer: Mapping[str, str] | None = None,
) -> tuple[tuple[str, str], ...]:
    """A service SAS as query pairs. resource: ``container/key``, not encoded; kind: ``b`` blob, ``c``
    container.

    answer: headers that the answer will have, by their short name (``rscd``: Content-Disposition).
    """
    pairs = _fields_of(permissions, expires, https_only) | {"sr": kind} | dict(answer or {})
    lines = [
        pairs["sp"], "", pairs["se"], f"/blob/{credentials.account}/{resource}", "", "", pairs.get("spr", ""),
        pairs["sv"], kind, "", "", *(pairs.get(name, "") for name in _RESPONSE_HEADERS),
    ]  # fmt: skip
    return _with_signature(pairs, credentials.key, lines)


def delegation_sas(
    key: DelegationKey,
    account: str,
    resource: str,
    permissions: str,
    expires: float,
    *,
    https_only: bool = True,
    answer: Mapping[str, str] | None = None,
) -> tuple[tuple[str, str], ...]:
    """A user delegation SAS of a blob, as query pairs; the same arguments as `blob_sas`."""
    pairs = _fields_of(permissions, expires, https_only) | {
        "sr": "b", "skoid": key.object_id, "sktid": key.tenant_id, "skt": key.start, "ske": key.expiry,
        "sks": key.service, "skv": key.version,
    } | dict(answer or {})  # fmt: skip
    lines = [
        pairs["sp"], "", pairs["se"], f"/blob/{account}/{resource}",
        key.object_id, key.tenant_id, key.start, key.expiry, key.service, key.version, "", "", "",
        "", pairs.get("spr", ""), pairs["sv"], "b", "", "",
        *(pairs.get(name, "") for name in _RESPONSE_HEADERS),
    ]  # fmt: skip
    return _with_signature(pairs, base64.b64decode(key.value), lines)


def account_sas(
    credentials: SharedKey, permissions: str, expires: float, *, kinds: str = "sco", https_only: bool = True
) -> tuple[tuple[str, str], ...]:
    """A SAS for the blobs of a whole account. kinds: of service, container and object."""
    pairs = {"ss": "b", "srt": kinds, **_fields_of(permissions, expires, https_only)}
    lines = [
        credentials.account, pairs["sp"], "b", kinds, "", pairs["se"], "", pairs.get("spr", ""), pairs["sv"],
        "", "",
    ]  # fmt: skip
    return _with_signature(pairs, credentials.key, lines)


def sas_expiry(pairs: Iterable[tuple[str, str]]) -> float | None:
    """When a SAS ends, in seconds since 1970; None when it does not say (a stored access policy does)."""
    text = dict(pairs).get("se", "")
    try:
        moment = datetime.fromisoformat(unquote(text))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso_time(seconds: float) -> str:
    """``2026-11-26T20:00:00Z``"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4)
def _http_time(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _fields_of(permissions: str, expires: float, https_only: bool) -> dict[str, str]:
    pairs = {"sv": SAS_VERSION, "sp": permissions, "se": iso_time(expires)}
    return pairs | {"spr": "https"} if https_only else pairs


def _with_signature(pairs: dict[str, str], key: bytes, lines: list[str]) -> tuple[tuple[str, str], ...]:
    return (*pairs.items(), ("sig", _signature(key, "\n".join(lines))))


def _signature(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()
