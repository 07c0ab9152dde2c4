"""OSS: against a protocol double that checks version 4 signatures, with OSS's own host names.

The double is reached as a proxy, so that buckets stand in the host and the region in the endpoint, as in the
cloud. sdk/test_sdk_aliyun_oss.py holds the same double to Alibaba's SDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running

from doubles.aliyun_oss import OssDouble
from doubles.store import User

BUCKET, ELSEWHERE = "berth-contract", "berth-beijing"
OWNER = User("LTAIexampleowner0000", "oss-secret-of-the-owner-of-no-account")
EXPIRED = User(
    "STS.NexampleExpired", "oss-secret-of-temporary-keys", token="oss-token-that-is-over", expires=1.0
)


def double() -> OssDouble:
    """OSS in Hangzhou, with a bucket there and another one in Beijing."""
    made = OssDouble(region="cn-hangzhou")
    for user in (OWNER, EXPIRED):
        made.store.add_user(user)
    made.store.create_bucket(BUCKET, "cn-hangzhou", OWNER.owner)
    made.store.create_bucket(ELSEWHERE, "cn-beijing", OWNER.owner)
    return made


def environment_of(proxy: str) -> dict[str, str]:
    """Dify's variables, and the proxy that leads to the double."""
    return {
        "STORAGE_TYPE": "aliyun-oss",
        "ALIYUN_OSS_BUCKET_NAME": BUCKET,
        "ALIYUN_OSS_ACCESS_KEY": OWNER.access_key,
        "ALIYUN_OSS_SECRET_KEY": OWNER.secret_key,
        "ALIYUN_OSS_ENDPOINT": "http://oss-cn-hangzhou.aliyuncs.com",
        "ALIYUN_OSS_REGION": "cn-hangzhou",
        "ALIYUN_OSS_AUTH_VERSION": "v4",
        "ALIYUN_OSS_PROXY": proxy,
    }


@contextmanager
def on_double(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        environment = environment_of(server.url)
        temporary = {
            "ALIYUN_OSS_ACCESS_KEY": EXPIRED.access_key,
            "ALIYUN_OSS_SECRET_KEY": EXPIRED.secret_key,
            "ALIBABA_CLOUD_SECURITY_TOKEN": EXPIRED.token or "",
        }
        yield Running(
            environment,
            server.address,
            through=lambda proxy: {**environment, "ALIYUN_OSS_PROXY": f"http://{proxy[0]}:{proxy[1]}"},
            wrong={
                "secret": {**environment, "ALIYUN_OSS_SECRET_KEY": "w" * 30},
                "bucket": {**environment, "ALIYUN_OSS_BUCKET_NAME": "berth-nowhere"},
                "region": {**environment, "ALIYUN_OSS_BUCKET_NAME": ELSEWHERE},
                "token": {**environment, **temporary},
            },
        )


RIGS = (
    Rig(
        "aliyun-oss@double",
        "aliyun-oss",
        Proof.DOUBLE_WITH_SDK,
        on_double,
    ),
)
