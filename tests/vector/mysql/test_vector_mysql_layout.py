"""Collections that Dify wrote are read, and what we write Dify's own statements read."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import NotFound, Unsupported
from cloudberth.vector import Metric, Record

pytestmark = pytest.mark.server

ID = "0f3c5a5e-1d2b-4a8e-9c1f-0123456789ab"
OTHER = "1f3c5a5e-1d2b-4a8e-9c1f-0123456789ab"
METADATA = {"doc_id": ID, "document_id": "d1", "dataset_id": "s1", "作者": "李白", "year": 2026}

# As Dify's provider sends them (ids of segments are the keys).
OCEANBASE = (
    "CREATE TABLE dify (id VARCHAR(36) NOT NULL, vector VECTOR(3), text LONGTEXT, metadata JSON, "
    "PRIMARY KEY (id), VECTOR INDEX vector_index(vector) WITH (distance=l2, type=hnsw, lib=vsag, m=16, "
    "ef_construction=256))"
)
ALIBABA = (
    "CREATE TABLE IF NOT EXISTS dify (id VARCHAR(36) PRIMARY KEY, text LONGTEXT NOT NULL, "
    "meta JSON NOT NULL, embedding VECTOR(3) NOT NULL, VECTOR INDEX (embedding) M=6 DISTANCE=euclidean) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
)
TIDB = (
    "CREATE TABLE IF NOT EXISTS dify (id CHAR(36) PRIMARY KEY, text TEXT NOT NULL, meta JSON NOT NULL, "
    "doc_id VARCHAR(64) AS (JSON_UNQUOTE(JSON_EXTRACT(meta, '$.doc_id'))) STORED, "
    "document_id VARCHAR(64) AS (JSON_UNQUOTE(JSON_EXTRACT(meta, '$.document_id'))) STORED, "
    # The rest of the statement, VECTOR<FLOAT>(3) and its index, is TiDB's alone.
    "vector VECTOR(3) NOT NULL, create_time DATETIME DEFAULT CURRENT_TIMESTAMP, "
    "update_time DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, "
    "KEY (doc_id), KEY (document_id))"
)


def store_at(kind: str, server: Any, database: str, more: str = "") -> vector.VectorStore:
    variables = {
        "OCEANBASE_VECTOR_PASSWORD": server.password,
        "ALIBABACLOUD_MYSQL_PASSWORD": server.password,
        "MARIADB_PASSWORD": server.password,
        "TIDB_VECTOR_PASSWORD": server.password,
    }
    return vector.open(f"{kind}://{server.user}@{server.host}:{server.port}/{database}{more}", variables)


def check_reading(store: vector.VectorStore, metric: Metric, *, chinese: bool = True) -> None:
    """What Dify wrote is a collection with one record, which is found by all ways."""
    assert store.collections() == ("dify",)
    found = store.describe("dify")
    assert (found.dimension, found.metric, found.dify) == (3, metric, True)
    record = store.get("dify", [ID], vectors=True)[0]
    assert (record.id, record.text) == (ID, "a text")
    assert dict(record.metadata) == {name: value for name, value in METADATA.items() if name != "doc_id"}
    assert numpy.array_equal(record.vector, numpy.array([0.1, 0.2, 0.3], numpy.float32))  # type: ignore[arg-type]
    hit = store.search("dify", [0.1, 0.2, 0.3], filter='document_id == "d1" and year == 2026')[0]
    assert (hit.id, math.isclose(hit.score, 1.0, abs_tol=1e-6)) == (ID, True)
    store.upsert(
        "dify", [Record(OTHER, numpy.array([1, 0, 0], numpy.float32), "ours", {"document_id": "d2"})]
    )
    assert store.count("dify") == 2
    if chinese:
        assert store.count("dify", 'field("作者") == "李白"') == 1
    assert store.delete_where("dify", 'document_id == "d1"') == 1
    assert [record.id for record in store.scan("dify")] == [OTHER]


def test_oceanbase_reads_and_writes_what_dify_made(on_seekdb: tuple[Any, str]) -> None:
    server, database = on_seekdb
    server.execute(OCEANBASE, database=database)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dify (id, vector, text, metadata) VALUES (%s, %s, %s, %s)",
            (ID, "[0.1,0.2,0.3]", "a text", json.dumps(METADATA)),
        )
    with store_at("oceanbase", server, database) as store:
        check_reading(store, Metric.L2)
        with pytest.raises(Unsupported, match="no full-text index"):
            store.search_text("dify", "text")


def test_dify_reads_what_we_made_on_oceanbase(on_seekdb: tuple[Any, str]) -> None:
    server, database = on_seekdb
    with store_at("seekdb", server, database) as store:
        store.create("ours", 3, Metric.L2)
        store.upsert(
            "ours", [Record(ID, numpy.array([1, 0, 0], numpy.float32), "数据库", {"document_id": "d1"})]
        )
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT text, metadata, l2_distance(vector, '[1,0,0]') FROM ours "
            "WHERE metadata->>'$.document_id' in ('d1') "
            "ORDER BY l2_distance(vector, '[1,0,0]') APPROXIMATE LIMIT 5"
        )
        text, metadata, distance = cursor.fetchone()
        assert (text, json.loads(metadata)["doc_id"], distance) == ("数据库", ID, 0.0)
        cursor.execute("SELECT id FROM ours WHERE MATCH (text) AGAINST ('数据') > 0")
        assert cursor.fetchall() == ((ID,),)
        cursor.execute("DELETE FROM ours WHERE id IN (%s)", (ID,))
        assert cursor.rowcount == 1


def test_alibaba_reads_and_writes_what_dify_made(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    server.execute(ALIBABA, database=database)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dify (id, text, meta, embedding) VALUES (%s, %s, %s, VEC_FromText(%s))",
            [(ID, "a text", json.dumps(METADATA), "[0.1,0.2,0.3]")],
        )
    with store_at("alibabacloud-mysql", server, database, "?engine=mariadb") as store:
        # MariaDB keeps the text of a JSON value: a name that Dify wrote as \\u4f5c is another one there.
        check_reading(store, Metric.L2, chinese=False)


def test_dify_reads_what_we_made_on_alibaba(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    with store_at("alibabacloud-mysql", server, database, "?engine=mariadb") as store:
        store.create("ours", 3)
        store.upsert(
            "ours", [Record(ID, numpy.array([1, 0, 0], numpy.float32), "a text", {"document_id": "d1"})]
        )
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT meta, text, VEC_DISTANCE_COSINE(embedding, VEC_FromText(%s)) AS distance FROM ours "
            "WHERE JSON_UNQUOTE(JSON_EXTRACT(meta, '$.document_id')) IN (%s) ORDER BY distance LIMIT %s",
            ("[1,0,0]", "d1", 4),
        )
        metadata, text, distance = cursor.fetchone()
        assert (json.loads(metadata)["doc_id"], text, distance) == (ID, "a text", 0.0)


def test_tidb_reads_and_writes_what_dify_made(on_seekdb: tuple[Any, str]) -> None:
    server, database = on_seekdb
    server.execute(TIDB, database=database)
    with server.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dify (id, vector, text, meta) VALUES (%s, %s, %s, %s)",
            (ID, "[0.1,0.2,0.3]", "a text", json.dumps(METADATA)),
        )
    with store_at("tidb-vector", server, database, "?engine=seekdb&tls=disable") as store:
        check_reading(store, Metric.COSINE)


def test_a_table_that_is_no_collection_is_left_alone(on_mariadb: tuple[Any, str]) -> None:
    server, database = on_mariadb
    server.execute("CREATE TABLE users (id INT PRIMARY KEY, text TEXT)", database=database)
    with store_at("mariadb", server, database) as store:
        assert store.collections() == ()
        with pytest.raises(NotFound, match="no collection"):
            store.describe("users")


@pytest.mark.parametrize("kind", ["mariadb", "seekdb"])
def test_a_bulk_load_builds_the_index_afterwards(kind: str, request: pytest.FixtureRequest) -> None:
    server, database = request.getfixturevalue(f"on_{kind}")
    with store_at(kind, server, database) as store:
        store.create("ours", 3)
        with store.bulk("ours"):
            definition = server.execute("SHOW CREATE TABLE ours", database=database)[0][1]
            assert "VECTOR KEY" not in definition
            store.upsert("ours", [Record(ID, numpy.array([1, 0, 0], numpy.float32))])
            assert store.search("ours", [1, 0, 0])[0].id == ID
        definition = server.execute("SHOW CREATE TABLE ours", database=database)[0][1]
        assert "VECTOR KEY" in definition
        with store.bulk("ours"):
            definition = server.execute("SHOW CREATE TABLE ours", database=database)[0][1]
            assert "VECTOR KEY" in definition, "a collection with records keeps its index"


@pytest.mark.parametrize("kind", ["mariadb", "seekdb"])
def test_an_approximate_search_uses_the_index_and_an_exact_one_does_not(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server, database = request.getfixturevalue(f"on_{kind}")
    sent: list[str] = []
    with store_at(kind, server, database) as store:
        store.create("ours", 3)
        store.upsert("ours", [Record(ID, numpy.array([1, 0, 0], numpy.float32))])
        backend: Any = store.backend
        _listen(backend, sent)
        store.search("ours", [1, 0, 0], 1)
        store.search("ours", [1, 0, 0], 1, exact=True)
        with server.connect(database) as connection, connection.cursor() as cursor:
            near, exact = [text for text in sent if "distance" in text]
            assert _served_by_index(cursor, near)
            assert not _served_by_index(cursor, exact)


def _listen(backend: Any, sent: list[str]) -> None:
    """Keep every statement with its values, as the server gets it."""
    inner = backend._cursor

    def cursor_of(name: str = "") -> Any:
        from contextlib import contextmanager

        @contextmanager
        def listening() -> Any:
            with inner(name) as cursor:
                yield cursor
                if cursor._executed:
                    sent.append(cursor._executed)

        return listening()

    backend._cursor = cursor_of


def _served_by_index(cursor: Any, sent: str | bytes) -> bool:
    statement = sent.decode("utf-8", "surrogateescape") if isinstance(sent, bytes) else sent
    cursor.execute(f"EXPLAIN {statement}")
    plan = str(cursor.fetchall())
    return "VECTOR INDEX SCAN" in plan or "'embedding'" in plan
