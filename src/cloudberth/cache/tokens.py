"""Temporary credentials, shared: the keys that Azure lends for signing URLs, and the like.

A `SharedTokenCache` is what `cloudberth.storage` asks for (its protocol `TokenCache`)::

    bucket = storage.open(options=Options(token_cache=SharedTokenCache(cache.under("tokens"), secret)))

Values are secrets, and a Redis is read by whoever can reach it, in backups and replicas too. So they are
encrypted (AES-256-GCM under a key derived from `secret`, bound to their names), and without a secret they do
not leave this process. Names are hashes already. When the cache is out, each process fetches its own.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from cloudberth.cache.cache import Cache
from cloudberth.extras import late_import

_NONCE = 12
_VERSION = b"1"
_SHORTEST_SECRET = 16


class SharedTokenCache:
    """Tokens by name. secret: any text of at least 16 characters that the processes share (Dify's
    ``SECRET_KEY``); None: tokens are kept in this process only.
    """

    def __init__(
        self, cache: Cache, secret: SecretStr | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._lock = threading.Lock()
        self._own: dict[str, tuple[str, float]] = {}
        self._cipher = _cipher(secret) if secret is not None else None

    def get(self, name: str) -> str | None:
        """The value, or None when there is none or its time is over."""
        with self._lock:
            value, until = self._own.get(name, ("", 0.0))
        if until > self._clock():
            return value
        cipher = self._cipher
        if cipher is None:
            return None
        sealed = self._cache.attempt(lambda: self._cache.get(name), None)
        return None if sealed is None else _opened(cipher, sealed, name)

    def set(self, name: str, value: str, seconds: int) -> None:
        """Keep a value for so many seconds."""
        if seconds <= 0:
            return
        with self._lock:
            now = self._clock()
            self._own = {key: kept for key, kept in self._own.items() if kept[1] > now}
            self._own[name] = (value, now + seconds)
        if self._cipher is not None:
            nonce = secrets.token_bytes(_NONCE)
            sealed = _VERSION + nonce + self._cipher.encrypt(nonce, value.encode(), name.encode())
            self._cache.attempt(lambda: self._cache.set(name, sealed, seconds), None)


def _cipher(secret: SecretStr) -> Any:
    text = secret.get_secret_value()
    if len(text) < _SHORTEST_SECRET:
        from cloudberth.errors import InvalidInput

        raise InvalidInput(
            f"the secret of a token cache has at least {_SHORTEST_SECRET} characters", where="SECRET_KEY"
        )
    needed = {"extra": "server", "needed_for": "tokens in a shared cache"}
    aead = late_import("cryptography.hazmat.primitives.ciphers.aead", **needed)
    hashes = late_import("cryptography.hazmat.primitives.hashes", **needed)
    hkdf = late_import("cryptography.hazmat.primitives.kdf.hkdf", **needed)
    key = hkdf.HKDF(
        algorithm=hashes.SHA256(), length=32, salt=None, info=b"cloudberth cache tokens 1"
    ).derive(text.encode())
    return aead.AESGCM(key)


def _opened(cipher: Any, sealed: bytes, name: str) -> str | None:
    """The value; None when it was sealed with another secret, for another name, or changed: it is a miss."""
    if sealed[:1] != _VERSION:
        return None
    nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    try:
        plain: bytes = cipher.decrypt(nonce, rest, name.encode())
    except Exception as error:
        if type(error).__name__ not in {"InvalidTag", "ValueError"}:
            raise
        return None
    return plain.decode()
