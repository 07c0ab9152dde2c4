"""The response cache: fresh, stale while one makes it anew, no stampede, never somebody else's answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloudberth import cache as caches
from cloudberth.cache import Cache
from cloudberth.cache.responses import Request, Response, ResponseCache
from cloudberth.cache.responses_asgi import CachedResponses, Choice


@pytest.fixture
def cache() -> Cache:
    return caches.open("memory://").under("api")


class Handler:
    """Counts how often it is asked. answer: what it gives."""

    def __init__(self, *headers: tuple[str, str], status: int = 200, pause: float = 0.0) -> None:
        self.headers, self.status, self.pause = headers, status, pause
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self) -> Response:
        with self.lock:
            self.calls += 1
            number = self.calls
        time.sleep(self.pause)
        return Response(self.status, self.headers, b"answer %d" % number)


REQUEST = Request("GET", "/v1/items", "", (), principal="ada")


def test_fresh_then_stale_then_over(cache: Cache) -> None:
    now, handler = [1000.0], Handler()
    answers = ResponseCache(cache, fresh=10, stale=20, clock=lambda: now[0])
    assert answers.respond(REQUEST, handler).header("cache-status") == "cloudberth; fwd=miss; stored"
    now[0] += 4
    fresh = answers.respond(REQUEST, handler)
    assert (fresh.body, fresh.header("age"), fresh.header("cache-status")) == (
        b"answer 1", "4", "cloudberth; hit; ttl=6",
    )  # fmt: skip
    now[0] += 10
    stale = answers.respond(REQUEST, handler)
    assert (stale.body, "detail=stale" in stale.header("cache-status")) == (b"answer 1", True)
    wait_for(lambda: answers.respond(REQUEST, handler).body == b"answer 2")
    assert handler.calls == 2
    now[0] += 31
    assert answers.respond(REQUEST, handler).body == b"answer 3"
    answers.close()


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_refresh_for_many_who_get_the_stale_answer(cache: Cache) -> None:
    now, handler = [1000.0], Handler(pause=0.05)
    answers = ResponseCache(cache, fresh=1, stale=100, clock=lambda: now[0])
    answers.respond(REQUEST, handler)
    now[0] += 5
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: answers.respond(REQUEST, handler).body, range(8)))
    assert set(bodies) <= {b"answer 1", b"answer 2"}
    answers.close()
    assert handler.calls == 2
    assert time.monotonic() - began < 3


def test_a_refresh_that_fails_leaves_the_stale_answer(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    answers = ResponseCache(cache, fresh=1, stale=100, clock=lambda: now[0])
    answers.respond(REQUEST, Handler())
    now[0] += 5

    def fails() -> Response:
        raise RuntimeError("no database")

    assert answers.respond(REQUEST, fails).body == b"answer 1"
    answers.close()
    assert "could not be made anew" in caplog.text


def test_no_stampede(cache: Cache) -> None:
    handler = Handler(pause=0.05)
    answers = ResponseCache(cache)
    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda _: answers.respond(REQUEST, handler).body, range(32)))
    assert (set(bodies), handler.calls) == ({b"answer 1"}, 1)


@pytest.mark.parametrize(
    "handler",
    [Handler(status=500), Handler(("Set-Cookie", "s=1")), Handler(("Cache-Control", "no-store"))],
    ids=["error", "cookie", "no-store"],
)
def test_what_may_not_be_kept_is_nobody_elses(cache: Cache, handler: Handler) -> None:
    """Also not of those who waited for it: a cookie belongs to one."""
    handler.calls, handler.pause = 0, 0.03
    answers = ResponseCache(cache)
    with ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda _: answers.respond(REQUEST, handler).body, range(4)))
    assert len(set(bodies)) == handler.calls == 4


def test_a_head_does_not_take_the_body_from_a_get(cache: Cache) -> None:
    answers, handler = ResponseCache(cache), Handler(pause=0.05)
    head = Request("HEAD", "/v1/items", "", (), principal="ada")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.respond, head, handler)
        time.sleep(0.01)
        second = pool.submit(answers.respond, REQUEST, handler)
    assert first.result().body == b""
    assert second.result().body.startswith(b"answer")
    assert answers.respond(head, handler).body == b""


def test_nobody_gets_anothers_answer(cache: Cache) -> None:
    answers, handler = ResponseCache(cache), Handler()
    token = (("Authorization", "Bearer x"),)
    bodies = [
        answers.respond(Request("GET", "/v1/items", "", token, principal), handler).body
        for principal in ("ada", "bob", None, None, "ada")
    ]
    assert bodies == [b"answer 1", b"answer 2", b"answer 3", b"answer 4", b"answer 1"]


def test_a_client_that_wants_it_new_gets_it_and_others_have_it_then(cache: Cache) -> None:
    answers, handler = ResponseCache(cache), Handler()
    answers.respond(REQUEST, handler)
    new = Request("GET", "/v1/items", "", (("Cache-Control", "no-cache"),), "ada")
    assert answers.respond(new, handler).body == b"answer 2"
    assert answers.respond(REQUEST, handler).body == b"answer 2"


def test_a_large_answer_is_given_and_not_kept(cache: Cache) -> None:
    answers, handler = ResponseCache(cache, max_body=4), Handler()
    assert [answers.respond(REQUEST, handler).body for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_a_value_of_another_version_is_a_miss(cache: Cache) -> None:
    from cloudberth.cache.http_rules import name_of

    answers, handler = ResponseCache(cache), Handler()
    answers.respond(REQUEST, handler)
    key = "r:" + name_of(REQUEST, answers._varying)
    for value in (b"", b"0" * 20 + b";not json", b"0" * 20 + b";{}\nbody", b"garbage"):
        cache.set(key, value)
        handler.calls = 6
        assert answers.respond(REQUEST, handler).body == b"answer 7"


# -- in front of an application --------------------------------------------------------------------------


async def called(application: Any, path: str, *headers: tuple[str, str], method: str = "GET") -> Response:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"q=1", "state": {},
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }  # fmt: skip
    await application(scope, receive, send)
    given = tuple((name.decode(), value.decode()) for name, value in sent[0]["headers"])
    return Response(sent[0]["status"], given, b"".join(part.get("body", b"") for part in sent[1:]))


def test_the_middleware(cache: Cache) -> None:
    calls: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["path"])
        await asyncio.sleep(0.02)
        assert not any(name == b"if-none-match" for name, _ in scope["headers"])
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})

    def choose(scope: Any) -> Choice | None:
        return Choice("ada", ["items"]) if scope["path"].startswith("/v1/") else None

    answers = ResponseCache(cache)
    cached = CachedResponses(application, answers, choose)

    async def main() -> None:
        many = await asyncio.gather(*(called(cached, "/v1/items") for _ in range(10)))
        assert {(each.status, each.body, each.header("content-length")) for each in many} == {
            (200, b"ok", "2")
        }
        assert calls == ["/v1/items"], "one for all"
        tag = many[0].header("etag")
        known = await called(cached, "/v1/items", ("If-None-Match", tag))
        assert (known.status, known.body, known.header("content-length")) == (304, b"", "")
        assert (await called(cached, "/v1/items", method="HEAD")).body == b""
        await called(cached, "/other")
        await called(cached, "/other")
        assert calls == ["/v1/items", "/other", "/other"]
        answers.invalidate("items")
        await called(cached, "/v1/items")
        assert calls[-1] == "/v1/items"

    asyncio.run(main())


def test_a_waiter_gives_up_and_makes_its_own(cache: Cache) -> None:
    """Another process holds the lock and never finishes."""
    answers = ResponseCache(cache, wait=0.2, lock_seconds=30)
    release = threading.Event()

    def hangs() -> Response:
        release.wait(10)
        return Response(200, (), b"late")

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(answers.respond, REQUEST, hangs)
        time.sleep(0.05)
        other = ResponseCache(cache, wait=0.2)  # of another process: it knows the lock only
        assert other.respond(REQUEST, Handler()).body == b"answer 1"
        release.set()
        assert late.result().body == b"late"
