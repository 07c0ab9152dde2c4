"""The type ``volcengine-tos``: a double of TOS, which the vendor's SDK is held to as well.

It is reached as a proxy, so that the host names that are signed stay the true ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

from rig import Proof, Rig, Running

from doubles.store import User
from doubles.volcengine_tos import TosDouble

BUCKET = "berth-bucket"


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    del folder  # it is all in memory
    double = TosDouble(region="cn-beijing")
    double.store.add_user(User("ak-tos", "sk-tos"))
    double.store.add_user(User("ak-sts", "sk-sts", token="tok-old", expires=time() - 60))
    double.store.create_bucket(BUCKET, "cn-beijing", "owner-1")
    with double.serve() as server:
        environment = {
            "STORAGE_TYPE": "volcengine-tos",
            "VOLCENGINE_TOS_BUCKET_NAME": BUCKET,
            "VOLCENGINE_TOS_ACCESS_KEY": "ak-tos",
            "VOLCENGINE_TOS_SECRET_KEY": "sk-tos",
            "VOLCENGINE_TOS_REGION": "cn-beijing",
            "VOLCENGINE_TOS_ENDPOINT": "http://tos-cn-beijing.volces.com",
            "VOLCENGINE_TOS_PROXY": server.url,
        }
        shanghai = "http://tos-cn-shanghai.volces.com"
        old = {"VOLCENGINE_TOS_ACCESS_KEY": "ak-sts", "VOLCENGINE_TOS_SECRET_KEY": "sk-sts"}
        elsewhere = {"VOLCENGINE_TOS_REGION": "cn-shanghai", "VOLCENGINE_TOS_ENDPOINT": shanghai}
        yield Running(
            environment,
            server.address,
            lambda address: {**environment, "VOLCENGINE_TOS_PROXY": f"http://{address[0]}:{address[1]}"},
            {
                "secret": {**environment, "VOLCENGINE_TOS_SECRET_KEY": "wrong"},
                "bucket": {**environment, "VOLCENGINE_TOS_BUCKET_NAME": "no-such-bucket"},
                "region": {**environment, **elsewhere},
                "token": {**environment, **old, "TOS_SECURITY_TOKEN": "tok-old"},
            },
        )


RIGS = (Rig("volcengine-tos@double", "volcengine-tos", Proof.DOUBLE_WITH_SDK, start),)
