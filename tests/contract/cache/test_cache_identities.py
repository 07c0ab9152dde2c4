"""Tokens of clouds in place of a password: fetched, used, changed before they end, fetched anew when refused.

The server is a real one whose ACL password is the token. The signature for AWS is held to our own
implementation of Signature Version 4. What the clouds themselves check was not seen.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cache_servers as servers
import pytest

from cloudberth.cache import Behaviour, Cache
from cloudberth.cache.identities import RotatingCredentials, Token, aws_tokens, azure_tokens, object_id
from cloudberth.cache.redis import Redis
from cloudberth.cache.settings import RedisSettings
from cloudberth.errors import ExpiredCredentials, InvalidInput, PermissionDenied, Unavailable

needs_redis = pytest.mark.skipif(
    servers.redis_binary() is None, reason="redis-server is not installed (apt install redis-server)"
)
QUICK = Behaviour(retries=1, backoff_base=0.01, failures=0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificates:
    return servers.certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(found: servers.Certificates, tmp_path: Path) -> Iterator[servers.Server]:
    with servers.running(servers.tls_server(tmp_path, found)) as (one,):
        yield one


def settings_for(server: servers.Server, found: servers.Certificates, **more: Any) -> RedisSettings:
    own = {"host": "127.0.0.1", "port": server.port, "tls": True, "ca_file": str(found.authority)}
    return RedisSettings.checked({**own, **more})


def allow(server: servers.Server, user: str, token: str) -> None:
    """The server takes this token of this user, and only this one."""
    server.client().execute_command("ACL", "SETUSER", user, "reset", "on", f">{token}", "~*", "+@all")


@needs_redis
def test_a_token_is_changed_while_it_is_used(server: servers.Server, found: servers.Certificates) -> None:
    fetched: list[str] = []
    now = [1000.0]

    def fetch() -> Token:
        fetched.append(f"token-{len(fetched)}")
        allow(server, "app", fetched[-1])
        return Token("app", fetched[-1], now[0] + 600)

    backend = Redis(settings_for(server, found), fetch=fetch)
    backend._tokens = tokens = RotatingCredentials(fetch, margin=180, clock=lambda: now[0])
    cache = Cache(backend, QUICK)
    cache.set("key", b"1")
    assert fetched == ["token-0"]
    now[0] += 430  # now it is within its margin
    assert cache.get("key") == b"1"
    assert fetched == ["token-0", "token-1"]
    clients = server.client().client_list()
    assert [each["user"] for each in clients if each["user"] == "app"] == ["app"], (
        "no connection of the old one"
    )
    assert tokens.get_credentials()[1] in fetched


@needs_redis
def test_a_refused_token_is_fetched_anew(server: servers.Server, found: servers.Certificates) -> None:
    """The server ended the connection, as Azure does when a token is over, and takes another one now."""
    given = iter(["first", "second", "third"])
    cache = Cache(
        Redis(settings_for(server, found), fetch=lambda: Token("app", next(given), time.time() + 3600)), QUICK
    )
    allow(server, "app", "first")
    cache.set("key", b"1")
    allow(server, "app", "second")
    server.client().execute_command("CLIENT", "KILL", "USER", "app")
    with pytest.raises(ExpiredCredentials) as caught:
        cache.get("key")
    assert "first" not in str(caught.value)
    assert cache.get("key") == b"1"


@needs_redis
def test_a_signed_url_of_aws_signs_in(
    server: servers.Server, found: servers.Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/token+of=tests")
    settings = settings_for(
        server, found, identity="aws", username="app", aws_cache="my-cache", aws_region="eu-central-1",
        aws_serverless=True,
    )  # fmt: skip
    fetch = aws_tokens(settings)
    token = fetch()
    allow(server, "app", token.password)
    cache = Cache(Redis(settings, fetch=lambda: token), QUICK)
    cache.set("key", b"1")
    assert cache.get("key") == b"1"
    assert token.password not in repr(token)
    asked = parse_qs(urlsplit(f"https://{token.password}").query)
    assert token.password.startswith("my-cache/?Action=connect&User=app&ResourceType=ServerlessCache&")
    assert asked["X-Amz-Expires"] == ["900"]
    assert asked["X-Amz-Credential"][0].endswith("/eu-central-1/elasticache/aws4_request")
    assert 890 < token.expires - time.time() <= 900
    assert asked["X-Amz-Signature"] == [signature_of(asked)]


def signature_of(asked: dict[str, list[str]]) -> str:
    """Signature Version 4 by hand, from the published steps."""
    import hashlib
    import hmac
    from urllib.parse import quote

    pairs = sorted((name, value[0]) for name, value in asked.items() if name != "X-Amz-Signature")
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n{query}\nhost:my-cache\n\nhost\n{empty}"
    moment = asked["X-Amz-Date"][0]
    scope = f"{moment[:8]}/eu-central-1/elasticache/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    for part in (moment[:8], "eu-central-1", "elasticache", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def entra_token(oid: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'oid': oid, 'aud': 'https://redis.azure.com'})}.signature"


@needs_redis
def test_a_token_of_entra_signs_in(
    server: servers.Server, found: servers.Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    import azure.identity

    asked: list[str] = []
    token = entra_token("0f-object-id")

    class Credential:
        def get_token(self, scope: str) -> Any:
            asked.append(scope)
            return type("AccessToken", (), {"token": token, "expires_on": int(time.time()) + 3600})

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Credential)
    allow(server, "0f-object-id", token)
    cache = Cache(Redis(settings_for(server, found, azure_identity=True)), QUICK)
    cache.set("key", b"1")
    assert cache.get("key") == b"1"
    assert asked == ["https://redis.azure.com/.default"]


def test_no_identity_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import azure.core.exceptions
    import azure.identity

    class Credential:
        def get_token(self, scope: str) -> Any:
            raise azure.core.exceptions.ClientAuthenticationError("no managed identity\nand more")

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Credential)
    settings = RedisSettings(host="127.0.0.1", port=9, tls=True, azure_identity=True)
    with pytest.raises(PermissionDenied, match="no managed identity"):
        Cache(Redis(settings), QUICK).get("key")
    with pytest.raises(PermissionDenied):
        azure_tokens("")()


def test_no_credentials_of_aws_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    settings = RedisSettings(
        tls=True, identity="aws", username="app", aws_cache="c", aws_region="eu-central-1"
    )
    with pytest.raises(PermissionDenied, match="no AWS credentials"):
        aws_tokens(settings)()


def test_an_old_token_is_used_while_no_new_one_can_be_had() -> None:
    now = [1000.0]
    answers: list[Token | Exception] = [
        Token("app", "one", expires=1300.0),
        Unavailable("down"),
        Unavailable("down"),
        Token("app", "two", expires=2000.0),
    ]

    def fetch() -> Token:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    credentials = RotatingCredentials(fetch, margin=100.0, clock=lambda: now[0])
    assert credentials.token().password == "one"
    now[0] = 1250.0
    assert credentials.token().password == "one"
    now[0] = 1301.0
    with pytest.raises(Unavailable):
        credentials.token()
    assert credentials.token().password == "two"


def test_connections_of_aws_live_longer_than_its_tokens() -> None:
    now = [0.0]
    tokens = RotatingCredentials(
        lambda: Token("app", "x", now[0] + 900, connection_seconds=40_000), clock=lambda: now[0]
    )
    tokens.token()
    now[0] = 39_000
    assert not tokens.connections_are_old()
    now[0] = 40_001
    assert tokens.connections_are_old()
    assert not tokens.connections_are_old(), "it is told once"


@pytest.mark.parametrize("token", ["", "a.b.c", "no dots", "e30.e30.x"])
def test_a_token_of_nobody(token: str) -> None:
    with pytest.raises(InvalidInput, match="whose it is"):
        object_id(token)
