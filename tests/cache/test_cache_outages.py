"""The log of an outage: one line when it begins and one when it is over, with many threads and many uses."""

from __future__ import annotations

import logging
import threading

import pytest

from cloudberth import cache as caches
from cloudberth.cache.outages import OutageLog
from cloudberth.errors import Unavailable

DOWN = Unavailable("down")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outages(clock: Clock, caplog: pytest.LogCaptureFixture) -> OutageLog:
    caplog.set_level(logging.WARNING, "cloudberth.cache")
    return OutageLog("redis://h", clock)


def test_all_uses_share_one_line(outages: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    for namespace in ("sessions", "responses", ""):
        outages.failed(namespace, DOWN)
    clock.now += 10
    outages.failed("sessions", DOWN)
    assert caplog.messages == ["sessions does without the cache: down"]
    clock.now += 1
    for _ in range(3):
        outages.worked(clock.now)
    assert caplog.messages[1:] == ["the cache is back at redis://h"]


def test_an_answer_that_was_under_way_ends_no_outage(
    outages: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sent = clock.now
    clock.now += 10
    outages.failed("sessions", DOWN)
    clock.now += 10
    outages.worked(sent)
    assert len(caplog.messages) == 1
    outages.worked(clock.now)
    assert len(caplog.messages) == 2


def test_a_store_that_comes_and_goes_is_told_of_every_few_seconds(
    outages: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty seconds of a failure and an answer each tenth of a second."""
    for _ in range(200):
        outages.failed("sessions", DOWN)
        clock.now += 0.05
        outages.worked(clock.now)
        clock.now += 0.05
    assert 2 <= len(caplog.messages) <= 5
    assert caplog.messages[1] == "the cache is back at redis://h"
    clock.now += 10
    outages.failed("sessions", DOWN)
    clock.now += 10
    outages.worked(clock.now)
    assert caplog.messages[-1] == "the cache is back at redis://h", "the last word is what holds"


def test_many_threads_say_it_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the whole cache: half of the threads meet a store that is away, half get an answer."""
    caplog.set_level(logging.WARNING, "cloudberth.cache")
    cache = caches.open("memory://")
    cache.under("kept").set("a", b"1")
    read, turn = type(cache.backend).get, threading.Barrier(16)

    def get(self: object, key: str) -> object:
        if threading.current_thread().name.startswith("out"):
            raise Unavailable("down")
        return read(self, key)  # type: ignore[arg-type]

    monkeypatch.setattr(type(cache.backend), "get", get)

    def use(namespace: str) -> None:
        mine = cache.under(namespace)
        turn.wait()
        for _ in range(100):
            mine.attempt(lambda: mine.get("a"), None)

    threads = [
        threading.Thread(target=use, args=(f"use{number}",), name=f"{'out' if number % 2 else 'in'}{number}")
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(cache.metrics.degraded.values()) > 100
    assert len(caplog.messages) <= 2, caplog.messages
    assert "does without the cache" in caplog.messages[0]
