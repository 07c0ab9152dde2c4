"""Tencent's own SDK against the double of COS, and across: what one client writes the other one reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from qcloud_cos import CosConfig, CosS3Client, CosServiceError
from rigs.tencent_cos import BUCKET, OWNER, double, environment_of
from storage_cases import send

from cloudberth import storage as storages
from cloudberth.storage.contract import MIB, SignedRequest
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with double().serve() as running:
        yield running


def client(server: HttpServer, secret: str = OWNER.secret_key, **more: Any) -> CosS3Client:
    """The SDK with COS's own host names, by way of the double as a proxy."""
    configuration = CosConfig(
        Region="ap-guangzhou", SecretId=OWNER.access_key, SecretKey=secret, Scheme="http",
        Proxies={"http": server.url}, AutoSwitchDomainOnRetry=False, **more,
    )  # fmt: skip
    return CosS3Client(configuration, retry=0)


@pytest.fixture
def sdk(server: HttpServer) -> CosS3Client:
    return client(server)


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with storages.open(environment_of(server.url)) as storage:
        storage.delete_prefix("")
        yield storage


def body_of(answer: dict[str, Any]) -> bytes:
    read: bytes = answer["Body"].get_raw_stream().read()
    return read


@pytest.mark.parametrize("sign_params", [False, True])
def test_the_sdk_is_accepted(server: HttpServer, ours: Storage, sign_params: bool) -> None:
    """With and without the parameters in its signature; a wrong secret is not."""
    good = client(server, SignParams=sign_params)
    assert good.put_object(Bucket=BUCKET, Key="a b", Body=b"x")["ETag"]
    assert good.list_objects(Bucket=BUCKET, Prefix="a b")["Contents"][0]["Key"] == "a b"
    with pytest.raises(CosServiceError) as caught:
        client(server, "w" * 30).put_object(Bucket=BUCKET, Key="a", Body=b"x")
    assert caught.value.get_error_code() == "SignatureDoesNotMatch"


def test_the_sdk_writes_and_we_read(sdk: CosS3Client, ours: Storage) -> None:
    for key in ODD_KEYS:
        sdk.put_object(
            Bucket=BUCKET, Key=key, Body=key.encode(), ContentType="text/x-odd", CacheControl="no-cache",
            Metadata={"x-cos-meta-owner": "sdk"}, StorageClass="STANDARD_IA",
        )  # fmt: skip
    assert sorted(info.key for info in ours.list(page_size=7)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert ours.load(key) == key.encode(), key
        attributes = ours.head(key).attributes
        assert (attributes.content_type, attributes.cache_control) == ("text/x-odd", "no-cache")
        assert attributes.metadata == {"owner": "sdk"}
        assert attributes.storage_class == "STANDARD_IA"


def test_we_write_and_the_sdk_reads(sdk: CosS3Client, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, key.encode(), content_type="text/x-odd", metadata={"owner": "berth"})
    found, marker, pages = [], "", 0
    while True:
        page = sdk.list_objects(Bucket=BUCKET, MaxKeys=7, Marker=marker)
        found += [entry["Key"] for entry in page["Contents"]]
        pages += 1
        if page["IsTruncated"] == "false":
            break
        marker = page["NextMarker"]
    assert pages > 1
    assert found == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        assert body_of(sdk.get_object(Bucket=BUCKET, Key=key)) == key.encode(), key
        told = sdk.head_object(Bucket=BUCKET, Key=key)
        assert (told["Content-Type"], told["x-cos-meta-owner"]) == ("text/x-odd", "berth")
        info = ours.head(key)
        assert told["ETag"].strip('"') == info.checksums["md5"]
        assert int(told["x-cos-hash-crc64ecma"]) == int(info.checksums["crc64ecma"], 16)


def test_multipart_of_the_sdk(sdk: CosS3Client, ours: Storage) -> None:
    data = bytes(range(256)) * 10 * 1024
    upload = sdk.create_multipart_upload(Bucket=BUCKET, Key="big one", ContentType="text/x-big")["UploadId"]
    assert [pending.upload for pending in ours.uploads()] == [upload]
    parts = []
    for number, start in enumerate(range(0, len(data), MIB), 1):
        done = sdk.upload_part(
            Bucket=BUCKET, Key="big one", Body=data[start : start + MIB], PartNumber=number, UploadId=upload
        )
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    listed = list(ours.backend.list_parts("big one", upload))
    assert [(part.number, part.size) for part in listed] == [(1, MIB), (2, MIB), (3, len(data) - 2 * MIB)]
    sdk.complete_multipart_upload(
        Bucket=BUCKET, Key="big one", UploadId=upload, MultipartUpload={"Part": parts}
    )
    assert ours.load("big one") == data
    assert ours.head("big one").attributes.content_type == "text/x-big"
    assert "md5" not in ours.head("big one").checksums


def test_a_small_part_is_refused(sdk: CosS3Client, ours: Storage) -> None:
    upload = sdk.create_multipart_upload(Bucket=BUCKET, Key="small")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": sdk.upload_part(
                Bucket=BUCKET, Key="small", Body=b"x" * (MIB - 1), PartNumber=number, UploadId=upload
            )["ETag"],
        }
        for number in (1, 2)
    ]
    with pytest.raises(CosServiceError) as caught:
        sdk.complete_multipart_upload(
            Bucket=BUCKET, Key="small", UploadId=upload, MultipartUpload={"Part": parts}
        )
    assert caught.value.get_error_code() == "EntityTooSmall"
    assert ours.abort_uploads() == 1


def test_our_multipart_is_read_by_the_sdk(sdk: CosS3Client, ours: Storage) -> None:
    data = bytes(range(251)) * 80_000
    ours.save("large/ü", data, metadata={"a": "b"})
    answer = sdk.get_object(Bucket=BUCKET, Key="large/ü")
    assert body_of(answer) == data
    assert answer["x-cos-meta-a"] == "b"


def test_copies(sdk: CosS3Client, ours: Storage) -> None:
    ours.save("from ü+%", b"content", content_type="text/x-a", metadata={"a": "b"})
    source = {"Bucket": BUCKET, "Key": "from ü+%", "Region": "ap-guangzhou"}
    sdk.copy_object(Bucket=BUCKET, Key="by sdk", CopySource=source)
    ours.copy("by sdk", "by us +")
    answer = sdk.get_object(Bucket=BUCKET, Key="by us +")
    assert body_of(answer) == b"content"
    assert (answer["Content-Type"], answer["x-cos-meta-a"]) == ("text/x-a", "b")


def test_a_batch_delete_of_the_sdk(sdk: CosS3Client, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, b"x")
    sdk.delete_objects(Bucket=BUCKET, Delete={"Object": [{"Key": key} for key in ODD_KEYS], "Quiet": "true"})
    assert list(ours.list()) == []


def test_signed_urls_of_both(server: HttpServer, sdk: CosS3Client, ours: Storage) -> None:
    ours.save("signed ü+", b"content")
    theirs = sdk.get_presigned_url(Bucket=BUCKET, Key="signed ü+", Method="GET", Expired=60)
    assert send(SignedRequest("GET", theirs), server.address) == (200, b"content")
    assert send(ours.presign("signed ü+"), server.address) == (200, b"content")
    put = ours.presign("put", "PUT", content_type="text/x-a")
    assert send(put, server.address, b"new")[0] == 200
    other = SignedRequest("PUT", put.url, {"content-type": "text/x-b"})
    assert send(other, server.address, b"new")[0] == 403
    assert sdk.head_object(Bucket=BUCKET, Key="put")["Content-Type"] == "text/x-a"
