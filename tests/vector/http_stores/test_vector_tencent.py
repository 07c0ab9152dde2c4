"""Tencent Cloud VectorDB: Dify's collections, the vendor's library, errors and settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers.listening import serving
from vector_servers.tencent_http import KEY, USER, TencentDouble, variables

from cloudberth import vector
from cloudberth.errors import InvalidInput, Mismatch, NotFound, PermissionDenied
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

NAME = "vector_index_1_node"


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


@pytest.fixture
def double() -> Iterator[TencentDouble]:
    with serving(TencentDouble()) as one:
        yield one


@pytest.fixture
def store(double: TencentDouble) -> Iterator[VectorStore]:
    with vector.open("", variables(double.port), Options(retries=0)) as one:
        yield one


@pytest.fixture
def library(double: TencentDouble, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pytest.importorskip("tcvectordb")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return module.VectorDBClient(url=f"http://127.0.0.1:{double.port}", username=USER, key=KEY)


def dify_collection(library: Any) -> Any:
    """The collection and the documents of Dify, by the vendor's library."""
    from tcvectordb.model import document, enum, index

    database = library.create_database_if_not_exists("dify")
    fields = [
        index.FilterIndex("id", enum.FieldType.String, enum.IndexType.PRIMARY_KEY),
        index.VectorIndex("vector", 3, enum.IndexType.HNSW, enum.MetricType.IP, index.HNSWParams(16, 200)),
        index.FilterIndex("text", enum.FieldType.String, enum.IndexType.FILTER),
        index.FilterIndex("metadata", enum.FieldType.Json, enum.IndexType.FILTER),
    ]
    made = database.create_collection(
        NAME, shard=1, replicas=2, description="Collection for Dify", indexes=fields
    )
    made.upsert(
        [
            document.Document(
                id=f"d{at}",
                vector=[1.0, float(at), 0.0],
                text=f"text {at}",
                metadata={"doc_id": f"d{at}", "document_id": f"doc{at % 2}", "year": 2020 + at},
            )
            for at in range(4)
        ]
    )
    return made


def test_a_collection_of_dify_is_read_and_written(library: Any, store: VectorStore) -> None:
    made = dify_collection(library)
    assert store.collections() == (NAME,)
    found = store.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 3, Metric.INNER)
    hits = store.search(NAME, [1.0, 1.0, 0.0], 2, filter='document_id == "doc1"')
    assert [(hit.id, hit.score) for hit in hits] == [("d3", 4.0), ("d1", 2.0)]
    assert store.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    assert [one.id for one in store.scan(NAME, filter='document_id != "doc1"')] == ["d0", "d2"]
    store.upsert(NAME, [record("d1", [9.0, 9.0, 9.0], "new", document_id="doc9", **{"a.b": 0.5})])
    assert store.get(NAME, ["d1"])[0].metadata == {"document_id": "doc9", "a.b": 0.5}
    # Dify finds it, and removes it, by its own requests.
    from tcvectordb.model.document import Filter

    filter = Filter(Filter.In("metadata.document_id", ["doc9"]))
    (found_by_dify,) = made.search(vectors=[[1.0, 1.0, 1.0]], filter=filter, limit=4)[0]
    assert (found_by_dify["id"], found_by_dify["text"]) == ("d1", "new")
    assert found_by_dify["metadata"] == {"doc_id": "d1", "document_id": "doc9"}
    made.delete(filter=filter)
    assert store.get(NAME, ["d1"]) == []


def test_what_dify_adds_to_our_collection_is_filtered_too(library: Any, store: VectorStore) -> None:
    store.create(NAME, 3)
    store.upsert(NAME, [record("ours", [1.0, 0.0, 0.0], year=2020, document_id="doc0")])
    made = library.database("dify").collection(NAME)
    made.upsert(
        [{"id": "d1", "vector": [0.0, 1.0, 0.0], "text": "x", "metadata": {"doc_id": "d1", "year": 2020}}]
    )
    assert store.count(NAME, "year == 2020") == 2
    assert store.count(NAME, "not exists(document_id)") == 1
    assert {hit.id for hit in store.search(NAME, [1.0, 1.0, 0.0], filter="year == 2020")} == {"ours", "d1"}


def test_a_filter_holds_nothing_of_what_was_given(double: TencentDouble, store: VectorStore) -> None:
    store.create(NAME, 3)
    odd = 'x") or id != ("'
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0], document_id=odd), record("b", [1.0, 0.0, 0.0])])
    assert [hit.id for hit in store.search(NAME, [1.0, 0.0, 0.0], filter={"document_id": odd})] == ["a"]
    sent = [body["search"]["filter"] for path, body in double.requests if path == "/document/search"]
    assert not any("x" in one.replace("exclude", "") for one in sent)


def test_a_wrong_key_is_refused_and_not_shown(double: TencentDouble) -> None:
    environment = {**variables(double.port), "TENCENT_VECTOR_DB_API_KEY": "sesame-77"}
    store = vector.open("", environment, Options(retries=0))
    with pytest.raises(PermissionDenied) as raised:
        store.describe(NAME)
    assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r}"


def test_what_is_missing_is_named(store: VectorStore) -> None:
    with pytest.raises(InvalidInput, match="TENCENT_VECTOR_DB_URL, TENCENT_VECTOR_DB_USERNAME"):
        vector.open("", {"VECTOR_STORE": "tencent"})
    with pytest.raises(NotFound):
        store.describe("nothing")
    store.create(NAME, 3)
    with pytest.raises(Mismatch):
        store.upsert(NAME, [record("a", [1.0])])
