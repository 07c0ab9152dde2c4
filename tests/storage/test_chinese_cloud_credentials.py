"""Keys of Alibaba, Tencent and Huawei that come from the machine: against doubles of metadata services."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from cloudberth import storage as storages
from cloudberth.errors import BackendError, PermissionDenied, Unavailable
from cloudberth.storage import aliyun_oss, credentials_aliyun, credentials_huawei, credentials_tencent
from cloudberth.storage.credentials import Provider
from cloudberth.storage.credentials_aliyun import aliyun_chain
from cloudberth.storage.credentials_huawei import huawei_chain
from cloudberth.storage.credentials_tencent import tencent_chain
from cloudberth.storage.http.message import Origin
from cloudberth.storage.options import Options
from doubles.aliyun_oss import OssDouble
from doubles.server import HttpServer, Request, Response
from doubles.store import User

TICKET = "ticket-of-the-hardened-mode"


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class MetadataDouble:
    """The metadata services of the three clouds. hardened: wants a ticket. role: empty when there is none."""

    def __init__(self, hardened: bool = True, role: str = "storage role") -> None:
        self.hardened = hardened
        self.role = role
        self.given = 0
        self.lifetime = 3600.0
        self.broken = False

    def __call__(self, request: Request) -> Response:
        if self.broken:
            return Response(500)
        tickets = {
            "/latest/api/token": "x-aliyun-ecs-metadata-token-ttl-seconds",
            "/meta-data/latest/api/token": "x-metadata-token-ttl-seconds",
        }
        if request.method == "PUT" and request.raw_path in tickets:
            assert request.headers[tickets[request.raw_path]] == "21600"
            return Response(200, {}, TICKET.encode()) if self.hardened else Response(404)
        answers: dict[str, Callable[[], Any]] = {
            "/latest/meta-data/ram/security-credentials/storage%20role": self.aliyun,
            "/latest/meta-data/cam/security-credentials/storage%20role": self.tencent,
            "/openstack/latest/securitykey": self.huawei,
        }
        named = [request.header("x-aliyun-ecs-metadata-token"), request.header("x-metadata-token")]
        if self.hardened and "/cam/" not in request.raw_path and TICKET not in named:
            return Response(403)
        if request.raw_path.endswith("/security-credentials/"):
            return Response(200, {}, self.role.encode()) if self.role else Response(404)
        if request.raw_path not in answers or not self.role:
            return Response(404)
        self.given += 1
        return Response(200, {}, json.dumps(answers[request.raw_path]()).encode())

    def aliyun(self) -> dict[str, Any]:
        return {
            "Code": "Success", "AccessKeyId": f"key-{self.given}", "AccessKeySecret": "secret",
            "SecurityToken": "token", "Expiration": stamp(time.time() + self.lifetime),
        }  # fmt: skip

    def tencent(self) -> dict[str, Any]:
        return {
            "Code": "Success", "TmpSecretId": f"key-{self.given}", "TmpSecretKey": "secret", "Token": "token",
            "ExpiredTime": int(time.time() + self.lifetime),
        }  # fmt: skip

    def huawei(self) -> dict[str, Any]:
        expires = datetime.fromtimestamp(time.time() + self.lifetime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "credential": {
                "access": f"key-{self.given}", "secret": "secret", "securitytoken": "token",
                "expires_at": expires,
            }
        }  # fmt: skip


Chain = Callable[[dict[str, str], Origin], Provider]
CHAINS: dict[str, Chain] = {
    "aliyun": lambda environment, metadata: aliyun_chain(Options(), environment, metadata),
    "tencent": tencent_chain,
    "huawei": huawei_chain,
}


@pytest.fixture(params=sorted(CHAINS))
def chain(request: pytest.FixtureRequest) -> Chain:
    return CHAINS[request.param]


@pytest.fixture
def metadata() -> Iterator[MetadataDouble]:
    yield MetadataDouble()


@pytest.fixture
def service(metadata: MetadataDouble) -> Iterator[Origin]:
    with HttpServer(metadata) as server:
        yield Origin.parse(server.url)


@pytest.mark.parametrize("hardened", [True, False])
def test_the_role_of_a_server(
    chain: Chain, metadata: MetadataDouble, service: Origin, hardened: bool
) -> None:
    metadata.hardened = hardened
    provider = chain({}, service)
    assert metadata.given == 0
    found = provider()
    assert (found.access_key, found.secret_key, found.token) == ("key-1", "secret", "token")
    assert found.expires == pytest.approx(time.time() + 3600, abs=5)
    assert "of this server" in found.source
    assert "secret" not in repr(found)
    assert provider() is found
    assert metadata.given == 1


def test_new_keys_are_fetched_before_the_old_ones_end(
    chain: Chain, metadata: MetadataDouble, service: Origin
) -> None:
    metadata.lifetime = 100.0  # less than the margin
    provider = chain({}, service)
    assert [provider().access_key, provider().access_key] == ["key-1", "key-2"]
    metadata.broken = True
    assert provider().access_key == "key-2"  # which still hold


def test_a_crowd_asks_once(chain: Chain, metadata: MetadataDouble, service: Origin) -> None:
    provider = chain({}, service)
    threads = [threading.Thread(target=provider) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metadata.given == 1


def test_a_server_without_a_role(chain: Chain, metadata: MetadataDouble, service: Origin) -> None:
    metadata.role = ""
    with pytest.raises(PermissionDenied) as caught:
        chain({}, service)()
    assert "_SECRET_KEY" in caught.value.hint


def test_a_machine_without_the_service(chain: Chain) -> None:
    with pytest.raises(Unavailable) as caught:
        chain({}, Origin("http", "127.0.0.1", 9))()
    assert "set the keys" in caught.value.hint


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b'{"Code": "Success"}', b'{"credential": 1}'])
def test_an_answer_without_keys(chain: Chain, answer: bytes) -> None:
    def said(request: Request) -> Response:
        names = request.raw_path.endswith("/security-credentials/")
        return Response(200, {}, b"role" if names else answer)

    with HttpServer(said) as server, pytest.raises(BackendError):
        chain({}, Origin.parse(server.url))()


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        (
            "aliyun",
            (
                "ALIBABA_CLOUD_ACCESS_KEY_ID",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                "ALIBABA_CLOUD_SECURITY_TOKEN",
            ),
        ),
        ("tencent", ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_SESSIONTOKEN")),
        ("huawei", ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN")),
        ("huawei", ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN")),
    ],
)  # fmt: skip
def test_the_vendors_own_variables(name: str, variables: tuple[str, str, str]) -> None:
    environment = dict(zip(variables, ("a", "b", "c"), strict=True))
    found = CHAINS[name](environment, Origin("http", "127.0.0.1", 9))()
    assert (found.access_key, found.secret_key, found.token, found.source) == ("a", "b", "c", variables[0])
    del environment[variables[2]]
    assert CHAINS[name](environment, Origin("http", "127.0.0.1", 9))().token is None


def test_a_named_role_is_not_looked_up(metadata: MetadataDouble, service: Origin) -> None:
    metadata.role = "storage role"
    found = aliyun_chain(Options(), {"ALIBABA_CLOUD_ECS_METADATA": "storage role"}, service)()
    assert found.access_key == "key-1"


# -- the role of a pod (RRSA) --------------------------------------------------------------------------------


class TokenService:
    """Alibaba's token service: gives keys for the token that it expects, once more each time."""

    def __init__(self) -> None:
        self.expected = "token-of-the-pod"
        self.forms: list[dict[str, str]] = []

    def __call__(self, request: Request) -> Response:
        assert request.query["Action"] == "AssumeRoleWithOIDC"
        assert request.query["Version"] == "2015-04-01"
        assert "authorization" not in request.headers
        form = {
            name: values[0] for name, values in parse_qs(request.body.decode(), strict_parsing=True).items()
        }
        self.forms.append(form)
        if form["OIDCToken"] != self.expected:
            text = {"Code": "AuthenticationFail.OIDCToken.Invalid", "Message": "This token is not valid."}
            return Response(400, {}, json.dumps(text).encode())
        keys = {
            "AccessKeyId": f"STS.{len(self.forms)}", "AccessKeySecret": "secret", "SecurityToken": "token",
            "Expiration": stamp(time.time() + 3600),
        }  # fmt: skip
        return Response(200, {}, json.dumps({"Credentials": keys}).encode())


