"""boto3, which Dify uses for Oracle's S3 endpoint, and our client against the same double of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from storage_cases import content, opened, send

from cloudberth.errors import ExpiredCredentials, InvalidInput, PermissionDenied, Unsupported
from cloudberth.storage.contract import Attributes, SignedRequest
from cloudberth.storage.storage import Storage
from doubles.oci import OciDouble
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer
from doubles.store import User

BUCKET = "sdk-bucket"
REGION = "eu-frankfurt-1"
MIB = 1024 * 1024


@pytest.fixture
def double() -> OciDouble:
    found = OciDouble(region=REGION)
    found.store.add_user(User("ak-oci", "sk-oci"))
    found.store.create_bucket(BUCKET, REGION, "owner-1")
    return found


@pytest.fixture
def server(double: OciDouble) -> Iterator[HttpServer]:
    with double.serve() as running:
        yield running


def client_of(server: HttpServer, secret: str = "sk-oci", region: str = REGION, **more: Any) -> Any:
    options: dict[str, Any] = {
        "s3": {"addressing_style": "path"},
        "retries": {"max_attempts": 1},
        "signature_version": "s3v4",
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        **more,
    }
    return boto3.client(
        "s3", endpoint_url=server.url, region_name=region, aws_access_key_id="ak-oci",
        aws_secret_access_key=secret, config=Config(**options),
    )  # fmt: skip


@pytest.fixture
def sdk(server: HttpServer) -> Any:
    client = client_of(server)
    # boto3 puts a CRC on batch deletes; Oracle, as most others, wants the MD5 that older versions sent.
    client.meta.events.register("before-sign.s3.DeleteObjects", _with_md5)
    return client


def _with_md5(request: Any, **_: Any) -> None:
    import base64
    import hashlib

    data = request.data if isinstance(request.data, bytes) else request.data.encode()
    request.headers["Content-MD5"] = base64.b64encode(hashlib.md5(data).digest()).decode()


def ours_of(server: HttpServer, **changed: str) -> Storage:
    environment = {
        "STORAGE_TYPE": "oci-storage",
        "OCI_BUCKET_NAME": BUCKET,
        "OCI_ACCESS_KEY": "ak-oci",
        "OCI_SECRET_KEY": "sk-oci",
        "OCI_REGION": REGION,
        "OCI_ENDPOINT": server.url,
    }
    return opened({**environment, **changed})


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with ours_of(server) as storage:
        yield storage


def code_of(call: Any) -> str:
    """The word of the refusal of a call of the SDK."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_the_sdk_puts_gets_heads_and_deletes(sdk: Any) -> None:
    sdk.put_object(
        Bucket=BUCKET, Key="a", Body=b"12345", ContentType="text/plain", Metadata={"Colour": "red"}
    )
    assert sdk.get_object(Bucket=BUCKET, Key="a")["Body"].read() == b"12345"
    assert sdk.get_object(Bucket=BUCKET, Key="a", Range="bytes=1-3")["Body"].read() == b"234"
    head = sdk.head_object(Bucket=BUCKET, Key="a")
    assert (head["ContentType"], head["Metadata"], head["ContentLength"]) == (
        "text/plain",
        {"colour": "red"},
        5,
    )
    sdk.delete_object(Bucket=BUCKET, Key="a")
    sdk.delete_object(Bucket=BUCKET, Key="a")
    assert code_of(lambda: sdk.get_object(Bucket=BUCKET, Key="a")) == "NoSuchKey"
    assert code_of(lambda: sdk.get_object(Bucket="no-such-bucket", Key="a")) == "NoSuchBucket"
    assert sdk.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION


def test_the_sdk_lists_more_than_one_page(sdk: Any) -> None:
    for number in range(25):
        sdk.put_object(Bucket=BUCKET, Key=f"folder/{number:02}", Body=b"x")
        sdk.put_object(Bucket=BUCKET, Key=f"folder/deep-{number}/x", Body=b"x")
    pages = sdk.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="folder/", Delimiter="/", PaginationConfig={"PageSize": 7}
    )
    found, count = [], 0
    for page in pages:
        count += 1
        found += [entry["Key"] for entry in page.get("Contents", [])]
        found += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    expected = {f"folder/{number:02}" for number in range(25)} | {f"folder/deep-{n}/" for n in range(25)}
    assert sorted(found) == sorted(expected)
    assert count == 8


