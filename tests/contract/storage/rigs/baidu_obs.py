"""The type ``baidu-obs``: a double of Baidu BOS, which the vendor's SDK is held to as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

from rig import Proof, Rig, Running

from doubles.baidu_bos import BosDouble
from doubles.store import User

BUCKET = "berth-bucket"


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    del folder  # it is all in memory
    double = BosDouble(region="bj")
    double.store.add_user(User("ak-bos", "sk-bos"))
    double.store.add_user(User("ak-sts", "sk-sts", token="tok-old", expires=time() - 60))
    double.store.create_bucket(BUCKET, "bj", "owner-1")
    with double.serve() as server:
        environment = {
            "STORAGE_TYPE": "baidu-obs",
            "BAIDU_OBS_BUCKET_NAME": BUCKET,
            "BAIDU_OBS_ACCESS_KEY": "ak-bos",
            "BAIDU_OBS_SECRET_KEY": "sk-bos",
            "BAIDU_OBS_ENDPOINT": server.url,
        }
        old = {"BAIDU_OBS_ACCESS_KEY": "ak-sts", "BAIDU_OBS_SECRET_KEY": "sk-sts"}
        yield Running(
            environment,
            server.address,
            lambda address: {**environment, "BAIDU_OBS_ENDPOINT": f"http://{address[0]}:{address[1]}"},
            {
                "secret": {**environment, "BAIDU_OBS_SECRET_KEY": "wrong"},
                "bucket": {**environment, "BAIDU_OBS_BUCKET_NAME": "no-such-bucket"},
                "token": {**environment, **old, "BCE_SESSION_TOKEN": "tok-old"},
            },
        )


RIGS = (
    Rig(
        "baidu-obs@double",
        "baidu-obs",
        Proof.DOUBLE_WITH_SDK,
        start,
        exceptions={
            "test_attributes_are_kept": "BOS documents no Content-Language",
        },
    ),
)