@pytest.fixture
def pod(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "token"
    file.write_text("token-of-the-pod\n")
    return {
        "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/storage",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ack",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(file),
    }


def test_the_role_of_a_pod(pod: dict[str, str]) -> None:
    service = TokenService()
    with HttpServer(service) as server:
        found = aliyun_chain(Options(), {**pod, "ALIBABA_CLOUD_STS_ENDPOINT": server.url})()
    assert (found.access_key, found.secret_key, found.token) == ("STS.1", "secret", "token")
    (form,) = service.forms
    assert form["RoleArn"] == pod["ALIBABA_CLOUD_ROLE_ARN"]
    assert form["OIDCProviderArn"] == pod["ALIBABA_CLOUD_OIDC_PROVIDER_ARN"]


def test_a_token_of_a_pod_that_is_not_taken(pod: dict[str, str]) -> None:
    service = TokenService()
    service.expected = "another"
    with HttpServer(service) as server, pytest.raises(PermissionDenied) as caught:
        aliyun_chain(Options(), {**pod, "ALIBABA_CLOUD_STS_ENDPOINT": server.url})()
    assert "AuthenticationFail.OIDCToken.Invalid" in caught.value.what
    assert "token-of-the-pod" not in str(caught.value)


def test_a_pod_without_its_token(pod: dict[str, str]) -> None:
    Path(pod["ALIBABA_CLOUD_OIDC_TOKEN_FILE"]).unlink()
    with pytest.raises(BackendError) as caught:
        aliyun_chain(Options(), pod, sts=Origin("http", "127.0.0.1", 9))()
    assert "ALIBABA_CLOUD_OIDC_TOKEN_FILE" in caught.value.where


# -- the role of a pod (TKE) ---------------------------------------------------------------------------------


@pytest.fixture
def tke_pod(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "token"
    file.write_text("token-of-the-pod\n")
    return {
        "TKE_REGION": "ap-guangzhou",
        "TKE_PROVIDER_ID": "cls-1",
        "TKE_ROLE_ARN": "qcs::cam::uin/1:roleName/storage",
        "TKE_WEB_IDENTITY_TOKEN_FILE": str(file),
    }


def test_the_role_of_a_pod_at_tencent(tke_pod: dict[str, str]) -> None:
    asked: list[Request] = []
    expires = int(time.time()) + 7200

    def service(request: Request) -> Response:
        asked.append(request)
        keys = {"TmpSecretId": "key", "TmpSecretKey": "secret", "Token": "token"}
        text = {"Response": {"Credentials": keys, "ExpiredTime": expires, "RequestId": "1"}}
        return Response(200, {}, json.dumps(text).encode())

    with HttpServer(service) as server:
        provider = tencent_chain(tke_pod, Origin("http", "127.0.0.1", 9), Options(), Origin.parse(server.url))
        found = provider()
        assert provider() is found
    assert (found.access_key, found.secret_key, found.token) == ("key", "secret", "token")
    assert found.expires == expires
    (request,) = asked
    assert request.header("authorization") == "SKIP"
    assert request.header("x-tc-action") == "AssumeRoleWithWebIdentity"
    assert request.header("x-tc-version") == "2018-08-13"
    assert request.header("x-tc-region") == "ap-guangzhou"
    form = json.loads(request.body)
    assert form["WebIdentityToken"] == "token-of-the-pod"
    assert (form["ProviderId"], form["RoleArn"]) == ("cls-1", tke_pod["TKE_ROLE_ARN"])


def test_a_token_of_a_pod_that_tencent_does_not_take(tke_pod: dict[str, str]) -> None:
    """Tencent says no with a 200."""
    text = {"Response": {"Error": {"Code": "InvalidParameter.WebIdentityTokenError", "Message": "expired"}}}
    with HttpServer(lambda request: Response(200, {}, json.dumps(text).encode())) as server:
        provider = tencent_chain(tke_pod, Origin("http", "127.0.0.1", 9), Options(), Origin.parse(server.url))
        with pytest.raises(PermissionDenied) as caught:
            provider()
    assert "WebIdentityTokenError: expired" in caught.value.what
    assert "token-of-the-pod" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"Response": 1}', b'{"Response": {"ExpiredTime": "soon"}}'])
def test_an_answer_of_tencent_without_keys(tke_pod: dict[str, str], answer: bytes) -> None:
    with HttpServer(lambda request: Response(200, {}, answer)) as server:
        provider = tencent_chain(tke_pod, Origin("http", "127.0.0.1", 9), Options(), Origin.parse(server.url))
        with pytest.raises(BackendError):
            provider()


# -- all the way ---------------------------------------------------------------------------------------------


def test_a_bucket_is_opened_without_a_key_in_the_settings(
    metadata: MetadataDouble, service: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dify's variables with empty keys: OSS is used with what the server's role gives."""
    double = OssDouble(region="cn-hangzhou")
    double.store.add_user(User("key-1", "secret", token="token"))
    double.store.create_bucket("docs", "cn-hangzhou", "owner-1")
    monkeypatch.setattr(aliyun_oss, "aliyun_chain", lambda options: aliyun_chain(options, {}, service))
    with double.serve() as server:
        environment = {
            "STORAGE_TYPE": "aliyun-oss", "ALIYUN_OSS_BUCKET_NAME": "docs", "ALIYUN_OSS_PROXY": server.url,
            "ALIYUN_OSS_ENDPOINT": "http://oss-cn-hangzhou.aliyuncs.com", "ALIYUN_OSS_ACCESS_KEY": "",
            "ALIYUN_OSS_SECRET_KEY": "",
        }  # fmt: skip
        with storages.open(environment) as storage:
            storage.save("a", b"content")
            assert storage.load("a") == b"content"
        assert {request.header("x-oss-security-token") for request in server.requests} == {"token"}
    assert metadata.given == 1


def test_the_addresses_are_those_of_the_clouds() -> None:
    assert str(credentials_aliyun.METADATA) == "http://100.100.100.200"
    assert str(credentials_aliyun.STS) == "https://sts.aliyuncs.com"
    assert str(credentials_tencent.METADATA) == "http://metadata.tencentyun.com"
    assert str(credentials_tencent.STS) == "https://sts.tencentcloudapi.com"
    assert str(credentials_huawei.METADATA) == "http://169.254.169.254"
