"""Huawei's own SDK against the double of OBS, and across: what one client writes the other one reads.

In both of the SDK's protocols: OBS's own with the bucket in the host, S3's version 2 with the bucket in the
path. And in the second one both clients on Ceph's gateway, a real server of S3.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from obs import (
    CompleteMultipartUploadRequest,
    CompletePart,
    DeleteObjectsRequest,
    Object,
    ObsClient,
    PutObjectHeader,
)
from rigs.huawei_obs import BUCKET, OWNER, double, environment_of
from rigs.s3 import create_bucket
from servers import ceph
from storage_cases import send

from cloudberth import storage as storages
from cloudberth.storage.contract import SignedRequest, StorageClass
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer

PART = 100 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with double().serve() as running:
        yield running


def client(server: HttpServer, protocol: str, secret: str = OWNER.secret_key) -> ObsClient:
    """The SDK: with OBS's own host names by way of the double as a proxy, or with its address."""
    keys = {"access_key_id": OWNER.access_key, "secret_access_key": secret, "max_retry_count": 0}
    if protocol == "v2":
        return ObsClient(**keys, server=server.url, path_style=True)
    return ObsClient(
        **keys, server="http://obs.cn-north-4.myhuaweicloud.com",
        proxy_host=server.address[0], proxy_port=server.address[1],
    )  # fmt: skip


