"""What stands on the cache works on every store: results, embeddings, answers, sessions, tokens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from cloudberth.cache import Cache
from cloudberth.cache.computed import Computed, Embeddings, pack
from cloudberth.cache.responses import Request, Response, ResponseCache
from cloudberth.cache.sessions import CacheSessions
from cloudberth.cache.tokens import SharedTokenCache


def test_results_until_a_document_changes(cache: Cache) -> None:
    results, calls = Computed(cache, seconds=100), []

    def compute() -> bytes:
        calls.append(1)
        return b"%d" % len(calls)

    groups = ["dataset:1", "dataset:2"]
    assert [results.get_or_compute("q", compute, groups) for _ in range(3)] == [b"1"] * 3
    assert results.invalidate("dataset:2")
    assert [results.get_or_compute("q", compute, groups) for _ in range(2)] == [b"2"] * 2
    assert results.invalidate("dataset:3")
    assert Computed(cache).get_or_compute("q", compute, groups) == b"2"
    cache.clear()  # evicted, or emptied: generations begin above all that were
    assert results.get_or_compute("q", compute, groups) == b"3"
    assert results.get_or_compute("q", compute, groups) == b"3"


def test_a_result_from_before_a_change_is_not_used_after_it(cache: Cache) -> None:
    results, started, go_on = Computed(cache, seconds=100), threading.Event(), threading.Event()

    def slow() -> bytes:
        started.set()
        go_on.wait(10)
        return b"old"

    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(results.get_or_compute, "q", slow, ["dataset"])
        started.wait(10)
        results.invalidate("dataset")
        assert results.get_or_compute("q", lambda: b"new", ["dataset"]) == b"new", "does not wait for the old"
        go_on.set()
        assert early.result() == b"old", "who asked before the change may get it"
    assert results.get_or_compute("q", lambda: b"unused", ["dataset"]) == b"new"


def test_one_computation_for_many_threads(cache: Cache) -> None:
    results, calls = Computed(cache), []

    def compute() -> bytes:
        calls.append(1)
        time.sleep(0.1)
        return b"value"

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: results.get_or_compute("q", compute), range(16)))
    assert (values, len(calls)) == ([b"value"] * 16, 1)


def test_embeddings_in_one_request(cache: Cache) -> None:
    vectors, asked = Embeddings(cache, "model@1", dimensions=2), []

    def embed(texts: list[str]) -> list[bytes]:
        asked.append(texts)
        return [pack([len(text), 0.5]) for text in texts]

    first = vectors.get_or_compute(["a", "bb", "a", "钥匙"], embed)
    assert first == [pack([1, 0.5]), pack([2, 0.5]), pack([1, 0.5]), pack([2, 0.5])]
    assert vectors.get_or_compute(["bb", "new"], embed)[0] == pack([2, 0.5])
    assert asked == [["a", "bb", "钥匙"], ["new"]]
    assert Embeddings(cache, "model@2", dimensions=2).get_or_compute(["a"], embed)
    assert asked[-1] == ["a"], "another model has vectors of its own"
    assert cache.metrics.hits[cache.namespace] == 1


def test_answers_are_kept_and_invalidated(cache: Cache) -> None:
    answers, calls = ResponseCache(cache), []

    def produce() -> Response:
        calls.append(1)
        return Response(200, (("Content-Type", "text/plain"),), b"answer %d" % len(calls))

    request = Request("GET", "/v1/items", "b=2&a=1", (), principal="ada")
    first = answers.respond(request, produce, ["items"])
    again = answers.respond(Request("GET", "/v1/items", "a=1&b=2", (), principal="ada"), produce, ["items"])
    assert (first.body, again.body) == (b"answer 1", b"answer 1")
    assert again.header("cache-status").startswith("cloudberth; hit; ttl=")
    tag = (("If-None-Match", first.header("etag")),)
    known = answers.respond(Request("GET", "/v1/items", "a=1&b=2", tag, "ada"), produce, ["items"])
    assert (known.status, known.body) == (304, b"")
    answers.invalidate("items")
    assert answers.respond(request, produce, ["items"]).body == b"answer 2"


def test_sessions(cache: Cache) -> None:
    here, there = (CacheSessions(cache, 1.0, make=str.upper) for _ in range(2))
    token, other = here.start(), here.start()
    found = there.find(token)
    assert found is not None
    assert found == here.find(token)
    assert there.find("nonsense") is None
    there.end(token)
    assert here.find(token) is None
    assert here.find(other) is not None
    here.end_all()
    assert there.find(other) is None
    assert here.find(other) is None
    assert there.find(here.start()) is not None
    keys = cache.count()
    assert keys == 4, "the session that is, the one that end_all left to its time, and two of the epoch"


def test_tokens_are_sealed(cache: Cache) -> None:
    secret = SecretStr("a secret that both processes have")
    here, there = SharedTokenCache(cache, secret), SharedTokenCache(cache, secret)
    here.set("cloudberth:azure:abc", "sig=very-secret", 60)
    assert there.get("cloudberth:azure:abc") == "sig=very-secret"
    stored = cache.get("cloudberth:azure:abc")
    assert stored is not None
    assert b"secret" not in stored
    assert SharedTokenCache(cache, SecretStr("another secret altogether")).get("cloudberth:azure:abc") is None
    cache.set("cloudberth:azure:xyz", stored)
    assert there.get("cloudberth:azure:xyz") is None, "a value belongs to its name"
    alone = SharedTokenCache(cache, None)
    alone.set("only-here", "token", 60)
    assert alone.get("only-here") == "token"
    assert cache.get("only-here") is None, "nothing leaves the process in the clear"
