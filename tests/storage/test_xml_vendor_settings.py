"""Dify's variables of OSS, COS and OBS: which place they mean, and which of them cannot be."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from cloudberth import storage as storages
from cloudberth.errors import InvalidInput
from cloudberth.storage.location import open_location

OSS = {
    "STORAGE_TYPE": "aliyun-oss", "ALIYUN_OSS_BUCKET_NAME": "docs", "ALIYUN_OSS_ACCESS_KEY": "a",
    "ALIYUN_OSS_SECRET_KEY": "b", "ALIYUN_OSS_ENDPOINT": "https://oss-ap-southeast-1-internal.aliyuncs.com",
}  # fmt: skip
COS = {
    "STORAGE_TYPE": "tencent-cos", "TENCENT_COS_BUCKET_NAME": "docs-125", "TENCENT_COS_SECRET_ID": "a",
    "TENCENT_COS_SECRET_KEY": "b", "TENCENT_COS_REGION": "ap-guangzhou",
}  # fmt: skip
OBS = {
    "STORAGE_TYPE": "huawei-obs", "HUAWEI_OBS_BUCKET_NAME": "docs", "HUAWEI_OBS_ACCESS_KEY": "a",
    "HUAWEI_OBS_SECRET_KEY": "b", "HUAWEI_OBS_SERVER": "obs.cn-north-4.myhuaweicloud.com",
}  # fmt: skip


def url_of(environment: Mapping[str, str]) -> str:
    with storages.open(environment) as storage:
        return storage.presign("k").url.partition("?")[0]


@pytest.mark.parametrize("version", ["v1", "v4", ""])
def test_oss_is_signed_with_version_4_whatever_dify_was_told(version: str) -> None:
    with storages.open({**OSS, "ALIYUN_OSS_AUTH_VERSION": version}) as storage:
        url = storage.presign("a").url
    assert "x-oss-signature-version=OSS4-HMAC-SHA256" in url
    assert "%2Fap-southeast-1%2Foss%2Faliyun_v4_request" in url


@pytest.mark.parametrize(
    ("folder", "prefix"), [("dify", "dify/"), ("dify/", "dify/"), ("a/b", "a/b/"), ("", "")]
)
def test_the_path_of_oss_is_a_folder_as_in_dify(folder: str, prefix: str) -> None:
    assert url_of({**OSS, "ALIYUN_OSS_PATH": folder}) == (
        f"https://docs.oss-ap-southeast-1-internal.aliyuncs.com/{prefix}k"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ALIYUN_OSS_PATH": "/dify"}, "may not start with a slash"),
        ({"ALIYUN_OSS_ENDPOINT": "https://oss-accelerate.aliyuncs.com"}, "ALIYUN_OSS_REGION has to be set"),
        ({"ALIYUN_OSS_ENDPOINT": ""}, "ALIYUN_OSS_ENDPOINT or ALIYUN_OSS_REGION"),
        ({"ALIYUN_OSS_SECRET_KEY": ""}, "set together"),
        ({"ALIYUN_OSS_AUTH_VERSION": "v3"}, "ALIYUN_OSS_AUTH_VERSION"),
    ],
)
def test_settings_of_oss_that_cannot_be(changes: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        storages.open({**OSS, **changes})


def test_places_of_oss() -> None:
    region = {**OSS, "ALIYUN_OSS_ENDPOINT": "", "ALIYUN_OSS_REGION": "oss-cn-hangzhou"}
    assert url_of(region) == "https://docs.oss-cn-hangzhou.aliyuncs.com/k"
    assert url_of({**OSS, "ALIYUN_OSS_ENDPOINT": "http://127.0.0.1:9", "ALIYUN_OSS_REGION": "x"}) == (
        "http://127.0.0.1:9/docs/k"
    )


def test_a_location_has_a_place_of_its_own() -> None:
    """A URL says where, and Dify's folder is not put in front of it."""
    storage, key = open_location("oss://docs/own/k", {**OSS, "ALIYUN_OSS_PATH": "dify"})
    with storage:
        assert (storage.prefix, key) == ("", "own/k")


def test_the_sample_domain_of_dify_is_no_domain(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        url = url_of({**COS, "TENCENT_COS_CUSTOM_DOMAIN": "your-custom-domain"})
    assert url == "https://docs-125.cos.ap-guangzhou.myqcloud.com/k"
    assert "is the sample" in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"TENCENT_COS_BUCKET_NAME": "docs"}, "lacks the account"),
        ({"TENCENT_COS_REGION": ""}, "TENCENT_COS_REGION has to be set"),
        ({"TENCENT_COS_SECRET_ID": ""}, "set together"),
        ({"TENCENT_COS_SCHEME": "ftp"}, "TENCENT_COS_SCHEME"),
    ],
)
def test_settings_of_cos_that_cannot_be(changes: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        storages.open({**COS, **changes})


def test_places_of_cos() -> None:
    domain = {**COS, "TENCENT_COS_CUSTOM_DOMAIN": "files.example.com", "TENCENT_COS_BUCKET_NAME": "docs"}
    assert url_of(domain) == "https://files.example.com/k"
    assert url_of({**COS, "TENCENT_COS_ENDPOINT": "cos.accelerate.myqcloud.com"}) == (
        "https://docs-125.cos.accelerate.myqcloud.com/k"
    )


def test_places_and_protocols_of_obs() -> None:
    with storages.open(OBS) as storage:
        assert storage.presign("k").url.startswith(
            "https://docs.obs.cn-north-4.myhuaweicloud.com/k?AccessKeyId=a&"
        )
    with storages.open({**OBS, "HUAWEI_OBS_PATH_STYLE": "true"}) as storage:
        assert storage.presign("k").url.startswith(
            "https://obs.cn-north-4.myhuaweicloud.com/docs/k?AWSAccessKeyId=a&"
        )
        assert storage.capabilities.conditional == frozenset()
    with storages.open({**OBS, "HUAWEI_OBS_PATH_STYLE": "true", "HUAWEI_OBS_SIGNATURE": "obs"}) as storage:
        assert storage.presign("k").url.startswith(
            "https://obs.cn-north-4.myhuaweicloud.com/docs/k?AccessKeyId=a&"
        )
    with pytest.raises(InvalidInput, match="HUAWEI_OBS_SERVER is not set"):
        storages.open({**OBS, "HUAWEI_OBS_SERVER": ""})


def test_secrets_are_in_no_error() -> None:
    with pytest.raises(InvalidInput) as caught:
        storages.open({**OSS, "ALIYUN_OSS_SECRET_KEY": "very-secret-value", "ALIYUN_OSS_ACCESS_KEY": ""})
    assert "very-secret-value" not in repr(caught.value) + str(caught.value)
