"""What Azure says, and what we make of it: settings, lists, errors, batches, blocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CorruptData,
    ExpiredCredentials,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from cloudberth.storage import azure_blocks, azure_xml
from cloudberth.storage.azure_blob import AzureBlob
from cloudberth.storage.azure_credentials import Entra
from cloudberth.storage.azure_failures import failure_of
from cloudberth.storage.azure_settings import DEVELOPMENT_KEY, AzureSettings, account_of
from cloudberth.storage.contract import ObjectInfo, Prefix
from cloudberth.storage.http.backend import flow_of
from cloudberth.storage.http.message import Response
from cloudberth.storage.options import Options
from cloudberth.storage.token_cache import MemoryTokenCache, hashed_name

BOX = {"AZURE_BLOB_CONTAINER_NAME": "box"}
NAMED = {**BOX, "AZURE_BLOB_ACCOUNT_NAME": "acct"}
KEY = {"AZURE_BLOB_ACCOUNT_KEY": "c2VjcmV0LWtleQ=="}
MANAGED = {"AZURE_BLOB_ACCOUNT_KEY": "managedidentity"}
SAS = {"AZURE_BLOB_SAS_TOKEN": "?sv=2022-11-02&sig=abc%3D"}


def backend(environment: Mapping[str, str]) -> AzureBlob:
    return AzureBlob.open(AzureSettings.from_environment(environment), Options())


# -- settings ------------------------------------------------------------------------------------------------


def connection(text: str) -> dict[str, str]:
    return {**BOX, "AZURE_BLOB_CONNECTION_STRING": text}


@pytest.mark.parametrize(
    ("environment", "account"),
    [
        ({**NAMED, **KEY}, "acct https://acct.blob.core.windows.net "),
        ({**NAMED, **KEY, "AZURE_BLOB_ACCOUNT_URL": "https://x.blob.core.chinacloudapi.cn/"},
         "acct https://x.blob.core.chinacloudapi.cn "),
        ({**BOX, **KEY, "AZURE_BLOB_ACCOUNT_URL": "https://other.blob.core.windows.net"},
         "other https://other.blob.core.windows.net "),
        ({**BOX, **KEY, "AZURE_BLOB_ACCOUNT_URL": "http://127.0.0.1:10000/devstoreaccount1"},
         "devstoreaccount1 http://127.0.0.1:10000 /devstoreaccount1"),
        (connection("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=azE=;EndpointSuffix=core.test"),
         "a https://a.blob.core.test "),
        (connection("BlobEndpoint=https://b.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x"),
         "b https://b.blob.core.windows.net "),
        (connection("UseDevelopmentStorage=true"),
         "devstoreaccount1 http://127.0.0.1:10000 /devstoreaccount1"),
    ],
)  # fmt: skip
def test_which_account_is_meant(environment: dict[str, str], account: str) -> None:
    found = account_of(AzureSettings.from_environment(environment))
    assert f"{found.name} {found.origin} {found.base}" == account
    assert found.key or found.sas
    assert not (found.key and found.key in repr(found))
    assert "sig=x" not in repr(found)


def test_the_key_of_the_emulator() -> None:
    assert (
        account_of(AzureSettings.from_environment(connection("UseDevelopmentStorage=true"))).key
        == DEVELOPMENT_KEY
    )


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({**NAMED, **KEY}, "account key"),
        ({**NAMED, **SAS}, "SAS token"),
        ({**NAMED, **MANAGED}, "managed identity"),
        (NAMED, "managed identity"),
        ({**NAMED, "AZURE_STORAGE_SAS_TOKEN": "sig=x"}, "SAS token"),
        ({**NAMED, "AZURE_STORAGE_KEY": "azE="}, "account key"),
        ({**NAMED, **KEY, "AZURE_STORAGE_SAS_TOKEN": "sig=x"}, "account key"),
        ({**NAMED, **MANAGED, "AZURE_STORAGE_KEY": "azE="}, "managed identity"),
    ],
)  # fmt: skip
def test_who_we_are(environment: dict[str, str], source: str) -> None:
    """Our variables first; Azure's own ones only when none of ours is set."""
    assert backend(environment).identity.source == source


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({**NAMED, **KEY, **SAS}, "AZURE_BLOB_ACCOUNT_KEY and AZURE_BLOB_SAS_TOKEN"),
        (BOX, "AZURE_BLOB_ACCOUNT_NAME"),
        ({"AZURE_BLOB_ACCOUNT_NAME": "acct"}, "AZURE_BLOB_CONTAINER_NAME"),
        (connection("AccountKey=azE="), "names no account"),
        ({**NAMED, "AZURE_BLOB_SAS_TOKEN": "sv=1"}, "no signature"),
        ({**NAMED, "AZURE_BLOB_ACCOUNT_KEY": "s3cret-no-base64"}, "not base64"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        backend(environment)
    assert "s3cret" not in str(caught.value)


def test_a_sas_signs_no_urls() -> None:
    assert not backend({**NAMED, **SAS}).capabilities.presign


# -- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b c", "/box/a/b%20c"),
        ("a//b", "/box/a//b"),
        ("/a", "/box//a"),
        ("a/../b", "/box/a%2F..%2Fb"),
        ("./a/b", "/box/.%2Fa%2Fb"),
        ("a..", "/box/a.."),
        ("%2F", "/box/%252F"),
    ],
)
def test_a_key_as_a_path(key: str, path: str) -> None:
    assert backend({**NAMED, **KEY}).path(key) == path


