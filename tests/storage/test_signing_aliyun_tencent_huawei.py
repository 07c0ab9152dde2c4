"""Signers of OSS, COS and OBS say what the vendors' own SDKs say of the same request at the same second."""

from __future__ import annotations

import base64
import datetime
import hmac
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import given
from hypothesis import strategies as st
from obs.auth import Authentication
from obs.convertor import Adapter
from qcloud_cos import cos_auth

from cloudberth.storage.credentials import Credentials
from cloudberth.storage.http.message import Origin, Request, encode_key
from cloudberth.storage.signing.cos import Cos
from cloudberth.storage.signing.obs import Obs
from cloudberth.storage.signing.oss_v4 import OssV4

NOW = 1_795_000_000.0
KEYS = Credentials("AKexample", "secret-example")
TEMPORARY = Credentials("AKexample", "secret-example", "token/+=")
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
OSS_ORIGIN = Origin.parse("https://docs.oss-cn-hangzhou.aliyuncs.com")
COS_ORIGIN = Origin.parse("https://docs-125.cos.ap-guangzhou.myqcloud.com")
OBS_ORIGIN = Origin.parse("https://docs.obs.cn-north-4.myhuaweicloud.com")


def put(origin: Origin, key: str, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("PUT", origin, f"/{encode_key(key)}", (("partNumber", "1"), ("uploadId", "a/+ b")), named)


def of_alibaba(
    request: Request, key: str, credentials: Credentials, ends: datetime.datetime | None = None
) -> HttpRequest:
    """The same request, signed by Alibaba's SDK; in the URL when it has an end."""
    provider = StaticCredentialsProvider(credentials.access_key, credentials.secret_key, credentials.token)
    theirs = HttpRequest(request.method, request.url, headers=dict(request.headers))
    context = SigningContext(
        product="oss", region="cn-hangzhou", bucket="docs", key=key, request=theirs,
        credentials=provider.get_credentials(),
        signing_time=datetime.datetime.fromtimestamp(NOW, datetime.UTC),
    )  # fmt: skip
    context.auth_method_query = ends is not None
    context.expiration_time = ends
    SignerV4().sign(context)
    return theirs


@given(key=TEXTS, value=st.text("abc 123-/", min_size=1).map(str.strip).filter(bool))
def test_oss(key: str, value: str) -> None:
    for credentials in (KEYS, TEMPORARY):
        request = put(
            OSS_ORIGIN, key, content_type="text/plain", content_md5="abc=", x_oss_meta_a=value, other="x"
        )
        theirs = of_alibaba(request, key, credentials)
        OssV4("cn-hangzhou", "docs").sign(request, credentials, NOW)
        assert request.headers["authorization"] == theirs.headers["Authorization"]
        in_path = Request(
            request.method, request.origin, f"/docs{request.path}", request.query, dict(request.headers)
        )
        OssV4("cn-hangzhou", "docs", bucket_in_path=True).sign(in_path, credentials, NOW)
        assert in_path.headers["authorization"] == request.headers["authorization"]


@given(key=TEXTS)
def test_oss_in_a_url(key: str) -> None:
    for credentials in (KEYS, TEMPORARY):
        request = put(OSS_ORIGIN, key, content_type="text/plain")
        end = datetime.datetime.fromtimestamp(NOW + 60, datetime.UTC)
        theirs = of_alibaba(request, key, credentials, end)
        OssV4("cn-hangzhou", "docs").presign(request, credentials, NOW, 60)
        assert dict(request.query) == dict(parse_qsl(urlsplit(theirs.url).query))


def test_oss_in_a_cloudbox() -> None:
    request = put(OSS_ORIGIN, "a")
    OssV4("cb-f8z7yvzgwfkl9q0h", "docs", product="oss-cloudbox").sign(request, KEYS, NOW)
    scope = "AKexample/20261118/cb-f8z7yvzgwfkl9q0h/oss-cloudbox/aliyun_v4_request"
    assert f"Credential={scope}," in request.headers["authorization"]


class AtNow:
    """The time of Tencent's signer, which it takes from the module `time`."""

    @staticmethod
    def time() -> float:
        return NOW


@given(key=TEXTS, value=st.text("abc 123-/", min_size=1).map(str.strip).filter(bool))
def test_cos(key: str, value: str) -> None:
    for credentials in (KEYS, TEMPORARY):
        request = put(
            COS_ORIGIN, key, content_type="text/plain", content_md5="abc=", x_cos_meta_a=value, other="x"
        )
        Cos().sign(request, credentials, NOW)
        settings = SimpleNamespace(
            _secret_id=credentials.access_key, _secret_key=credentials.secret_key, _credential_inst=None,
            _anonymous=False, _sign_params=True, _sign_host=True,
        )  # fmt: skip
        headers = {name: text for name, text in request.headers.items() if name != "authorization"}
        theirs = SimpleNamespace(method="PUT", headers=headers, url=request.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cos_auth, "time", AtNow)
            cos_auth.CosS3Auth(settings, f"/{key}", dict(request.query), 900)(theirs)
        assert request.headers["authorization"] == theirs.headers["Authorization"]


def test_cos_in_a_url_ends_when_asked_and_carries_the_token() -> None:
    request = put(COS_ORIGIN, "a b")
    Cos().presign(request, TEMPORARY, NOW, 60)
    query = dict(request.query)
    assert query["q-sign-time"] == f"{int(NOW) - 60};{int(NOW) + 60}"
    assert query["x-cos-security-token"] == "token/+="
    assert query["q-url-param-list"] == "partnumber;uploadid;x-cos-security-token"
    assert query["q-header-list"] == "host"


@pytest.mark.parametrize(("dialect", "signature"), [("OBS", "obs"), ("AWS", "v2")])
@given(key=TEXTS, value=st.text("abc 123-/", min_size=1).map(str.strip).filter(bool))
def test_obs(dialect: Any, signature: str, key: str, value: str) -> None:
    for in_path in (False, True):
        signer = Obs("docs", in_path, dialect)
        request = put(OBS_ORIGIN, key, content_type="text/plain", content_md5="abc=", other="x")
        request.headers[f"{signer.prefix}meta-a"] = value
        request.path = f"/docs{request.path}" if in_path else request.path
        signer.sign(request, TEMPORARY, NOW)
        ha = Adapter(signature)
        theirs = Authentication("AKexample", "secret-example", in_path, ha, "obs", False)
        headers = {name: text for name, text in request.headers.items() if name != "authorization"}
        # Huawei's SDK encodes fewer characters of a path than we do; what is signed is what is sent.
        said = theirs.doAuth("PUT", "docs", "KEY", dict(request.query), headers)
        text = said["CanonicalString"].replace("/docs/KEY", f"/docs/{encode_key(key)}")
        expected = base64.b64encode(hmac.digest(b"secret-example", text.encode(), "sha1")).decode()
        assert request.headers["authorization"] == f"{dialect} AKexample:{expected}"


def test_signing_again_changes_date_and_token() -> None:
    """An attempt may come after new keys did; nothing of the old ones may stay."""
    for signer, prefix, origin in (
        (OssV4("cn-hangzhou", "docs"), "x-oss-", OSS_ORIGIN),
        (Cos(), "x-cos-", COS_ORIGIN),
        (Obs("docs"), "x-obs-", OBS_ORIGIN),
    ):
        request, fresh = put(origin, "a"), put(origin, "a")
        signer.sign(request, TEMPORARY, NOW)  # type: ignore[attr-defined]
        assert request.headers[f"{prefix}security-token"] == "token/+="
        signer.sign(request, KEYS, NOW + 100)  # type: ignore[attr-defined]
        signer.sign(fresh, KEYS, NOW + 100)  # type: ignore[attr-defined]
        assert request.headers == fresh.headers


def test_no_secret_is_on_the_wire() -> None:
    for signer, origin in (
        (OssV4("cn-hangzhou", "docs"), OSS_ORIGIN), (Cos(), COS_ORIGIN), (Obs("docs"), OBS_ORIGIN)
    ):  # fmt: skip
        request = put(origin, "a")
        signer.presign(request, KEYS, NOW, 60)  # type: ignore[attr-defined]
        signer.sign(request, KEYS, NOW)  # type: ignore[attr-defined]
        assert "secret-example" not in request.url + repr(request.headers)
