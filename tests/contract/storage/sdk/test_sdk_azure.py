"""Microsoft's own SDK and our client on one Azurite: what one writes the other reads; keys and SAS too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    _shared_access_signature,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from rigs.azure_blob import create_container, environment_of
from servers import azurite

from cloudberth import storage as storages
from cloudberth.errors import ExpiredCredentials, NotFound, PermissionDenied, Unsupported
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes
from cloudberth.storage.options import Options
from cloudberth.storage.signing import azure_shared_key as signing
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(bool(azurite.missing()), reason=azurite.missing()),
]

OPTIONS = Options(retries=1, deadline=30.0)
SECOND = ("secondaccount", "c2Vjb25kLWFjY291bnQta2V5LXNlY29uZC1hY2NvdW50LWtleS1zZWNvbmQtYWNjb3VudA==")
KEYS = [key for key in ODD_KEYS if "\\" not in key and key not in (".", "..")]
# The SDK puts keys into URLs that requests then tidies: steps in a path are taken.
NOT_BY_SDK = {"./dot", "a/../b", "../up", "a/./b"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Azurite]:
    accounts = ";".join(f"{name}:{key}" for name, key in ((azurite.ACCOUNT, azurite.KEY), SECOND))
    before = os.environ.get("AZURITE_ACCOUNTS")
    os.environ["AZURITE_ACCOUNTS"] = accounts
    try:
        with azurite.started(tmp_path_factory.mktemp("azurite")) as running:
            create_container(running)
            yield running
    finally:
        if before is None:
            del os.environ["AZURITE_ACCOUNTS"]
        else:
            os.environ["AZURITE_ACCOUNTS"] = before


@pytest.fixture
def sdk(server: azurite.Azurite) -> Iterator[ContainerClient]:
    credential = {"account_name": server.account, "account_key": server.key}
    with BlobServiceClient(server.url, credential) as service:
        yield service.get_container_client("berth-contract")


@pytest.fixture
def ours(server: azurite.Azurite) -> Iterator[Storage]:
    with storages.open(environment_of(server), OPTIONS) as storage:
        storage.delete_prefix("")
        yield storage


def opened_with(server: azurite.Azurite, **variables: str) -> Storage:
    """Our client with other credentials than the account key."""
    environment = {**environment_of(server), **variables}
    if not variables.get("AZURE_BLOB_ACCOUNT_KEY"):
        del environment["AZURE_BLOB_ACCOUNT_KEY"]
    return storages.open(environment, OPTIONS)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NOT_BY_SDK], ids=ascii)
def test_what_the_sdk_writes_we_read(sdk: ContainerClient, ours: Storage, key: str) -> None:
    settings = ContentSettings(
        content_type="text/x-test", cache_control="no-cache", content_disposition="inline",
        content_language="de", content_encoding="identity",
    )  # fmt: skip
    sdk.upload_blob(key, b"by the SDK", content_settings=settings, metadata={"plain": "value", "n_2": "x"})
    assert ours.load(key) == b"by the SDK"
    info = ours.head(key)
    assert info.attributes == Attributes(
        "text/x-test", "no-cache", "inline", "identity", "de", {"plain": "value", "n_2": "x"},
        info.attributes.storage_class,
    )  # fmt: skip
    assert [entry.key for entry in ours.list()] == [key]


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NOT_BY_SDK], ids=ascii)
def test_what_we_write_the_sdk_reads(sdk: ContainerClient, ours: Storage, key: str) -> None:
    attributes = Attributes(
        "text/x-test", "no-cache", "inline", "identity", "de", {"plain": "value", "other": "1"}, "Cool"
    )
    ours.save(key, b"by us", attributes)
    assert sdk.download_blob(key).readall() == b"by us"
    properties = sdk.get_blob_client(key).get_blob_properties()
    assert properties.content_settings.content_type == "text/x-test"
    assert properties.content_settings.cache_control == "no-cache"
    assert properties.content_settings.content_disposition == "inline"
    assert properties.content_settings.content_language == "de"
    assert properties.metadata == {"plain": "value", "other": "1"}
    assert properties.blob_tier == "Cool"
    assert [blob.name for blob in sdk.list_blobs()] == [key]


def test_large_objects_both_ways(sdk: ContainerClient, ours: Storage) -> None:
    """Blocks of ours are read as one object; blocks of the SDK too."""
    data = bytes(range(256)) * 80_000
    ours.save("ours", data)
    assert sdk.download_blob("ours").readall() == data
    sdk.upload_blob("theirs", data, max_concurrency=2)
    assert ours.load("theirs") == data


def test_metadata_that_azure_cannot_hold_comes_back(sdk: ContainerClient, ours: Storage) -> None:
    metadata = {"my-name": "wörld ", "1st": "", "cbx_": "=?UTF-8?B?eA==?=", "line": "a\nb", "_x": "plain"}
    ours.save("a", b"", Attributes(metadata=metadata))
    assert ours.head("a").attributes.metadata == metadata
    seen = sdk.get_blob_client("a").get_blob_properties().metadata
    assert seen["cbx_my_2dname"] == "=?UTF-8?B?d8O2cmxkIA==?="
    assert seen["_x"] == "plain"


def test_headers_are_signed_in_the_order_of_the_service(ours: Storage) -> None:
    """Names that sort otherwise as words than as ASCII: an order of one's own is refused by the server."""
    metadata = dict.fromkeys(["a_b", "ab", "a1", "a_1", "_", "__", "a", "z9", "z_", "a2_b"], "v")
    ours.save("a", b"x", Attributes(metadata=metadata))
    assert ours.head("a").attributes.metadata == metadata