def test_the_sdk_uploads_in_parts_and_copies(sdk: Any) -> None:
    target = {"Bucket": BUCKET, "Key": "large"}
    upload = sdk.create_multipart_upload(**target, ContentType="application/x-large")["UploadId"]
    pieces = [content(5 * MIB, 1), content(5 * MIB, 2), content(77, 3)]
    parts = [
        {
            "PartNumber": n,
            "ETag": sdk.upload_part(**target, UploadId=upload, PartNumber=n, Body=piece)["ETag"],
        }
        for n, piece in enumerate(pieces, 1)
    ]
    assert [u["Key"] for u in sdk.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["large"]
    assert [p["Size"] for p in sdk.list_parts(**target, UploadId=upload)["Parts"]] == [5 * MIB, 5 * MIB, 77]
    wrong = {"Parts": parts[::-1]}
    refused = code_of(lambda: sdk.complete_multipart_upload(**target, UploadId=upload, MultipartUpload=wrong))
    assert refused == "InvalidPartOrder"
    sdk.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert sdk.get_object(**target)["Body"].read() == b"".join(pieces)
    sdk.copy_object(Bucket=BUCKET, Key="copy +ü", CopySource=target)
    assert sdk.head_object(Bucket=BUCKET, Key="copy +ü")["ContentType"] == "application/x-large"
    keys = {"Objects": [{"Key": "large"}, {"Key": "copy +ü"}, {"Key": "missing"}]}
    assert len(sdk.delete_objects(Bucket=BUCKET, Delete=keys)["Deleted"]) == 3
    assert "Contents" not in sdk.list_objects_v2(Bucket=BUCKET)


def test_what_oracle_refuses_is_refused(server: HttpServer, sdk: Any) -> None:
    """Today's boto3 as it is would sign its uploads in chunks; and there are no ACLs."""
    assert code_of(lambda: sdk.get_bucket_acl(Bucket=BUCKET)) == "NotImplemented"
    chunked = client_of(server, request_checksum_calculation="when_supported")
    with pytest.raises(ClientError):
        chunked.put_object(Bucket=BUCKET, Key="a", Body=b"x", ContentEncoding="aws-chunked")
    assert (
        code_of(lambda: client_of(server).delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a"}]}))
        == "InvalidRequest"
    )


def test_conditions_of_the_sdk_hold(sdk: Any) -> None:
    sdk.put_object(Bucket=BUCKET, Key="a", Body=b"one", IfNoneMatch="*")
    assert (
        code_of(lambda: sdk.put_object(Bucket=BUCKET, Key="a", Body=b"two", IfNoneMatch="*"))
        == "IfNoneMatchFailed"
    )


def test_wrong_and_old_signatures_are_refused(server: HttpServer, double: OciDouble) -> None:
    def get(client: Any) -> str:
        return code_of(lambda: client.get_object(Bucket=BUCKET, Key="a"))

    assert get(client_of(server, secret="sk-other")) == "SignatureDoesNotMatch"
    assert get(client_of(server, region="us-east-1")) == "SignatureDoesNotMatch"
    with ours_of(server, OCI_REGION="us-east-1") as ours, pytest.raises(PermissionDenied) as caught:
        ours.load("a")
    assert "us-east-1 is what was signed" in caught.value.hint
    double.store.clock = lambda: time.time() + 1000
    assert get(client_of(server)) == "RequestTimeTooSkewed"
    with ours_of(server) as ours, pytest.raises(ExpiredCredentials):
        ours.load("a")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_urls_that_the_sdk_signs(sdk: Any, server: HttpServer, double: OciDouble, method: str) -> None:
    sdk.put_object(Bucket=BUCKET, Key="a b/+c", Body=b"12345")
    name = {"GET": "get_object", "PUT": "put_object"}[method]
    url = sdk.generate_presigned_url(name, {"Bucket": BUCKET, "Key": "a b/+c"}, ExpiresIn=60)
    signed = SignedRequest(method, url)
    body = b"new" if method == "PUT" else None
    status, data = send(signed, server.address, body)
    assert status == 200
    assert sdk.get_object(Bucket=BUCKET, Key="a b/+c")["Body"].read() == (body or data)
    assert send(SignedRequest(method, url.replace("%2Bc", "%2Bd")), server.address, body)[0] == 403
    double.store.clock = lambda: time.time() + 61
    assert send(signed, server.address, body)[0] == 403


ATTRIBUTES = Attributes(
    content_type="text/x-odd; charset=utf-8",
    cache_control="max-age=7",
    content_disposition='attachment; filename="a b.txt"',
    content_language="de",
    metadata={"owner": "ann", "colour": "red 100%25"},
    storage_class="STANDARD",
)
IN_BOTO3 = {
    "ContentType": "text/x-odd; charset=utf-8",
    "CacheControl": "max-age=7",
    "ContentDisposition": 'attachment; filename="a b.txt"',
    "ContentLanguage": "de",
    "Metadata": {"owner": "ann", "colour": "red 100%25"},
}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_what_the_sdk_wrote_we_read(sdk: Any, ours: Storage, key: str) -> None:
    sdk.put_object(Bucket=BUCKET, Key=key, Body=key.encode(), **IN_BOTO3)
    assert ours.load(key) == key.encode()
    assert ours.head(key).attributes == ATTRIBUTES
    assert [info.key for info in ours.list()] == [key]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_what_we_wrote_the_sdk_reads(sdk: Any, ours: Storage, key: str) -> None:
    ours.save(key, key.encode(), ATTRIBUTES)
    answer = sdk.get_object(Bucket=BUCKET, Key=key)
    assert answer["Body"].read() == key.encode()
    assert {name: answer[name] for name in IN_BOTO3} == IN_BOTO3
    assert [entry["Key"] for entry in sdk.list_objects_v2(Bucket=BUCKET)["Contents"]] == [key]


def test_large_objects_both_ways(sdk: Any, ours: Storage, tmp_path: Any) -> None:
    data = content(11 * MIB + 5)
    ours.save("ours", data, ATTRIBUTES)
    assert sdk.get_object(Bucket=BUCKET, Key="ours")["Body"].read() == data
    (tmp_path / "file").write_bytes(data)
    sdk.upload_file(str(tmp_path / "file"), BUCKET, "theirs")
    assert ours.load("theirs") == data


def test_a_condition_on_the_etag_is_not_tried(ours: Storage) -> None:
    ours.save("a", b"one")
    with pytest.raises(Unsupported):
        ours.save("a", b"two", if_match=ours.head("a").etag)
    assert ours.load("a") == b"one"


def test_the_region_is_that_of_the_endpoint(server: HttpServer) -> None:
    named = "https://tenancy.compat.objectstorage.eu-frankfurt-1.oraclecloud.com"
    with pytest.raises(InvalidInput, match="OCI_REGION is us-ashburn-1, but OCI_ENDPOINT is one of eu-frank"):
        ours_of(server, OCI_ENDPOINT=named, OCI_REGION="us-ashburn-1")
    with ours_of(server, OCI_ENDPOINT=named, OCI_REGION="") as ours:
        url = ours.presign("a b", seconds=60).url
    assert url.startswith(f"{named}/{BUCKET}/a%20b?")
    assert "%2Feu-frankfurt-1%2Fs3%2Faws4_request" in url
    with pytest.raises(InvalidInput, match="OCI_REGION is not set"):
        ours_of(server, OCI_REGION="")


def test_doctor_reads_the_bucket(ours: Storage) -> None:
    facts = ours.backend.facts()
    assert facts.region == REGION
    assert facts.public is None
    assert set(facts.unreadable) == {"public", "versioning", "encryption", "lifecycle", "cors"}
