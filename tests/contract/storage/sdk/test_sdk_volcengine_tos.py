"""Volcengine's own SDK and our client against the same double of TOS, as a proxy, under the true names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import tos
from storage_cases import content, opened, send
from tos.enum import HttpMethodType, MetadataDirectiveType, StorageClassType
from tos.exceptions import TosServerError
from tos.models2 import ObjectTobeDeleted, UploadedPart

from cloudberth.errors import ExpiredCredentials, PermissionDenied, Unsupported, WrongRegion
from cloudberth.storage.contract import Attributes, SignedRequest
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer
from doubles.store import User
from doubles.volcengine_tos import TosDouble

BUCKET = "sdk-bucket"
MIB = 1024 * 1024
ENDPOINT = "http://tos-cn-beijing.volces.com"
# The HTTP library under the SDK takes dot segments out of paths, so that the SDK cannot sign such keys.
KEYS = [key for key in ODD_KEYS if not {".", ".."} & set(key.split("/"))]


@pytest.fixture
def double() -> TosDouble:
    found = TosDouble(region="cn-beijing")
    found.store.add_user(User("ak-tos", "sk-tos"))
    found.store.add_user(User("ak-sts", "sk-sts", token="tok-good", expires=time.time() + 3600))
    found.store.create_bucket(BUCKET, "cn-beijing", "owner-1")
    return found


@pytest.fixture
def server(double: TosDouble) -> Iterator[HttpServer]:
    with double.serve() as running:
        yield running


def client_of(
    server: HttpServer, access: str = "ak-tos", secret: str = "sk-tos", token: str | None = None,
    region: str = "cn-beijing",
) -> tos.TosClientV2:  # fmt: skip
    return tos.TosClientV2(
        access, secret, f"http://tos-{region}.volces.com", region, security_token=token,
        proxy_host=server.address[0], proxy_port=server.address[1], max_retry_count=0,
    )  # fmt: skip


@pytest.fixture
def sdk(server: HttpServer) -> tos.TosClientV2:
    return client_of(server)


def ours_of(server: HttpServer, **changed: str) -> Storage:
    environment = {
        "STORAGE_TYPE": "volcengine-tos",
        "VOLCENGINE_TOS_BUCKET_NAME": BUCKET,
        "VOLCENGINE_TOS_ACCESS_KEY": "ak-tos",
        "VOLCENGINE_TOS_SECRET_KEY": "sk-tos",
        "VOLCENGINE_TOS_REGION": "cn-beijing",
        "VOLCENGINE_TOS_ENDPOINT": ENDPOINT,
        "VOLCENGINE_TOS_PROXY": server.url,
    }
    return opened({**environment, **changed})


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with ours_of(server) as storage:
        yield storage


def code_of(call: Any) -> str:
    """The word of TOS for the refusal of a call of the SDK."""
    with pytest.raises(TosServerError) as caught:
        call()
    return str(caught.value.code)


def test_the_sdk_puts_gets_heads_and_deletes(sdk: tos.TosClientV2, server: HttpServer) -> None:
    sdk.put_object(
        BUCKET, "a", content=b"12345", content_type="text/plain", meta={"colour": "grün"},
        storage_class=StorageClassType.Storage_Class_Ia,
    )  # fmt: skip
    assert sdk.get_object(BUCKET, "a").read() == b"12345"
    assert sdk.get_object(BUCKET, "a", range_start=1, range_end=3).read() == b"234"
    head = sdk.head_object(BUCKET, "a")
    assert (head.content_type, head.meta["colour"], head.content_length) == ("text/plain", "grün", 5)
    assert head.storage_class is StorageClassType.Storage_Class_Ia
    sdk.delete_object(BUCKET, "a")
    sdk.delete_object(BUCKET, "a")
    assert code_of(lambda: sdk.get_object(BUCKET, "a")) == "NoSuchKey"
    assert code_of(lambda: sdk.get_object("no-such-bucket", "a")) == "NoSuchBucket"
    assert sdk.head_bucket(BUCKET).region == "cn-beijing"
    assert "100-continue" in {request.header("expect") for request in server.requests}


def test_the_sdk_lists_more_than_one_page(sdk: tos.TosClientV2) -> None:
    for number in range(25):
        sdk.put_object(BUCKET, f"folder/{number:02}", content=b"x")
        sdk.put_object(BUCKET, f"folder/deep-{number}/x", content=b"x")
    found: list[str] = []
    token = None
    while True:
        page = sdk.list_objects_type2(
            BUCKET, prefix="folder/", delimiter="/", max_keys=7, continuation_token=token,
            list_only_once=True,
        )  # fmt: skip
        found += [entry.key for entry in page.contents] + [entry.prefix for entry in page.common_prefixes]
        token = page.next_continuation_token
        if not page.is_truncated:
            break
    expected = {f"folder/{number:02}" for number in range(25)} | {f"folder/deep-{n}/" for n in range(25)}
    assert sorted(found) == sorted(expected)
    first = sdk.list_objects(BUCKET, max_keys=30)
    second = sdk.list_objects(BUCKET, max_keys=30, marker=first.next_marker)
    assert (len(first.contents), len(second.contents), second.is_truncated) == (30, 20, False)


def test_the_sdk_uploads_in_parts(sdk: tos.TosClientV2) -> None:
    upload = sdk.create_multipart_upload(BUCKET, "large", content_type="application/x-large").upload_id
    pieces = [content(5 * MIB, 1), content(5 * MIB, 2), content(77, 3)]
    parts = [
        UploadedPart(number, sdk.upload_part(BUCKET, "large", upload, number, content=piece).etag)
        for number, piece in enumerate(pieces, 1)
    ]
    assert [entry.key for entry in sdk.list_multipart_uploads(BUCKET).uploads] == ["large"]
    assert [part.size for part in sdk.list_parts(BUCKET, "large", upload).parts] == [5 * MIB, 5 * MIB, 77]
    wrong = parts[::-1]
    assert (
        code_of(lambda: sdk.complete_multipart_upload(BUCKET, "large", upload, wrong)) == "InvalidPartOrder"
    )
    sdk.complete_multipart_upload(BUCKET, "large", upload, parts)
    assert sdk.get_object(BUCKET, "large").read() == b"".join(pieces)
    assert code_of(lambda: sdk.abort_multipart_upload(BUCKET, "large", upload)) == "NoSuchUpload"


def test_small_parts_are_refused(sdk: tos.TosClientV2) -> None:
    upload = sdk.create_multipart_upload(BUCKET, "a").upload_id
    parts = [UploadedPart(n, sdk.upload_part(BUCKET, "a", upload, n, content=b"x").etag) for n in (1, 2)]
    assert code_of(lambda: sdk.complete_multipart_upload(BUCKET, "a", upload, parts)) == "EntityTooSmall"


def test_the_sdk_copies_and_deletes_many(sdk: tos.TosClientV2) -> None:
    sdk.put_object(BUCKET, "a+b c", content=b"12345", content_type="text/a", meta={"k": "v"})
    sdk.copy_object(BUCKET, "kept", BUCKET, "a+b c")
    replace = MetadataDirectiveType.Metadata_Directive_Replace
    sdk.copy_object(BUCKET, "changed", BUCKET, "a+b c", metadata_directive=replace, meta={"k": "w"})
    assert sdk.head_object(BUCKET, "kept").meta == {"k": "v"}
    assert sdk.head_object(BUCKET, "changed").meta == {"k": "w"}
    keys = [ObjectTobeDeleted(key) for key in ("kept", "changed", "missing")]
    assert [entry.key for entry in sdk.delete_multi_objects(BUCKET, keys).deleted] == [
        "kept", "changed", "missing"
    ]  # fmt: skip
    assert [entry.key for entry in sdk.list_objects(BUCKET).contents] == ["a+b c"]


def test_conditions_of_the_sdk_hold(sdk: tos.TosClientV2) -> None:
    etag = sdk.put_object(BUCKET, "a", content=b"one", forbid_overwrite=True).etag
    assert (
        code_of(lambda: sdk.put_object(BUCKET, "a", content=b"two", forbid_overwrite=True))
        == "PreconditionFailed"
    )
    sdk.put_object(BUCKET, "a", content=b"two", if_match=etag)
    assert code_of(lambda: sdk.put_object(BUCKET, "a", content=b"3", if_match=etag)) == "PreconditionFailed"


def test_a_damaged_body_is_refused(sdk: tos.TosClientV2) -> None:
    wrong = "AAAAAAAAAAAAAAAAAAAAAA=="
    assert code_of(lambda: sdk.put_object(BUCKET, "a", content=b"1", content_md5=wrong)) == "BadDigest"
    assert code_of(lambda: sdk.put_object(BUCKET, "a", content=b"1", content_sha256="0" * 64)) == "BadDigest"


def test_wrong_and_old_signatures_are_refused(server: HttpServer, double: TosDouble) -> None:
    wrong = client_of(server, secret="sk-other")
    assert code_of(lambda: wrong.get_object(BUCKET, "a")) == "SignatureDoesNotMatch"
    unknown = client_of(server, access="nobody")
    assert code_of(lambda: unknown.get_object(BUCKET, "a")) == "InvalidAccessKeyId"
    double.store.clock = lambda: time.time() + 1000
    assert code_of(lambda: client_of(server).get_object(BUCKET, "a")) == "RequestTimeTooSkewed"
    with ours_of(server) as ours, pytest.raises(ExpiredCredentials):
        ours.load("a")


def test_a_bucket_elsewhere_is_said_to_be_there(server: HttpServer) -> None:
    sdk = client_of(server, region="cn-shanghai")
    assert code_of(lambda: sdk.list_objects_type2(BUCKET, list_only_once=True)) == "PermanentRedirect"
    named = "http://tos-cn-shanghai.volces.com"
    elsewhere = {"VOLCENGINE_TOS_REGION": "cn-shanghai", "VOLCENGINE_TOS_ENDPOINT": named}
    with ours_of(server, **elsewhere) as ours, pytest.raises(WrongRegion) as caught:
        ours.load("a")
    assert "cn-beijing" in caught.value.hint


@pytest.mark.parametrize("method", [HttpMethodType.Http_Method_Get, HttpMethodType.Http_Method_Put])
def test_urls_that_the_sdk_signs(
    sdk: tos.TosClientV2, server: HttpServer, double: TosDouble, method: HttpMethodType
) -> None:
    sdk.put_object(BUCKET, "a b/+c", content=b"12345")
    made = sdk.pre_signed_url(method, BUCKET, "a b/+c", expires=60)
    signed = SignedRequest(method.value, made.signed_url)
    body = b"new" if method is HttpMethodType.Http_Method_Put else None
    status, data = send(signed, server.address, body)
    assert status == 200
    assert sdk.get_object(BUCKET, "a b/+c").read() == (body or data)
    other = SignedRequest(signed.method, signed.url.replace("%2Bc", "%2Bd"))
    assert send(other, server.address, body)[0] == 403
    double.store.clock = lambda: time.time() + 61
    status, data = send(signed, server.address, body)
    assert (status, b"expired" in data) == (403, True)


def test_session_tokens(server: HttpServer, double: TosDouble) -> None:
    """Temporary keys sign with their token, and are no good without it or too late."""
    sdk = client_of(server, "ak-sts", "sk-sts", "tok-good")
    sdk.put_object(BUCKET, "a", content=b"by the SDK")
    keys = {"VOLCENGINE_TOS_ACCESS_KEY": "ak-sts", "VOLCENGINE_TOS_SECRET_KEY": "sk-sts"}
    with ours_of(server, **keys, TOS_SECURITY_TOKEN="tok-good") as ours:
        assert ours.load("a") == b"by the SDK"
        assert send(ours.presign("a", seconds=60), server.address) == (200, b"by the SDK")
        url = sdk.pre_signed_url(HttpMethodType.Http_Method_Get, BUCKET, "a", expires=60).signed_url
        assert send(SignedRequest("GET", url), server.address) == (200, b"by the SDK")
        double.store.users["ak-sts"] = User("ak-sts", "sk-sts", token="tok-good", expires=time.time() - 1)
        with pytest.raises(ExpiredCredentials):
            ours.load("a")
    with ours_of(server, **keys) as ours, pytest.raises(PermissionDenied):
        ours.load("a")


ATTRIBUTES = Attributes(
    content_type="text/x-odd; charset=utf-8",
    cache_control="max-age=7",
    content_disposition='attachment; filename="a b.txt"',
    content_language="de",
    metadata={"owner": "ann", "colour": "grün – 绿 100%25"},
    storage_class="ARCHIVE_FR",
)


@pytest.mark.parametrize("key", KEYS)
def test_what_the_sdk_wrote_we_read(sdk: tos.TosClientV2, ours: Storage, key: str) -> None:
    sdk.put_object(
        BUCKET, key, content=key.encode(), content_type=ATTRIBUTES.content_type, cache_control="max-age=7",
        content_disposition=ATTRIBUTES.content_disposition, content_language="de",
        meta=dict(ATTRIBUTES.metadata), storage_class=StorageClassType.Storage_Class_Archive_Fr,
    )  # fmt: skip
    assert ours.load(key) == key.encode()
    assert ours.head(key).attributes == ATTRIBUTES
    (listed,) = ours.list()
    assert listed.key == key
    assert listed.checksums == ours.head(key).checksums != {}


@pytest.mark.parametrize("key", KEYS)
def test_what_we_wrote_the_sdk_reads(sdk: tos.TosClientV2, ours: Storage, key: str) -> None:
    """The SDK compares the CRC-64 of what it reads with the one that the double tells."""
    ours.save(key, key.encode(), ATTRIBUTES)
    answer = sdk.get_object(BUCKET, key)
    assert answer.read() == key.encode()
    assert answer.read() == b""
    assert answer.content_type == ATTRIBUTES.content_type
    assert answer.cache_control == "max-age=7"
    assert answer.content_disposition == ATTRIBUTES.content_disposition
    assert answer.meta == ATTRIBUTES.metadata
    assert answer.storage_class is StorageClassType.Storage_Class_Archive_Fr
    assert [entry.key for entry in sdk.list_objects_type2(BUCKET).contents] == [key]


def test_large_objects_both_ways(sdk: tos.TosClientV2, ours: Storage, tmp_path: Any) -> None:
    data = content(6 * MIB + 5)
    ours.save("ours", data, ATTRIBUTES)
    assert sdk.get_object(BUCKET, "ours").read() == data
    assert sdk.head_object(BUCKET, "ours").meta == ATTRIBUTES.metadata
    (tmp_path / "file").write_bytes(data)
    sdk.upload_file(BUCKET, "theirs", str(tmp_path / "file"), part_size=5 * MIB)
    assert ours.load("theirs") == data


def test_the_end_of_an_upload_knows_no_etag(ours: Storage) -> None:
    """TOS has no such condition, so a large object is not written rather than written without it."""
    ours.save("a", b"first")
    etag = ours.head("a").etag
    with pytest.raises(Unsupported, match="end of a multipart upload"):
        ours.save("a", content(11 * MIB), if_match=etag)
    assert ours.load("a") == b"first"
    assert list(ours.backend.list_uploads()) == []


def test_doctor_reads_the_bucket(ours: Storage, double: TosDouble) -> None:
    facts = ours.backend.facts()
    assert (facts.region, facts.public, facts.versioning) == ("cn-beijing", False, False)
    double.store.buckets[BUCKET].settings |= {
        "acl": "public-read", "versioning": "Enabled", "encryption": "AES256"
    }  # fmt: skip
    facts = ours.backend.facts()
    assert (facts.public, facts.versioning, facts.encryption) == (True, True, "AES256")
