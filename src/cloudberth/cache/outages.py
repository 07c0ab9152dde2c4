"""The log of an outage: that it began and that it is over, once each, however many threads see it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cloudberth.errors import BackendError

_log = logging.getLogger("cloudberth.cache")
_QUIET = 5.0  # seconds between two messages, so that a store which comes and goes does not fill the log


class OutageLog:
    """Shared by all uses of a cache. Thread-safe. place: of the store; clock: seconds, never backwards.

    Calls that began before the last failure prove nothing: their answers may have been under way when the
    store went. A change that comes within a few seconds of the last message is said by the first call after
    them, if it still holds then.
    """

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._lock = threading.Lock()
        self._is_out = False
        self._failed = 0.0
        self._quiet_until = float("-inf")

    def failed(self, namespace: str, error: BackendError) -> None:
        """A use does without the store."""
        with self._lock:
            now = self._failed = self._clock()
            if self._is_out or now < self._quiet_until:
                return
            self._is_out, self._quiet_until = True, now + _QUIET
        _log.warning("%s does without the cache: %s", namespace or "an application", error)

    def worked(self, began: float) -> None:
        """A call that was sent at `began`, of the same clock, got its answer."""
        if not self._is_out:
            return
        with self._lock:
            now = self._clock()
            if not self._is_out or began <= self._failed or now < self._quiet_until:
                return
            self._is_out, self._quiet_until = False, now + _QUIET
        _log.warning("the cache is back at %s", self._place)
