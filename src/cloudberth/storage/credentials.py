"""Keys and where they come from: a value, and a provider that is asked before every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. token: of temporary ones (STS). expires: seconds since 1970; None: never.

    source: where it came from, for doctor (``S3_ACCESS_KEY``, ``instance role``).
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None
    source: str = ""


Provider = Callable[[], Credentials]


def fixed(credentials: Credentials) -> Provider:
    """Always the same ones."""
    return lambda: credentials


class Cached:
    """A provider that asks another one again only shortly before its credentials expire. Thread-safe.

    margin: seconds before the expiry at which new ones are fetched. While the old ones still hold, a failure
    to fetch new ones is not an error.
    """

    def __init__(self, provider: Provider, margin: float = 300.0) -> None:
        self._provider = provider
        self._margin = margin
        self._lock = threading.Lock()
        self._current: Credentials | None = None

    def __call__(self) -> Credentials:
        current = self._current
        if current is not None and self._fresh(current):
            return current
        with self._lock:
            current = self._current
            if current is not None and self._fresh(current):
                return current
            try:
                self._current = self._provider()
            except Exception:
                if current is None or current.expires is None or current.expires <= time.time():
                    raise
            assert self._current is not None
            return self._current

    def _fresh(self, credentials: Credentials) -> bool:
        return credentials.expires is None or time.time() < credentials.expires - self._margin
