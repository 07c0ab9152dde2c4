"""The cache on Redis or Valkey (5 or later), through redis-py.

Every key is ``[REDIS_KEY_PREFIX:]<key>``, as Dify writes its own. A lock's two keys carry a hash tag, so that
they are on one node of a cluster. What is atomic on one key is atomic in a cluster; a batch is not.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from cloudberth.cache import scripts
from cloudberth.cache.contract import (
    FENCE_SECONDS,
    Backend,
    Capabilities,
    Decision,
    Health,
    Rate,
    decision_of,
    lock_keys,
    milliseconds,
)
from cloudberth.cache.identities import Fetch, RotatingCredentials, fetch_for
from cloudberth.cache.redis_clients import client_of, drop_idle_connections, library
from cloudberth.cache.redis_facts import health_of
from cloudberth.cache.redis_failures import failure_of
from cloudberth.cache.settings import RedisSettings
from cloudberth.errors import ExpiredCredentials

T = TypeVar("T")
_SCAN = 1000


class Redis(Backend):
    """See the module. clock: seconds since 1970 in place of the server's clock, for tests. fetch: tokens in
    place of those that the settings ask for.
    """

    id = "redis"
    settings = RedisSettings

    def __init__(
        self,
        settings: RedisSettings,
        *,
        clock: Callable[[], float] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.place = settings.place
        self.capabilities = Capabilities(
            reach="network",
            durable=False,  # that is the server's configuration, which is not known before it is asked
            atomic_batches=settings.mode != "cluster",
            can_lose_writes=True,
            max_value=512 * 1024 * 1024,
        )
        self._settings = settings
        self._prefix = f"{settings.prefix}:" if settings.prefix else ""
        self._clock = clock
        fetch = fetch or fetch_for(settings)
        self._tokens = RotatingCredentials(fetch) if fetch else None
        self._lock = threading.Lock()
        self._client: Any = None
        self._digests: dict[str, str] = {}
        library()  # an extra that is missing is said when the cache is opened

    @classmethod
    def open(cls, settings: RedisSettings) -> Redis:
        return cls(settings)

    # -- calling ---------------------------------------------------------------------------------------------

    def _run(self, call: Callable[[Any], T]) -> T:
        """A call with the client, and its failure in our words."""
        try:
            client = self._client or self._connected()
            if self._tokens is not None and self._tokens.connections_are_old():
                drop_idle_connections(client)
            return call(client)
        except Exception as error:
            failure = failure_of(error, self.place, expiring=self._tokens is not None)
            if isinstance(failure, ExpiredCredentials) and self._tokens is not None:
                self._tokens.forget()
            if failure is error:
                raise
            raise failure from None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                if self._tokens is not None:
                    self._tokens.token()  # its failure is ours, not one of a connection
                self._client = client_of(self._settings, self._tokens)
            return self._client

    def _script(self, text: str, keys: Sequence[str], *arguments: object) -> Any:
        digest = self._digests.get(text)
        if digest is None:
            digest = self._digests[text] = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        missing = library("redis.exceptions").NoScriptError

        def call(client: Any) -> Any:
            try:
                return client.evalsha(digest, len(keys), *keys, *arguments)
            except missing:
                return client.eval(text, len(keys), *keys, *arguments)

        return self._run(call)

    def _name(self, key: str) -> str:
        return self._prefix + key

    def _now(self) -> int | str:
        return "" if self._clock is None else int(self._clock() * 1_000_000)

    # -- values ----------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        name = self._prefix + key
        found: bytes | None = self._run(lambda client: client.get(name))
        return found

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        names = [self._name(key) for key in keys]
        if self._settings.mode == "cluster":
            found: list[bytes | None] = self._run(lambda client: client.mget_nonatomic(names))
        else:
            found = self._run(lambda client: client.mget(names))
        return found

    def set(self, key: str, value: bytes, seconds: float | None = None) -> None:
        name, time_left = self._prefix + key, milliseconds(seconds)
        self._run(lambda client: client.set(name, value, px=time_left))

    def set_many(self, items: Mapping[str, bytes], seconds: float | None = None) -> None:
        if not items:
            return
        time_left = milliseconds(seconds)

        def call(client: Any) -> None:
            with client.pipeline(transaction=self.capabilities.atomic_batches) as pipeline:
                for key, value in items.items():
                    pipeline.set(self._name(key), value, px=time_left)
                pipeline.execute()

        self._run(call)

    def set_newer(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        return bool(self._script(scripts.SET_NEWER, [self._name(key)], value, milliseconds(seconds) or ""))

    def add(self, key: str, value: bytes, seconds: float | None = None) -> bool:
        name, time_left = self._name(key), milliseconds(seconds)
        return bool(self._run(lambda client: client.set(name, value, px=time_left, nx=True)))

    def compare_and_set(self, key: str, expected: bytes, value: bytes, seconds: float | None = None) -> bool:
        time_left = milliseconds(seconds) or ""
        return bool(self._script(scripts.COMPARE_AND_SET, [self._name(key)], expected, value, time_left))

    def compare_and_delete(self, key: str, expected: bytes) -> bool:
        return bool(self._script(scripts.COMPARE_AND_DELETE, [self._name(key)], expected))

    def delete(self, keys: Sequence[str]) -> int:
        if not keys:
            return 0
        names = [self._name(key) for key in keys]
        return int(self._run(lambda client: client.unlink(*names)))

    def delete_prefix(self, prefix: str) -> int:
        def call(client: Any) -> int:
            return sum(int(client.unlink(*batch)) for batch in self._found(client, prefix))

        return self._run(call)

    def count_prefix(self, prefix: str, most: int) -> int:
        def call(client: Any) -> int:
            count = 0
            for batch in self._found(client, prefix):
                count += len(batch)
                if count >= most:
                    return most
            return count

        return self._run(call)

    def _found(self, client: Any, prefix: str) -> Iterator[list[bytes]]:
        """Keys in batches; one may come twice, which deleting does not mind."""
        pattern = _as_pattern(self._name(prefix)) + "*"
        batch: dict[bytes, None] = {}
        for key in client.scan_iter(match=pattern, count=_SCAN):
            batch[key] = None
            if len(batch) >= _SCAN:
                yield list(batch)
                batch = {}
        if batch:
            yield list(batch)

    # -- numbers and times -----------------------------------------------------------------------------------

    def increment(self, key: str, amount: int = 1, seconds: float | None = None) -> int:
        return int(self._script(scripts.INCREMENT, [self._name(key)], amount, milliseconds(seconds) or ""))

    def advance(self, key: str, seconds: float | None = None) -> int:
        time_left = milliseconds(seconds) or ""
        return int(self._script(scripts.ADVANCE, [self._name(key)], time_left, self._now()))

    def ttl(self, key: str) -> float | None:
        name = self._name(key)
        left = int(self._run(lambda client: client.pttl(name)))
        return None if left == -2 else float("inf") if left == -1 else left / 1000

    def expire(self, key: str, seconds: float) -> bool:
        name, time_left = self._name(key), milliseconds(seconds)
        return bool(self._run(lambda client: client.pexpire(name, time_left)))

    # -- locks and rates -------------------------------------------------------------------------------------

    def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        keys = [self._name(key) for key in lock_keys(name)]
        times = (milliseconds(seconds), FENCE_SECONDS * 1000)
        token = self._script(scripts.ACQUIRE, keys, owner, *times, self._now())
        return None if token is None else int(token)

    def renew(self, name: str, owner: str, seconds: float) -> bool:
        return bool(
            self._script(scripts.RENEW, [self._name(lock_keys(name)[0])], owner, milliseconds(seconds))
        )

    def release(self, name: str, owner: str) -> bool:
        return bool(self._script(scripts.RELEASE, [self._name(lock_keys(name)[0])], owner))

    def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        arguments = (rate.interval, rate.limit, cost, self._now())
        allowed, done, wait = self._script(scripts.TAKE, [self._name(key)], *arguments)
        return decision_of(bool(allowed), int(done), int(wait), rate)

    # -- the store -------------------------------------------------------------------------------------------

    def health(self) -> Health:
        began = time.monotonic()
        self._run(lambda client: client.ping())
        seconds = time.monotonic() - began
        return self._run(lambda client: health_of(client, self._settings, seconds))

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            self._run_close(client)

    def _run_close(self, client: Any) -> None:
        try:
            client.close()
        except Exception as error:
            failure = failure_of(error, self.place)
            if failure is error:
                raise
            # A connection that is broken already is closed enough.


def _as_pattern(text: str) -> str:
    """A text that a pattern of Redis takes as it is."""
    return "".join(f"\\{character}" if character in "*?[]\\^-" else character for character in text)