@pytest.mark.parametrize("key", ["a\\b", ".", "..", "a\x01", "\ufffe"])
def test_keys_that_would_become_others_are_refused(key: str) -> None:
    with pytest.raises(Unsupported):
        backend({**NAMED, **KEY}).path(key)


# -- lists ---------------------------------------------------------------------------------------------------

BLOB = (
    "<Blob><Name>{name}</Name><Properties><Last-Modified>Thu, 26 Nov 2026 20:42:21 GMT</Last-Modified>"
    "<Etag>0x1</Etag><Content-Length>5</Content-Length><AccessTier>Cool</AccessTier>"
    "<Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5></Properties></Blob>"
)


def listed(*entries: str, marker: str = "") -> azure_xml.BlobList:
    inner = f"<Blobs>{''.join(entries)}</Blobs><NextMarker>{marker}</NextMarker>"
    body = f"<EnumerationResults>{inner}</EnumerationResults>"
    return azure_xml.blob_list(b"\xef\xbb\xbf" + body.encode())


def test_a_list() -> None:
    prefix = "<BlobPrefix><Name>a/</Name></BlobPrefix>"
    page = listed(BLOB.format(name="b &amp; c"), prefix, marker="2!8!x")
    assert page.next == "2!8!x"
    first, second = page.entries
    assert first == Prefix("a/")
    assert isinstance(second, ObjectInfo)
    assert (second.key, second.size, second.etag) == ("b & c", 5, "0x1")
    assert second.modified == datetime(2026, 11, 26, 20, 42, 21, tzinfo=UTC)
    assert second.checksums == {"md5": "5d41402abc4b2a76b9719d911017c592"}
    assert second.attributes.storage_class == "Cool"


def test_a_list_behind_a_key_works_with_older_versions_too() -> None:
    """They know no startFrom: what comes before the key is skipped, page by page."""
    for version, start in (("2026-02-06", "b"), ("2023-11-03", None)):
        azure = backend({**NAMED, **KEY, "AZURE_BLOB_API_VERSION": version})
        steps = azure.list.flow(azure, after="b")  # type: ignore[attr-defined]
        request = next(steps)
        assert dict(request.query).get("startFrom") == start
        azure.authorize(request)
        assert request.headers["x-ms-version"] == version
        names = "".join(BLOB.format(name=name) for name in ("a", "b"))
        body = f"<X><Blobs>{names}</Blobs><NextMarker>m</NextMarker></X>"
        request = steps.send(Response(200, {}, body.encode()))
        assert dict(request.query)["marker"] == "m"
        with pytest.raises(StopIteration) as end:
            steps.send(Response(200, {}, f"<X><Blobs>{BLOB.format(name='b/c')}</Blobs></X>".encode()))
        assert [entry.key for entry in end.value.value.entries] == ["b/c"]


@pytest.mark.parametrize("name", ["a\x01b", "a&#x1;b", "\ufffe"])
def test_one_bad_name_hides_no_other(name: str) -> None:
    """XML cannot hold it; a server that sends it all the same sends the other names too."""
    keys = {entry.key for entry in listed(BLOB.format(name=name), BLOB.format(name="good")).entries}
    assert "good" in keys
    assert len(keys) == 2


