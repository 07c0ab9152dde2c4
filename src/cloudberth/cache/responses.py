"""Answers of an HTTP API, kept: keyed, with ETags, stale while they are made anew, and never a stampede.

::

    answers = ResponseCache(cache.under("api"), fresh=30, stale=300)
    answer = answers.respond(request, lambda: handle(request), groups=[f"dataset:{dataset}"])

- A fresh answer is given as it is; a stale one too, while *one* thread of *one* process makes it anew; else
  one makes it and the others wait for it.
- Errors, answers with ``Set-Cookie``, and answers to somebody who is not known are never kept.
- `invalidate` makes every answer of a group unusable in one step.
- Without the cache every request is handled, as if there were none.

``Cache-Status`` (RFC 9211) says which it was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cloudberth.cache import http_rules
from cloudberth.cache.cache import Cache
from cloudberth.cache.flights import Flights
from cloudberth.cache.generations import Generations, Seen
from cloudberth.cache.http_rules import Lifetime, Request, Response

__all__ = ["Request", "Response", "ResponseCache"]

VARYING = ("accept", "accept-encoding", "accept-language")
_log = logging.getLogger("cloudberth.cache")


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer with when it was made and how long it is good."""

    response: Response
    made: float
    lifetime: Lifetime

    def age(self, now: float) -> float:
        return max(0.0, now - self.made)


