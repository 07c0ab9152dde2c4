"""Values: what is kept comes back, as long as it should, and batches, comparisons and prefixes hold."""

from __future__ import annotations

import math
import time

import pytest

from cloudberth.cache import Cache
from cloudberth.errors import BackendError, InvalidInput, Kind

KEYS = [
    "a",
    "a:b",
    "with space",
    "ключ-钥匙",
    "*?[x]\\^-",
    "{tag}",
    "}{",
    "line\nbreak",
    "nul\0byte",
    "k" * 900,
]
VALUES = [b"", b"x", b"\0\xff\r\n$", bytes(range(256)) * 40, b"0" * 20]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_any_key_is_kept(cache: Cache, key: str) -> None:
    assert cache.get(key) is None
    cache.set(key, b"value")
    assert cache.get(key) == b"value"
    assert cache.get_many([key, key + "x"]) == [b"value", None]
    assert cache.count() == 1
    assert cache.delete(key) == 1
    assert cache.delete(key) == 0
    assert cache.get(key) is None


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_comes_back(cache: Cache, value: bytes) -> None:
    cache.set("key", value, seconds=100)
    assert cache.get("key") == value
    assert cache.compare_and_set("key", value, b"other")
    assert cache.get("key") == b"other"


def test_a_value_of_two_megabytes(cache: Cache) -> None:
    value = bytes(1024) * 2048
    cache.set("large", value, seconds=60)
    assert cache.get("large") == value


def test_what_has_no_end_and_what_has(cache: Cache) -> None:
    assert cache.ttl("key") is None
    cache.set("key", b"1")
    assert cache.ttl("key") == math.inf
    cache.set("key", b"2", seconds=100)
    assert 99 < (cache.ttl("key") or 0) <= 100
    assert cache.expire("key", 500)
    assert 499 < (cache.ttl("key") or 0) <= 500
    cache.set("key", b"3")
    assert cache.ttl("key") == math.inf, "a new value has its own time"
    assert not cache.expire("absent", 5)


def test_what_is_over_is_gone(cache: Cache) -> None:
    cache.set("short", b"1", seconds=0.15)
    cache.set_many({"short too": b"2"}, seconds=0.15)
    cache.set("long", b"3", seconds=100)
    assert cache.get("short") == b"1"
    time.sleep(0.3)
    assert cache.get_many(["short", "short too", "long"]) == [None, None, b"3"]
    assert cache.ttl("short") is None
    assert cache.add("short", b"4"), "what is over is not there"
    assert cache.delete("short too") == 0


def test_batches(cache: Cache) -> None:
    items = {f"key {number}": b"%d" % number for number in range(600)}
    cache.set_many(items, seconds=100)
    keys = ["absent", *reversed(items), "key 7"]
    assert cache.get_many(keys) == [items.get(key) for key in keys]
    assert cache.get_many([]) == []
    cache.set_many({})
    assert cache.delete(*items) == 600
    assert cache.delete() == 0


def test_add_keeps_the_first(cache: Cache) -> None:
    assert cache.add("key", b"first", seconds=100)
    assert not cache.add("key", b"second")
    assert cache.get("key") == b"first"
    assert 99 < (cache.ttl("key") or 0) <= 100


def test_comparisons(cache: Cache) -> None:
    assert not cache.compare_and_set("key", b"", b"x"), "what is not there equals nothing"
    assert not cache.compare_and_delete("key", b"")
    cache.set("key", b"one", seconds=100)
    assert not cache.compare_and_set("key", b"two", b"three")
    assert not cache.compare_and_delete("key", b"two")
    assert cache.compare_and_set("key", b"one", b"two")
    assert cache.ttl("key") == math.inf
    assert cache.compare_and_delete("key", b"two")
    assert cache.get("key") is None