@pytest.fixture(params=["obs", "v2"])
def protocol(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def sdk(server: HttpServer, protocol: str) -> Iterator[ObsClient]:
    with closing(client(server, protocol)) as made:
        yield made


@pytest.fixture
def ours(server: HttpServer, protocol: str) -> Iterator[Storage]:
    environment = environment_of(server.url)
    if protocol == "v2":
        environment |= {"HUAWEI_OBS_SERVER": server.url, "HUAWEI_OBS_PATH_STYLE": "true"}
        del environment["HUAWEI_OBS_PROXY"]
    with storages.open(environment) as storage:
        storage.delete_prefix("")
        yield storage


def done(answer: Any) -> Any:
    """The answer's body. The SDK returns a refusal as a status instead of raising it."""
    assert answer.status < 300, (answer.status, answer.errorCode, answer.errorMessage)
    return answer.body


def test_the_sdk_is_accepted(server: HttpServer, ours: Storage, protocol: str) -> None:
    """A wrong secret is not; and the words on the wire are those of the protocol."""
    server.requests.clear()
    with closing(client(server, protocol)) as good:
        done(good.putContent(BUCKET, "a b", b"x"))
    scheme = "AWS " if protocol == "v2" else "OBS "
    assert server.requests[-1].header("authorization").startswith(scheme)
    ours.save("a b", b"x")
    assert server.requests[-1].header("authorization").startswith(scheme)
    with closing(client(server, protocol, "w" * 30)) as wrong:
        answer = wrong.putContent(BUCKET, "a", b"x")
    assert (answer.status, answer.errorCode) == (403, "SignatureDoesNotMatch")


def test_the_sdk_writes_and_we_read(sdk: ObsClient, ours: Storage) -> None:
    headers = PutObjectHeader(contentType="text/x-odd", storageClass="WARM")
    for key in ODD_KEYS:
        done(sdk.putContent(BUCKET, key, key.encode(), metadata={"owner": "sdk"}, headers=headers))
    assert sorted(info.key for info in ours.list(page_size=7)) == sorted(ODD_KEYS)
    for key in ODD_KEYS:
        assert ours.load(key) == key.encode(), key
        attributes = ours.head(key).attributes
        assert attributes.content_type == "text/x-odd"
        assert attributes.metadata == {"owner": "sdk"}
        assert attributes.storage_class == ours.capabilities.classes[StorageClass.INFREQUENT]


def test_we_write_and_the_sdk_reads(sdk: ObsClient, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, key.encode(), content_type="text/x-odd", metadata={"owner": "berth"})
    found, marker, pages = [], None, 0
    while True:
        page = done(sdk.listObjects(BUCKET, max_keys=7, marker=marker, encoding_type="url"))
        found += [entry.key for entry in page.contents]
        pages += 1
        if not page.is_truncated:
            break
        marker = page.next_marker
    assert pages > 1
    assert found == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        assert done(sdk.getObject(BUCKET, key, loadStreamInMemory=True)).buffer == key.encode(), key
        answer = sdk.getObjectMetadata(BUCKET, key)
        assert done(answer).contentType == "text/x-odd"
        assert dict(answer.header)["owner"] == "berth"
        assert answer.body.etag.strip('"') == ours.head(key).checksums["md5"]


def test_multipart_of_the_sdk(sdk: ObsClient, ours: Storage) -> None:
    data = bytes(range(256)) * 1024
    upload = done(sdk.initiateMultipartUpload(BUCKET, "big one", contentType="text/x-big")).uploadId
    assert [pending.upload for pending in ours.uploads()] == [upload]
    parts = []
    for number, start in enumerate(range(0, len(data), PART), 1):
        part = done(sdk.uploadPart(BUCKET, "big one", number, upload, content=data[start : start + PART]))
        parts.append(CompletePart(partNum=number, etag=part.etag))
    listed = list(ours.backend.list_parts("big one", upload))
    assert [(part.number, part.size) for part in listed] == [(1, PART), (2, PART), (3, len(data) - 2 * PART)]
    done(sdk.completeMultipartUpload(BUCKET, "big one", upload, CompleteMultipartUploadRequest(parts=parts)))
    assert ours.load("big one") == data
    assert ours.head("big one").attributes.content_type == "text/x-big"
    assert "md5" not in ours.head("big one").checksums


def test_a_small_part_is_refused(sdk: ObsClient, ours: Storage) -> None:
    upload = done(sdk.initiateMultipartUpload(BUCKET, "small")).uploadId
    parts = []
    for number in (1, 2):
        part = done(sdk.uploadPart(BUCKET, "small", number, upload, content=b"x" * (PART - 1)))
        parts.append(CompletePart(partNum=number, etag=part.etag))
    answer = sdk.completeMultipartUpload(BUCKET, "small", upload, CompleteMultipartUploadRequest(parts=parts))
    assert (answer.status, answer.errorCode) == (400, "EntityTooSmall")
    assert ours.abort_uploads() == 1


def test_our_multipart_is_read_by_the_sdk(sdk: ObsClient, ours: Storage) -> None:
    data = bytes(range(251)) * 80_000
    ours.save("large/ü", data, metadata={"a": "b"})
    answer = sdk.getObject(BUCKET, "large/ü", loadStreamInMemory=True)
    assert done(answer).buffer == data
    assert dict(answer.header)["a"] == "b"


def test_copies(sdk: ObsClient, ours: Storage) -> None:
    ours.save("from ü+%", b"content", content_type="text/x-a", metadata={"a": "b"})
    done(sdk.copyObject(BUCKET, "from ü+%", BUCKET, "by sdk"))
    ours.copy("by sdk", "by us +")
    answer = sdk.getObject(BUCKET, "by us +", loadStreamInMemory=True)
    assert done(answer).buffer == b"content"
    assert dict(answer.header)["a"] == "b"


def test_a_batch_delete_of_the_sdk(sdk: ObsClient, ours: Storage) -> None:
    for key in ODD_KEYS:
        ours.save(key, b"x")
    wanted = DeleteObjectsRequest(quiet=True, objects=[Object(key=key) for key in ODD_KEYS])
    done(sdk.deleteObjects(BUCKET, wanted))
    assert list(ours.list()) == []


def test_signed_urls_of_both(server: HttpServer, sdk: ObsClient, ours: Storage) -> None:
    ours.save("signed ü+", b"content")
    theirs = sdk.createSignedUrl("GET", BUCKET, "signed ü+", expires=60)
    assert send(SignedRequest("GET", theirs.signedUrl), server.address) == (200, b"content")
    assert send(ours.presign("signed ü+"), server.address) == (200, b"content")
    put = ours.presign("put", "PUT", content_type="text/x-a")
    assert send(put, server.address, b"new")[0] == 200
    other = SignedRequest("PUT", put.url, {"content-type": "text/x-b"})
    assert send(other, server.address, b"new")[0] == 403
    assert done(sdk.getObjectMetadata(BUCKET, "put")).contentType == "text/x-a"


def test_the_sdk_asks_for_the_version_first(server: HttpServer, ours: Storage, protocol: str) -> None:
    server.requests.clear()
    with closing(client(server, protocol)) as fresh:
        done(fresh.headBucket(BUCKET))
    asked = [request.raw_query for request in server.requests if request.method == "HEAD"]
    assert asked == (["apiversion", ""] if protocol == "obs" else [""])
    with closing(http.client.HTTPConnection(*server.address, timeout=10)) as connection:
        connection.request("HEAD", "/?apiversion")
        assert connection.getresponse().headers["x-obs-api"] == "3.0"


@pytest.mark.server
def test_both_clients_on_a_real_server() -> None:
    """Version 2 is S3's: Ceph takes from us what it takes from Huawei's SDK."""
    if reason := ceph.missing():
        pytest.skip(reason)
    server = ceph.up()
    keys = (server.owner.access_key, server.owner.secret_key)
    create_bucket(server.url, *keys, server.region, "berth-sdk-obs")
    environment = environment_of("") | {
        "HUAWEI_OBS_SERVER": server.url, "HUAWEI_OBS_BUCKET_NAME": "berth-sdk-obs",
        "HUAWEI_OBS_ACCESS_KEY": keys[0], "HUAWEI_OBS_SECRET_KEY": keys[1], "HUAWEI_OBS_PATH_STYLE": "true",
    }  # fmt: skip
    sdk = ObsClient(*keys, server=server.url, path_style=True, max_retry_count=0)
    with closing(sdk), storages.open(environment) as ours:
        ours.delete_prefix("")
        for number, key in enumerate(ODD_KEYS):
            if number % 2:
                done(sdk.putContent("berth-sdk-obs", key, key.encode(), metadata={"a": "b"}))
            else:
                ours.save(key, key.encode(), metadata={"a": "b"})
        assert sorted(info.key for info in ours.list()) == sorted(ODD_KEYS)
        for key in ODD_KEYS:
            assert ours.load(key) == key.encode(), key
            assert ours.head(key).attributes.metadata == {"a": "b"}
            assert done(sdk.getObject("berth-sdk-obs", key, loadStreamInMemory=True)).buffer == key.encode()
        ours.delete(ODD_KEYS)
        assert done(sdk.listObjects("berth-sdk-obs")).contents == []
