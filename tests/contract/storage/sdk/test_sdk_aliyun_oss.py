"""Alibaba's own SDK against the double of OSS, and across: what one client writes the other one reads."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import alibabacloud_oss_v2 as oss
import pytest
from rigs.aliyun_oss import BUCKET, OWNER, double, environment_of
from storage_cases import send

from cloudberth import storage as storages
from cloudberth.storage.contract import SignedRequest
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer

# urllib3, under the SDK, takes dots out of paths after the signature was made of them.
NOT_BY_SDK = {"./dot", "a/../b", "a/./b"}
SDK_KEYS = [key for key in ODD_KEYS if key not in NOT_BY_SDK]
PART = 100 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with double().serve() as running:
        yield running


def client(server: HttpServer, **more: Any) -> oss.Client:
    """The SDK with OSS's own host names, by way of the double as a proxy."""
    configuration = oss.config.load_default()
    configuration.credentials_provider = oss.credentials.StaticCredentialsProvider(
        OWNER.access_key, OWNER.secret_key
    )
    configuration.region = "cn-hangzhou"
    configuration.endpoint = "http://oss-cn-hangzhou.aliyuncs.com"
    configuration.proxy_host = {"http": server.url}
    configuration.retry_max_attempts = 1
    for name, value in more.items():
        setattr(configuration, name, value)
    return oss.Client(configuration)


@pytest.fixture
def sdk(server: HttpServer) -> oss.Client:
    return client(server)


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with storages.open(environment_of(server.url)) as storage:
        storage.delete_prefix("")
        yield storage


@pytest.mark.parametrize("path_style", [False, True])
def test_the_sdk_is_accepted(server: HttpServer, ours: Storage, path_style: bool) -> None:
    """In both address styles; a wrong secret is not."""
    more: dict[str, Any] = (
        {"endpoint": server.url, "use_path_style": True, "proxy_host": None} if path_style else {}
    )
    good = client(server, **more)
    assert good.put_object(oss.PutObjectRequest(bucket=BUCKET, key="a b", body=b"x")).status_code == 200
    wrong = oss.credentials.StaticCredentialsProvider(OWNER.access_key, "w" * 30)
    with pytest.raises(oss.exceptions.OperationError, match="SignatureDoesNotMatch"):
        client(server, **more, credentials_provider=wrong).put_object(
            oss.PutObjectRequest(bucket=BUCKET, key="a", body=b"x")
        )


def test_the_sdk_writes_and_we_read(sdk: oss.Client, ours: Storage) -> None:
    for key in SDK_KEYS:
        sdk.put_object(
            oss.PutObjectRequest(
                bucket=BUCKET, key=key, body=key.encode(), content_type="text/x-odd",
                metadata={"owner": "sdk"}, cache_control="no-cache", storage_class="IA",
            )
        )  # fmt: skip
    assert sorted(info.key for info in ours.list(page_size=7)) == sorted(SDK_KEYS)
    for key in SDK_KEYS:
        assert ours.load(key) == key.encode(), key
        attributes = ours.head(key).attributes
        assert (attributes.content_type, attributes.cache_control) == ("text/x-odd", "no-cache")
        assert attributes.metadata == {"owner": "sdk"}
        assert attributes.storage_class == "IA"


def test_we_write_and_the_sdk_reads(sdk: oss.Client, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, key.encode(), content_type="text/x-odd", metadata={"owner": "berth"})
    pages = sdk.list_objects_v2_paginator().iter_page(oss.ListObjectsV2Request(bucket=BUCKET, max_keys=7))
    found = [[entry.key for entry in page.contents or []] for page in pages]
    assert len(found) > 1
    assert [key for page in found for key in page] == sorted(ODD_KEYS, key=str.encode)
    for key in SDK_KEYS:
        read = sdk.get_object(oss.GetObjectRequest(bucket=BUCKET, key=key))
        assert read.body.read() == key.encode(), key
        told = sdk.head_object(oss.HeadObjectRequest(bucket=BUCKET, key=key))
        assert told.content_type == "text/x-odd"
        assert told.metadata == {"owner": "berth"}
        assert told.etag.strip('"').lower() == ours.head(key).checksums["md5"]
        assert int(told.hash_crc64) == int(ours.head(key).checksums["crc64ecma"], 16)


