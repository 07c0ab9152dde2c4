"""What BOS and TOS can say, and their doubles do not by themselves: throttling, late errors, odd pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cloudberth import storage as storages
from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    Kind,
    NotFound,
    PermissionDenied,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.storage._json_answers import Answer
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Part
from cloudberth.storage.options import Options
from cloudberth.storage.storage import Storage
from doubles.baidu_bos import BosDouble
from doubles.json_dialect import JsonDouble
from doubles.server import HttpServer, Request, Response
from doubles.store import User
from doubles.volcengine_tos import TosDouble

BUCKET = "json-bucket"
OPTIONS = Options(retries=0, connect_timeout=5.0, read_timeout=5.0)
VENDORS = ("bos", "tos")


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def double(vendor: str) -> JsonDouble:
    found = BosDouble(region="bj") if vendor == "bos" else TosDouble(region="cn-beijing")
    found.store.add_user(User("ak", "sk"))
    found.store.create_bucket(BUCKET, found.region, "owner-1")
    return found


@pytest.fixture
def server(double: JsonDouble) -> Iterator[HttpServer]:
    with double.serve() as running:
        yield running


@pytest.fixture
def bucket(vendor: str, server: HttpServer) -> Iterator[Storage]:
    variables = {
        "bos": {
            "STORAGE_TYPE": "baidu-obs", "BAIDU_OBS_BUCKET_NAME": BUCKET, "BAIDU_OBS_ACCESS_KEY": "ak",
            "BAIDU_OBS_SECRET_KEY": "sk", "BAIDU_OBS_ENDPOINT": server.url,
        },
        "tos": {
            "STORAGE_TYPE": "volcengine-tos", "VOLCENGINE_TOS_BUCKET_NAME": BUCKET,
            "VOLCENGINE_TOS_ACCESS_KEY": "ak", "VOLCENGINE_TOS_SECRET_KEY": "sk",
            "VOLCENGINE_TOS_REGION": "cn-beijing", "VOLCENGINE_TOS_PROXY": server.url,
            "VOLCENGINE_TOS_ENDPOINT": "http://tos-cn-beijing.volces.com",
        },
    }  # fmt: skip
    with storages.open(variables[vendor], OPTIONS) as storage:
        yield storage


def answering(body: Mapping[str, Any] | bytes, status: int = 200, method: str = "") -> Callable[..., Any]:
    """A fault: the same answer to every request (of a method)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def fault(request: Request) -> Response | None:
        return Response(status, {}, raw) if method in {"", request.method} else None

    return fault


def error_body(vendor: str, code: str, message: str = "said the server") -> dict[str, str]:
    names = ("code", "message", "requestId") if vendor == "bos" else ("Code", "Message", "RequestId")
    return dict(zip(names, (code, message, "r-1"), strict=True))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, Throttled),
        ("ServiceUnavailable", 503, Unavailable),
        ("InternalError", 500, Unavailable),
        ("RequestTimeout", 408, TimedOut),
        ("BadDigest", 400, CorruptData),
        ("AccessDenied", 403, PermissionDenied),
        ("NoSuchBucket", 404, BucketNotFound),
        ("NoSuchKey", 404, NotFound),
        ("SomethingNew", 400, BackendError),
        ("SomethingNew", 500, Unavailable),
    ],
)
def test_words_of_the_vendor_become_our_errors(
    bucket: Storage, server: HttpServer, vendor: str, code: str, status: int, kind: type[BackendError]
) -> None:
    server.fault = answering(error_body(vendor, code), status)
    with pytest.raises(BackendError) as caught:
        bucket.load("a")
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert "said the server" in str(caught.value)
    assert caught.value.retryable == (kind in {Throttled, Unavailable, TimedOut, CorruptData})


@pytest.mark.parametrize(
    ("vendor", "code", "status", "message"),
    [
        ("tos", "ExceedAccountQPSLimit", 429, ""),
        ("tos", "ExceedBucketRateLimit", 429, ""),
        ("tos", "Unknown", 429, ""),
        (
            "bos",
            "AccessDenied",
            403,
            "Your request rate is too high. Please reduce it: request rate is too high",
        ),
        ("bos", "Unknown", 429, ""),
    ],
    indirect=["vendor"],
)
def test_throttling_is_known_in_every_form(
    bucket: Storage, server: HttpServer, vendor: str, code: str, status: int, message: str
) -> None:
    server.fault = answering(error_body(vendor, code, message), status)
    with pytest.raises(Throttled):
        bucket.save("a", b"x")


