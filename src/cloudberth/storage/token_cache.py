"""Where tokens that are worth sharing are kept: the cache role, when an application gives one, else memory.

A name never holds a secret: whoever may look at the keys of a cache (``KEYS``, a slow log) is not meant to
see an account key there, as happens where the key is part of the name.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Protocol


class TokenCache(Protocol):
    """What is needed of a cache. Values are secrets: it must be one that only the application reads."""

    def get(self, name: str) -> str | None:
        """The value, or None when there is none or its time is over."""

    def set(self, name: str, value: str, seconds: int) -> None:
        """Keep a value for so many seconds."""


class MemoryTokenCache:
    """A token cache in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, tuple[str, float]] = {}

    def get(self, name: str) -> str | None:
        with self._lock:
            value, until = self._values.get(name, ("", 0.0))
            if until > time.time():
                return value
            self._values.pop(name, None)
            return None

    def set(self, name: str, value: str, seconds: int) -> None:
        with self._lock:
            self._values[name] = (value, time.time() + seconds)


def hashed_name(kind: str, *parts: str) -> str:
    """``cloudberth:<kind>:<hash of the parts>``. The parts may be secrets: the name tells nothing of them."""
    joined = "\0".join((kind, *parts)).encode()
    return f"cloudberth:{kind}:{hashlib.sha256(joined).hexdigest()}"
