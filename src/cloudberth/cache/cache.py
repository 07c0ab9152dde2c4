"""The cache that applications use: namespaces over one backend, with all layers around it.

::

    from cloudberth import cache

    with cache.open() as everything:              # REDIS_HOST and so on; without them, this process's memory
        answers = everything.under("answers")
        answers.set("42", b"...", seconds=60)
        answers.get("42")

Errors are typed and raised. What may do without the cache goes through `Cache.attempt`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from cloudberth.cache.contract import FENCE_DIGITS, Backend, Capabilities, Decision, Health, Rate
from cloudberth.cache.layers import Behaviour, Layers
from cloudberth.cache.metrics import Metrics
from cloudberth.errors import BackendError, InvalidInput

T = TypeVar("T")
ROOT = "cloudberth"
"""All our keys begin so: a Redis is shared with Dify and others."""
LONGEST_KEY = 1024


class Cache:
    """One namespace. Thread-safe, and survives a fork. seconds None: kept until deleted or evicted."""

    def __init__(
        self,
        backend: Backend,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 — a frozen value
        *,
        namespace: str = "",
        layers: Layers | None = None,
    ) -> None:
        self.backend = backend
        self.namespace = namespace
        self._layers = layers or Layers(backend.place, behaviour)
        self._around = self._layers.around
        self._start = f"{ROOT}:{namespace}:" if namespace else f"{ROOT}:"

    def __repr__(self) -> str:
        return f"Cache({self.backend.place!r}, namespace={self.namespace!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def under(self, namespace: str) -> Cache:
        """A namespace of this cache: its own keys, its own figures, the same connections."""
        if not namespace or len(namespace) > 64 or not namespace.replace("-", "").replace("_", "").isalnum():
            raise InvalidInput("a namespace is made of letters, digits, - and _", where=repr(namespace))
        if self.namespace:
            raise InvalidInput("a namespace has none below it", where=self.namespace)
        return Cache(self.backend, namespace=namespace, layers=self._layers)

    @property
    def capabilities(self) -> Capabilities:
        return self.backend.capabilities

    @property
    def metrics(self) -> Metrics:
        return self._layers.metrics

    @property
    def breaker_open(self) -> bool:
        """Whether the store is given up for the moment."""
        return self._layers.breaker.open

    # -- values ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        name = self._name(key)
        found = self._around("get", self.namespace, lambda: self.backend.get(name))
        self.metrics.found(self.namespace, *((0, 1) if found is None else (1, 0)))
        return found

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the keys."""
        names = [self._name(key) for key in keys]
        found = self._around("get_many", self.namespace, lambda: self.backend.get_many(names))
        misses = sum(value is None for value in found)
        self.metrics.found(self.namespace, len(found) - misses, misses)
        return found

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The same, not counted as hits and misses: for a use that counts its own with `counted`."""
        names = [self._name(key) for key in keys]
        return self._around("get_many", self.namespace, lambda: self.backend.get_many(names))

    def counted(self, hits: int, misses: int) -> None:
        """Put down what a use found and did not find."""
        self.metrics.found(self.namespace, hits, misses)

    def set(self, key: str, value: bytes, seconds: float | None = None) -> None:
        """Keep a value, in place of the old one."""
        name, seconds = self._name(key), _time(seconds)
        self._around("set", self.namespace, lambda: self.backend.set(name, value, seconds))

    def set_many(self, items: Mapping[str, bytes], seconds: float | None = None) -> None:
        """Keep several; at once or not at all when `capabilities.atomic_batches`."""
        named, seconds = {self._name(key): value for key, value in items.items()}, _time(seconds)
        self._around("set_many", self.namespace, lambda: self.backend.set_many(named, seconds))

    def add(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value if there is none: whether it was kept."""
        name, seconds = self._name(key), _time(seconds)
        return self._around("add", self.namespace, lambda: self.backend.add(name, value, seconds))

    def compare_and_set(self, key: str, expected: bytes, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value in place of exactly that one."""
        name, seconds = self._name(key), _time(seconds)
        call = lambda: self.backend.compare_and_set(name, expected, value, seconds)  # noqa: E731
        return self._around("compare_and_set", self.namespace, call)

    def compare_and_delete(self, key: str, expected: bytes) -> bool:
        """Delete a value if it is exactly that one."""
        name = self._name(key)
        call = lambda: self.backend.compare_and_delete(name, expected)  # noqa: E731
        return self._around("compare_and_delete", self.namespace, call)

    def delete(self, *keys: str) -> int:
        """Delete; how many there were."""
        names = [self._name(key) for key in keys]
        return self._around("delete", self.namespace, lambda: self.backend.delete(names))

    def clear(self, prefix: str = "") -> int:
        """Delete all of this namespace, or what starts so; how many. Walks through all keys of a Redis."""
        start = self._start + prefix
        return self._around("delete_prefix", self.namespace, lambda: self.backend.delete_prefix(start))

    def count(self, prefix: str = "", most: int = 1_000_000) -> int:
        """How many keys this namespace has; counts up to `most`."""
        start = self._start + prefix
        return self._around("count_prefix", self.namespace, lambda: self.backend.count_prefix(start, most))

    # -- values with a version -------------------------------------------------------------------------------

    def get_versioned(self, key: str) -> tuple[int, bytes] | None:
        """Version and value of what `set_versioned` kept."""
        return versioned(self.get(key))

    def set_versioned(self, key: str, version: int, value: bytes, seconds: float | None = None) -> bool:
        """Keep a value unless one with a larger version is there: whether it was kept.

        version: 0 … 2^53, such as the fencing token of a lock: whoever lost it meanwhile writes nothing.
        """
        if not 0 <= version <= 2**53:
            raise InvalidInput("a version is 0 … 2^53", where=key)
        name, seconds, whole = self._name(key), _time(seconds), with_version(version, value)
        return self._around("set_newer", self.namespace, lambda: self.backend.set_newer(name, whole, seconds))

    # -- numbers and times -----------------------------------------------------------------------------------

    def increment(self, key: str, amount: int = 1, seconds: float | None = None) -> int:
        """Add to a number that begins at 0. seconds: from when it begins."""
        name, seconds = self._name(key), _time(seconds)
        return self._around(
            "increment", self.namespace, lambda: self.backend.increment(name, amount, seconds)
        )

    def advance(self, key: str, seconds: float | None = None) -> int:
        """A number larger than any before, also after the cache was emptied."""
        name, seconds = self._name(key), _time(seconds)
        return self._around("advance", self.namespace, lambda: self.backend.advance(name, seconds))

    def ttl(self, key: str) -> float | None:
        """Seconds left; infinite without an end; None when there is no such key."""
        name = self._name(key)
        return self._around("ttl", self.namespace, lambda: self.backend.ttl(name))

    def expire(self, key: str, seconds: float) -> bool:
        """Give a key so long from now; False when it does not exist."""
        name, checked = self._name(key), _time(seconds) or 0.0
        return self._around("expire", self.namespace, lambda: self.backend.expire(name, checked))

    # -- locks and rates (locks.py, rate_limits.py are what applications use) --------------------------------

    def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        lock, time_left = self._name(name), _time(seconds) or 0.0
        return self._around("acquire", self.namespace, lambda: self.backend.acquire(lock, owner, time_left))

    def renew(self, name: str, owner: str, seconds: float) -> bool:
        lock, time_left = self._name(name), _time(seconds) or 0.0
        return self._around("renew", self.namespace, lambda: self.backend.renew(lock, owner, time_left))

    def release(self, name: str, owner: str) -> bool:
        lock = self._name(name)
        return self._around("release", self.namespace, lambda: self.backend.release(lock, owner))

    def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        if rate.limit < 1 or not 0 < rate.seconds < math.inf:
            raise InvalidInput("a rate is at least 1 in a time above 0", where=self.namespace)
        if not 0 <= cost <= rate.limit:
            raise InvalidInput(f"a cost of {cost} is never within {rate.limit}", where=self.namespace)
        name = self._name(key)
        return self._around("take", self.namespace, lambda: self.backend.take(name, rate, cost))

    # -- the store -------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Ask the store how it is."""
        return self._around("health", self.namespace, self.backend.health)

    def attempt(self, call: Callable[[], T], otherwise: T) -> T:
        """What a call gives, or `otherwise` when the store fails: logged once an outage, counted each time.

        InvalidInput is raised: that is the caller's mistake, not an outage.
        """
        try:
            return call()
        except BackendError as error:
            self.did_without(error)
            return otherwise

    def did_without(self, error: BackendError) -> None:
        """Put down that a use goes on without the store."""
        self.metrics.did_without(self.namespace)
        self._layers.outages.failed(self.namespace, error)

    def close(self) -> None:
        """Give connections back, those of all namespaces."""
        self.backend.close()

    def _name(self, key: str) -> str:
        if not key or len(key) > LONGEST_KEY:
            raise InvalidInput(
                f"a key has 1 … {LONGEST_KEY} characters", where=self.namespace, hint="hash what is longer"
            )
        if not key.isascii():
            try:
                key.encode()
            except UnicodeEncodeError:
                raise InvalidInput("the key is no text in UTF-8", where=self.namespace) from None
        return self._start + key


def with_version(version: int, value: bytes) -> bytes:
    """A value with its version in front, as `set_newer` compares it."""
    return b"%0*d%s" % (FENCE_DIGITS, version, value)


def versioned(value: bytes | None) -> tuple[int, bytes] | None:
    """Version and value; None when there is none, or it was not kept with one."""
    if value is None or len(value) < FENCE_DIGITS or not value[:FENCE_DIGITS].isdigit():
        return None
    return int(value[:FENCE_DIGITS]), value[FENCE_DIGITS:]


def _time(seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < 10**10:
        raise InvalidInput(f"{seconds} is no time to keep a value", hint="seconds above 0, or None")
    return seconds
