"""Google's own library and our client on one fake-gcs-server; and what both make of the same keys.

The library's batch deletes are broken on that server, so it deletes one by one here.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google_storage
from google.oauth2 import service_account
from rigs.google_storage import BUCKET, EMAIL, create_bucket, encoded
from servers import fake_gcs

from cloudberth import storage as storages
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes
from cloudberth.storage.http.message import Origin, encode_key
from cloudberth.storage.options import Options
from cloudberth.storage.signing import google_v4
from cloudberth.storage.storage import Storage
from doubles.google_gate import GoogleGate
from doubles.odd_keys import ODD_KEYS

OPTIONS = Options(retries=1, deadline=30.0)
KEYS = [key for key in ODD_KEYS if key not in (".", "..")]
needs_server = pytest.mark.skipif(bool(fake_gcs.missing()), reason=fake_gcs.missing())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fake_gcs.FakeGcs]:
    with fake_gcs.started(tmp_path_factory.mktemp("fake-gcs")) as running:
        create_bucket(running.url)
        yield running


@pytest.fixture
def sdk(server: fake_gcs.FakeGcs) -> google_storage.Bucket:
    client = google_storage.Client(
        project="test-project",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": server.url},
    )
    return client.bucket(BUCKET)


@pytest.fixture
def ours(server: fake_gcs.FakeGcs) -> Iterator[Storage]:
    environment = {
        "STORAGE_TYPE": "google-storage",
        "GOOGLE_STORAGE_BUCKET_NAME": BUCKET,
        "STORAGE_EMULATOR_HOST": server.url,
    }
    with storages.open(environment, OPTIONS) as storage:
        storage.delete_prefix("")
        yield storage


@pytest.mark.server
@needs_server
@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_what_the_sdk_writes_we_read(sdk: google_storage.Bucket, ours: Storage, key: str) -> None:
    blob = sdk.blob(key)
    blob.cache_control, blob.content_disposition, blob.content_language = "no-cache", "inline", "de"
    blob.metadata = {"plain": "value", "my-name": "wörld "}
    blob.upload_from_string(b"by the SDK", content_type="text/x-test", checksum="md5")
    assert ours.load(key) == b"by the SDK"
    info = ours.head(key)
    assert info.attributes == Attributes(
        "text/x-test", "no-cache", "inline", None, "de", {"plain": "value", "my-name": "wörld "}, "STANDARD"
    )
    assert info.etag == str(blob.generation)
    assert [entry.key for entry in ours.list()] == [key]


@pytest.mark.server
@needs_server
@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_what_we_write_the_sdk_reads(sdk: google_storage.Bucket, ours: Storage, key: str) -> None:
    attributes = Attributes(
        "text/x-test", "no-cache", "inline", None, "de", {"plain": "value", "my-name": "wörld"}, "NEARLINE"
    )
    written = ours.save(key, b"by us", attributes)
    blob = sdk.get_blob(key)
    assert blob is not None
    assert blob.storage_class == "NEARLINE"
    assert blob.download_as_bytes(checksum="crc32c") == b"by us"
    assert (blob.content_type, blob.cache_control, blob.content_disposition, blob.content_language) == (
        "text/x-test", "no-cache", "inline", "de",
    )  # fmt: skip
    assert blob.metadata == {"plain": "value", "my-name": "wörld"}
    assert written.etag == str(blob.generation)
    assert written.checksums["crc32c"] == base64.b64decode(blob.crc32c).hex()
    assert [found.name for found in sdk.client.list_blobs(BUCKET)] == [key]


@pytest.mark.server
@needs_server
def test_metadata_that_headers_would_lose_comes_back(sdk: google_storage.Bucket, ours: Storage) -> None:
    metadata = {"blanks": " x ", "line": "a\nb", "empty": "", "word": "=?UTF-8?B?eA==?=", "plain": "wörld"}
    ours.save("a", b"", Attributes(metadata=metadata))
    assert ours.head("a").attributes.metadata == metadata
    blob = sdk.get_blob("a")
    assert blob is not None
    assert blob.metadata["blanks"] == "=?UTF-8?B?IHgg?="
    assert blob.metadata["plain"] == "wörld"


@pytest.mark.server
@needs_server
def test_large_objects_both_ways(sdk: google_storage.Bucket, ours: Storage) -> None:
    data = bytes(range(256)) * 80_000
    ours.save("ours", data)
    assert sdk.blob("ours").download_as_bytes() == data
    blob = sdk.blob("theirs", chunk_size=4 * 1024 * 1024)  # a resumable upload
    blob.upload_from_string(data)
    assert ours.load("theirs") == data


@pytest.mark.server
@needs_server
def test_parts_are_seen_by_nobody_else_for_long(sdk: google_storage.Bucket, ours: Storage) -> None:
    """They are objects to everybody but us, and gone when the upload is over; more than 32 take rounds."""
    backend = ours.backend
    upload = backend.start_upload("a")
    parts = [backend.put_part("a", upload, number, BytesBody(b"%03d" % number)) for number in range(1, 71)]
    names = [blob.name for blob in sdk.client.list_blobs(BUCKET)]
    assert len(names) == 71
    assert all(name.startswith(f".cloudberth-uploads/{upload}/") for name in names)
    assert {blob.storage_class for blob in sdk.client.list_blobs(BUCKET)} == {"STANDARD"}
    assert list(ours.list()) == []
    assert [pending.key for pending in ours.uploads()] == ["a"]
    backend.finish_upload("a", upload, parts)
    assert [blob.name for blob in sdk.client.list_blobs(BUCKET)] == ["a"]
    assert ours.load("a") == b"".join(b"%03d" % number for number in range(1, 71))
    with pytest.raises(NotFound, match="not there"):
        backend.finish_upload("a", upload, parts)


@pytest.mark.server
@needs_server
def test_an_aborted_upload_leaves_nothing(sdk: google_storage.Bucket, ours: Storage) -> None:
    backend = ours.backend
    upload = backend.start_upload("folder/a")
    backend.put_part("folder/a", upload, 1, BytesBody(b"x"))
    assert [pending.key for pending in backend.list_uploads("folder/")] == ["folder/a"]
    assert list(backend.list_uploads("other/")) == []
    backend.abort_upload("folder/a", upload)
    assert list(sdk.client.list_blobs(BUCKET)) == []
    backend.abort_upload("folder/a", upload)


@pytest.mark.server
@needs_server
def test_a_read_of_metadata_is_one_more_request(server: fake_gcs.FakeGcs, ours: Storage) -> None:
    """Only when somebody looks, and of the very object whose contents were read."""
    ours.save("a", b"1", Attributes(metadata={"n": "ü "}))
    with ours.backend.get("a").reader as reader:
        assert reader.read() == b"1"
    opened = ours.backend.get("a")
    opened.reader.close()
    assert dict(opened.info.attributes.metadata) == {"n": "ü "}


# -- signed URLs, without a server ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["plain.txt", "a b+c&d=e.txt", "é中文😀.txt", "100%25", "x//y", "q?u#h", "~a(b)"]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_our_signed_urls_are_the_sdks(key: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA signatures of this kind are the same each time, so the URLs have to be equal, byte for byte."""
    account = GoogleGate("", 0).account_json(EMAIL)
    credentials = service_account.Credentials.from_service_account_info(account)
    bucket = google_storage.Client(project="p", credentials=credentials).bucket("my-bucket")
    headers = {"content-type": "a/b", "x-goog-meta-n": "v  w"} if method == "PUT" else {}
    query = {} if method == "PUT" else {"response-content-disposition": 'attachment; filename="ü x"'}
    theirs = bucket.blob(key).generate_signed_url(
        version="v4", expiration=datetime.timedelta(seconds=600), method=method, headers=dict(headers),
        query_parameters=dict(query), credentials=credentials,
    )  # fmt: skip
    stamp = dict(parse_qsl(urlsplit(theirs).query))["X-Goog-Date"]
    now = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
    ours = google_v4.presign(
        method, Origin.parse("https://storage.googleapis.com"), f"/my-bucket/{encode_key(key)}", headers,
        query, email=EMAIL, sign=credentials.signer.sign, seconds=600, now=now,
    )  # fmt: skip
    assert sorted_query(ours) == sorted_query(theirs)


