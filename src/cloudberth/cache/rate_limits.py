"""How often somebody may do something, counted once for all processes and machines.

::

    sign_in = RateLimit(cache.under("sign-in"), limit=5, seconds=60)
    decision = sign_in.take(address)
    if not decision.allowed:
        return 429, headers(decision)

The limit is a leaky bucket (GCRA) by the store's own clock: `limit` at once, then one each
``seconds / limit``. When the cache is out, each process counts for itself: still limited, only less strictly.
"""

from __future__ import annotations

import hashlib
import math

from cloudberth.cache.cache import Cache
from cloudberth.cache.contract import Decision, Rate
from cloudberth.cache.local import Local
from cloudberth.cache.settings import LocalSettings
from cloudberth.errors import BackendError


class RateLimit:
    """One limit for many. Names are hashed: an address or a key is in no list of the store's keys."""

    def __init__(self, cache: Cache, limit: int, seconds: float) -> None:
        self._cache = cache
        self.rate = Rate(limit, seconds)
        self._own = Cache(Local(LocalSettings(max_entries=100_000)))

    def take(self, who: str, cost: int = 1) -> Decision:
        """Take from the limit of somebody; 0 only looks."""
        name = hashlib.sha256(who.encode()).hexdigest()[:40]
        try:
            return self._cache.take(name, self.rate, cost)
        except BackendError as error:
            self._cache.did_without(error)
            return self._own.take(name, self.rate, cost)


def headers(decision: Decision) -> dict[str, str]:
    """For an HTTP answer: what is left, and when to come back (whole seconds, rounded up)."""
    found = {
        "RateLimit-Limit": str(decision.limit),
        "RateLimit-Remaining": str(decision.remaining),
        "RateLimit-Reset": str(math.ceil(decision.reset)),
    }
    if not decision.allowed:
        found["Retry-After"] = str(max(1, math.ceil(decision.retry_after)))
    return found