def test_multipart_of_the_sdk(sdk: oss.Client, ours: Storage) -> None:
    data = bytes(range(256)) * 1024
    started = sdk.initiate_multipart_upload(
        oss.InitiateMultipartUploadRequest(bucket=BUCKET, key="big one", content_type="text/x-big")
    )
    assert [pending.upload for pending in ours.uploads()] == [started.upload_id]
    parts = []
    for number, start in enumerate(range(0, len(data), PART), 1):
        done = sdk.upload_part(
            oss.UploadPartRequest(
                bucket=BUCKET, key="big one", upload_id=started.upload_id, part_number=number,
                body=data[start : start + PART],
            )
        )  # fmt: skip
        parts.append(oss.UploadPart(part_number=number, etag=done.etag))
    listed = list(ours.backend.list_parts("big one", started.upload_id))
    assert [(part.number, part.size) for part in listed] == [(1, PART), (2, PART), (3, len(data) - 2 * PART)]
    sdk.complete_multipart_upload(
        oss.CompleteMultipartUploadRequest(
            bucket=BUCKET, key="big one", upload_id=started.upload_id,
            complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
        )
    )  # fmt: skip
    assert ours.load("big one") == data
    assert ours.head("big one").attributes.content_type == "text/x-big"
    assert "md5" not in ours.head("big one").checksums


def test_a_small_part_is_refused(sdk: oss.Client, ours: Storage) -> None:
    started = sdk.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(bucket=BUCKET, key="small"))
    parts = []
    for number in (1, 2):
        done = sdk.upload_part(
            oss.UploadPartRequest(
                bucket=BUCKET,
                key="small",
                upload_id=started.upload_id,
                part_number=number,
                body=b"x" * (PART - 1),
            )
        )
        parts.append(oss.UploadPart(part_number=number, etag=done.etag))
    with pytest.raises(oss.exceptions.OperationError, match="EntityTooSmall"):
        sdk.complete_multipart_upload(
            oss.CompleteMultipartUploadRequest(
                bucket=BUCKET, key="small", upload_id=started.upload_id,
                complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts),
            )
        )  # fmt: skip
    assert ours.abort_uploads() == 1


def test_our_multipart_is_read_by_the_sdk(sdk: oss.Client, ours: Storage) -> None:
    data = bytes(range(251)) * 80_000
    ours.save("large/ü", data, metadata={"a": "b"})
    read = sdk.get_object(oss.GetObjectRequest(bucket=BUCKET, key="large/ü"))
    assert read.body.read() == data
    assert read.object_type == "Multipart"
    assert read.metadata == {"a": "b"}


def test_copies(sdk: oss.Client, ours: Storage) -> None:
    ours.save("from ü+%", b"content", content_type="text/x-a", metadata={"a": "b"})
    sdk.copy_object(
        oss.CopyObjectRequest(bucket=BUCKET, key="by sdk", source_bucket=BUCKET, source_key="from ü+%")
    )
    ours.copy("by sdk", "by us +")
    read = sdk.get_object(oss.GetObjectRequest(bucket=BUCKET, key="by us +"))
    assert read.body.read() == b"content"
    assert (read.content_type, read.metadata) == ("text/x-a", {"a": "b"})


def test_a_batch_delete_of_the_sdk(sdk: oss.Client, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, b"x")
    sdk.delete_multiple_objects(
        oss.DeleteMultipleObjectsRequest(
            bucket=BUCKET, objects=[oss.DeleteObject(key=key) for key in ODD_KEYS]
        )
    )
    assert list(ours.list()) == []


def test_signed_urls_of_both(server: HttpServer, sdk: oss.Client, ours: Storage) -> None:
    ours.save("signed ü+", b"content")
    theirs = sdk.presign(
        oss.GetObjectRequest(bucket=BUCKET, key="signed ü+"), expires=datetime.timedelta(seconds=60)
    )
    assert send(SignedRequest("GET", theirs.url), server.address) == (200, b"content")
    assert send(ours.presign("signed ü+"), server.address) == (200, b"content")
    put = ours.presign("put", "PUT", content_type="text/x-a")
    assert send(put, server.address, b"new")[0] == 200
    other = SignedRequest("PUT", put.url, {"content-type": "text/x-b"})
    assert send(other, server.address, b"new")[0] == 403
    assert sdk.head_object(oss.HeadObjectRequest(bucket=BUCKET, key="put")).content_type == "text/x-a"