def sorted_query(url: str) -> tuple[str, Mapping[str, str]]:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(parse_qsl(parts.query))


def test_a_signed_url_holds_seven_days_at_most() -> None:
    with pytest.raises(InvalidInput, match="604800 seconds"):
        google_v4.presign(
            "GET", Origin.parse("https://storage.googleapis.com"), "/b/k", {}, {},
            email=EMAIL, sign=lambda data: data, seconds=604_801, now=0,
        )  # fmt: skip


@pytest.mark.parametrize(
    "mangle", [str, lambda text: f" {text[:40]}\n{text[40:]} "], ids=["plain", "wrapped"]
)
def test_difys_variable_is_a_key_file_in_base64(mangle: object, tmp_path: Path) -> None:
    account = GoogleGate("", 0).account_json(EMAIL)
    assert callable(mangle)
    environment = {
        "STORAGE_TYPE": "google-storage",
        "GOOGLE_STORAGE_BUCKET_NAME": "box",
        "GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64": mangle(encoded(account)),
    }
    with storages.open(environment) as storage:
        signed = storage.presign("a b", seconds=60)
    assert signed.url.startswith("https://storage.googleapis.com/box/a%20b?")
    assert f"X-Goog-Credential={EMAIL.replace('@', '%40')}" in signed.url


@pytest.mark.parametrize("text", ["not base64!", "W10=", base64.b64encode(b'{"type": "x"}').decode()])
def test_what_is_no_key_file_is_said_and_not_told(text: str) -> None:
    with pytest.raises(InvalidInput, match="GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64") as caught:
        storages.open(
            {
                "STORAGE_TYPE": "google-storage",
                "GOOGLE_STORAGE_BUCKET_NAME": "box",
                "GOOGLE_STORAGE_SERVICE_ACCOUNT_JSON_BASE64": text,
            }
        )
    assert text not in str(caught.value)