def test_a_newer_version_stays(cache: Cache) -> None:
    assert cache.get_versioned("key") is None
    assert cache.set_versioned("key", 5, b"five", seconds=100)
    assert not cache.set_versioned("key", 4, b"four")
    assert cache.get_versioned("key") == (5, b"five")
    assert cache.set_versioned("key", 5, b"again"), "the same writer may write again"
    assert cache.set_versioned("key", 2**53, b"last")
    assert not cache.set_versioned("key", 2**53 - 1, b"too late")
    assert cache.get_versioned("key") == (2**53, b"last")
    cache.set("key", b"no version, but longer than twenty bytes")
    assert cache.get_versioned("key") is None
    assert cache.set_versioned("key", 0, b"zero"), "what has no version is old"


def test_a_namespace_is_cleared_alone(cache: Cache, store: Cache) -> None:
    other = store.under("other")
    cache.set_many({f"a{number}": b"" for number in range(30)} | {"b*": b"", "bx": b"", "b[": b""})
    other.set("a1", b"stays", seconds=30)
    assert cache.count() == 33
    assert cache.count(most=10) == 10
    assert cache.clear("b*") == 1, "a prefix is no pattern"
    assert cache.clear("b[") == 1
    assert cache.clear("a") == 30
    assert (cache.count(), cache.get("bx")) == (1, b"")
    assert cache.clear() == 1
    assert cache.clear() == 0
    assert other.get("a1") == b"stays"


def test_numbers(cache: Cache) -> None:
    assert cache.increment("n") == 1
    assert cache.increment("n", 41, seconds=100) == 42
    assert cache.ttl("n") == math.inf, "a time is given when a number begins"
    assert cache.increment("n", -50) == -8
    assert cache.get("n") == b"-8"
    assert cache.increment("timed", 1, seconds=100) == 1
    assert cache.increment("timed", 1, seconds=900) == 2
    assert 99 < (cache.ttl("timed") or 0) <= 100
    assert cache.increment("large", 2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize("value", [b"abc", b"", b"1.5", b"007", b" 7", b"9223372036854775808"], ids=range(6))
def test_what_is_no_number_is_not_added_to(cache: Cache, value: bytes) -> None:
    cache.set("key", value)
    with pytest.raises(BackendError) as caught:
        cache.increment("key")
    assert caught.value.kind is Kind.INVALID
    assert not caught.value.retryable
    assert cache.get("key") == value


def test_a_number_does_not_run_over(cache: Cache) -> None:
    cache.set("key", b"%d" % (2**63 - 1))
    with pytest.raises(BackendError) as caught:
        cache.increment("key")
    assert caught.value.kind is Kind.INVALID


def test_advancing_numbers_only_grow(cache: Cache) -> None:
    before = int((time.time() - 60) * 1_000_000)
    numbers = [cache.advance("g", seconds=100) for _ in range(50)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > before
    cache.delete("g")
    assert cache.advance("g") > numbers[-1], "also when it was lost"
    cache.set("g", b"%d" % 2**52)
    assert cache.advance("g") == 2**52 + 1, "also when clocks go back"


@pytest.mark.parametrize("key", ["", "k" * 1025, "\udc80"], ids=["empty", "long", "no-utf-8"])
def test_a_key_that_cannot_be_is_refused(cache: Cache, key: str) -> None:
    with pytest.raises(InvalidInput):
        cache.get(key)


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan], ids=str)
def test_a_time_that_cannot_be_is_refused(cache: Cache, seconds: float) -> None:
    with pytest.raises(InvalidInput):
        cache.set("key", b"", seconds=seconds)
    assert cache.get("key") is None


def test_health_tells_what_it_is(cache: Cache) -> None:
    cache.set("key", b"x" * 1000)
    health = cache.health()
    assert health.product in {"SQLite", "Redis", "Valkey"}
    assert health.version[0].isdigit()
    assert (health.entries or 0) >= 1
    assert (health.bytes_used or 0) > 1000
    assert 0 <= health.seconds < 5
