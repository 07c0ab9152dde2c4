"""Baidu's own SDK and our client against the same double of BOS, which checks what both sign."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.exception import BceHttpClientError
from baidubce.retry.retry_policy import NoRetryPolicy
from baidubce.services.bos.bos_client import BosClient
from storage_cases import content, opened, send

from cloudberth.errors import ExpiredCredentials, PermissionDenied
from cloudberth.storage.contract import Attributes, SignedRequest
from cloudberth.storage.keys import InvalidKey
from cloudberth.storage.storage import Storage
from doubles.baidu_bos import BosDouble
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer
from doubles.store import User

BUCKET = "sdk-bucket"
MIB = 1024 * 1024
# The SDK refuses the others, and so does BOS.
KEYS = [key for key in ODD_KEYS if not {".", ".."} & set(key.split("/"))]


@pytest.fixture
def double() -> Iterator[BosDouble]:
    found = BosDouble(region="bj")
    found.store.add_user(User("ak-bos", "sk-bos"))
    found.store.add_user(User("ak-sts", "sk-sts", token="tok-good", expires=time.time() + 3600))
    found.store.create_bucket(BUCKET, "bj", "owner-1")
    yield found


@pytest.fixture
def server(double: BosDouble) -> Iterator[HttpServer]:
    with double.serve() as running:
        yield running


def client_of(
    server: HttpServer, access: str = "ak-bos", secret: str = "sk-bos", token: str = ""
) -> BosClient:
    configuration = BceClientConfiguration(
        credentials=BceCredentials(access, secret),
        endpoint=server.url,
        security_token=token.encode() or None,
        retry_policy=NoRetryPolicy(),
    )
    return BosClient(configuration)


@pytest.fixture
def sdk(server: HttpServer) -> BosClient:
    return client_of(server)


def ours_of(server: HttpServer, **changed: str) -> Storage:
    environment = {
        "STORAGE_TYPE": "baidu-obs",
        "BAIDU_OBS_BUCKET_NAME": BUCKET,
        "BAIDU_OBS_ACCESS_KEY": "ak-bos",
        "BAIDU_OBS_SECRET_KEY": "sk-bos",
        "BAIDU_OBS_ENDPOINT": server.url,
    }
    return opened({**environment, **changed})


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with ours_of(server) as storage:
        yield storage


def code_of(call: Any) -> str:
    """The word of BOS for the refusal of a call of the SDK."""
    with pytest.raises(BceHttpClientError) as caught:
        call()
    return str(caught.value.last_error.code)


def test_the_sdk_puts_gets_heads_and_deletes(sdk: BosClient) -> None:
    sdk.put_object_from_string(
        BUCKET, "a", b"12345", content_type="text/plain", user_metadata={"Colour": "grün"},
        storage_class="STANDARD_IA",
    )  # fmt: skip
    assert sdk.get_object_as_string(BUCKET, "a") == b"12345"
    assert sdk.get_object_as_string(BUCKET, "a", range=[1, 3]) == b"234"
    head = sdk.get_object_meta_data(BUCKET, "a").metadata
    assert head.content_type == "text/plain"
    assert head.bce_meta_colour == "grün"
    assert head.bce_storage_class == "STANDARD_IA"
    assert head.content_length == "5"
    sdk.delete_object(BUCKET, "a")
    assert code_of(lambda: sdk.get_object_as_string(BUCKET, "a")) == "NoSuchKey"
    assert code_of(lambda: sdk.delete_object(BUCKET, "a")) == "NoSuchKey"
    assert sdk.does_bucket_exist(BUCKET)
    assert not sdk.does_bucket_exist("no-such-bucket")
    assert sdk.get_bucket_location(BUCKET) == "bj"


def test_the_sdk_lists_more_than_one_page(sdk: BosClient) -> None:
    for number in range(25):
        sdk.put_object_from_string(BUCKET, f"folder/{number:02}", b"x")
        sdk.put_object_from_string(BUCKET, f"folder/deep-{number}/x", b"x")
    first = sdk.list_objects(BUCKET, max_keys=10, prefix="folder/", delimiter="/")
    assert first.is_truncated
    found, marker = [], None
    while True:
        page = sdk.list_objects(BUCKET, max_keys=7, prefix="folder/", delimiter="/", marker=marker)
        found += [entry.key for entry in page.contents]
        found += [entry.prefix for entry in getattr(page, "common_prefixes", None) or []]
        if not page.is_truncated:
            break
        marker = page.next_marker
    expected = {f"folder/{number:02}" for number in range(25)} | {f"folder/deep-{n}/" for n in range(25)}
    assert sorted(found) == sorted(expected)
    assert len(list(sdk.list_all_objects(BUCKET))) == 50


def test_the_sdk_uploads_in_parts(sdk: BosClient) -> None:
    upload = sdk.initiate_multipart_upload(BUCKET, "large", content_type="application/x-large").upload_id
    pieces = [content(5 * MIB, 1), content(5 * MIB, 2), content(77, 3)]
    parts = []
    for number, piece in enumerate(pieces, 1):
        answer = sdk.upload_part(BUCKET, "large", upload, number, len(piece), io.BytesIO(piece))
        parts.append({"partNumber": number, "eTag": answer.metadata.etag})
    assert [entry.key for entry in sdk.list_all_multipart_uploads(BUCKET)] == ["large"]
    assert [part.size for part in sdk.list_all_parts(BUCKET, "large", upload)] == [5 * MIB, 5 * MIB, 77]
    assert (
        code_of(lambda: sdk.complete_multipart_upload(BUCKET, "large", upload, parts[::-1]))
        == "InvalidPartOrder"
    )
    sdk.complete_multipart_upload(BUCKET, "large", upload, parts)
    assert sdk.get_object_as_string(BUCKET, "large") == b"".join(pieces)
    assert sdk.get_object_meta_data(BUCKET, "large").metadata.content_type == "application/x-large"
    assert code_of(lambda: sdk.abort_multipart_upload(BUCKET, "large", upload)) == "NoSuchUpload"


def test_small_parts_are_refused(sdk: BosClient) -> None:
    upload = sdk.initiate_multipart_upload(BUCKET, "a").upload_id
    parts = [
        {"partNumber": n, "eTag": sdk.upload_part(BUCKET, "a", upload, n, 1, io.BytesIO(b"x")).metadata.etag}
        for n in (1, 2)
    ]
    assert code_of(lambda: sdk.complete_multipart_upload(BUCKET, "a", upload, parts)) == "EntityTooSmall"


def test_the_sdk_copies_and_deletes_many(sdk: BosClient) -> None:
    sdk.put_object_from_string(BUCKET, "a+b c", b"12345", content_type="text/a", user_metadata={"k": "v"})
    sdk.copy_object(BUCKET, "a+b c", BUCKET, "kept")
    sdk.copy_object(BUCKET, "a+b c", BUCKET, "changed", content_type="text/b", user_metadata={"k": "w"})
    assert sdk.get_object_meta_data(BUCKET, "kept").metadata.bce_meta_k == "v"
    assert sdk.get_object_meta_data(BUCKET, "changed").metadata.bce_meta_k == "w"
    sdk.delete_multiple_objects(BUCKET, ["kept", "changed", "missing"])
    assert [entry.key for entry in sdk.list_all_objects(BUCKET)] == ["a+b c"]


def test_conditions_of_the_sdk_hold(sdk: BosClient) -> None:
    def put(data: bytes, condition: dict[str, str]) -> Any:
        return sdk.put_object(BUCKET, "a", io.BytesIO(data), len(data), cond_read_write=condition)

    etag = put(b"one", {"If-None-Match": "*"}).metadata.etag
    assert code_of(lambda: put(b"two", {"If-None-Match": "*"})) == "PreconditionFailed"
    put(b"two", {"If-Match": etag})
    assert code_of(lambda: put(b"three", {"If-Match": etag})) == "PreconditionFailed"
    assert sdk.get_object_as_string(BUCKET, "a") == b"two"


def test_a_damaged_body_is_refused(sdk: BosClient) -> None:
    assert (
        code_of(lambda: sdk.put_object(BUCKET, "a", io.BytesIO(b"12345"), 5, content_crc32=b"1"))
        == "BadDigest"
    )
    assert (
        code_of(
            lambda: sdk.put_object(
                BUCKET, "a", io.BytesIO(b"12345"), 5, content_md5="AAAAAAAAAAAAAAAAAAAAAA=="
            )
        )
        == "BadDigest"
    )


def test_wrong_and_old_signatures_are_refused(server: HttpServer, double: BosDouble) -> None:
    wrong = client_of(server, secret="sk-other")
    assert code_of(lambda: wrong.get_object_as_string(BUCKET, "a")) == "SignatureDoesNotMatch"
    unknown = client_of(server, access="nobody")
    assert code_of(lambda: unknown.get_object_as_string(BUCKET, "a")) == "InvalidAccessKeyId"
    double.store.clock = lambda: time.time() + 1900
    assert code_of(lambda: client_of(server).get_object_as_string(BUCKET, "a")) == "RequestExpired"
    with ours_of(server) as ours, pytest.raises(ExpiredCredentials):
        ours.load("a")


@pytest.mark.parametrize("method", [b"GET", b"PUT"])
def test_urls_that_the_sdk_signs(
    sdk: BosClient, server: HttpServer, double: BosDouble, method: bytes
) -> None:
    sdk.put_object_from_string(BUCKET, "a b/+c", b"12345")
    url = sdk.generate_pre_signed_url(BUCKET, "a b/+c", expiration_in_seconds=60, httpmethod=method).decode()
    signed = SignedRequest(method.decode(), url)
    body = b"new" if method == b"PUT" else None
    status, data = send(signed, server.address, body)
    assert status == 200
    assert sdk.get_object_as_string(BUCKET, "a b/+c") == (body or data)
    assert send(SignedRequest(signed.method, url.replace("%2Bc", "%2Bd")), server.address, body)[0] == 403
    double.store.clock = lambda: time.time() + 61
    status, data = send(signed, server.address, body)
    assert (status, b"RequestExpired" in data) == (400, True)


def test_session_tokens(server: HttpServer, double: BosDouble) -> None:
    """Temporary keys sign with their token, and are no good without it or too late."""
    sdk = client_of(server, "ak-sts", "sk-sts", "tok-good")
    sdk.put_object_from_string(BUCKET, "a", b"by the SDK")
    keys = {"BAIDU_OBS_ACCESS_KEY": "ak-sts", "BAIDU_OBS_SECRET_KEY": "sk-sts"}
    with ours_of(server, **keys, BCE_SESSION_TOKEN="tok-good") as ours:
        assert ours.load("a") == b"by the SDK"
        assert send(ours.presign("a", seconds=60), server.address) == (200, b"by the SDK")
        url = sdk.generate_pre_signed_url(BUCKET, "a", expiration_in_seconds=60).decode()
        assert send(SignedRequest("GET", url), server.address) == (200, b"by the SDK")
        double.store.clock = lambda: time.time() + 3700
        with pytest.raises(ExpiredCredentials):
            ours.load("a")
    double.store.clock = time.time
    with ours_of(server, **keys) as ours, pytest.raises(PermissionDenied):
        ours.load("a")


ATTRIBUTES = Attributes(
    content_type="text/x-odd; charset=utf-8",
    cache_control="max-age=7",
    content_disposition='attachment; filename="a b.txt"',
    metadata={"owner": "ann", "colour": "grün – 绿"},
    storage_class="COLD",
)


@pytest.mark.parametrize("key", KEYS)
def test_what_the_sdk_wrote_we_read(sdk: BosClient, ours: Storage, key: str) -> None:
    sdk.put_object_from_string(
        BUCKET, key, key.encode(), content_type=ATTRIBUTES.content_type, storage_class="COLD",
        user_metadata=dict(ATTRIBUTES.metadata),
        user_headers={"Cache-Control": "max-age=7", "Content-Disposition": ATTRIBUTES.content_disposition},
    )  # fmt: skip
    assert ours.load(key) == key.encode()
    assert ours.head(key).attributes == ATTRIBUTES
    assert [info.key for info in ours.list()] == [key]


@pytest.mark.parametrize("key", KEYS)
def test_what_we_wrote_the_sdk_reads(sdk: BosClient, ours: Storage, key: str) -> None:
    ours.save(key, key.encode(), ATTRIBUTES)
    assert sdk.get_object_as_string(BUCKET, key) == key.encode()
    head = sdk.get_object_meta_data(BUCKET, key).metadata
    assert head.content_type == ATTRIBUTES.content_type
    assert head.cache_control == "max-age=7"
    assert head.content_disposition == ATTRIBUTES.content_disposition
    assert head.bce_meta_owner == "ann"
    assert head.bce_meta_colour == "grün – 绿"
    assert head.bce_storage_class == "COLD"
    assert [entry.key for entry in sdk.list_all_objects(BUCKET)] == [key]


def test_large_objects_both_ways(sdk: BosClient, ours: Storage, tmp_path: Any) -> None:
    data = content(11 * MIB + 5)
    ours.save("ours", data, ATTRIBUTES)
    assert sdk.get_object_as_string(BUCKET, "ours") == data
    assert sdk.get_object_meta_data(BUCKET, "ours").metadata.bce_meta_colour == "grün – 绿"
    (tmp_path / "file").write_bytes(data)
    assert sdk.put_super_object_from_file(BUCKET, "theirs", str(tmp_path / "file"), chunk_size=5)
    assert ours.load("theirs") == data


@pytest.mark.parametrize("key", ["/lead", "./dot", "a/../b", ".."])
def test_keys_that_bos_has_not_are_refused_before_anything_is_sent(
    ours: Storage, server: HttpServer, key: str
) -> None:
    with pytest.raises(InvalidKey, match="no key like"):
        ours.save(key, b"x")
    assert not server.requests


def test_hosts_of_baidu_have_the_bucket_in_front(server: HttpServer, double: BosDouble) -> None:
    """As the SDK addresses them, through a proxy: so the signature is over the true name."""
    with ours_of(server, BAIDU_OBS_ENDPOINT="http://bj.bcebos.com", BAIDU_OBS_PROXY=server.url) as ours:
        ours.save("a//b", b"x")
        assert ours.load("a//b") == b"x"
    assert {request.host for request in server.requests} == {f"{BUCKET}.bj.bcebos.com"}
    named = {"BAIDU_OBS_ENDPOINT": f"http://{BUCKET}.bj.bcebos.com", "BAIDU_OBS_PROXY": server.url}
    with ours_of(server, **named) as ours:
        assert ours.load("a//b") == b"x"


def test_doctor_reads_the_bucket(ours: Storage, double: BosDouble) -> None:
    facts = ours.backend.facts()
    assert (facts.region, facts.public, facts.versioning, facts.encryption) == ("bj", False, False, "none")
    double.store.buckets[BUCKET].settings |= {
        "acl": "public-read", "versioning": "enabled", "encryption": "AES256"
    }  # fmt: skip
    facts = ours.backend.facts()
    assert (facts.public, facts.versioning, facts.encryption) == (True, True, "AES256")
