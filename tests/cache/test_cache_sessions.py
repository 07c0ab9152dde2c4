"""Sessions and tokens when the cache is out, and what time does to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cloudberth import storage
from cloudberth.cache import Behaviour, Cache
from cloudberth.cache.generations import Generations
from cloudberth.cache.local import Local
from cloudberth.cache.sessions import CacheSessions
from cloudberth.cache.settings import LocalSettings
from cloudberth.cache.tokens import SharedTokenCache
from cloudberth.errors import InvalidInput, Unavailable


class Switched(Local):
    """A store that can be out."""

    out = False

    def __getattribute__(self, name: str) -> Any:
        asked = name in {
            "get",
            "get_many",
            "set",
            "advance",
            "add",
            "expire",
            "delete",
            "set_newer",
            "acquire",
        }
        if asked and object.__getattribute__(self, "out"):
            raise Unavailable("out")
        return object.__getattribute__(self, name)


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = Switched(LocalSettings(), clock=lambda: self.now)
        self.cache = Cache(self.store, Behaviour(retries=0, failures=0)).under("sessions")

    def sessions(self, hours: float = 1.0) -> CacheSessions[str]:
        return CacheSessions(self.cache, hours, make=lambda form: form, clock=lambda: self.now)


def test_a_session_slides_and_ends() -> None:
    world = World()
    here, there = world.sessions(), world.sessions()
    token = here.start()
    for _ in range(5):
        world.now += 3000
        assert there.find(token) is not None, "used within the hour, again and again"
    world.now += 3601
    assert here.find(token) is None


def test_the_first_sessions_of_all_start_at_once() -> None:
    world = World()
    sessions = world.sessions()
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: sessions.start(), range(16)))
    assert all(sessions.find(token) for token in tokens)


def test_an_outage_signs_nobody_out_at_once() -> None:
    world = World()
    here, elsewhere = world.sessions(), world.sessions()
    token, unseen = here.start(), elsewhere.start()
    world.store.out = True
    world.now += 200
    assert here.find(token) is not None
    assert here.find(unseen) is None, "this process cannot know"
    fresh = here.start()
    assert here.find(fresh) is not None, "signing in works in this process"
    world.now += 301
    assert here.find(token) is None, "but not for long"
    world.store.out = False
    assert here.find(token) is not None
    assert world.cache.metrics.degraded["sessions"] >= 4


def test_who_signed_out_during_an_outage_stays_out() -> None:
    world = World()
    here, there = world.sessions(), world.sessions()
    token, other = here.start(), here.start()
    assert there.find(token) is not None
    world.store.out = True
    here.end(token)
    assert here.find(token) is None
    assert here.find(other) is not None
    world.store.out = False
    assert here.find(other) is not None  # any call passes on what was not told
    assert there.find(token) is None
    world.store.out = True
    here.end_all()
    assert here.find(other) is None
    world.store.out = False
    assert here.find(other) is None
    assert there.find(other) is None


def test_an_end_is_not_undone_by_marking_as_used() -> None:
    world = World()
    here, there = world.sessions(), world.sessions()
    token = here.start()
    there.end(token)
    world.now += 120
    assert here.find(token) is None
    assert here.find(token) is None


def test_an_invalidation_that_could_not_be_told_is_told_later() -> None:
    world = World()
    here, there = Generations(world.cache), Generations(world.cache)
    seen = here.read("k", ["g"])
    assert seen is not None
    here.write("k", ["g"], seen, b"old", 100)
    world.store.out = True
    assert not here.invalidate("g")
    world.store.out = False
    assert here.read("k", ["g"]).value is None  # type: ignore[union-attr]
    assert there.read("k", ["g"]).value is None  # type: ignore[union-attr]


def test_tokens_without_the_cache() -> None:
    world = World()
    secret = SecretStr("a secret of sixteen or more")
    tokens = SharedTokenCache(world.cache, secret, clock=lambda: world.now)
    world.store.out = True
    tokens.set("name", "value", 60)
    assert tokens.get("name") == "value"
    assert tokens.get("other") is None
    world.now += 61
    assert tokens.get("name") is None
    with pytest.raises(InvalidInput, match="16 characters") as caught:
        SharedTokenCache(world.cache, SecretStr("short"))
    assert "short" not in str(caught.value)


def test_storage_takes_the_cache_for_its_tokens(tmp_path: Path) -> None:
    """An option hands it to the identity that borrows keys for signed URLs."""
    world = World()
    tokens = SharedTokenCache(world.cache, None)
    environment = {
        "STORAGE_TYPE": "azure-blob",
        "AZURE_BLOB_ACCOUNT_NAME": "account",
        "AZURE_BLOB_ACCOUNT_KEY": "managedidentity",
        "AZURE_BLOB_CONTAINER_NAME": "container",
        "AZURE_BLOB_ACCOUNT_URL": "https://account.blob.core.windows.net",
    }
    opened = storage.open(environment, storage.Options(token_cache=tokens))
    assert opened.backend.inner.identity.cache is tokens  # type: ignore[attr-defined]
