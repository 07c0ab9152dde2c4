"""Mochow: Dify's tables, the vendor's library, waiting, errors and settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers.baidu_http import ACCOUNT, KEY, BaiduDouble, variables
from vector_servers.listening import serving

from cloudberth import vector
from cloudberth.errors import InvalidInput, Mismatch, NotFound, PermissionDenied, TimedOut
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

NAME = "vector_index_1_node"


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


@pytest.fixture
def double() -> Iterator[BaiduDouble]:
    with serving(BaiduDouble()) as one:
        yield one


@pytest.fixture
def store(double: BaiduDouble) -> Iterator[VectorStore]:
    with vector.open("", variables(double.port), Options(retries=0)) as one:
        yield one


@pytest.fixture
def database(double: BaiduDouble, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The vendor's library, at Dify's database."""
    module = pytest.importorskip("pymochow")
    from pymochow.auth.bce_credentials import BceCredentials
    from pymochow.configuration import Configuration

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    place = Configuration(
        credentials=BceCredentials(ACCOUNT, KEY), endpoint=f"http://127.0.0.1:{double.port}"
    )
    client = module.MochowClient(place)
    if "dify" not in [one.database_name for one in client.list_databases()]:
        client.create_database("dify")
    return client.database("dify")


def dify_table(database: Any) -> Any:
    """Dify's table and rows, by the vendor's library."""
    from pymochow.model import schema
    from pymochow.model.enum import FieldType, IndexType, MetricType
    from pymochow.model.table import Partition, Row

    fields = [
        schema.Field("id", FieldType.STRING, primary_key=True, partition_key=True, not_null=True),
        schema.Field("page_content", FieldType.TEXT, not_null=False),
        schema.Field("metadata", FieldType.JSON, not_null=False),
        schema.Field("vector", FieldType.FLOAT_VECTOR, not_null=True, dimension=3),
    ]
    indexes = [
        schema.VectorIndex(
            index_name="vector_idx", index_type=IndexType.HNSW, field="vector", metric_type=MetricType.IP,
            params=schema.HNSWParams(m=16, efconstruction=200), auto_build=True,
            auto_build_index_policy=schema.AutoBuildRowCountIncrement(500, 0.05),
        ),
        schema.FilteringIndex(index_name="filtering_idx", fields=["metadata"]),
    ]  # fmt: skip
    table = database.create_table(
        table_name=NAME, replication=3, partition=Partition(partition_num=1),
        schema=schema.Schema(fields=fields, indexes=indexes), description="Table for Dify",
    )  # fmt: skip
    table.rebuild_index("vector_idx")
    table.upsert(
        rows=[
            Row(
                id=f"d{at}", page_content=f"text {at}", vector=[1.0, float(at), 0.0],
                metadata={"doc_id": f"d{at}", "document_id": f"doc{at % 2}", "year": 2020 + at},
            )
            for at in range(4)
        ]
    )  # fmt: skip
    return table


def test_a_table_of_dify_is_read_and_written(database: Any, store: VectorStore) -> None:
    from pymochow.model.table import AnnSearch, FloatVector, HNSWSearchParams

    table = dify_table(database)
    assert store.collections() == (NAME,)
    found = store.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 3, Metric.INNER)
    hits = store.search(NAME, [1.0, 1.0, 0.0], 2, filter='document_id == "doc1"')
    assert [(hit.id, hit.score) for hit in hits] == [("d3", 4.0), ("d1", 2.0)]
    assert store.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    store.upsert(NAME, [record("d1", [9.0, 9.0, 9.0], "new", document_id="doc9")])
    search = AnnSearch(
        vector_field="vector", vector_floats=FloatVector([1.0, 1.0, 1.0]).representation(),
        params=HNSWSearchParams(ef=20, limit=4), filter="metadata[\"document_id\"] IN('doc9')",
    )  # fmt: skip
    (row,) = table.search(anns=search, projections=["page_content", "metadata"]).rows
    assert (row["row"]["page_content"], row["row"]["metadata"]["doc_id"]) == ("new", "d1")
    table.delete(filter="id IN('d1')")
    assert store.get(NAME, ["d1"]) == []


def test_a_table_is_made_as_dify_makes_it(double: BaiduDouble, store: VectorStore) -> None:
    double.slow = 3
    store.create(NAME, 3)
    asked = next(body for what, body in double.requests if what == "table?create")
    assert [one["fieldName"] for one in asked["schema"]["fields"]] == [
        "id", "page_content", "metadata", "vector"
    ]  # fmt: skip
    assert [one["indexName"] for one in asked["schema"]["indexes"]] == [
        "vector_idx", "filtering_idx", "content_inverted_idx"
    ]  # fmt: skip
    assert (asked["replication"], asked["partition"]["partitionNum"]) == (3, 1)
    # It was waited for, and its index was built, before anything was written.
    what = [name for name, _ in double.requests]
    assert what.count("table?desc") == 4
    assert what.index("index?rebuild") > len(what) - 3


def test_a_table_that_never_comes_is_given_up(double: BaiduDouble) -> None:
    double.slow = 1000
    environment = {**variables(double.port), "BAIDU_VECTOR_DB_REBUILD_INDEX_TIMEOUT_IN_SECONDS": "1"}
    with pytest.raises(TimedOut, match="not ready"):
        vector.open("", environment, Options(retries=0)).create(NAME, 3)


def test_a_filter_holds_nothing_that_would_need_quoting(double: BaiduDouble, store: VectorStore) -> None:
    store.create(NAME, 3)
    odd = "x') OR id IN ('b"
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0], lang=odd), record("b'\"", [1.0, 0.0, 0.0], lang="y")])
    assert [hit.id for hit in store.search(NAME, [1.0, 0.0, 0.0], filter={"lang": odd})] == ["a"]
    assert store.delete(NAME, ["b'\""]) == 1
    assert store.delete_where(NAME, {"lang": odd}) == 1
    sent = [str(body) for what, body in double.requests if what in {"row?search", "row?select"}]
    assert not any("OR id" in one for one in sent)


def test_a_wrong_key_is_refused_and_not_shown(double: BaiduDouble) -> None:
    environment = {**variables(double.port), "BAIDU_VECTOR_DB_API_KEY": "sesame-77"}
    store = vector.open("", environment, Options(retries=0))
    with pytest.raises(PermissionDenied) as raised:
        store.describe(NAME)
    assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r}"


def test_what_is_missing_is_named(store: VectorStore) -> None:
    with pytest.raises(InvalidInput, match="BAIDU_VECTOR_DB_ENDPOINT, BAIDU_VECTOR_DB_ACCOUNT"):
        vector.open("", {"VECTOR_STORE": "baidu"})
    with pytest.raises(NotFound):
        store.describe("nothing")
    store.create(NAME, 3)
    with pytest.raises(Mismatch):
        store.upsert(NAME, [record("a", [1.0])])
