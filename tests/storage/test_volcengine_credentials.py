"""Temporary keys of Volcengine, from loopback doubles of its metadata service and its token service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from cloudberth.errors import InvalidInput, PermissionDenied, Unavailable
from cloudberth.storage.credentials import Cached, Credentials
from cloudberth.storage.http.client import Client
from cloudberth.storage.http.message import Origin
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from cloudberth.storage.volcengine_credentials import EcsRole, OidcRole
from cloudberth.storage.volcengine_tos import VolcengineTos, VolcengineTosSettings, provider
from doubles.server import HttpServer, Request, Response
from doubles.store import User
from doubles.volcengine_tos import TosDouble

ROLE_PATH = "/volcstack/latest/iam/security_credentials"
OPTIONS = Options(connect_timeout=5.0, read_timeout=5.0, retries=0)


class Metadata:
    """The metadata service of a server. version: 2 wants a ticket; lifetime: seconds of the keys it gives."""

    def __init__(self) -> None:
        self.version = 2
        self.roles = ["storage-role"]
        self.lifetime = 3600.0
        self.given = 0

    def handle(self, request: Request) -> Response:
        if request.path == "/latest/api/token":
            if self.version != 2 or request.method != "PUT":
                return Response(404)
            assert request.header("x-volc-ecs-metadata-token-ttl-seconds").isdigit()
            return Response(200, {}, b"ticket-1")
        if self.version == 2 and request.header("x-volc-ecs-metadata-token") != "ticket-1":
            return Response(401)
        if request.path == ROLE_PATH and request.query.get("format") == "json":
            return Response(200, {}, json.dumps(self.roles).encode())
        if request.path.removeprefix(f"{ROLE_PATH}/") not in self.roles:
            return Response(404)
        self.given += 1
        expires = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        body = {
            "AccessKeyId": f"ak-{self.given}", "SecretAccessKey": f"sk-{self.given}",
            "SessionToken": f"tok-{self.given}", "ExpiredTime": expires.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        }  # fmt: skip
        return Response(200, {}, json.dumps(body).encode())


@pytest.fixture
def metadata() -> Metadata:
    return Metadata()


@pytest.fixture
def server(metadata: Metadata) -> Iterator[HttpServer]:
    with HttpServer(metadata.handle) as running:
        yield running


def role_of(server: HttpServer, role: str = "") -> EcsRole:
    return EcsRole(role, Origin("http", *server.address))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("role", ["", "storage-role"])
def test_keys_of_the_role_of_a_server(
    server: HttpServer, metadata: Metadata, version: int, role: str
) -> None:
    metadata.version = version
    found = role_of(server, role)()
    assert (found.access_key, found.secret_key, found.token) == ("ak-1", "sk-1", "tok-1")
    assert found.expires is not None
    assert abs(found.expires - time.time() - 3600) < 5
    assert "sk-1" not in repr(found)
    assert "tok-1" not in repr(found)


def test_keys_are_asked_for_again_before_they_expire(server: HttpServer, metadata: Metadata) -> None:
    cached = Cached(role_of(server))
    assert [cached().access_key for _ in range(3)] == ["ak-1"] * 3
    metadata.lifetime = 200.0  # less than the margin: every use asks
    fresh = Cached(role_of(server))
    assert [fresh().access_key for _ in range(3)] == ["ak-2", "ak-3", "ak-4"]
    metadata.roles = []
    assert fresh().access_key == "ak-4", "the old ones still hold"


def test_a_server_without_a_role_says_so(server: HttpServer, metadata: Metadata) -> None:
    metadata.roles = []
    with pytest.raises(PermissionDenied, match="no role") as caught:
        role_of(server)()
    assert "VOLCENGINE_TOS_ACCESS_KEY" in caught.value.hint
    with pytest.raises(PermissionDenied, match="no role 'other'"):
        role_of(server, "other")()


def test_no_metadata_service_is_unavailable(server: HttpServer) -> None:
    address = server.address
    server.__exit__(None, None, None)
    with pytest.raises(Unavailable, match="does not answer") as caught:
        EcsRole("", Origin("http", *address))()
    assert caught.value.retryable


@pytest.mark.parametrize("body", [b"", b"[]", b"no json", b'{"AccessKeyId": 5}', b'{"ExpiredTime": "soon"}'])
def test_odd_answers_are_typed_errors(body: bytes) -> None:
    with HttpServer(lambda request: Response(200, {}, body)) as odd, pytest.raises(Exception) as caught:
        role_of(odd, "storage-role")()
    assert type(caught.value).__module__.startswith("cloudberth.")


def test_tos_is_used_with_the_keys_of_a_role(server: HttpServer) -> None:
    """The whole way: keys from the metadata service, a token in every signature, checked by the double."""
    double = TosDouble(region="cn-beijing")
    double.store.add_user(User("ak-1", "sk-1", token="tok-1", expires=time.time() + 3600))
    double.store.create_bucket("role-bucket", "cn-beijing", "owner-1")
    with double.serve() as tos:
        settings = VolcengineTosSettings.from_environment(
            {
                "VOLCENGINE_TOS_BUCKET_NAME": "role-bucket",
                "VOLCENGINE_TOS_REGION": "cn-beijing",
                "VOLCENGINE_TOS_ENDPOINT": "http://tos-cn-beijing.volces.com",
                "VOLCENGINE_ECS_METADATA": "storage-role",
            }
        )
        backend = VolcengineTos(settings, Client(OPTIONS, tos.url), Cached(role_of(server)))
        with Storage(backend, OPTIONS) as storage:
            storage.save("a", b"by a role")
            assert storage.load("a") == b"by a role"
        assert {request.header("x-tos-security-token") for request in tos.requests} == {"tok-1"}
    assert len([request for request in server.requests if request.path.endswith("storage-role")]) == 1


# -- the role of a service account ---------------------------------------------------------------------------


def sts_answer(**credentials: str) -> bytes:
    return json.dumps(
        {"ResponseMetadata": {"RequestId": "r-1"}, "Result": {"Credentials": credentials}}
    ).encode()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("jwt-1\n")
    return path


def test_keys_for_the_token_of_a_service_account(token_file: Path) -> None:
    """The file is read each time, because Kubernetes changes it."""
    answer = sts_answer(
        AccessKeyId="ak", SecretAccessKey="sk", SessionToken="tok", Expiration="2030-01-01T00:00:00Z"
    )
    with HttpServer(lambda request: Response(200, {}, answer)) as sts:
        role = OidcRole("trn:iam::1:role/r", token_file, sts.url, "session-1", OPTIONS)
        assert role() == Credentials(
            "ak", "sk", "tok", datetime(2030, 1, 1, tzinfo=UTC).timestamp(), "role of this service account"
        )
        token_file.write_text("jwt-2")
        role()
        sent = [parse_qs(request.body.decode()) for request in sts.requests]
    assert [form["OIDCToken"] for form in sent] == [["jwt-1"], ["jwt-2"]]
    assert sent[0]["RoleTrn"] == ["trn:iam::1:role/r"]
    assert sent[0]["RoleSessionName"] == ["session-1"]
    assert {request.query["Action"] for request in sts.requests} == {"AssumeRoleWithOIDC"}
    assert not any("jwt" in request.raw_query for request in sts.requests)


def test_what_the_token_service_refuses_is_said(token_file: Path) -> None:
    refusal = {
        "ResponseMetadata": {"Error": {"Code": "InvalidOIDCToken", "Message": "The token is too old."}}
    }
    with HttpServer(lambda request: Response(400, {}, json.dumps(refusal).encode())) as sts:
        with pytest.raises(PermissionDenied, match="InvalidOIDCToken The token is too old") as caught:
            OidcRole("trn:r", token_file, sts.url, options=OPTIONS)()
        assert "jwt" not in str(caught.value)
    with HttpServer(lambda request: Response(503, {}, b"{}")) as sts, pytest.raises(Unavailable):
        OidcRole("trn:r", token_file, sts.url, options=OPTIONS)()


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="there is no token in") as caught:
        OidcRole("trn:r", tmp_path / "missing", "http://127.0.0.1:9", options=OPTIONS)()
    assert "VOLCENGINE_OIDC_TOKEN_FILE" in str(caught.value)


# -- which of them is used -----------------------------------------------------------------------------------

BASE = {"VOLCENGINE_TOS_BUCKET_NAME": "a-bucket", "VOLCENGINE_TOS_REGION": "cn-beijing"}
KEYS = {"VOLCENGINE_TOS_ACCESS_KEY": "ak", "VOLCENGINE_TOS_SECRET_KEY": "sk"}


def test_difys_variables_come_first(token_file: Path) -> None:
    oidc = {"VOLCENGINE_OIDC_ROLE_TRN": "trn:r", "VOLCENGINE_OIDC_TOKEN_FILE": str(token_file)}
    ecs = {"VOLCENGINE_ECS_METADATA": "storage-role"}

    def chosen(**variables: str) -> object:
        found = provider(VolcengineTosSettings.from_environment({**BASE, **variables}), OPTIONS)
        return found._provider.__class__ if isinstance(found, Cached) else found()

    assert chosen(**KEYS, **oidc, **ecs, TOS_SECURITY_TOKEN="tok") == Credentials(
        "ak", "sk", "tok", source="VOLCENGINE_TOS_ACCESS_KEY"
    )
    assert chosen(**oidc, **ecs) is OidcRole
    assert chosen(**ecs) is EcsRole


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "there are no keys"),
        ({"VOLCENGINE_TOS_ACCESS_KEY": "ak"}, "go together"),
        ({**KEYS, "VOLCENGINE_TOS_ENDPOINT": "tos-s3-cn-beijing.volces.com"}, "without -s3"),
        ({**KEYS, "VOLCENGINE_TOS_ENDPOINT": "http://10.0.0.1"}, "reached by name only"),
        ({**KEYS, "VOLCENGINE_TOS_ENDPOINT": "ftp://x"}, "is no web address"),
        ({**KEYS, "VOLCENGINE_TOS_REGION": ""}, "VOLCENGINE_TOS_REGION is not set"),
    ],
)
def test_settings_that_cannot_work_are_refused(variables: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        VolcengineTosSettings.from_environment({**BASE, **variables})
    assert "sk" not in str(caught.value).split()


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("", "https://a-bucket.tos-cn-beijing.volces.com"),
        ("tos-cn-beijing.ivolces.com", "https://a-bucket.tos-cn-beijing.ivolces.com"),
        ("https://a-bucket.tos-cn-beijing.volces.com", "https://a-bucket.tos-cn-beijing.volces.com"),
    ],
)
def test_the_bucket_stands_in_the_host(endpoint: str, origin: str) -> None:
    settings = VolcengineTosSettings.from_environment({**BASE, **KEYS, "VOLCENGINE_TOS_ENDPOINT": endpoint})
    assert str(VolcengineTos.open(settings, OPTIONS).origin) == origin