def test_an_error_with_status_200_is_an_error(bucket: Storage, server: HttpServer, vendor: str) -> None:
    """Copies and the ends of uploads take long: the status is sent before the end is known."""
    bucket.save("a", b"x")
    late = error_body(vendor, "InternalError")
    server.fault = answering(late, method="PUT")
    with pytest.raises(Unavailable, match="InternalError"):
        bucket.copy("a", "b")
    server.fault = None
    upload = bucket.backend.start_upload("large")
    part = bucket.backend.put_part("large", upload, 1, BytesBody(b"x"))
    server.fault = answering(late, method="POST")
    with pytest.raises(Unavailable, match="InternalError"):
        bucket.backend.finish_upload("large", upload, [part])
    server.fault = answering({}, method="POST")
    with pytest.raises(BackendError, match="names no etag") as caught:
        bucket.backend.finish_upload("large", upload, [part])
    assert caught.value.kind is Kind.UNEXPECTED
    server.fault = None
    assert not bucket.exists("large")


def test_the_end_of_an_upload_whose_answer_was_lost_is_success(bucket: Storage) -> None:
    upload = bucket.backend.start_upload("large")
    parts = [bucket.backend.put_part("large", upload, 1, BytesBody(b"x"))]
    first = bucket.backend.finish_upload("large", upload, parts)
    assert bucket.backend.finish_upload("large", upload, parts).etag == first.etag
    bucket.save("large", b"somebody else's")
    with pytest.raises(NotFound):
        bucket.backend.finish_upload("large", upload, parts)
    with pytest.raises(NotFound):
        bucket.backend.finish_upload("other", upload, [Part(1, "0" * 32, 1)])


def test_a_key_that_could_not_be_deleted_is_told(bucket: Storage, server: HttpServer, vendor: str) -> None:
    code, key = ("code", "key") if vendor == "bos" else ("Code", "Key")
    entries = [{key: "a", code: "AccessDenied"}, {key: "b", code: "NoSuchKey"}]
    server.fault = answering({"errors" if vendor == "bos" else "Error": entries}, method="POST")
    failures = bucket.backend.delete(["a", "b", "c"])
    assert [failure.key for failure in failures] == ["a"]
    assert isinstance(failures[0].error, PermissionDenied)


def test_a_batch_that_was_too_much_is_asked_for_again(
    bucket: Storage, server: HttpServer, vendor: str
) -> None:
    code, key = ("code", "key") if vendor == "bos" else ("Code", "Key")
    entries = [{key: name, code: "SlowDown"} for name in ("a", "b")]
    server.fault = answering({"errors" if vendor == "bos" else "Error": entries}, method="POST")
    with pytest.raises(Throttled):
        bucket.backend.delete(["a", "b"])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a proxy</html>",
        {"isTruncated": True, "contents": []},
        {"isTruncated": True, "contents": "many"},
        {"contents": [{"key": 5.5, "size": 1}]},
        {"contents": [{"key": "half \ud83d", "size": 1}]},
        {"contents": [{"key": "a", "size": -1}]},
        {"contents": [{"key": "a"}]},
        {"commonPrefixes": [{}]},
    ],
)
def test_pages_that_make_no_sense_are_errors(
    bucket: Storage, server: HttpServer, body: Mapping[str, Any] | bytes
) -> None:
    """Never a short list: who takes one for the whole truth deletes too much."""
    server.fault = answering(body)
    with pytest.raises(BackendError) as caught:
        list(bucket.list())
    assert caught.value.kind is Kind.UNEXPECTED


@pytest.mark.parametrize("name", ["parts", "uploads"])
def test_pages_that_lead_nowhere_end(bucket: Storage, server: HttpServer, name: str) -> None:
    body = {
        "isTruncated": True, "nextPartNumberMarker": 1, "nextKeyMarker": "a", "nextUploadIdMarker": "u",
        "parts": [{"partNumber": 1, "eTag": "e", "size": 1}], "uploads": [{"key": "a", "uploadId": "u"}],
    }  # fmt: skip
    server.fault = answering(body)
    backend = bucket.backend
    with pytest.raises(BackendError, match="does not go on"):
        list(backend.list_parts("a", "u") if name == "parts" else backend.list_uploads())


def test_many_uploads_and_parts_come_page_by_page(bucket: Storage, double: JsonDouble) -> None:
    inner = double.store.buckets[BUCKET]
    expected = {double.store.start_upload(inner, f"up/{number % 7}").id for number in range(2100)}
    found = list(bucket.backend.list_uploads("up/"))
    assert len(found) == 2100
    assert {upload.upload for upload in found} == expected
    upload = double.store.start_upload(inner, "large")
    for number in range(1, 1502):
        double.store.put_part(inner, "large", upload.id, number, b"x")
    assert [part.number for part in bucket.backend.list_parts("large", upload.id)] == list(range(1, 1502))


def test_numbers_and_flags_may_be_texts() -> None:
    answer = Answer.parse(b'{"Size": "5", "IsTruncated": "true", "Other": "no", "When": "2026-01-02"}', "")
    assert answer.integer("size") == 5
    assert answer.flag("isTruncated")
    assert not answer.flag("other")
    assert not answer.flag("missing")
    assert answer.moment("when") is not None
    assert answer.moment("size") is None
    for name in ("other", "missing"):
        with pytest.raises(BackendError):
            answer.integer(name)
