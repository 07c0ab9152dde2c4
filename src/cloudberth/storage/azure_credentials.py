"""Who we are on Azure: an account key, a SAS token, or an identity of Microsoft Entra.

Each signs requests, and makes (where it can) a SAS for one blob: for signed URLs, and as the proof that
another account may read the source of a copy. With an account key every request is signed with Shared Key,
and a SAS is made when it is asked for: that is one HMAC, so nothing of it is worth keeping in a cache. What
a key costs that the service lends to an identity (user delegation) is a request; that is what is kept, in a
`TokenCache`.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from urllib.parse import parse_qsl

from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable, Unsupported
from cloudberth.extras import late_import
from cloudberth.storage.credentials import Cached, Credentials, Provider
from cloudberth.storage.http.message import Request
from cloudberth.storage.signing import azure_shared_key as signing
from cloudberth.storage.signing.azure_shared_key import DelegationKey, SharedKey
from cloudberth.storage.token_cache import MemoryTokenCache, TokenCache, hashed_name

Query = tuple[tuple[str, str], ...]
AskForKey = Callable[[str, str], DelegationKey]
"""Asks the service for a delegation key, from a time to a time (ISO 8601)."""

SCOPE = "https://storage.azure.com/.default"
_DAY = 86_400
LONGEST_DELEGATION = 7 * _DAY
_KNOWN_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
    "login.microsoftonline.us",
)


class Identity(ABC):
    """Somebody who may do something. source: in words, for doctor."""

    source: str

    @abstractmethod
    def authorize(self, request: Request) -> None:
        """Put the credentials on a request, instead of those that it may have."""

    @abstractmethod
    def blob_sas(
        self, resource: str, permissions: str, seconds: int, https_only: bool, answer: Mapping[str, str]
    ) -> Query:
        """A SAS of one blob. resource: ``container/key``. Raises Unsupported when this identity cannot."""

    def source_query(self, resource: str, https_only: bool) -> Query:
        """What lets another account read a blob for the time of a copy."""
        return self.blob_sas(resource, "r", _DAY, https_only, {})

    @property
    def own_query(self) -> Query:
        """What lets the same account read a blob as the source of a copy: nothing, unless it is a SAS."""
        return ()

    @property
    def expired(self) -> bool:
        """Whether its time is known to be over."""
        return False


class AccountKey(Identity):
    """One of the two keys of the account."""

    source = "account key"

    def __init__(self, key: SharedKey) -> None:
        self._key = key

    def authorize(self, request: Request) -> None:
        signing.sign(request, self._key, time.time())

    def blob_sas(
        self, resource: str, permissions: str, seconds: int, https_only: bool, answer: Mapping[str, str]
    ) -> Query:
        expires = time.time() + seconds
        return signing.blob_sas(
            self._key, resource, permissions, expires, https_only=https_only, answer=answer
        )


class SasToken(Identity):
    """A SAS that somebody made for us. It is put on every request; its rights and its end are what they
    are.
    """

    source = "SAS token"

    def __init__(self, token: str) -> None:
        self._pairs: Query = tuple(parse_qsl(token, keep_blank_values=True))
        self._names = frozenset(name for name, _ in self._pairs)
        if "sig" not in self._names:
            raise InvalidInput(
                "the SAS token has no signature",
                where="AZURE_BLOB_SAS_TOKEN",
                hint="it looks like sv=…&sig=…",
            )
        self._expires = signing.sas_expiry(self._pairs)

    def authorize(self, request: Request) -> None:
        request.query = (*(pair for pair in request.query if pair[0] not in self._names), *self._pairs)

    def blob_sas(
        self, resource: str, permissions: str, seconds: int, https_only: bool, answer: Mapping[str, str]
    ) -> Query:
        raise Unsupported(
            "a SAS token cannot make another one that ends at another time",
            hint="signed URLs need an account key or a managed identity",
        )

    def source_query(self, resource: str, https_only: bool) -> Query:
        return self._pairs

    @property
    def own_query(self) -> Query:
        return self._pairs

    @property
    def expired(self) -> bool:
        return self._expires is not None and self._expires <= time.time()


class Entra(Identity):
    """An identity of Microsoft Entra. token: gives bearer tokens. ask: gets delegation keys from the
    service.
    """

    def __init__(
        self, account: str, token: Provider, ask: AskForKey, cache: TokenCache | None = None
    ) -> None:
        self.source = "managed identity"
        self._account = account
        self._token = Cached(token)
        self._ask = ask
        self.cache = cache or MemoryTokenCache()

    def authorize(self, request: Request) -> None:
        request.headers["authorization"] = f"Bearer {self._token().secret_key}"

    def blob_sas(
        self, resource: str, permissions: str, seconds: int, https_only: bool, answer: Mapping[str, str]
    ) -> Query:
        key = self.delegation_key(seconds)
        expires = time.time() + seconds
        return signing.delegation_sas(
            key, self._account, resource, permissions, expires, https_only=https_only, answer=answer
        )

    def delegation_key(self, seconds: int) -> DelegationKey:
        """A key that signs what holds for so many seconds, from the cache or from the service."""
        if seconds > LONGEST_DELEGATION - 600:
            raise InvalidInput(
                "with a managed identity a signed URL holds for less than seven days",
                hint="ask for at most 604,200 seconds",
            )
        now = time.time()
        # Two kinds, so that a rare long URL does not put a key of a week behind all the short ones.
        days = 1 if seconds < _DAY - 3600 else 7
        whose = os.environ.get("AZURE_CLIENT_ID", "")
        name = hashed_name("azure-delegation-key", self._account, whose, str(days))
        if (text := self.cache.get(name)) and (key := _key_of(text)) and _ends(key) > now + seconds + 60:
            return key
        start, expiry = signing.iso_time(now - 300), signing.iso_time(now + days * _DAY - 300)
        key = self._ask(start, expiry)
        left = int(_ends(key) - now)
        if left <= seconds:
            raise Unsupported(f"the service lends a key for {left} seconds only")
        self.cache.set(name, json.dumps(asdict(key)), left)
        return key


def _key_of(text: str) -> DelegationKey | None:
    try:
        return DelegationKey(**json.loads(text))
    except (ValueError, TypeError):
        return None  # somebody else's value, or of another version of ours: a new key is asked for


def _ends(key: DelegationKey) -> float:
    try:
        return datetime.fromisoformat(key.expiry).timestamp()
    except ValueError:
        return 0.0


def default_token() -> Provider:
    """Tokens of what azure-identity finds: environment, workload identity, managed identity, az login …"""
    chain: list[object] = []

    def fetch() -> Credentials:
        library = late_import("azure.identity", extra="azure", needed_for="a managed identity on azure-blob")
        errors = late_import("azure.core.exceptions", extra="azure", needed_for="azure-blob")
        if not chain:
            chain.append(library.DefaultAzureCredential(**_authority_options()))
        credential = chain[0]
        try:
            token = credential.get_token(SCOPE)  # type: ignore[attr-defined]
        except errors.ClientAuthenticationError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise PermissionDenied(
                f"no identity of Microsoft Entra gives a token: {' '.join(lines[:3])[:300]}",
                where="azure-identity",
                hint="assign a managed identity to this machine, or set AZURE_CLIENT_ID and the like",
            ) from None
        except errors.AzureError as error:
            raise Unavailable(
                f"Microsoft Entra cannot be asked: {str(error)[:200]}", where="azure-identity"
            ) from None
        return Credentials("", token.token, expires=float(token.expires_on), source="Microsoft Entra")

    return fetch


def _authority_options() -> dict[str, bool]:
    # An authority that Microsoft does not know (Azure Stack) cannot be looked up at
    # login.microsoftonline.com.
    authority = os.environ.get("AZURE_AUTHORITY_HOST", "").removeprefix("https://").rstrip("/")
    return {"disable_instance_discovery": bool(authority) and authority not in _KNOWN_AUTHORITIES}
