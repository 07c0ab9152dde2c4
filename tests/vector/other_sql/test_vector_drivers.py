"""Oracle, IRIS and ClickZetta: the statements that are sent, and what their drivers are asked for."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TimedOut,
    Unavailable,
)
from cloudberth.extras import late_import
from cloudberth.vector import Collection, Metric, Options, Record
from cloudberth.vector import filters as language
from cloudberth.vector._dbapi_backend import Statement
from cloudberth.vector.clickzetta import Encoded
from cloudberth.vector.oracle import OracleConditions, step

sys.path.append(str(Path(__file__).parents[2] / "contract" / "vector"))

from vector_servers.sql_doubles import ClickZettaDriver, Driver, IrisDriver, OracleDriver

ID = "0f3c5a5e-1d2b-4a8e-9c1f-0123456789ab"
SECRET = "hunter2-of-tests"
VARIABLES = {
    "oracle": {"ORACLE_USER": "scott", "ORACLE_PASSWORD": SECRET, "ORACLE_DSN": "127.0.0.1:1/s"},
    "iris": {"IRIS_HOST": "127.0.0.1", "IRIS_SUPER_SERVER_PORT": "1", "IRIS_PASSWORD": SECRET},
    "clickzetta": {
        "CLICKZETTA_USERNAME": "u",
        "CLICKZETTA_PASSWORD": SECRET,
        "CLICKZETTA_INSTANCE": "i",
    },
}
HASTY = Options(timeout=1.0, deadline=2.0, retries=0)
INJECTIONS = [
    "' OR 1=1 --",
    '") == 1)',
    "\\",
    "a'b",
    "x\"'?:1 $v0",
    "TIMESTAMP '2020'); DROP TABLE x",
    "JSON'1'",
]


@pytest.fixture(autouse=True)
def vendors_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' own, also when a rig of this process has put doubles in their place."""
    for kind in VARIABLES:
        monkeypatch.setattr(f"cloudberth.vector.{kind}.late_import", late_import)


@contextmanager
def opened(kind: str, driver: Driver, **more: str) -> Iterator[vector.VectorStore]:
    with (
        mock.patch(f"cloudberth.vector.{kind}.late_import", return_value=driver),
        vector.open("", {"VECTOR_STORE": kind, **VARIABLES[kind], **more}) as store,
    ):
        yield store


def test_oracle_makes_the_table_of_dify_with_its_dimension(tmp_path: Path) -> None:
    driver = OracleDriver(tmp_path / "d.db")
    with opened("oracle", driver) as store:
        store.create("Notes", 3, Metric.L2, model="it's")
        with store.bulk("Notes"):
            pass
    sent = [text for text, _ in driver.statements]
    assert sent[0] == (
        "CREATE TABLE embedding_notes (id VARCHAR2(100) PRIMARY KEY, text CLOB NOT NULL, meta JSON, "
        "embedding VECTOR(3, FLOAT32) NOT NULL)"
    )
    assert "it''s" in sent[1]
    assert "INDEXTYPE IS CTXSYS.CONTEXT" in sent[2]
    assert "LEXER world_lexer SYNC (ON COMMIT)" in sent[2]
    assert "ORGANIZATION INMEMORY NEIGHBOR GRAPH DISTANCE EUCLIDEAN" in sent[-1]


def test_oracle_is_asked_with_the_wallet_and_the_limit_of_time(tmp_path: Path) -> None:
    driver = OracleDriver(tmp_path / "d.db")
    wallet = {
        "ORACLE_IS_AUTONOMOUS": "true",
        "ORACLE_CONFIG_DIR": "/w",
        "ORACLE_WALLET_LOCATION": "/w",
        "ORACLE_WALLET_PASSWORD": SECRET,
    }
    with opened("oracle", driver, **wallet) as store:
        store.health()
        assert SECRET not in f"{store!r} {vars(store.backend)!r}"
    assert driver.asked[0] == {
        "user": "scott",
        "password": SECRET,
        "dsn": "127.0.0.1:1/s",
        "tcp_connect_timeout": 10.0,
        "config_dir": "/w",
        "wallet_location": "/w",
        "wallet_password": SECRET,
    }
    with pytest.raises(InvalidInput, match="ORACLE_WALLET_LOCATION"):
        vector.open("", {"VECTOR_STORE": "oracle", **VARIABLES["oracle"], "ORACLE_IS_AUTONOMOUS": "true"})


def test_iris_makes_the_table_of_dify(tmp_path: Path) -> None:
    driver = IrisDriver(tmp_path / "d.db")
    with opened("iris", driver) as store:
        store.create("Notes", 3, Metric.INNER)
    sent = [text for text, _ in driver.statements]
    assert (
        "CREATE TABLE dify.EMBEDDING_NOTES (id VARCHAR(255) PRIMARY KEY, text CLOB, meta CLOB, "
        "embedding VECTOR(DOUBLE, 3))"
    ) in sent
    assert any("AS HNSW(M=16, efConstruction=100, Distance='DotProduct')" in text for text in sent)
    assert any("AS %iFind.Index.Basic (LANGUAGE = 'en', LOWER = 1, INDEXOPTION = 0)" in text for text in sent)


