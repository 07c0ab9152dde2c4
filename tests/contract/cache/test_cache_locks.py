"""Locks keep others out, their tokens only grow, and a lock that was lost is noticed."""

from __future__ import annotations

import threading
import time

import pytest

from cloudberth.cache import Cache
from cloudberth.cache.locks import Lock
from cloudberth.errors import PreconditionFailed


def test_only_one_has_it(cache: Cache) -> None:
    with Lock(cache, "work") as first:
        assert Lock(cache, "work").try_acquire() is None
        with pytest.raises(PreconditionFailed, match="somebody else"):
            Lock(cache, "work", wait=0.05).acquire()
        with Lock(cache, "other work"):
            first.check()
    with Lock(cache, "work") as second:
        assert second.token > first.token


@pytest.mark.parametrize("name", ["a}b{c", "{}", "ключ", "x" * 500], ids=range(4))
def test_any_name_can_be_locked(cache: Cache, name: str) -> None:
    with Lock(cache, name) as lock:
        assert Lock(cache, name).try_acquire() is None
        assert lock.renew()


def test_tokens_grow_when_locks_expire_and_are_lost(cache: Cache) -> None:
    tokens = []
    for _ in range(3):
        lock = Lock(cache, "work", seconds=0.1, renew=False)
        tokens.append(lock.acquire())
        time.sleep(0.2)
        assert lock.lost
        with pytest.raises(PreconditionFailed, match="lost"):
            lock.check()
    cache.clear()
    tokens.append(Lock(cache, "work").acquire())
    assert tokens == sorted(set(tokens))


def test_a_lock_of_somebody_else_is_not_released(cache: Cache) -> None:
    slow = Lock(cache, "work", seconds=0.1, renew=False)
    slow.acquire()
    time.sleep(0.2)
    with Lock(cache, "work") as fast:
        assert not slow.release()
        assert not slow.renew()
        assert fast.renew()
        assert Lock(cache, "work").try_acquire() is None


def test_it_is_renewed_while_it_is_held(cache: Cache) -> None:
    with Lock(cache, "work", seconds=0.6) as lock:
        time.sleep(0.9)
        lock.check()
        assert Lock(cache, "work").try_acquire() is None
    assert Lock(cache, "work").try_acquire() is not None


def test_losing_it_is_noticed_by_the_renewal(cache: Cache) -> None:
    with Lock(cache, "work", seconds=0.6) as lock:
        cache.clear()
        time.sleep(0.5)
        assert lock.lost


def test_the_older_token_writes_nothing(cache: Cache) -> None:
    """The story of the paused holder: its lock expires, another one works, then it wakes up and writes."""
    paused = Lock(cache, "work", seconds=0.1, renew=False)
    paused.acquire()
    time.sleep(0.2)
    with Lock(cache, "work") as other:
        assert cache.set_versioned("result", other.token, b"new")
    assert not cache.set_versioned("result", paused.token, b"old")
    assert cache.get_versioned("result") == (other.token, b"new")


def test_the_same_owner_gets_its_token_again(cache: Cache) -> None:
    """A repeat after a lost answer must not lock its own caller out."""
    token = cache.acquire("work", "me", 30)
    assert token is not None
    assert cache.acquire("work", "me", 30) == token
    assert cache.acquire("work", "you", 30) is None
    assert cache.release("work", "me")
    assert not cache.release("work", "me")


def test_threads_take_turns(cache: Cache) -> None:
    inside, most, tokens = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            with Lock(cache, "turn", wait=20) as lock:
                inside += 1
                most = max(most, inside)
                tokens.append(lock.token)
                time.sleep(0.002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 12