# -- SAS -----------------------------------------------------------------------------------------------------


def test_a_sas_token_opens_the_container(server: azurite.Azurite, ours: Storage) -> None:
    """One for the container alone, made by the SDK: it is enough for everything but signed URLs."""
    ours.save("a", b"x")
    token = generate_container_sas(
        server.account, "berth-contract", server.key, permission="racwdl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    with opened_with(server, AZURE_BLOB_SAS_TOKEN=f"?{token}") as storage:
        storage.check()
        assert storage.load("a") == b"x"
        storage.save("b +ü", bytes(9_000_000))
        storage.copy("a", "c")
        assert [info.key for info in storage.list()] == ["a", "b +ü", "c"]
        storage.delete(["a", "b +ü", "c"])
        assert list(storage.list()) == []
        assert not storage.capabilities.presign
        with pytest.raises(Unsupported, match="signed URLs"):
            storage.presign("a")


def test_a_sas_that_may_not_write(server: azurite.Azurite, ours: Storage) -> None:
    ours.save("a", b"x")
    token = generate_container_sas(
        server.account, "berth-contract", server.key, permission="rl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    with opened_with(server, AZURE_STORAGE_SAS_TOKEN=token) as storage:
        assert storage.load("a") == b"x"
        with pytest.raises(PermissionDenied) as caught:
            storage.save("b", b"")
        assert not isinstance(caught.value, ExpiredCredentials)
        with pytest.raises(PermissionDenied):
            storage.delete("a")


def test_a_connection_string_opens_the_container(server: azurite.Azurite, ours: Storage) -> None:
    ours.save("a", b"x")
    key = f"AccountName={server.account};AccountKey={server.key};BlobEndpoint={server.url};"
    token = generate_account_sas(
        server.account, server.key, "sco", "rl", datetime.now(UTC) + timedelta(hours=1)
    )
    sas = f"SharedAccessSignature={token};BlobEndpoint={server.url}/"
    for text in (f"DefaultEndpointsProtocol=http;{key}", sas):
        for name in ("AZURE_BLOB_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"):
            environment = {
                "STORAGE_TYPE": "azure-blob", "AZURE_BLOB_CONTAINER_NAME": "berth-contract", name: text,
            }  # fmt: skip
            with storages.open(environment, OPTIONS) as storage:
                assert storage.load("a") == b"x"
                assert [info.key for info in storage.list()] == ["a"]


def test_our_sas_is_the_sdks(server: azurite.Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Field by field and in the signature, when the SDK is held to our version."""
    monkeypatch.setattr(_shared_access_signature, "X_MS_VERSION", signing.SAS_VERSION)
    key = signing.SharedKey.parse(server.account, server.key)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    theirs = generate_blob_sas(
        server.account, "box", "a/ü +?", account_key=server.key, permission="cw", expiry=end,
        protocol="https", content_disposition="attachment; filename=x", content_type="a/b",
    )  # fmt: skip
    answer = {"rscd": "attachment; filename=x", "rsct": "a/b"}
    made = signing.blob_sas(key, "box/a/ü +?", "cw", end.timestamp(), answer=answer)
    assert dict(made) == _pairs(theirs)


def _pairs(token: str) -> Mapping[str, str]:
    return dict(parse_qsl(token))


def test_our_account_sas_is_accepted(server: azurite.Azurite, ours: Storage) -> None:
    ours.save("a", b"x")
    key = signing.SharedKey.parse(server.account, server.key)
    end = datetime.now(UTC).timestamp()
    for expires, works in ((end + 600, True), (end - 60, False)):
        token = urlencode(signing.account_sas(key, "rl", expires, https_only=False))
        with BlobServiceClient(server.url, token, retry_total=0) as client:
            blob = client.get_blob_client("berth-contract", "a")
            if works:
                assert blob.download_blob().readall() == b"x"
            else:
                with pytest.raises(HttpResponseError):
                    blob.download_blob()


# -- two accounts --------------------------------------------------------------------------------------------


def test_a_copy_from_another_account(server: azurite.Azurite, ours: Storage) -> None:
    """The source is private there: it is read through a SAS that its own client makes."""
    name, key = SECOND
    other = azurite.Azurite(server.host, server.port, name, key)
    create_container(other, "elsewhere")
    with storages.open(environment_of(other, "elsewhere"), OPTIONS) as source:
        source.save("a/ü", b"from there", Attributes("a/b", metadata={"my-name": "1"}))
        ours.copy("a/ü", "here", origin=source)
        assert ours.load("here") == b"from there"
        assert ours.head("here").attributes.metadata == {"my-name": "1"}
        with pytest.raises(NotFound):
            ours.copy("nothing", "there", origin=source)


def test_a_key_of_another_account_is_refused(server: azurite.Azurite) -> None:
    with opened_with(server, AZURE_BLOB_ACCOUNT_KEY=SECOND[1]) as storage, pytest.raises(PermissionDenied):
        storage.check()


# -- uploads that are not ours -------------------------------------------------------------------------------


def test_an_aborted_upload_leaves_one_byte_a_part(sdk: ContainerClient, ours: Storage) -> None:
    """What is left cannot be thrown away before the service does it, and takes no room."""
    backend = ours.backend
    upload = backend.start_upload("a")
    for number in (1, 2):
        backend.put_part("a", upload, number, BytesBody(bytes(100_000)))
    assert [pending.upload for pending in ours.uploads()] == [upload]
    backend.abort_upload("a", upload)
    _, uncommitted = sdk.get_blob_client("a").get_block_list("all")
    assert sorted(block.size for block in uncommitted) == [1, 1, 1]
    assert not sdk.get_blob_client("a").exists()
    assert list(ours.uploads()) == []
    ours.save("a", bytes(9_000_000))
    assert sdk.download_blob("a").readall() == bytes(9_000_000)


def test_blocks_of_others_are_not_uploads_of_ours(
    sdk: ContainerClient, ours: Storage, tmp_path: Path
) -> None:
    sdk.get_blob_client("theirs").stage_block("QUJD", b"abc")
    assert list(ours.uploads()) == []
    assert list(ours.list()) == []