def test_clickzetta_makes_the_table_of_dify(tmp_path: Path) -> None:
    driver = ClickZettaDriver(tmp_path / "d.db")
    with opened("clickzetta", driver) as store:
        store.create("Notes", 3)
    sent = [text for text, _ in driver.statements]
    assert (
        "CREATE TABLE public.notes (id STRING NOT NULL, page_content STRING NOT NULL, metadata JSON, "
        "vector VECTOR(FLOAT, 3) NOT NULL, PRIMARY KEY (id))"
    ) in sent
    assert any('"distance.function" = "cosine_distance", "scalar.type" = "f32"' in text for text in sent)
    assert any('PROPERTIES ("analyzer" = "chinese", "mode" = "smart")' in text for text in sent)


@pytest.mark.parametrize("kind", ["oracle", "iris", "clickzetta"])
def test_what_dify_wrote_is_read(kind: str, tmp_path: Path) -> None:
    metadata = json.dumps({"doc_id": ID, "document_id": "d1"})
    made = {
        "oracle": OracleDriver,
        "iris": IrisDriver,
        "clickzetta": ClickZettaDriver,
    }[kind](tmp_path / "d.db")
    statements: dict[str, tuple[str, str, list[Any]]] = {
        "oracle": (
            "CREATE TABLE embedding_dify (id VARCHAR2(100), text CLOB NOT NULL, meta JSON, "
            "embedding VECTOR NOT NULL)",
            "INSERT INTO embedding_dify (id, text, meta, embedding) VALUES (:1, :2, :3, :4)",
            [ID, "a text", metadata, numpy.array([0.1, 0.2, 0.3], numpy.float32).tobytes()],
        ),
        "iris": (
            "CREATE TABLE dify.EMBEDDING_DIFY (id VARCHAR(255) PRIMARY KEY, text CLOB, meta CLOB, "
            "embedding VECTOR(DOUBLE, 3))",
            "INSERT INTO dify.EMBEDDING_DIFY (id, text, meta, embedding) VALUES (?, ?, ?, ?)",
            [ID, "a text", metadata, "0.1,0.2,0.3"],
        ),
        "clickzetta": (
            "CREATE TABLE IF NOT EXISTS public.dify (id STRING NOT NULL, page_content STRING NOT NULL, "
            "metadata JSON, vector VECTOR(FLOAT, 3) NOT NULL, PRIMARY KEY (id))",
            "INSERT INTO public.dify (id, page_content, metadata, vector) VALUES (?, ?, ?, ?)",
            # Dify's driver wrote it as text of JSON in JSON.
            [ID, "a text", json.dumps(metadata), "[0.1,0.2,0.3]"],
        ),
    }
    table, insert, values = statements[kind]
    connection = made.connect()
    cursor = connection.cursor()
    cursor.execute(table)
    cursor.execute(insert, values)
    connection.commit()
    connection.close()
    with opened(kind, made) as store:
        assert store.collections() == ("dify",)
        found = store.describe("dify")
        assert (found.dimension, found.metric, found.dify) == (3, Metric.COSINE, True)
        record = store.get("dify", [ID], vectors=True)[0]
        assert (record.id, record.text, dict(record.metadata)) == (ID, "a text", {"document_id": "d1"})
        assert store.search("dify", [0.1, 0.2, 0.3], filter='document_id == "d1"')[0].id == ID
        assert store.delete_where("dify", 'document_id == "d1"') == 1
        with pytest.raises(Mismatch, match="dimension of this collection is not known"):
            store.describe("dify")


@pytest.mark.parametrize("text", INJECTIONS)
def test_values_of_oracle_are_parameters_and_names_cannot_end_their_path(text: str) -> None:
    filter = language.Or((language.equals(text, text), language.one_of(text, [text, "b", 1, 2.5, True])))
    statement = Statement(numbered=True)
    rendered = OracleConditions("meta", statement).render(filter)
    assert statement.values.count(text) == 2
    harmless = Statement(numbered=True)
    other = language.Or((language.equals("f", "v"), language.one_of("f", ["v", "b", 1, 2.5, True])))
    assert rendered.replace(step(text), step("f")) == OracleConditions("meta", harmless).render(other)
    assert json.loads(step(text)) == text
    assert not set(step(text)[1:-1]) & set("'\":?$")


