"""S3: against Ceph's object gateway, a real server, and ministack, which knows more of Amazon's S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
from botocore.config import Config
from rig import Address, Proof, Rig, Running
from servers import ceph, ministack

from faults.proxy import Fault, FaultProxy, Head, Rule

BUCKET = "berth-contract"
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/")


def create_bucket(url: str, access_key: str, secret_key: str, region: str, bucket: str = BUCKET) -> None:
    """By the vendor's own SDK, so that a rig does not rest on what it is to prove."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    client.create_bucket(Bucket=bucket)


def environment_of(url: str, access_key: str, secret_key: str, region: str) -> dict[str, str]:
    """Dify's variables."""
    return {
        "STORAGE_TYPE": "s3",
        "S3_ENDPOINT": url,
        "S3_REGION": region,
        "S3_BUCKET_NAME": BUCKET,
        "S3_ACCESS_KEY": access_key,
        "S3_SECRET_KEY": secret_key,
        "S3_ADDRESS_STYLE": "path",
    }


def running(url: str, address: Address, environment: Mapping[str, str], **wrong: dict[str, str]) -> Running:
    """A server with these variables, and with others that have to fail."""
    return Running(
        environment=environment,
        address=address,
        through=lambda proxy: {**environment, "S3_ENDPOINT": f"http://{proxy[0]}:{proxy[1]}"},
        wrong={what: {**environment, **changes} for what, changes in wrong.items()},
    )


def other_region(head: Head) -> bool:
    """Whether a request was signed for a region that is not the server's."""
    scope = SCOPE.search(head.headers.get("authorization", ""))
    return scope is not None and scope[1] != ceph.REGION


def expired_session(head: Head) -> bool:
    """Whether a request has a session token; the front sees none but the expired one."""
    return "x-amz-security-token" in head.headers


def answer_of_amazon(when: Callable[[Head], bool], code: str, message: str, details: str = "") -> Rule:
    """A refusal in Amazon's words, which Ceph has not: it does not look at the region of a signature, and
    says AccessDenied to an expired session.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    return Rule(
        Fault.ANSWER,
        when=when,
        times=None,
        status=400,
        headers={"x-amz-bucket-region": ceph.REGION, "Content-Type": "application/xml"},
        body=(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message>{details}</Error>"
        ).encode(),
    )


WRONG_REGION = answer_of_amazon(
    other_region,
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; the region 'elsewhere' is wrong; expecting 'default'",
    f"<Region>{ceph.REGION}</Region>",
)
EXPIRED = answer_of_amazon(expired_session, "ExpiredToken", "The provided token has expired.")


@contextmanager
def on_ceph(folder: Path) -> Iterator[Running]:
    from servers.ceph_tokens import session

    server = ceph.up()
    keys = (server.owner.access_key, server.owner.secret_key)
    create_bucket(server.url, *keys, server.region)
    expired = session(server, datetime.now(UTC) - timedelta(minutes=5))
    with FaultProxy((server.host, server.port), WRONG_REGION, EXPIRED) as front:
        yield running(
            server.url,
            (server.host, server.port),
            environment_of(server.url, *keys, server.region),
            secret={"S3_SECRET_KEY": "w" * 40},
            bucket={"S3_BUCKET_NAME": "berth-nowhere"},
            region={
                "S3_ENDPOINT": f"http://{front.address[0]}:{front.address[1]}",
                "S3_REGION": "elsewhere",
            },
            token={
                "S3_ENDPOINT": f"http://{front.address[0]}:{front.address[1]}",
                "S3_ACCESS_KEY": expired.access_key,
                "S3_SECRET_KEY": expired.secret_key,
                "S3_SESSION_TOKEN": expired.token,
            },
        )


@contextmanager
def on_ministack(folder: Path) -> Iterator[Running]:
    server = ministack.up()
    keys = (server.access_key, server.secret_key)
    create_bucket(server.url, *keys, "us-east-1")
    yield running(
        server.url,
        (server.host, server.port),
        environment_of(server.url, *keys, "us-east-1"),
        bucket={"S3_BUCKET_NAME": "berth-nowhere"},
    )


CEPH = {
    "test_if_match": "Ceph 16 compares If-Match of a put with the etag without its quotes: never equal",
    "test_a_condition_holds_for_large_objects": "Ceph 16 ignores conditions of CompleteMultipartUpload",
    "test_an_aborted_upload_is_gone": "Ceph 16 answers 500 (completion in progress) instead of NoSuchUpload",
}
RIGS = (
    Rig("s3@ceph", "s3", Proof.REAL_SERVER, on_ceph, ceph.missing, CEPH),
    # It compares no payload with its hash, and at times keeps half of a request that was cut off: what faults
    # do is proved on Ceph, not here.
    Rig("s3@ministack", "s3", Proof.EMULATOR, on_ministack, ministack.missing, network=False),
)
