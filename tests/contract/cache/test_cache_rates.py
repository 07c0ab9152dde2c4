"""Rate limits: as many as allowed, never more, whoever asks at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudberth.cache import Cache, Rate
from cloudberth.cache.rate_limits import RateLimit, headers
from cloudberth.errors import InvalidInput


def test_a_burst_then_nothing(cache: Cache) -> None:
    limit = RateLimit(cache, limit=5, seconds=100)
    taken = [limit.take("ada") for _ in range(7)]
    assert [decision.allowed for decision in taken] == [True] * 5 + [False] * 2
    assert [decision.remaining for decision in taken] == [4, 3, 2, 1, 0, 0, 0]
    assert 19 < taken[-1].retry_after <= 20, "one comes back each 20 seconds"
    assert 99 < taken[-1].reset <= 100
    assert limit.take("bob").allowed, "everybody has their own"


def test_it_comes_back(cache: Cache) -> None:
    limit = RateLimit(cache, limit=2, seconds=0.8)
    assert [limit.take("x").allowed for _ in range(3)] == [True, True, False]
    time.sleep(0.45)
    assert limit.take("x").allowed


def test_looking_takes_nothing(cache: Cache) -> None:
    limit = RateLimit(cache, limit=3, seconds=100)
    assert [limit.take("x", 0).remaining for _ in range(5)] == [3] * 5
    assert limit.take("x", 3).allowed
    assert limit.take("x", 0).remaining == 0
    refused = limit.take("x", 2)
    assert not refused.allowed
    assert refused.remaining == 0


def test_many_at_once_get_exactly_as_many(cache: Cache) -> None:
    limit = RateLimit(cache, limit=20, seconds=1000)
    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(lambda _: limit.take("x").allowed, range(60)))
    assert sum(allowed) == 20


def test_a_rate_faster_than_a_millisecond(cache: Cache) -> None:
    rate = Rate(limit=5000, seconds=1)
    decisions = [cache.take("fast", rate) for _ in range(20)]
    assert all(decision.allowed for decision in decisions)
    assert decisions[-1].remaining >= 4980


def test_what_can_never_be_is_refused(cache: Cache) -> None:
    for rate, cost in ((Rate(3, 1), 4), (Rate(3, 1), -1), (Rate(0, 1), 0), (Rate(1, 0), 1)):
        with pytest.raises(InvalidInput):
            cache.take("x", rate, cost)


def test_headers_say_when_to_come_back(cache: Cache) -> None:
    limit = RateLimit(cache, limit=1, seconds=30)
    assert headers(limit.take("x")) == {
        "RateLimit-Limit": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": "30",
    }  # fmt: skip
    assert headers(limit.take("x"))["Retry-After"] == "30"
