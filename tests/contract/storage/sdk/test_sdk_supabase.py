"""Supabase's own SDK against the double, and across: what one client writes the other one reads."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from rigs.supabase import BUCKET, api_key, double, environment_of
from storage3 import create_client
from storage3.exceptions import StorageApiError

from cloudberth import storage as storages
from cloudberth.errors import InvalidInput, NotFound, PreconditionFailed, Unsupported
from cloudberth.storage.contract import Attributes
from cloudberth.storage.storage import Storage
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer
from doubles.supabase import VALID_KEY

# The SDK drops slashes at the start and folds two into one; both refuse dots.
KEYS = [
    key
    for key in ODD_KEYS
    if VALID_KEY.fullmatch(key)
    and not key.startswith("/")
    and "//" not in key
    and not {".", ".."} & set(key.split("/"))
]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with double().serve() as running:
        yield running


def sdk_of(server: HttpServer) -> Any:
    key = api_key()
    headers = {"apikey": key, "authorization": f"Bearer {key}"}
    return create_client(f"{server.url}/storage/v1/", headers, is_async=False).from_(BUCKET)


@pytest.fixture
def sdk(server: HttpServer) -> Any:
    return sdk_of(server)


@pytest.fixture
def ours(server: HttpServer) -> Iterator[Storage]:
    with storages.open(environment_of(server.url)) as storage:
        yield storage


@pytest.mark.parametrize("key", KEYS)
def test_both_read_what_the_other_wrote(sdk: Any, ours: Storage, key: str) -> None:
    data = key.encode() * 100
    sdk.upload(key, data, {"content-type": "text/x-sdk", "cache-control": "60", "metadata": {"by": "sdk"}})
    info = ours.head(key)
    assert ours.load(key) == data
    assert (info.size, info.attributes.content_type, info.attributes.cache_control) == (
        len(data), "text/x-sdk", "max-age=60",
    )  # fmt: skip
    assert info.attributes.metadata == {"by": "sdk"}
    ours.save(key, b"ours", Attributes("text/x-ours", metadata={"who": "é中"}))
    assert sdk.download(key) == b"ours"
    told = sdk.info(key)
    assert (told["size"], told["content_type"], told["metadata"]) == (4, "text/x-ours", {"who": "é中"})
    assert [info.key for info in ours.list()] == [key]
    assert [entry.name for entry in sdk.list_v2({"limit": 10}).objects] == [key]
    sdk.remove([key])
    assert not ours.exists(key)


def test_copies_and_signed_urls_of_both(sdk: Any, ours: Storage) -> None:
    ours.save("a b", b"data", Attributes("text/x-ours", "max-age=5", metadata={"k": "v"}))
    sdk.copy("a b", "by-sdk")
    ours.copy("a b", "by/us")
    ours.copy(
        "a b", "by/us too", attributes=Attributes("text/x-new", "max-age=6", 'attachment; filename="x"')
    )
    assert ours.head("by-sdk").attributes == ours.head("by/us").attributes == ours.head("a b").attributes
    assert ours.head("by/us too").attributes == Attributes(
        "text/x-new", "max-age=6", 'attachment; filename="x"'
    )
    for url in (sdk.create_signed_url("by/us", 60)["signedURL"], ours.presign("by/us too", seconds=60).url):
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"data"


def test_both_are_refused_in_the_same_way(sdk: Any, ours: Storage) -> None:
    with pytest.raises(StorageApiError, match="not found"):
        sdk.download("missing")
    with pytest.raises(NotFound):
        ours.load("missing")
    ours.save("there", b"1")
    with pytest.raises(StorageApiError, match="already exists"):
        sdk.upload("there", b"2")
    with pytest.raises(PreconditionFailed):
        ours.save("there", b"2", if_absent=True)
    with pytest.raises(StorageApiError, match="Invalid key"):
        sdk.upload("é", b"2")
    with pytest.raises(Unsupported, match="Invalid key"):
        ours.save("é", b"2")


def test_a_server_without_the_second_list_is_refused() -> None:
    """Its older list takes `A` and `a` for one folder, as the SDK shows: keys would come that are none."""
    old = double(second_list=False)
    with old.serve() as server, storages.open(environment_of(server.url)) as ours:
        for key in ("A/x", "a/b"):
            ours.save(key, b"x")
        with pytest.raises(Unsupported, match="too old"):
            list(ours.list())
        assert {entry["name"] for entry in sdk_of(server).list("A")} == {"b", "x"}


def test_the_s3_interface_needs_its_own_keys(server: HttpServer) -> None:
    environment = {**environment_of(server.url), "SUPABASE_S3_ACCESS_KEY": "ak"}
    with pytest.raises(InvalidInput, match="together"):
        storages.open(environment)
    environment["SUPABASE_S3_SECRET_KEY"] = "a-secret-of-no-project"
    with storages.open(environment) as storage:
        assert storage.capabilities.multipart
        signed = storage.presign("a//b", seconds=60)
        assert signed.url.startswith(f"{server.url}/storage/v1/s3/{BUCKET}/a//b?")
        assert "a-secret" not in repr(storage) + signed.url
