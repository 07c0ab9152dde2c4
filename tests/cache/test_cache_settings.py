"""Dify's variables and locations become settings; what is wrong is named, what is secret is not shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloudberth import cache
from cloudberth.cache.addresses import address, addresses
from cloudberth.cache.opening import from_environment, from_location
from cloudberth.cache.settings import RedisSettings
from cloudberth.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("host", ("host", 6379)),
        ("host:7000", ("host", 7000)),
        ("[::1]:7000", ("::1", 7000)),
        ("[fe80::1]", ("fe80::1", 6379)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
    ],
)
def test_an_address(text: str, found: tuple[str, int]) -> None:
    assert address(text, 6379) == found


@pytest.mark.parametrize(
    "text",
    ["::1:7000", "host:0", "host:65536", "host:x", ":7000", "[::1", "[::1]7000", "host:7_0", "host:７"],
)
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        address(text, 6379)


def test_several_addresses() -> None:
    assert addresses("a:1, [::1]:2,b,", 9) == (("a", 1), ("::1", 2), ("b", 9))


def test_the_variables_of_dify() -> None:
    found = RedisSettings.from_environment(
        {
            "REDIS_USE_SENTINEL": "true",
            "REDIS_SENTINELS": "[2001:db8::1]:26379,s2",
            "REDIS_SENTINEL_SERVICE_NAME": "mymaster",
            "REDIS_SENTINEL_USERNAME": "watcher",
            "REDIS_SENTINEL_PASSWORD": "sentinel-secret",
            "REDIS_PASSWORD": "redis-secret",
            "REDIS_USE_SSL": "true",
            "REDIS_DB": "3",
            "REDIS_SERIALIZATION_PROTOCOL": "2",
            "REDIS_SOCKET_TIMEOUT": "",
        }
    )
    assert (found.mode, found.db, found.protocol, found.timeout) == ("sentinel", 3, 2, 5.0)
    assert found.sentinel_addresses == (("2001:db8::1", 26379), ("s2", 26379))
    assert found.place == "rediss+sentinel://[2001:db8::1]:26379,s2:26379/mymaster/3"
    assert "secret" not in f"{found!r} {found.place}"


def test_certificates_are_verified_unless_somebody_says_otherwise() -> None:
    assert RedisSettings().cert_reqs == "required"
    for text in ("CERT_NONE", "cert_none", "none"):
        assert RedisSettings.from_environment({"REDIS_SSL_CERT_REQS": text}).cert_reqs == "none"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"REDIS_PORT": "x"}, "REDIS_PORT"),
        ({"REDIS_PORT": "70000"}, "REDIS_PORT"),
        ({"REDIS_SSL_CERT_REQS": "CERT_MAYBE"}, "REDIS_SSL_CERT_REQS is none of"),
        ({"REDIS_CLUSTERS": "::1:7000"}, "REDIS_CLUSTERS"),
        ({"REDIS_USE_SENTINEL": "true"}, "REDIS_SENTINELS"),
        ({"REDIS_USE_CLUSTERS": "true", "REDIS_DB": "1"}, "no REDIS_DB but 0"),
        ({"REDIS_KEY_PREFIX": "a{}"}, "REDIS_KEY_PREFIX"),
        ({"REDIS_IDENTITY": "aws", "REDIS_USE_SSL": "true"}, "REDIS_AWS_CACHE_NAME"),
        ({"REDIS_IDENTITY": "google"}, "REDIS_USE_SSL"),
        ({"REDIS_IDENTITY": "aws", "REDIS_USE_AZURE_MANAGED_IDENTITY": "1"}, "two clouds"),
        ({"REDIS_IDENTITY": "oracle"}, "REDIS_IDENTITY"),
    ],
    ids=range(11),
)
def test_what_is_wrong_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        RedisSettings.from_environment(environment)


def test_which_cache_the_variables_name(tmp_path: Path) -> None:
    assert from_environment({}).backend.place == "memory://"
    assert from_environment({"REDIS_HOST": "h"}).backend.place == "redis://h:6379/0"
    assert from_environment({"CACHE_TYPE": "valkey"}).backend.place == "redis://localhost:6379/0"
    path = tmp_path / "deep" / "cache.db"
    found = from_environment({"CACHE_TYPE": "local", "CACHE_PATH": str(path)})
    assert found.backend.place == f"local://{path}"
    assert path.stat().st_mode & 0o077 == 0, "for its owner only"
    assert from_environment({"CACHE_TYPE": "memory", "CACHE_PATH": str(path)}).backend.place == "memory://"
    with pytest.raises(InvalidInput, match="CACHE_PATH"):
        from_environment({"CACHE_TYPE": "local"})
    with pytest.raises(InvalidInput, match="there is no cache type 'memcached'"):
        from_environment({"CACHE_TYPE": "memcached"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("redis://h", "redis://h:6379/0"),
        ("valkeys://ada@h:7/2", "rediss://h:7/2"),
        ("redis://[::1]:7/1?prefix=app", "redis://[::1]:7/1"),
        ("redis+sentinel://a,b:2/svc/4", "redis+sentinel://a:26379,b:2/svc/4"),
        ("rediss+cluster://[::1]:1,[::1]:2", "rediss+cluster://[::1]:1,[::1]:2"),
        ("memory://", "memory://"),
    ],
)
def test_a_location(text: str, place: str) -> None:
    # What the environment says of another mode does not reach into a location.
    found = from_location(text, {"REDIS_USE_CLUSTERS": "true", "REDIS_CLUSTERS": "x:1", "REDIS_DB": "9"})
    assert found.backend.place == place


@pytest.mark.parametrize(
    "text",
    [
        "", "http://h", "redis://", "redis://:secret@h", "redis://h?password=secret", "redis://h?colour=red",
        "redis+sentinel://h", "redis://h/0/1", "redis://h/zero", "redis+other://h", "memory://h",
        "local://relative", "redis://::1:7/0",
    ],
)  # fmt: skip
def test_a_location_that_is_none(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_location(text, {})
    assert "secret" not in str(caught.value).replace("is a secret", "")


def test_a_path_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with cache.open("./c.db") as found:
        found.set("key", b"1")
    assert cache.open(f"local://{tmp_path}/c.db").get("key") == b"1"
    with pytest.raises(InvalidInput, match="a folder"):
        cache.open(str(tmp_path))


def test_the_import_is_light() -> None:
    """Neither a vendor's client nor what commands and servers need."""
    program = (
        "import sys; import cloudberth.cache, cloudberth.cache.computed, cloudberth.cache.responses_asgi;"
        "heavy = {'redis', 'boto3', 'azure', 'google', 'click', 'rich', 'fastapi', 'cryptography', 'numpy'};"
        "print(sorted(heavy & set(sys.modules)), [m for m in sys.modules if m.startswith('cloudberth.') and"
        " m.split('.')[1] in {'infra', 'cost', 'cli', 'server', 'pipeline', 'knowledge'}])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[] []\n"


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(InvalidInput) as caught:
        cache.open("redis://h")
    assert caught.value.hint == 'pip install "cloudberth[redis]"'