class ResponseCache:
    """See the module. Times in seconds.

    fresh, stale: unless the answer's ``Cache-Control`` says otherwise. varying: headers of a request, in
    lower case, that are part of the name of its answer. max_body: larger answers are given and not kept.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        fresh: float = 60.0,
        stale: float = 300.0,
        varying: Sequence[str] = VARYING,
        max_body: int = 1024 * 1024,
        lock_seconds: float = 10.0,
        wait: float = 15.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cache = cache
        self._default = Lifetime(fresh, stale)
        self._varying = tuple(sorted(name.lower() for name in varying))
        self._max_body = max_body
        self._clock = clock
        self._generations = Generations(cache)
        self._flights: Flights[Response] = Flights(cache, lock_seconds, wait)
        self._lock = threading.Lock()
        self._refreshing: ThreadPoolExecutor | None = None

    def respond(
        self, request: Request, produce: Callable[[], Response], groups: Sequence[str] = ()
    ) -> Response:
        """The answer to a request; `produce` makes it. groups: what it depends on (see `invalidate`)."""
        if not http_rules.may_be_looked_up(request):
            return _marked(http_rules.as_asked(request, produce()), "fwd=bypass")
        name, groups = "r:" + http_rules.name_of(request, self._varying), tuple(groups)
        seen = self._generations.read(name, groups)
        if seen is None:
            return _marked(http_rules.as_asked(request, _tagged(produce())), "fwd=bypass; detail=outage")
        kept = None if http_rules.wants_new(request) else self._usable(seen)
        self._cache.counted(*((0, 1) if kept is None else (1, 0)))
        if kept is not None:
            return http_rules.as_asked(request, self._from(kept, request, name, groups, produce))
        return http_rules.as_asked(request, self._made(request, name, groups, seen, produce))

    def _made(
        self,
        request: Request,
        name: str,
        groups: Sequence[str],
        seen: Seen,
        produce: Callable[[], Response],
    ) -> Response:
        """A new answer, made by one for all who ask for it now."""
        if http_rules.wants_new(request):
            # Without a lock, but with a number of its own: it may take the place of what is there.
            number = self._cache.attempt(lambda: self._cache.advance("new"), 0)
            return self._make(request, name, groups, produce, number)
        mine: list[int] = []

        def make(fence: int) -> Response:
            mine.append(fence)
            return self._make(request, name, groups, produce, fence)

        under = "-".join(map(str, seen.generations))
        flight = http_rules.short_name(f"{request.method} {name} {under}")
        response = self._flights.run(flight, lambda: self._look(name, groups), make)
        if mine or http_rules.may_be_kept(request, response, self._varying):
            return response
        # What may not be kept (an error, a cookie) is nobody's but its own request's.
        return self._make(request, name, groups, produce, 0)

    def invalidate(self, *groups: str) -> bool:
        """No answer that depends on these groups is used again; False: the store could not be told yet."""
        return self._generations.invalidate(*groups)

    def close(self) -> None:
        """Wait for what is being refreshed."""
        if self._refreshing is not None:
            self._refreshing.shutdown()

    def _usable(self, seen: Seen) -> _Kept | None:
        kept = None if seen.value is None else _read(seen.value)
        if kept is None or kept.age(self._clock()) >= kept.lifetime.fresh + kept.lifetime.stale:
            return None
        return kept

    def _from(
        self, kept: _Kept, request: Request, name: str, groups: Sequence[str], produce: Callable[[], Response]
    ) -> Response:
        age = kept.age(self._clock())
        left = kept.lifetime.fresh - age
        aged = kept.response.with_headers(("Age", str(int(age))))
        if left > 0:
            return _marked(aged, f"hit; ttl={int(left)}")
        self._refresh(request, name, groups, produce)
        return _marked(aged, f"hit; ttl={int(left)}; detail=stale")

    def _look(self, name: str, groups: Sequence[str]) -> Response | None:
        """An answer that somebody else made meanwhile, if it is fresh."""
        seen = self._generations.read(name, groups)
        kept = None if seen is None else self._usable(seen)
        if kept is None or kept.age(self._clock()) >= kept.lifetime.fresh:
            return None
        return _marked(kept.response, "hit; detail=collapsed")

    def _make(
        self,
        request: Request,
        name: str,
        groups: Sequence[str],
        produce: Callable[[], Response],
        fence: int,
    ) -> Response:
        before = self._generations.read(name, groups)
        response = _tagged(produce())
        if before is None or not self._may_be_kept(request, response):
            return _marked(response, "fwd=miss")
        lifetime = http_rules.lifetime(response, self._default)
        whole = _written(_Kept(response, self._clock(), lifetime))
        seconds = max(1.0, lifetime.fresh + lifetime.stale)
        stored = self._generations.write(name, groups, before, whole, seconds, fence)
        return _marked(response, "fwd=miss; stored" if stored else "fwd=miss")

    def _may_be_kept(self, request: Request, response: Response) -> bool:
        # A HEAD has no body to keep.
        fits = request.method == "GET" and len(response.body) <= self._max_body
        return fits and http_rules.may_be_kept(request, response, self._varying)

    def _refresh(
        self, request: Request, name: str, groups: Sequence[str], produce: Callable[[], Response]
    ) -> None:
        """Make a stale answer anew behind the back of whoever got it."""
        if request.method != "GET":
            return

        def make(fence: int) -> Response:
            # Whoever waited for a thread here may come when it has been done.
            done = self._look(name, groups)
            return done if done is not None else self._make(request, name, groups, produce, fence)

        def refresh() -> None:
            try:
                self._flights.try_alone(name, make)
            except Exception:
                _log.exception("a stale answer could not be made anew; it is used until its time is over")

        with self._lock:
            if self._refreshing is None:
                self._refreshing = ThreadPoolExecutor(2, thread_name_prefix="cache-refresh")
        self._refreshing.submit(refresh)


def _tagged(response: Response) -> Response:
    """With an ETag, when it is an answer that can have one."""
    if response.status != 200 or response.header("etag") or not response.body:
        return response
    return response.with_headers(("ETag", http_rules.etag_of(response.body)))


def _marked(response: Response, status: str) -> Response:
    return response.with_headers(("Cache-Status", f"cloudberth; {status}"))


def _written(kept: _Kept) -> bytes:
    """One line of JSON, then the body as it is."""
    facts = {
        "status": kept.response.status,
        "headers": kept.response.headers,
        "made": kept.made,
        "fresh": kept.lifetime.fresh,
        "stale": kept.lifetime.stale,
    }
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n" + kept.response.body


def _read(value: bytes) -> _Kept | None:
    """What was written; None for anything else, such as a value of another version."""
    line, _, body = value.partition(b"\n")
    try:
        facts = json.loads(line)
        headers = tuple((str(name), str(text)) for name, text in facts["headers"])
        response = Response(int(facts["status"]), headers, body)
        return _Kept(response, float(facts["made"]), Lifetime(float(facts["fresh"]), float(facts["stale"])))
    except (ValueError, KeyError, TypeError):
        return None
