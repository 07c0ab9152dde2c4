"""What Cloud Storage says, and what we make of it: errors, lists, batches, rewrites, bodies in pieces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    ExpiredCredentials,
    InvalidRange,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    Unavailable,
    Unsupported,
)
from cloudberth.storage import google_json
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes, Condition, ObjectInfo, Prefix
from cloudberth.storage.google_failures import failure_of
from cloudberth.storage.google_settings import GoogleSettings
from cloudberth.storage.google_storage import GoogleStorage
from cloudberth.storage.google_wire import RelatedBody
from cloudberth.storage.http.backend import Flow, flow_of
from cloudberth.storage.http.message import Request, Response
from cloudberth.storage.options import Options

EMULATOR = {"GOOGLE_STORAGE_BUCKET_NAME": "box", "STORAGE_EMULATOR_HOST": "http://localhost:9"}


@pytest.fixture
def google() -> GoogleStorage:
    return GoogleStorage.open(GoogleSettings.from_environment(EMULATOR), Options())


def started(backend: GoogleStorage, primitive: str, *arguments: Any) -> tuple[Flow[Any], Request]:
    steps = flow_of(backend, primitive, *arguments)
    assert steps is not None
    return steps, next(steps)


def said(found: object, status: int = 200, **headers: str) -> Response:
    return Response(status, headers, json.dumps(found).encode())


def ended(steps: Flow[Any], answer: Response) -> Any:
    with pytest.raises(StopIteration) as end:
        steps.send(answer)
    return end.value.value


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "origin"),
    [
        ({}, "https://storage.googleapis.com"),
        ({"STORAGE_EMULATOR_HOST": "localhost:9000"}, "http://localhost:9000"),
        ({"STORAGE_EMULATOR_HOST": "https://gcs.test"}, "https://gcs.test"),
        ({"GOOGLE_STORAGE_ENDPOINT": "https://x.p.googleapis.com"}, "https://x.p.googleapis.com"),
    ],
)  # fmt: skip
def test_where_requests_go(environment: Mapping[str, str], origin: str) -> None:
    settings = GoogleSettings.from_environment({"GOOGLE_STORAGE_BUCKET_NAME": "box", **environment})
    backend = GoogleStorage.open(settings, Options())
    assert str(backend.origin) == origin
    assert (backend.identity is None) == ("STORAGE_EMULATOR_HOST" in environment)


@pytest.mark.parametrize("key", [".", ".."])
def test_the_two_names_that_are_none(google: GoogleStorage, key: str) -> None:
    with pytest.raises(Unsupported):
        google.object_path(key)


def test_a_key_is_one_segment(google: GoogleStorage) -> None:
    assert google.object_path("a//b/../c d") == "/storage/v1/b/box/o/a%2F%2Fb%2F..%2Fc%20d"


# -- writing -------------------------------------------------------------------------------------------------


def test_contents_are_not_copied_into_a_body() -> None:
    data = bytearray(b"x" * 100_000)
    body = RelatedBody({"contentType": "a/b"}, BytesBody(data))
    pieces = list(body.chunks())
    assert sum(map(len, pieces)) == body.size == len(body.read())
    assert pieces[1].obj is data  # type: ignore[union-attr]
    assert list(body.chunks()) == pieces, "it can be sent again"


def test_a_write_says_what_it_wants(google: GoogleStorage) -> None:
    attributes = Attributes("a/b", metadata={"N": "ü"}, storage_class="COLDLINE")
    _, request = started(google, "put", "k/ü", BytesBody(b"x"), attributes, Condition(absent=True))
    assert request.path == "/upload/storage/v1/b/box/o"
    assert dict(request.query) == {"uploadType": "multipart", "name": "k/ü", "ifGenerationMatch": "0"}
    head = request.body.read().split(b"\r\n\r\n")[1].split(b"\r\n--")[0]
    assert json.loads(head) == {
        "contentType": "a/b",
        "storageClass": "COLDLINE",
        "metadata": {"n": "ü"},
        "md5Hash": "ndTkYSaMgDT1yFZOFVxnpg==",
    }


def test_other_bytes_than_were_sent_are_noticed(google: GoogleStorage) -> None:
    steps, _ = started(google, "put", "k", BytesBody(b"x"))
    with pytest.raises(CorruptData):
        steps.send(said({"md5Hash": "XUFAKrxLKna5cZ2REBfFkg==", "generation": "1"}))


def test_a_rewrite_goes_on_until_it_is_done(google: GoogleStorage) -> None:
    steps, request = started(google, "copy", "a", "b/c", Attributes("x/y"))
    assert request.path == "/storage/v1/b/box/o/a/rewriteTo/b/box/o/b%2Fc"
    assert json.loads(request.body.read()) == {"contentType": "x/y"}
    request = steps.send(said({"done": False, "rewriteToken": "t/1"}))
    assert request.query == (("rewriteToken", "t/1"),)
    written = ended(steps, said({"done": True, "resource": {"generation": "7", "crc32c": "mnG7TA=="}}))
    assert written.etag == "7"
    assert written.checksums == {"crc32c": "9a71bb4c"}


def test_a_rewrite_that_does_not_go_on_is_an_error(google: GoogleStorage) -> None:
    steps, _ = started(google, "copy", "a", "b")
    with pytest.raises(BackendError, match="neither done"):
        steps.send(said({"done": False}))


# -- listing -------------------------------------------------------------------------------------------------


def item(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "size": "1", "generation": "5", "updated": "2026-11-26T20:49:38.158Z", **more}


def test_a_list_in_order_without_parts_of_uploads(google: GoogleStorage) -> None:
    steps, _ = started(google, "list")
    hidden = f".cloudberth-uploads/{'0' * 24}/00001"
    page = ended(
        steps,
        said(
            {
                "items": [item("b"), item(hidden), item(".cloudberth-uploads/mine")],
                "prefixes": ["a/", ".cloudberth-uploads/"],
                "nextPageToken": "t",
            }
        ),
    )
    assert [entry.key for entry in page.entries] == [".cloudberth-uploads/mine", "a/", "b"]
    assert isinstance(page.entries[1], Prefix)
    assert page.next == "t"


def test_a_list_behind_a_key_leaves_that_key_out(google: GoogleStorage) -> None:
    """startOffset names the first key, and an empty page is no end."""
    steps = google.list.flow(google, after="b")  # type: ignore[attr-defined]
    request = next(steps)
    assert dict(request.query)["startOffset"] == "b"
    request = steps.send(said({"items": [item("b")], "nextPageToken": "t"}))
    assert dict(request.query)["pageToken"] == "t"
    page = ended(steps, said({"items": [item("b/c")]}))
    assert [entry.key for entry in page.entries] == ["b/c"]


def test_a_folder_that_ends_with_the_key_is_not_listed_again(google: GoogleStorage) -> None:
    steps = google.list.flow(google, delimiter="/", after="a/z")  # type: ignore[attr-defined]
    next(steps)
    request = steps.send(said({"prefixes": ["a/", "b/"]}))
    assert dict(request.query)["prefix"] == "a/"
    page = ended(steps, said({"items": [item("a/z")]}))
    assert page.entries == (Prefix("b/"),)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"no", b"[" * 100_000, b'{"items":[{}]}', b'{"items":[{"size":"x"}]}']
)
def test_what_is_no_list_is_an_error_of_ours(google: GoogleStorage, body: bytes) -> None:
    steps, _ = started(google, "list")
    with pytest.raises(BackendError):
        steps.send(Response(200, {}, body))


# -- deleting ------------------------------------------------------------------------------------------------


def batch(*answers: tuple[int, object]) -> Response:
    parts = "".join(
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <response-cloudberth+{number}>\r\n\r\n"
        f"HTTP/1.1 {status} X\r\nX-Some: header\r\n\r\n{json.dumps(found) if found else ''}\r\n"
        for number, (status, found) in enumerate(answers)
    )
    return Response(200, {"content-type": "multipart/mixed; boundary=b"}, f"{parts}--b--".encode())


def problem(status: int, reason: str, message: str) -> tuple[int, object]:
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}


def test_a_hundred_deletes_are_one_request(google: GoogleStorage) -> None:
    keys = [f"k{number}" for number in range(101)]
    steps, request = started(google, "delete", keys)
    assert request.path == "/batch/storage/v1"
    assert request.body.read().count(b"DELETE /storage/v1/b/box/o/k") == 100
    gone = problem(404, "notFound", "No such object: box/k1")
    denied = problem(403, "forbidden", "no storage.objects.delete access")
    request = steps.send(batch((204, None), gone, denied, *[(204, None)] * 97))
    assert request.path == "/storage/v1/b/box/o/k100"
    (failure,) = ended(steps, Response(204, {}))
    assert failure.key == "k2"
    assert isinstance(failure.error, PermissionDenied)


def test_a_missing_bucket_is_no_success_of_a_batch(google: GoogleStorage) -> None:
    steps, _ = started(google, "delete", ["a", "b"])
    missing = problem(404, "notFound", "The specified bucket does not exist.")
    with pytest.raises(BucketNotFound):
        steps.send(batch(missing, missing))


def test_a_server_without_batches_is_asked_for_one_once(google: GoogleStorage) -> None:
    steps, _ = started(google, "delete", ["a", "b"])
    request = steps.send(batch((400, None), (400, None)))
    assert request.method == "DELETE"
    steps.send(Response(204, {}))
    ended(steps, Response(204, {}))
    _, request = started(google, "delete", ["a", "b"])
    assert request.method == "DELETE"


# -- reading -------------------------------------------------------------------------------------------------


def test_contents_come_as_they_are_stored(google: GoogleStorage) -> None:
    """Packed objects too: their size and checksums are of what is stored."""
    steps, request = started(google, "get", "k")
    assert request.headers["accept-encoding"] == "gzip"
    answer = Response(
        200,
        {
            "content-length": "5", "x-goog-hash": "crc32c=mnG7TA==, md5=XUFAKrxLKna5cZ2REBfFkg==",
            "x-goog-generation": "7", "x-goog-stored-content-encoding": "gzip", "content-type": "a/b",
            "x-goog-stored-content-length": "5", "x-goog-storage-class": "NEARLINE",
            "content-disposition": "attachment; filename=\xc3\xbc",
        },
    )  # fmt: skip
    info: ObjectInfo = ended(steps, answer).info
    assert (info.size, info.etag) == (5, "7")
    assert info.checksums == {"crc32c": "9a71bb4c", "md5": "5d41402abc4b2a76b9719d911017c592"}
    assert info.attributes.content_encoding == "gzip"
    assert info.attributes.content_disposition == "attachment; filename=ü"
    assert info.attributes.storage_class == "NEARLINE"
    assert "not asked" in repr(info.attributes.metadata)


@pytest.fixture
def production() -> GoogleStorage:
    settings = GoogleSettings.from_environment({"GOOGLE_STORAGE_BUCKET_NAME": "box"})
    return GoogleStorage.open(settings, Options())


def test_contents_are_read_by_the_xml_api(production: GoogleStorage) -> None:
    """Its answer has metadata and time as well, so that a copy needs no second request."""
    steps, request = started(production, "get", "a/../b ü", None, "7")
    assert request.url == "https://storage.googleapis.com/box/a%2F..%2Fb%20%C3%BC"
    assert request.headers["x-goog-if-generation-match"] == "7"
    headers = {
        "content-length": "1", "x-goog-generation": "7", "x-goog-meta-plain": "value",
        "x-goog-meta-blank": "=?UTF-8?B?IHg=?=", "x-goog-meta-empty": "",
    }  # fmt: skip
    info = ended(steps, Response(200, headers)).info
    assert info.attributes.metadata == {"plain": "value", "blank": " x", "empty": ""}


def test_metadata_that_headers_cannot_hold_is_asked_for(production: GoogleStorage) -> None:
    steps, _ = started(production, "get", "k")
    answer = Response(200, {"content-length": "1", "x-goog-generation": "7", "x-goog-meta-a": "w\xc3\xb6"})
    info = ended(steps, answer).info
    assert isinstance(info.attributes.metadata, google_json.MetadataOnDemand)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain", "plain"),
        ("wörld", "wörld"),
        ("", ""),
        (" x", "=?UTF-8?B?IHg=?="),
        ("a\nb", "=?UTF-8?B?YQpi?="),
        ("=?x", "=?UTF-8?B?PT94?="),
    ],
)
def test_values_that_headers_would_lose_are_kept_otherwise(value: str, kept: str) -> None:
    assert google_json.stored(value) == kept
    assert google_json.metadata_of({"metadata": {"N": kept}}) == {"n": value}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchKey", NotFound),
        (404, "NoSuchBucket", BucketNotFound),
        (403, "AccessDenied", PermissionDenied),
        (412, "PreconditionFailed", PreconditionFailed),
        (416, "InvalidRange", InvalidRange),
        (503, "SlowDown", Throttled),
        (500, "InternalError", Unavailable),
    ],
)
def test_codes_of_the_xml_api(
    production: GoogleStorage, status: int, code: str, expected: type[BackendError]
) -> None:
    _, request = started(production, "get", "a/b")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>It&apos;s so.</Message></Error>"
    error = production.failure(request, Response(status, {}, body.encode()))
    assert type(error) is expected
    assert error.where == "gs://box/a/b"
    assert error.code == code


def test_a_token_that_is_not_known_has_ended(production: GoogleStorage) -> None:
    _, request = started(production, "get", "a")
    assert type(production.failure(request, Response(401, {}))) is PermissionDenied
    request.headers["authorization"] = "Bearer x"
    assert type(production.failure(request, Response(401, {}))) is ExpiredCredentials


def test_another_generation_is_not_what_was_asked_for(google: GoogleStorage) -> None:
    steps, request = started(google, "get", "k", None, "7")
    assert dict(request.query)["ifGenerationMatch"] == "7"
    with pytest.raises(PreconditionFailed):
        steps.send(Response(200, {"x-goog-generation": "8", "content-length": "0"}))


# -- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (404, "notFound", "No such object: box/k", NotFound),
        (404, "notFound", "The specified bucket does not exist.", BucketNotFound),
        (403, "forbidden", "x does not have storage.objects.get access", PermissionDenied),
        (401, "authError", "Invalid Credentials", ExpiredCredentials),
        (401, "required", "Anonymous caller does not have access", PermissionDenied),
        (412, "conditionNotMet", "At least one of the pre-conditions", PreconditionFailed),
        (429, "rateLimitExceeded", "The object exceeded the rate limit", Throttled),
        (403, "userRateLimitExceeded", "slow down", Throttled),
        (503, "backendError", "Backend Error", Unavailable),
        (410, "gone", "lost", Unavailable),
        (416, "requestedRangeNotSatisfiable", "Request range not satisfiable", InvalidRange),
    ],
)
def test_reasons_become_typed_errors(
    status: int, reason: str, message: str, expected: type[BackendError]
) -> None:
    answer = said(problem(status, reason, message)[1], status)
    assert type(failure_of(answer, where="gs://box/k", on_bucket=False)) is expected


def test_contents_come_with_errors_of_plain_text() -> None:
    answer = Response(404, {}, b"No such object: box/k")
    error = failure_of(answer, where="gs://box/k", on_bucket=False)
    assert type(error) is NotFound
    assert "No such object" in error.what


def test_google_says_which_is_missing_and_is_not_asked_again(google: GoogleStorage) -> None:
    steps, request = started(google, "head", "k")
    error = google.failure(request, said(problem(404, "notFound", "No such object: box/k")[1], 404))
    with pytest.raises(NotFound) as caught:
        steps.throw(error)
    assert caught.value is error
    assert error.where == "gs://box/k"


def test_an_emulator_that_does_not_say_is_asked(google: GoogleStorage) -> None:
    steps, _ = started(google, "head", "k")
    request = steps.throw(NotFound("Not Found", where="gs://box/k"))
    assert request.path == "/storage/v1/b/box/o"
    with pytest.raises(BucketNotFound):
        steps.throw(BucketNotFound("gone", where="gs://box"))


def test_metadata_is_asked_for_once_and_only_when_needed() -> None:
    asked: list[int] = []

    def ask() -> dict[str, str]:
        asked.append(1)
        return {"a": "1"}

    metadata = google_json.MetadataOnDemand(ask)
    attributes = Attributes(metadata=metadata)
    assert not asked
    assert dict(attributes.metadata) == {"a": "1"}
    assert attributes.metadata == {"a": "1"}
    assert metadata["a"] == "1"
    assert len(asked) == 1