def test_an_empty_text_is_no_null_to_oracle(tmp_path: Path) -> None:
    driver = OracleDriver(tmp_path / "d.db")
    with opened("oracle", driver) as store:
        store.create("notes", 2)
        store.upsert("notes", [Record("a", numpy.array([1, 0], numpy.float32), "", {"k": ""})])
        assert store.get("notes", ["a"])[0].text == ""
        assert store.count("notes", 'k == ""') == 1
        assert store.count("notes", 'k != ""') == 0
    assert any("EMPTY_CLOB()" in text for text, _ in driver.statements)


@pytest.mark.parametrize("text", INJECTIONS)
def test_texts_for_clickzetta_travel_in_base64(text: str) -> None:
    """Its driver puts values into the statement, and some of them as they are."""
    statement = Encoded(numbered=False)
    assert statement.bound(text) == "CAST(UNBASE64(?) AS STRING)"
    assert base64.b64decode(statement.values[0]).decode() == text
    pytest.importorskip("clickzetta")
    from clickzetta.connector.v0.connection import Connection

    connection = Connection.__new__(Connection)
    from clickzetta.connector.v0.converter import Converter

    connection.converter = Converter()
    connection._closed = False
    values = connection._process_params_qmarks(statement.values)
    sent = connection.get_full_sql_with_params("SELECT CAST(UNBASE64(?) AS STRING)", values)
    assert sent == f"SELECT CAST(UNBASE64('{statement.values[0]}') AS STRING)"


def test_oracle_that_nobody_answers_for_is_unavailable() -> None:
    pytest.importorskip("oracledb")
    with vector.open("", {"VECTOR_STORE": "oracle", **VARIABLES["oracle"]}, HASTY) as store:
        with pytest.raises(Unavailable) as raised:
            store.health()
        assert SECRET not in f"{raised.value}"


def test_iris_that_nobody_answers_for_is_unavailable() -> None:
    pytest.importorskip("iris.dbapi")
    with vector.open("", {"VECTOR_STORE": "iris", **VARIABLES["iris"]}, HASTY) as store:
        with pytest.raises(Unavailable) as raised:
            store.health()
        assert SECRET not in f"{raised.value}"


@pytest.mark.parametrize(
    ("kind", "said", "wanted", "retryable"),
    [
        ("oracle", "ORA-00942: table or view does not exist", NotFound, False),
        ("oracle", "ORA-00955: name is already used", PreconditionFailed, False),
        ("oracle", "ORA-01017: invalid credential or not authorized; logon denied", PermissionDenied, False),
        ("oracle", "ORA-51803: Vector dimension count must match", Mismatch, False),
        ("oracle", "DPY-4024: call timeout of 1000 ms exceeded", TimedOut, True),
        ("oracle", "DPY-4011: the database or network closed the connection", Unavailable, True),
        ("oracle", "ORA-00060: deadlock detected", Unavailable, True),
        ("oracle", "ORA-29855: error in ODCIINDEXCREATE, WORLD_LEXER", BackendError, False),
        ("iris", "[SQLCODE: <-30>:<Table or view not found>]", NotFound, False),
        ("iris", "[SQLCODE: <-201>:<Table or view name not unique>]", PreconditionFailed, False),
        ("iris", "[SQLCODE: <-99>:<Privilege violation>]", PermissionDenied, False),
        ("iris", "[SQLCODE: <-110>:<Locking conflict in filing>]", Unavailable, True),
        ("iris", "<COMMUNICATION LINK ERROR> Failed to connect to server", Unavailable, True),
        ("clickzetta", "CZLH-42000: table or view not found - public.x", NotFound, False),
        ("clickzetta", "CZLH-42000: table already exists", PreconditionFailed, False),
        ("clickzetta", "login failed: wrong password", PermissionDenied, False),
        ("clickzetta", "job timeout", TimedOut, True),
    ],
)
def test_errors_have_their_place_in_the_tree(
    kind: str, said: str, wanted: type[BackendError], retryable: bool, tmp_path: Path
) -> None:
    driver = {"oracle": OracleDriver, "iris": IrisDriver, "clickzetta": ClickZettaDriver}[kind]
    with opened(kind, driver(tmp_path / "d.db")) as store:
        backend: Any = store.backend
        found = backend.as_ours(RuntimeError(said) if kind == "clickzetta" else driver.Error(said), "notes")
    assert type(found) is wanted
    assert found.retryable is retryable


def test_a_missing_driver_is_said_with_the_command() -> None:
    with (
        mock.patch.dict(sys.modules, {"oracledb": None}),
        pytest.raises(InvalidInput, match="oracledb") as raised,
    ):
        vector.open("", {"VECTOR_STORE": "oracle", **VARIABLES["oracle"]})
    assert "cloudberth[oracle-vectors]" in raised.value.hint


def test_a_collection_of_dify_without_metric_is_one_of_cosine() -> None:
    assert Collection("x", 3).noted(None).metric is Metric.COSINE
