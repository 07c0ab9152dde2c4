"""What a cache is: the abstract backend, what it can do, and the values that go in and out.

Two levels::

    Cache (cache.py)         what an application calls: namespaces, retry, circuit breaker, metrics, spans
        └── Backend          what a store has to bring: about twenty primitives, each atomic

Keys are text, values are bytes, times are seconds and kept to the millisecond. A backend does not retry and
does not count: the layers do. The embedded twin (local.py) and Redis (redis.py) are held equal by tests.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Reach = Literal["process", "machine", "network"]

FENCE_DIGITS = 20
"""Values that `Backend.set_newer` compares begin with so many decimal digits."""
FENCE_SECONDS = 86_400
"""How long the number behind a lock is kept; afterwards it goes on from the time, which is larger anyway."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, as data. The contract suite asks for exactly this.

    reach: who shares the contents. durable: what is written survives the end of every process.
    atomic_batches: `set_many` happens at once or not at all. can_lose_writes: a confirmed write may be lost
    (asynchronous replication, eviction), so a lock needs its fencing token to be checked. max_value: bytes
    of a value.
    """

    reach: Reach
    durable: bool
    atomic_batches: bool
    can_lose_writes: bool
    max_value: int


@dataclass(frozen=True, slots=True)
class Rate:
    """So many takes in so many seconds, of which `limit` may come at once (GCRA, a leaky bucket)."""

    limit: int
    seconds: float

    @property
    def interval(self) -> int:
        """Microseconds that one take costs."""
        return max(1, round(self.seconds * 1_000_000 / self.limit))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rate limit says. remaining: takes left now. reset, retry_after: seconds until all are back, and
    until this one would be allowed (0 when it is).
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float
    retry_after: float


def decision_of(allowed: bool, done: int, wait: int, rate: Rate) -> Decision:
    """done: microseconds until everything taken is worked off; wait: until this take would be allowed."""
    left = max(0, (rate.interval * rate.limit - done) // rate.interval)
    return Decision(allowed, rate.limit, left, done / 1e6, 0.0 if allowed else wait / 1e6)


def milliseconds(seconds: float | None) -> int | None:
    """At least one: a time that is nearly over is not no time at all."""
    return None if seconds is None else max(1, round(seconds * 1000))


def lock_keys(name: str) -> tuple[str, str]:
    """The keys of a lock's holder and of its fence; a hash tag keeps both on one node of a cluster.

    A brace within the name would begin another tag, so it is replaced; the digest keeps names apart.
    """
    digest = hashlib.sha256(name.encode()).hexdigest()[:20]
    start = f"{name.replace('{', '(')}:{{{digest}}}"
    return f"{start}:lock", f"{start}:fence"


@dataclass(frozen=True, slots=True)
class Health:
    """What a store says of itself. seconds: how long it took to answer. bytes_used, bytes_limit, entries:
    over all nodes; None: it does not say, or has no limit. facts: in words (``role``, ``policy`` …).
    """

    seconds: float
    product: str
    version: str
    entries: int | None = None
    bytes_used: int | None = None
    bytes_limit: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class Backend(ABC):
    """The primitives of one store with one set of credentials. Thread-safe.

    Errors are those of `cloudberth.errors`: Unavailable, TimedOut, Throttled (no memory, too many
    connections), PermissionDenied, ExpiredCredentials, CorruptData; others as BackendError with Kind.INVALID
    (a value that is no number, too large a value) or Kind.UNEXPECTED. `error.code` is the store's own word;
    ``connect``: nothing was sent. seconds None: kept until it is deleted or evicted.
    """

    id: str
    place: str
    """The store as a URL without secrets: ``redis://cache.example:6379/0``."""
    capabilities: Capabilities

    # -- values ----------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """The value, or None when there is none or its time is over."""

    @abstractmethod
    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the keys, in one request (one for each node of a cluster)."""

    @abstractmethod
    def set(self, key: str, value: bytes, seconds: float | None = None) -> None:
        """Keep a value, in place of the old one and of its time."""

    @abstractmethod
    def set_many(self, items: Mapping[str, bytes], seconds: float | None = None) -> None:
        """Keep values in one request (one for each node of a cluster)."""

    @abstractmethod
    def set_newer(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value unless the one that is there is newer: whether it was kept.

        Values begin with a number of FENCE_DIGITS digits, which is compared; a value that does not is old.
        """

    @abstractmethod
    def add(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value if there is none: whether it was kept."""

    @abstractmethod
    def compare_and_set(self, key: str, expected: bytes, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value in place of exactly that one."""

    @abstractmethod
    def compare_and_delete(self, key: str, expected: bytes) -> bool:
        """Delete a value if it is exactly that one."""

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> int:
        """Delete; how many there were."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> int:
        """Delete every key that starts so; how many there were. Walks through all keys of a Redis."""

    @abstractmethod
    def count_prefix(self, prefix: str, most: int) -> int:
        """How many keys start so; stops counting at `most`."""

    # -- numbers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def increment(self, key: str, amount: int = 1, seconds: float | None = None) -> int:
        """Add to a number of 64 bits that begins at 0. seconds: set when it begins, not afterwards."""

    @abstractmethod
    def advance(self, key: str, seconds: float | None = None) -> int:
        """A number larger than any before: one more, and at least the store's time in microseconds.

        So it keeps growing also when the key was evicted or the store was emptied.
        """

    # -- times -----------------------------------------------------------------------------------------------

    @abstractmethod
    def ttl(self, key: str) -> float | None:
        """Seconds that a key has left; infinite when it has no end; None when it does not exist."""

    @abstractmethod
    def expire(self, key: str, seconds: float) -> bool:
        """Give a key so long from now; False when it does not exist."""

    # -- locks and rates -------------------------------------------------------------------------------------

    @abstractmethod
    def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        """Take a lock: its fencing token, larger than any before; None: somebody else has it.

        The same owner gets the same token again, and new time.
        """

    @abstractmethod
    def renew(self, name: str, owner: str, seconds: float) -> bool:
        """Give a lock new time; False: it is not the owner's any more."""

    @abstractmethod
    def release(self, name: str, owner: str) -> bool:
        """Give a lock back; False: it was not the owner's any more."""

    @abstractmethod
    def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Take from a rate, or be told when; cost 0 only looks."""

    # -- the store -------------------------------------------------------------------------------------------

    @abstractmethod
    def health(self) -> Health:
        """Ask the store how it is. Raises what is wrong with it."""

    @abstractmethod
    def close(self) -> None:
        """Give connections back. The backend is not used afterwards."""
