"""What goes wrong at a Redis: typed errors, no waiting for ever, and back without anybody's help."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import cache_servers as servers
import pytest
from cache_rigs import secured, sentinel_environment

from cloudberth import cache as caches
from cloudberth.cache import Behaviour, Cache
from cloudberth.cache.computed import Computed
from cloudberth.cache.rate_limits import RateLimit
from cloudberth.errors import PermissionDenied, Throttled, TimedOut, Unavailable

pytestmark = pytest.mark.skipif(
    servers.redis_binary() is None, reason="redis-server is not installed (apt install redis-server)"
)
QUICK = Behaviour(retries=1, backoff_base=0.01, deadline=2.0, failures=3, cooldown=0.3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[servers.Server]:
    with servers.running(servers.server(tmp_path)) as (one,):
        yield one


def opened(server: servers.Server, **more: str) -> Cache:
    environment = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port), "REDIS_SOCKET_TIMEOUT": "0.5"}
    return caches.open({**environment, **more}, QUICK).under("faults")


def test_stopped_and_started_again(server: servers.Server) -> None:
    cache = opened(server)
    cache.set("key", b"1")
    server.stop()
    for _ in range(4):
        with pytest.raises(Unavailable) as caught:
            cache.get("key")
    assert caught.value.code == "open", "after some failures it is not asked any more"
    began = time.monotonic()
    with pytest.raises(Unavailable):
        cache.get("key")
    assert time.monotonic() - began < 0.05
    server.start()
    servers.until(lambda: _answers(cache), "it does not come back", 5)
    assert not cache.breaker_open
    assert cache.metrics.errors["faults", "unavailable"] >= 5
    assert "cloudberth_cache_open 0" in cache.metrics.prometheus()


def _answers(cache: Cache) -> bool:
    try:
        cache.get("key")
    except Unavailable:
        return False
    return True


def test_a_restart_between_two_calls_is_not_seen(server: servers.Server) -> None:
    """The connection that was open is dead; a call that can be repeated is, and even one that cannot."""
    cache = opened(server)
    cache.set("key", b"1")
    server.stop()
    server.start()
    assert cache.get("key") is None
    server.stop()
    server.start()
    assert cache.increment("n") == 1


def test_a_hang_ends(server: servers.Server) -> None:
    cache = opened(server)
    cache.set("key", b"1")
    server.freeze()
    began = time.monotonic()
    with pytest.raises(TimedOut):
        cache.get("key")
    assert time.monotonic() - began < 2.5
    server.thaw()
    servers.until(lambda: _answers(cache), "it does not come back", 5)
    assert cache.get("key") == b"1"


def test_what_may_have_been_done_is_not_done_twice(server: servers.Server) -> None:
    """The answer of an increment is lost: the number may not be added twice."""
    with CutOff(server) as proxy:
        cache = opened(server, REDIS_PORT=str(proxy.port), REDIS_SERIALIZATION_PROTOCOL="2")
        assert cache.increment("n") == 1
        proxy.swallow_answers = True
        with pytest.raises(Unavailable):
            cache.increment("n")
        proxy.swallow_answers = False
    assert int(server.client().get("cloudberth:faults:n")) == 2


def test_a_reset_is_repeated_when_that_is_harmless(server: servers.Server) -> None:
    with CutOff(server) as proxy:
        cache = opened(server, REDIS_PORT=str(proxy.port), REDIS_SERIALIZATION_PROTOCOL="2")
        cache.set("key", b"1")
        proxy.cut_next = True
        assert cache.get("key") == b"1"
        assert cache.metrics.retries["unavailable"] == 1


class CutOff:
    """A proxy that loses answers, or cuts a connection once the request went through."""

    def __init__(self, server: servers.Server) -> None:
        self._target = server.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.swallow_answers = self.cut_next = False

    def __enter__(self) -> CutOff:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._target))
            for source, target, answers in ((client, there, False), (there, client, True)):
                threading.Thread(target=self._pass_on, args=(source, target, answers), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and (self.swallow_answers or self.cut_next):
                    self.cut_next = False
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def test_a_full_memory(server: servers.Server) -> None:
    cache = opened(server)
    client = server.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    began = time.monotonic()
    with pytest.raises(Throttled) as caught:
        cache.set("key", b"1")
    assert (caught.value.code, "maxmemory" in caught.value.hint) == ("OOM", True)
    assert time.monotonic() - began < 1, "more attempts would not help"
    with pytest.raises(Throttled):
        cache.set_many({"a": b"", "b": b""})
    with pytest.raises(Throttled):
        cache.acquire("lock", "me", 5)
    assert cache.get("key") is None, "reading goes on"
    client.config_set("maxmemory", 0)
    cache.set("key", b"1")


def test_a_replica_takes_no_writes(server: servers.Server, tmp_path: Path) -> None:
    replica = servers.server(tmp_path / "replica", "--replicaof", f"127.0.0.1 {server.port}")
    with servers.running(replica):
        cache = opened(replica)
        with pytest.raises(Unavailable) as caught:
            cache.set("key", b"1")
        assert caught.value.code == "READONLY"


@pytest.mark.parametrize(
    "wrong",
    [
        {"REDIS_PASSWORD": "wrong-secret"},
        {"REDIS_USERNAME": "nobody"},
        {"REDIS_USERNAME": "", "REDIS_PASSWORD": ""},
    ],
    ids=["password", "user", "none"],
)
@pytest.mark.parametrize("mode", ["tls", "sentinel"])
def test_the_wrong_password(secure: dict[str, dict[str, str]], mode: str, wrong: dict[str, str]) -> None:
    cache = caches.open({**secure[mode], **wrong}, QUICK)
    with pytest.raises(PermissionDenied) as caught:
        cache.get("key")
    assert "wrong-secret" not in f"{caught.value} {caught.value.hint}"
    assert "REDIS_PASSWORD" in caught.value.hint


def test_the_wrong_password_of_the_sentinels(secure: dict[str, dict[str, str]]) -> None:
    cache = caches.open({**secure["sentinel"], "REDIS_SENTINEL_PASSWORD": "wrong-secret"}, QUICK)
    with pytest.raises((PermissionDenied, Unavailable)) as caught:
        cache.get("key")
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("mode", ["tls", "sentinel"])
def test_a_certificate_of_nobody_we_know(
    secure: dict[str, dict[str, str]], mode: str, tmp_path: Path
) -> None:
    """Verified without anybody asking for it, at the servers and at the Sentinels."""
    other = servers.certificates(tmp_path).authority
    for authority in (str(other), ""):
        cache = caches.open({**secure[mode], "REDIS_SSL_CA_CERTS": authority}, QUICK)
        with pytest.raises(Unavailable):
            cache.get("key")
    unverified = {**secure[mode], "REDIS_SSL_CA_CERTS": "", "REDIS_SSL_CERT_REQS": "CERT_NONE"}
    assert caches.open(unverified, QUICK).get("key") is None


def test_no_tls_where_tls_is_needed_and_the_reverse(
    secure: dict[str, dict[str, str]], server: servers.Server
) -> None:
    with pytest.raises(Unavailable):
        caches.open({**secure["tls"], "REDIS_USE_SSL": "false"}, QUICK).get("key")
    with pytest.raises(Unavailable):
        opened(server, REDIS_USE_SSL="true").get("key")


def test_a_user_that_may_not(secure: dict[str, dict[str, str]], three: servers.Sentinels) -> None:
    three.master.client().execute_command(
        "ACL", "SETUSER", "reader", "on", ">of-the-reader", "~dify:*", "+@read"
    )
    reader = {**secure["tls"], "REDIS_USERNAME": "reader", "REDIS_PASSWORD": "of-the-reader"}
    cache = caches.open(reader, QUICK)
    assert cache.get("key") is None
    for _ in range(5):
        with pytest.raises(PermissionDenied) as caught:
            cache.set("key", b"1")
    assert caught.value.code == "NOPERM"
    assert cache.get("key") is None, "one command that is not allowed does not open the breaker"


def test_a_failover_behind_sentinels(secure: dict[str, dict[str, str]], three: servers.Sentinels) -> None:
    cache = caches.open(secure["sentinel"]).under("failover")
    cache.set("key", b"1")
    first = cache.advance("fence")
    before = three.primary_port()
    three.fail_over()
    assert three.primary_port() != before
    servers.until(lambda: _writes(cache), "writes do not come back", 10)
    assert cache.advance("fence") > first


def _writes(cache: Cache) -> bool:
    try:
        cache.set("key", b"2")
    except Unavailable:
        return False
    return cache.get("key") == b"2"


def test_uses_go_on_without_it(server: servers.Server, caplog: pytest.LogCaptureFixture) -> None:
    cache = opened(server)
    results, limit = Computed(cache, seconds=60), RateLimit(cache, 3, 1000)
    assert results.get_or_compute("key", lambda: b"one") == b"one"
    assert results.get_or_compute("key", lambda: b"two") == b"one"
    server.stop()
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda n: results.get_or_compute("key", lambda: b"%d" % n), range(8)))
    assert values == [b"%d" % number for number in range(8)], "each computes for itself"
    assert [limit.take("ada").allowed for _ in range(4)] == [True, True, True, False], "limited all the same"
    assert cache.metrics.degraded["faults"] >= 8
    assert [record.message.count("does without the cache") for record in caplog.records] == [1]
    server.start()
    servers.until(
        lambda: results.get_or_compute("new", lambda: b"x") == b"x" and not cache.breaker_open, "out", 5
    )
    assert results.get_or_compute("new", lambda: b"y") in {b"x", b"y"}
    assert results.get_or_compute("new", lambda: b"z") != b"z", "and caches again"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Sentinels]:
    folder = tmp_path_factory.mktemp("sentinels")
    with servers.sentinels(folder, servers.certificates(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def secure(three: servers.Sentinels) -> dict[str, dict[str, str]]:
    """The variables of a server and of a Sentinel, both over TLS with passwords."""
    options = three.master.options
    folder = Path(options[options.index("--tls-ca-cert-file") + 1]).parent
    found = servers.Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    alone = {**secured(found), "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(three.master.port)}
    return {"tls": alone, "sentinel": sentinel_environment(found, three.sentinel.port)}