def test_names_that_come_encoded() -> None:
    blob = BLOB.format(name="a%EF%BF%BE").replace("<Name>", '<Name Encoded="true">')
    assert [entry.key for entry in listed(blob).entries] == ["a\ufffe"]


def test_folders_of_a_hierarchy_are_no_objects() -> None:
    folder = BLOB.format(name="dir").replace(
        "<Properties>", "<Properties><ResourceType>directory</ResourceType>"
    )
    assert listed(folder).entries == ()


def test_what_has_only_blocks_is_no_object() -> None:
    page = listed("<Blob><Name>half</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>")
    assert page.entries == ()
    assert page.uncommitted == ("half",)


@pytest.mark.parametrize(
    "body", [b"", b"no xml", b"<a>", b"\xff\xfe", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>']
)
def test_what_is_no_list_is_an_error_of_ours(body: bytes) -> None:
    with pytest.raises(BackendError):
        azure_xml.blob_list(body)


# -- errors --------------------------------------------------------------------------------------------------


def refused(status: int, code: str, message: str = "", *, over: bool = False) -> BackendError:
    inner = f"<Code>{code}</Code><Message>{message}\nRequestId:1\nTime:2</Message>"
    body = f"<?xml version='1.0'?><Error>{inner}</Error>"
    return failure_of(Response(status, {}, body.encode()), where="azblob://acct/box", over=over)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "BlobNotFound", NotFound),
        (404, "ContainerNotFound", BucketNotFound),
        (403, "AuthenticationFailed", PermissionDenied),
        (403, "AuthorizationPermissionMismatch", PermissionDenied),
        (409, "BlobAlreadyExists", PreconditionFailed),
        (412, "ConditionNotMet", PreconditionFailed),
        (400, "Md5Mismatch", CorruptData),
        (503, "ServerBusy", Throttled),
        (500, "OperationTimedOut", TimedOut),
        (500, "InternalError", Unavailable),
        (409, "ContainerBeingDeleted", Unavailable),
        (404, "InvalidBlockList", NotFound),
    ],
)
def test_codes_become_typed_errors(status: int, code: str, expected: type[BackendError]) -> None:
    error = refused(status, code, "Something.")
    assert type(error) is expected
    assert error.code == code
    assert "RequestId" not in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "Signature not valid in the specified time frame",
        "Request date header too old: Thu, 01 Jan 1970",
        "Lifetime validation failed. The token is expired.",
    ],
)
def test_what_is_too_old_is_said_so(message: str) -> None:
    assert type(refused(403, "AuthenticationFailed", message)) is ExpiredCredentials


def test_a_sas_known_to_have_ended() -> None:
    """Azurite says no more than that it is not authorized; the token itself says when it ended."""
    assert type(refused(403, "AuthorizationFailure", over=True)) is ExpiredCredentials
    assert type(refused(404, "BlobNotFound", over=True)) is NotFound


def test_an_archived_blob_says_what_to_do() -> None:
    error = refused(409, "BlobArchived", "This operation is not permitted on an archived blob.")
    assert error.kind is Kind.INVALID
    assert "rehydrate" in error.hint


def test_an_answer_without_a_body_has_its_code_in_a_header() -> None:
    response = Response(404, {"x-ms-error-code": "ContainerNotFound"})
    assert type(failure_of(response, where="", over=False)) is BucketNotFound


# -- batches, blocks, the cache ------------------------------------------------------------------------------


def batch(*answers: str) -> Response:
    parts = "".join(
        f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"HTTP/1.1 {answer}\r\nx-ms-request-id: 1\r\n\r\n\r\n"
        for number, answer in enumerate(answers)
    )
    return Response(202, {"content-type": "multipart/mixed; boundary=b"}, f"{parts}--b--\r\n".encode())


def test_a_batch_of_deletes() -> None:
    """Each key gets its own answer; what was not there is deleted; what may not be is said."""
    azure = backend({**NAMED, **KEY})
    steps = flow_of(azure, "delete", ["a", "b", "c"])
    assert steps is not None
    request = next(steps)
    azure.authorize(request)
    body = request.body.read()
    assert body.count(b"DELETE /box/") == 3
    assert body.count(b"authorization: SharedKey acct:") == 3
    assert b"x-ms-version" not in body
    with pytest.raises(StopIteration) as end:
        steps.send(batch("202 Accepted", "404 The specified blob does not exist.", "403 No"))
    assert [(failure.key, type(failure.error)) for failure in end.value.value] == [("c", PermissionDenied)]


