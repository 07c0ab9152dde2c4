"""OpenDAL: the scheme ``fs`` (Dify's default), which needs no OpenDAL, and Ceph through OpenDAL's S3.

tests/storage/test_opendal_storage.py shows a WebDAV server (rclone's), which holds fewer keys.

No faults: the connections are OpenDAL's own. Tried by hand (2026-11), resets, truncation, lost answers, 503
and 429 are survived; a server that trickles is not cut off, bits that flip in a write are not noticed, and
lists of Ceph do not end behind the fault proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from rig import Proof, Rig, Running
from servers import ceph

BUCKET = "berth-contract-opendal"
UNCHECKED = "OpenDAL sends no checksum with a write, unless OPENDAL_S3_CHECKSUM_ALGORITHM asks for one"
S3 = {
    "test_if_match": "Ceph does not look at If-Match of a put",
    "test_a_flipped_bit_is_noticed_in_writing": UNCHECKED,
    "test_a_flipped_bit_of_a_part_is_noticed": UNCHECKED,
}


@contextmanager
def on_disk(folder: Path) -> Iterator[Running]:
    (folder / "storage").mkdir()
    yield Running({"STORAGE_TYPE": "opendal", "OPENDAL_FS_ROOT": str(folder / "storage")})


@contextmanager
def on_ceph(folder: Path) -> Iterator[Running]:
    server = ceph.up()
    keys = (server.owner.access_key, server.owner.secret_key)
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=server.region,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    client.create_bucket(Bucket=BUCKET)
    environment = {
        "STORAGE_TYPE": "opendal",
        "OPENDAL_SCHEME": "s3",
        "OPENDAL_S3_BUCKET": BUCKET,
        "OPENDAL_S3_ENDPOINT": server.url,
        "OPENDAL_S3_REGION": server.region,
        "OPENDAL_S3_ACCESS_KEY_ID": keys[0],
        "OPENDAL_S3_SECRET_ACCESS_KEY": keys[1],
    }
    yield Running(
        environment,
        (server.host, server.port),
        lambda proxy: {**environment, "OPENDAL_S3_ENDPOINT": f"http://{proxy[0]}:{proxy[1]}"},
        {
            "secret": {**environment, "OPENDAL_S3_SECRET_ACCESS_KEY": "w" * 40},
            "bucket": {**environment, "OPENDAL_S3_BUCKET": "berth-nowhere"},
        },
    )


RIGS = (
    Rig("opendal@fs", "opendal", Proof.REAL_SERVER, on_disk, network=False),
    Rig("opendal@s3-ceph", "opendal", Proof.REAL_SERVER, on_ceph, ceph.missing, S3),
)
