"""ClickZetta's own connector against the double, and across: what one client writes the other one reads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickzetta.connector.v0.client import Client
from clickzetta.connector.v0.connection import Connection
from rigs.clickzetta_volume import INSTANCE, PASSWORD, USER, VOLUME, double, environment_of

from cloudberth import storage as storages
from cloudberth.errors import InvalidInput, NotFound, PermissionDenied, Unsupported
from cloudberth.storage.storage import Storage
from doubles.clickzetta import ClickZettaDouble
from doubles.odd_keys import ODD_KEYS
from doubles.server import HttpServer

REFUSED = ("'", "\\")
# The connector writes what it gets to a file of the same name.
LONGEST = 255
KEYS = [
    key
    for key in ODD_KEYS
    if key.isprintable()
    and not any(sign in key for sign in REFUSED)
    and not {"", ".", ".."} & set(key.split("/"))
    and max(len(part.encode()) for part in key.split("/")) <= LONGEST
]


@pytest.fixture
def vendor() -> ClickZettaDouble:
    return double()


@pytest.fixture
def server(vendor: ClickZettaDouble) -> Iterator[HttpServer]:
    with vendor.serve() as running:
        yield running


class Connector:
    """The vendor's connector, as Dify uses it: SQL with files of this machine."""

    def __init__(self, server: HttpServer, folder: Path) -> None:
        host, port = server.address
        url = f"clickzetta://{USER}:{PASSWORD}@{INSTANCE}.{host}:{port}/quick_start?virtualcluster=default_ap&protocol=http"
        self.connection = Connection(Client(cz_url=url))
        self.folder = folder

    def run(self, sql: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            rows: list[Any] = cursor.fetchall()
            return rows

    def put(self, volume: str, path: str, data: bytes) -> None:
        (self.folder / "data").write_bytes(data)
        self.run(f"PUT '{self.folder}/data' TO {volume} FILE '{path}'")

    def get(self, volume: str, path: str) -> bytes:
        self.run(f"GET {volume} FILE '{path}' TO '{self.folder}'")
        return (self.folder / path.rpartition("/")[2]).read_bytes()


@pytest.fixture
def sdk(server: HttpServer, tmp_path: Path) -> Connector:
    return Connector(server, tmp_path)


def opened(server: HttpServer, **more: str) -> Storage:
    return storages.open({**environment_of(server.url), **more})


@pytest.mark.parametrize("key", KEYS)
def test_both_read_what_the_other_wrote(server: HttpServer, sdk: Connector, key: str) -> None:
    data = key.encode() * 100
    with opened(server) as ours:
        sdk.put(f"VOLUME {VOLUME}", key, data)
        assert ours.load(key) == data
        assert ours.head(key).size == len(data)
        assert [info.key for info in ours.list()] == [key]
        ours.save(key, b"ours")
        assert sdk.get(f"VOLUME {VOLUME}", key) == b"ours"
        assert [row[0] for row in sdk.run(f"LIST VOLUME {VOLUME}")] == [key]
        sdk.run(f"REMOVE VOLUME {VOLUME} FILE '{key}'")
        assert not ours.exists(key)


def test_the_layout_of_a_users_volume_is_difys(server: HttpServer, sdk: Connector) -> None:
    sdk.put("USER VOLUME", "dify_km/upload_files/t/a.txt", b"by Dify")
    sdk.put("USER VOLUME", "elsewhere/b.txt", b"not ours")
    with opened(server, CLICKZETTA_VOLUME_TYPE="user") as ours:
        assert ours.load("upload_files/t/a.txt") == b"by Dify"
        ours.save(".dify_secret_key", b"secret")
        assert [info.key for info in ours.list()] == [".dify_secret_key", "upload_files/t/a.txt"]
        assert [entry.key for entry in ours.folder("upload_files/")] == ["upload_files/t/"]
    assert sdk.get("USER VOLUME", "dify_km/.dify_secret_key") == b"secret"


def test_the_layout_of_table_volumes_is_difys(
    server: HttpServer, vendor: ClickZettaDouble, sdk: Connector
) -> None:
    vendor.create_volume("TABLE VOLUME dataset_7")
    sdk.put("USER VOLUME", "dify_km/t/a.txt", b"upload")
    sdk.put("TABLE VOLUME dataset_7", "f/b.txt", b"table")
    environment = {**environment_of(server.url), "CLICKZETTA_VOLUME_NAME": ""}
    del environment["CLICKZETTA_VOLUME_TYPE"]
    with storages.open(environment) as ours:
        assert ours.load("upload_files/t/a.txt") == b"upload"
        assert ours.load("dataset_7/f/b.txt") == ours.load("7/f/b.txt") == b"table"
        assert [info.key for info in ours.list("dataset_7/")] == ["dataset_7/f/b.txt"]
        assert [info.key for info in ours.list("dataset_7/f/")] == ["dataset_7/f/b.txt"]
        for prefix in ("", "upload_files/"):
            with pytest.raises(Unsupported, match="tell apart"):
                list(ours.list(prefix))
        with pytest.raises(Unsupported, match="names no table"):
            ours.save(".dify_secret_key", b"x")
        with pytest.raises(NotFound):
            ours.load("8/nothing")


@pytest.mark.parametrize(
    "key", ["it's", "a\\b", "x' TO USER VOLUME FILE 'y", "new\nline", "a//b", "../up", "/a", "a/"]
)
def test_nothing_gets_out_of_its_quotes(server: HttpServer, vendor: ClickZettaDouble, key: str) -> None:
    with opened(server) as ours:
        ours.save("other", b"1")
        before = len(vendor.statements)
        with pytest.raises(Unsupported):
            ours.save(key, b"x")
        assert not ours.exists(key)
        ours.delete(key)
        assert len(vendor.statements) == before


def test_commas_in_names(server: HttpServer) -> None:
    with opened(server) as ours:
        for key in ("a,b", "a", "b,1,2", "x/,y,/z,", "5,6"):
            ours.save(key, key.encode())
        assert [(info.key, info.size) for info in ours.list()] == [
            ("5,6", 3), ("a", 1), ("a,b", 3), ("b,1,2", 5), ("x/,y,/z,", 8),
        ]  # fmt: skip


def test_a_service_that_answers_in_arrow_only() -> None:
    vendor = double(arrow=True)
    with vendor.serve() as server, opened(server) as ours:
        ours.save("a/b,c", b"data")
        assert ours.load("a/b,c") == b"data"
        assert [info.key for info in ours.list("a/")] == ["a/b,c"]


def test_a_token_that_is_over_is_renewed(server: HttpServer, vendor: ClickZettaDouble) -> None:
    with opened(server) as ours:
        ours.save("a", b"1")
        assert len(vendor.tokens) == 1
        for token in vendor.tokens:
            vendor.tokens[token] = time.time() - 1
        assert ours.load("a") == b"1"
        assert len(vendor.tokens) == 2


def test_both_are_refused_in_the_same_way(server: HttpServer, sdk: Connector) -> None:
    with pytest.raises(Exception, match="not found"):
        sdk.get(f"VOLUME {VOLUME}", "missing")
    with opened(server) as ours, pytest.raises(NotFound):
        ours.load("missing")
    with (
        opened(server, CLICKZETTA_VOLUME_PASSWORD="wrong") as ours,
        pytest.raises(PermissionDenied) as caught,
    ):
        ours.load("missing")
    assert "wrong" not in str(caught.value).replace("username or password is wrong", "")


def test_settings_fall_back_to_those_of_the_vector_store(server: HttpServer) -> None:
    shared = {
        "STORAGE_TYPE": "clickzetta-volume",
        "CLICKZETTA_USERNAME": USER,
        "CLICKZETTA_PASSWORD": PASSWORD,
        "CLICKZETTA_INSTANCE": INSTANCE,
        "CLICKZETTA_SERVICE": server.url,
        "CLICKZETTA_VOLUME_TYPE": "user",
    }
    with storages.open(shared) as ours:
        ours.save("a", b"1")
        ours.check()
    with pytest.raises(InvalidInput, match="CLICKZETTA_VOLUME_USERNAME"):
        storages.open({**shared, "CLICKZETTA_USERNAME": ""})
    with pytest.raises(InvalidInput, match="CLICKZETTA_VOLUME_NAME"):
        storages.open({**shared, "CLICKZETTA_VOLUME_TYPE": "external", "CLICKZETTA_VOLUME_NAME": "a; DROP"})
