"""COS: against a protocol double that checks its signatures, with COS's own host names.

The double is reached as a proxy, so that buckets stand in the host as in the cloud. COS calls a bucket in
another region missing, so there is no wrong region here; test_storage_tencent_cos.py tells how it is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running

from doubles.store import User
from doubles.tencent_cos import CosDouble

BUCKET = "berth-contract-1250000000"
OWNER = User("AKIDexampleowner0000", "cos-secret-of-the-owner-of-no-account")
EXPIRED = User(
    "AKIDexampleexpired00", "cos-secret-of-temporary-keys", token="cos-token-that-is-over", expires=1.0
)


def double() -> CosDouble:
    """COS in Guangzhou with a bucket."""
    made = CosDouble(region="ap-guangzhou")
    for user in (OWNER, EXPIRED):
        made.store.add_user(user)
    made.store.create_bucket(BUCKET, "ap-guangzhou", OWNER.owner)
    return made


def environment_of(proxy: str) -> dict[str, str]:
    """Dify's variables, and the proxy that leads to the double."""
    return {
        "STORAGE_TYPE": "tencent-cos",
        "TENCENT_COS_BUCKET_NAME": BUCKET,
        "TENCENT_COS_REGION": "ap-guangzhou",
        "TENCENT_COS_SECRET_ID": OWNER.access_key,
        "TENCENT_COS_SECRET_KEY": OWNER.secret_key,
        "TENCENT_COS_SCHEME": "http",
        "TENCENT_COS_CUSTOM_DOMAIN": "your-custom-domain",
        "TENCENT_COS_PROXY": proxy,
    }


@contextmanager
def on_double(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        environment = environment_of(server.url)
        temporary = {
            "TENCENT_COS_SECRET_ID": EXPIRED.access_key,
            "TENCENT_COS_SECRET_KEY": EXPIRED.secret_key,
            "TENCENTCLOUD_SESSIONTOKEN": EXPIRED.token or "",
        }
        yield Running(
            environment,
            server.address,
            through=lambda proxy: {**environment, "TENCENT_COS_PROXY": f"http://{proxy[0]}:{proxy[1]}"},
            wrong={
                "secret": {**environment, "TENCENT_COS_SECRET_KEY": "w" * 30},
                "bucket": {**environment, "TENCENT_COS_BUCKET_NAME": "berth-nowhere-1250000000"},
                "token": {**environment, **temporary},
            },
        )


RIGS = (
    Rig(
        "tencent-cos@double",
        "tencent-cos",
        Proof.DOUBLE_WITH_SDK,
        on_double,
    ),
)
