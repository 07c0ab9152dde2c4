"""How often somebody may try to sign in."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable

ATTEMPTS = 5
WINDOW_SECONDS = 300.0
MOST_ADDRESSES = 10_000


class SignInLimits:
    """Counts the failed attempts of an address in the last five minutes; in memory.

    There is no limit over all addresses: anybody could use it to keep the administrator out, and a token of
    256 bits is not guessed by many machines either.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, deque[float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until the address may try again; 0 when it may now."""
        now = self._clock()
        with self._lock:
            times = _recent(self._failed.get(network(address), deque()), now)
            return times[-ATTEMPTS] + WINDOW_SECONDS - now if len(times) >= ATTEMPTS else 0.0

    def failed(self, address: str) -> None:
        """Note a wrong token."""
        now = self._clock()
        with self._lock:
            if len(self._failed) >= MOST_ADDRESSES:
                self._failed = {who: times for who, times in self._failed.items() if _recent(times, now)}
            self._failed.setdefault(network(address), deque(maxlen=ATTEMPTS)).append(now)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        with self._lock:
            self._failed.pop(network(address), None)


def network(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one subscriber of IPv6 has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def _recent(times: deque[float], now: float) -> deque[float]:
    while times and now - times[0] >= WINDOW_SECONDS:
        times.popleft()
    return times
