"""OBS: its own protocol against a double that checks signatures; version 2 also against Ceph, a real server.

The double is reached as a proxy, so that buckets stand in the host and the region in the server's name, as in
the cloud. sdk/test_sdk_huawei_obs.py holds the same double to Huawei's SDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running
from rigs.s3 import create_bucket
from servers import ceph

from doubles.huawei_obs import ObsDouble
from doubles.store import User

BUCKET, ELSEWHERE = "berth-contract", "berth-guangzhou"
CEPH_BUCKET = "berth-contract-obs"
OWNER = User("OBSEXAMPLEOWNER00000", "obs-secret-of-the-owner-of-no-account")
EXPIRED = User(
    "OBSEXAMPLEEXPIRED000", "obs-secret-of-temporary-keys", token="obs-token-that-is-over", expires=1.0
)


def double() -> ObsDouble:
    """OBS in Beijing, with a bucket there and another one in Guangzhou."""
    made = ObsDouble(region="cn-north-4")
    for user in (OWNER, EXPIRED):
        made.store.add_user(user)
    made.store.create_bucket(BUCKET, "cn-north-4", OWNER.owner)
    made.store.create_bucket(ELSEWHERE, "cn-south-1", OWNER.owner)
    return made


def environment_of(proxy: str) -> dict[str, str]:
    """Dify's variables, and the proxy that leads to the double."""
    return {
        "STORAGE_TYPE": "huawei-obs",
        "HUAWEI_OBS_BUCKET_NAME": BUCKET,
        "HUAWEI_OBS_ACCESS_KEY": OWNER.access_key,
        "HUAWEI_OBS_SECRET_KEY": OWNER.secret_key,
        "HUAWEI_OBS_SERVER": "http://obs.cn-north-4.myhuaweicloud.com",
        "HUAWEI_OBS_PATH_STYLE": "false",
        "HUAWEI_OBS_PROXY": proxy,
    }


def _running(environment: dict[str, str], address: tuple[str, int], moved: str) -> Running:
    """moved: the variable that leads somewhere else, for the fault proxy."""
    temporary = {
        "HUAWEI_OBS_ACCESS_KEY": EXPIRED.access_key,
        "HUAWEI_OBS_SECRET_KEY": EXPIRED.secret_key,
        "OBS_SECURITY_TOKEN": EXPIRED.token or "",
    }
    return Running(
        environment,
        address,
        through=lambda proxy: {**environment, moved: f"http://{proxy[0]}:{proxy[1]}"},
        wrong={
            "secret": {**environment, "HUAWEI_OBS_SECRET_KEY": "w" * 30},
            "bucket": {**environment, "HUAWEI_OBS_BUCKET_NAME": "berth-nowhere"},
            "region": {**environment, "HUAWEI_OBS_BUCKET_NAME": ELSEWHERE},
            "token": {**environment, **temporary},
        },
    )


@contextmanager
def on_double(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        yield _running(environment_of(server.url), server.address, "HUAWEI_OBS_PROXY")


@contextmanager
def on_double_with_paths(folder: Path) -> Iterator[Running]:
    with double().serve() as server:
        environment = environment_of("") | {
            "HUAWEI_OBS_SERVER": server.url,
            "HUAWEI_OBS_PATH_STYLE": "true",
            "HUAWEI_OBS_REGION": "cn-north-4",
        }
        del environment["HUAWEI_OBS_PROXY"]
        yield _running(environment, server.address, "HUAWEI_OBS_SERVER")


@contextmanager
def on_ceph(folder: Path) -> Iterator[Running]:
    """No wrong token: of one that is over Ceph 16 says no more than AccessDenied in version 2."""
    server = ceph.up()
    create_bucket(server.url, server.owner.access_key, server.owner.secret_key, server.region, CEPH_BUCKET)
    environment = environment_of("") | {
        "HUAWEI_OBS_SERVER": server.url,
        "HUAWEI_OBS_BUCKET_NAME": CEPH_BUCKET,
        "HUAWEI_OBS_ACCESS_KEY": server.owner.access_key,
        "HUAWEI_OBS_SECRET_KEY": server.owner.secret_key,
        "HUAWEI_OBS_PATH_STYLE": "true",
    }
    del environment["HUAWEI_OBS_PROXY"]
    yield Running(
        environment,
        (server.host, server.port),
        through=lambda proxy: {**environment, "HUAWEI_OBS_SERVER": f"http://{proxy[0]}:{proxy[1]}"},
        wrong={
            "secret": {**environment, "HUAWEI_OBS_SECRET_KEY": "w" * 40},
            "bucket": {**environment, "HUAWEI_OBS_BUCKET_NAME": "berth-nowhere"},
        },
    )


CEPH = {
    "test_an_aborted_upload_is_gone": "Ceph 16 answers 500 (completion in progress) instead of NoSuchUpload",
}
RIGS = (
    Rig("huawei-obs@double", "huawei-obs", Proof.DOUBLE_WITH_SDK, on_double),
    Rig("huawei-obs@double-v2", "huawei-obs", Proof.DOUBLE_WITH_SDK, on_double_with_paths),
    Rig("huawei-obs@ceph", "huawei-obs", Proof.REAL_SERVER, on_ceph, ceph.missing, CEPH),
)