def test_a_batch_is_signed_again_for_every_attempt() -> None:
    azure = backend({**NAMED, **KEY})
    steps = flow_of(azure, "delete", ["a", "b"])
    assert steps is not None
    request = next(steps)
    azure.authorize(request)
    size = request.body.size
    azure.authorize(request)
    assert request.body.size == size
    assert request.body.read().count(b"authorization:") == 2


def test_without_batches_keys_are_deleted_one_by_one() -> None:
    azure = backend({**NAMED, **KEY})
    steps = flow_of(azure, "delete", ["a", "b"])
    assert steps is not None
    next(steps)
    request = steps.throw(BackendError("no batches", kind=Kind.INVALID))
    assert (request.method, request.path) == ("DELETE", "/box/a")
    request = steps.throw(NotFound("gone"))
    assert request.path == "/box/b"
    with pytest.raises(StopIteration) as end:
        steps.send(Response(202, {}))
    assert end.value.value == []


def test_a_missing_container_is_no_success_of_a_delete() -> None:
    azure = backend({**NAMED, **KEY})
    steps = flow_of(azure, "delete", ["a"])
    assert steps is not None
    next(steps)
    with pytest.raises(BucketNotFound):
        steps.throw(BucketNotFound("gone"))


def test_a_copy_that_takes_its_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    steps = flow_of(backend({**NAMED, **KEY}), "copy", "a", "b")
    assert steps is not None
    assert next(steps).headers["x-ms-copy-source"] == "https://acct.blob.core.windows.net/box/a"
    assert steps.send(Response(202, {"x-ms-copy-status": "pending", "etag": '"1"'})).method == "HEAD"
    assert steps.send(Response(200, {"x-ms-copy-status": "pending", "etag": '"1"'})).method == "HEAD"
    with pytest.raises(StopIteration) as end:
        steps.send(Response(200, {"x-ms-copy-status": "success", "etag": '"2"'}))
    assert end.value.value.etag == "2"
    assert pauses == [0.1, 0.2]


def test_a_copy_that_fails_later_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    steps = flow_of(backend({**NAMED, **KEY}), "copy", "a", "b")
    assert steps is not None
    next(steps)
    steps.send(Response(202, {"x-ms-copy-status": "pending"}))
    with pytest.raises(BackendError, match="500 InternalServerError"):
        steps.send(
            Response(
                200, {"x-ms-copy-status": "failed", "x-ms-copy-status-description": "500 InternalServerError"}
            )
        )


def test_the_names_of_blocks_are_of_one_length() -> None:
    upload = azure_blocks.new_upload(1_700_000_000)
    assert azure_blocks.started(upload) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert len({len(azure_blocks.block_name(upload, number)) for number in (0, 1, 50_000)}) == 1
    other = azure_blocks.new_upload(1_700_000_000)
    names = [(upload, 1), (upload, 2), (other, 1)]
    found = azure_blocks.blocks_by_upload(
        [azure_xml.Block(azure_blocks.block_name(*name), 7) for name in names]
        + [azure_xml.Block("theirs", 9)]
    )
    assert found == {upload: {1: 7, 2: 7}, other: {1: 7}}


def test_the_cache_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    cache = MemoryTokenCache()
    cache.set("name", "value", 10)
    assert cache.get("name") == "value"
    now[0] += 11
    assert cache.get("name") is None
    assert cache.get("other") is None


def test_an_identity_can_share_what_it_borrows() -> None:
    cache = MemoryTokenCache()
    azure = backend(NAMED)
    azure.keep_tokens_in(cache)
    assert isinstance(azure.identity, Entra)
    assert azure.identity.cache is cache
    backend({**NAMED, **KEY}).keep_tokens_in(cache)  # an account key borrows nothing


def test_names_in_the_cache_tell_nothing() -> None:
    name = hashed_name("kind", "account", "the-secret-key")
    assert "secret" not in name
    assert name != hashed_name("kind", "accountthe-secret-key")
    assert name == hashed_name("kind", "account", "the-secret-key")
