"""The embedded twin and Redis are one: the same steps on both give the same answers.

A state machine makes up steps, among them the passing of time. The twin's clock is moved; a real server's
cannot be, so what its keys have left is made less, and steps that need the time are told it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import cache_servers as servers
import pytest
from cache_rigs import Shifted, shift_keys
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cloudberth.cache.contract import Decision, Rate
from cloudberth.cache.local import Local
from cloudberth.cache.redis import Redis
from cloudberth.cache.settings import LocalSettings, RedisSettings
from cloudberth.errors import BackendError

KEYS = st.sampled_from(["a", "b", "a:1", "a:2", "ключ", "n"])
VALUES = st.sampled_from([b"", b"x", b"5", b"-1", b"007", b"0" * 19 + b"7rest", b"0" * 19 + b"9rest"])
# The server's keys live in real time: everything is a multiple of five seconds, so that what the steps
# themselves take is rounded away.
UNIT = 5
SECONDS = st.sampled_from([None, 10, 20, 100, 36_000])
OWNERS = st.sampled_from(["me", "you"])
LOCKS = st.sampled_from(["work", "w{o}rk"])
RATES = st.sampled_from([Rate(1, 100), Rate(3, 300)])
_names = count(1)


def rounded(value: Any) -> Any:
    """An answer without what a little real time does to it."""
    if isinstance(value, Decision):
        times = tuple(round(number / UNIT) * UNIT for number in (value.reset, value.retry_after))
        return (value.allowed, value.limit, value.remaining, *times)
    if isinstance(value, float) and math.isfinite(value):
        return round(value / UNIT) * UNIT
    return value


def answer(call: Callable[[], Any]) -> Any:
    try:
        return rounded(call())
    except BackendError as error:
        return type(error).__name__, error.kind


class Twins(RuleBasedStateMachine):
    """Both backends, and a clock for both."""

    port: ClassVar[int]
    client: ClassVar[Any]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.clock = Shifted()
        self.start = f"run{next(_names)}:"
        path = str(self.folder / f"{self.start[:-1]}.db")
        self.twins = [
            Local(LocalSettings(), clock=self.clock),
            Local(LocalSettings(path=path), clock=self.clock),
        ]
        # A connection for each example would take longer than the example.
        self.redis = Redis(RedisSettings(host="127.0.0.1", port=self.port), clock=self.clock)
        self.redis._client = self.client

    def both(self, call: Callable[[Any], Any]) -> Any:
        expected = answer(lambda: call(self.redis))
        for twin in self.twins:
            assert answer(lambda twin=twin: call(twin)) == expected  # type: ignore[misc]
        return expected

    @rule(key=KEYS, value=VALUES, seconds=SECONDS)
    def set(self, key: str, value: bytes, seconds: float | None) -> None:
        self.both(lambda each: each.set(self.start + key, value, seconds))

    @rule(keys=st.lists(KEYS, max_size=4), value=VALUES, seconds=SECONDS)
    def set_many(self, keys: list[str], value: bytes, seconds: float | None) -> None:
        self.both(lambda each: each.set_many({self.start + key: value for key in keys}, seconds))

    @rule(keys=st.lists(KEYS, max_size=5))
    def get_many(self, keys: list[str]) -> None:
        self.both(lambda each: each.get_many([self.start + key for key in keys]))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        self.both(lambda each: each.get(self.start + key))
        self.both(lambda each: each.ttl(self.start + key))

    @rule(key=KEYS, value=VALUES, seconds=SECONDS)
    def add(self, key: str, value: bytes, seconds: float | None) -> None:
        self.both(lambda each: each.add(self.start + key, value, seconds))

    @rule(key=KEYS, old=VALUES, value=VALUES, seconds=SECONDS)
    def compare_and_set(self, key: str, old: bytes, value: bytes, seconds: float | None) -> None:
        self.both(lambda each: each.compare_and_set(self.start + key, old, value, seconds))

    @rule(key=KEYS, old=VALUES)
    def compare_and_delete(self, key: str, old: bytes) -> None:
        self.both(lambda each: each.compare_and_delete(self.start + key, old))

    @rule(key=KEYS, version=st.sampled_from([1, 7]), seconds=SECONDS)
    def set_newer(self, key: str, version: int, seconds: float | None) -> None:
        self.both(lambda each: each.set_newer(self.start + key, b"%020dx" % version, seconds))

    @rule(keys=st.lists(KEYS, max_size=3))
    def delete(self, keys: list[str]) -> None:
        self.both(lambda each: each.delete([self.start + key for key in keys]))

    @rule(prefix=st.sampled_from(["", "a", "a:", "z"]))
    def delete_prefix(self, prefix: str) -> None:
        self.both(lambda each: each.delete_prefix(self.start + prefix))

    @rule(prefix=st.sampled_from(["", "a", "a:"]))
    def count_prefix(self, prefix: str) -> None:
        self.both(lambda each: each.count_prefix(self.start + prefix, 100))

    @rule(key=KEYS, amount=st.sampled_from([1, -3, 2**62]), seconds=SECONDS)
    def increment(self, key: str, amount: int, seconds: float | None) -> None:
        self.both(lambda each: each.increment(self.start + key, amount, seconds))

    @rule(key=KEYS, seconds=st.sampled_from([10, 100]))
    def expire(self, key: str, seconds: float) -> None:
        self.both(lambda each: each.expire(self.start + key, seconds))

    @rule(name=LOCKS, owner=OWNERS, seconds=st.sampled_from([10, 100]))
    def acquire(self, name: str, owner: str, seconds: float) -> None:
        self.both(lambda each: each.acquire(self.start + name, owner, seconds) is not None)

    @rule(name=LOCKS, owner=OWNERS, seconds=st.sampled_from([10, 100]))
    def renew(self, name: str, owner: str, seconds: float) -> None:
        self.both(lambda each: each.renew(self.start + name, owner, seconds))

    @rule(name=LOCKS, owner=OWNERS)
    def release(self, name: str, owner: str) -> None:
        self.both(lambda each: each.release(self.start + name, owner))

    @rule(rate=RATES, cost=st.integers(0, 3))
    def take(self, rate: Rate, cost: int) -> None:
        self.both(lambda each: each.take(f"{self.start}r{rate.limit}", rate, min(cost, rate.limit)))

    @rule(seconds=st.sampled_from([5, 15, 45, 105]))
    def time_passes(self, seconds: int) -> None:
        shift_keys(self.client, self.start, seconds)
        self.clock.offset += seconds

    def teardown(self) -> None:
        self.redis.delete_prefix(self.start)
        for twin in self.twins:
            twin.close()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[servers.Server]:
    if servers.redis_binary() is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.running(servers.server(Path(folder))) as (server,),
    ):
        yield server


def test_the_twin_does_what_redis_does(redis_server: servers.Server, tmp_path: Path) -> None:
    Twins.port, Twins.client, Twins.folder = redis_server.port, redis_server.client(), tmp_path
    run_state_machine_as_test(
        Twins, settings=settings(max_examples=30, stateful_step_count=40, deadline=None)
    )
