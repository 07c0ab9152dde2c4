"""AnalyticDB's OpenAPI: Dify's rows by the vendor's SDK, signatures, quoting, and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy
import pytest
from vector_servers import analyticdb_api, postgres
from vector_servers.analyticdb_api import AnalyticDbDouble
from vector_servers.listening import serving

from cloudberth import vector
from cloudberth.errors import InvalidInput, Mismatch, NotFound, PermissionDenied
from cloudberth.vector._analyticdb_api import endpoint_of
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

NAME = "vector_index_1_node"
NAMESPACE = {
    "dbinstance_id": "gp-test", "region_id": "cn-hangzhou", "namespace": "dify",
    "namespace_password": analyticdb_api.NAMESPACE_PASSWORD,
}  # fmt: skip


@pytest.fixture(scope="module")
def double() -> Iterator[AnalyticDbDouble]:
    if reason := postgres.missing():
        pytest.skip(reason)
    server = postgres.server()
    with (
        server.database("CREATE EXTENSION vector") as database,
        closing(AnalyticDbDouble(server.host, database)) as one,
        serving(one),
    ):
        yield one


@pytest.fixture
def store(double: AnalyticDbDouble) -> Iterator[VectorStore]:
    with vector.open("", analyticdb_api.variables(double.port)) as one:
        yield one
        for name in one.collections():
            one.drop(name)


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


def sdk(double: AnalyticDbDouble) -> tuple[Any, Any]:
    client = pytest.importorskip("alibabacloud_gpdb20160503.client")
    from alibabacloud_gpdb20160503 import models
    from alibabacloud_tea_openapi.models import Config

    place = Config(
        access_key_id=analyticdb_api.KEY, access_key_secret=analyticdb_api.SECRET, region_id="cn-hangzhou",
        endpoint=f"127.0.0.1:{double.port}", protocol="http",
    )  # fmt: skip
    return client.Client(place), models


def test_rows_that_dify_wrote_are_read_and_replaced(
    double: AnalyticDbDouble, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dify's calls, by the vendor's SDK, whose signatures the double takes too."""
    for name in ("HTTP_PROXY", "http_proxy"):  # the SDK would send even this there
        monkeypatch.delenv(name, raising=False)
    client, models = sdk(double)
    store.create(NAME, 3)
    rows = [
        models.UpsertCollectionDataRequestRows(
            vector=[1.0, float(at), 0.0],
            metadata={
                "ref_doc_id": f"d{at}",
                "page_content": f"text {at} 向量",
                "metadata_": json.dumps({"doc_id": f"d{at}", "document_id": f"doc{at % 2}"}),
            },
        )
        for at in range(4)
    ]
    client.upsert_collection_data(models.UpsertCollectionDataRequest(**NAMESPACE, collection=NAME, rows=rows))
    assert [one.id for one in store.scan(NAME)] == ["d0", "d1", "d2", "d3"]
    assert [hit.id for hit in store.search(NAME, [1, 0, 0], 2, filter='document_id == "doc1"')] == [
        "d1",
        "d3",
    ]
    store.upsert(NAME, [record("d1", [0, 0, 1], "new", document_id="doc9")])
    assert store.count(NAME) == 4
    assert store.get(NAME, ["d1"])[0].text == "new"
    # What Dify asks for a document, and what it removes.
    asked = models.QueryCollectionDataRequest(
        **NAMESPACE, collection=NAME, metrics="cosine", include_values=True, vector=[0, 0, 1.0], top_k=1,
        filter="metadata_->>'document_id' IN ('doc9')",
    )  # fmt: skip
    (match,) = client.query_collection_data(asked).body.matches.match
    assert match.metadata["ref_doc_id"] == "d1"
    assert match.values.value == [0.0, 0.0, 1.0]
    removed = models.DeleteCollectionDataRequest(
        **NAMESPACE, collection=NAME, collection_data_filter="metadata_ ->> 'document_id' = 'doc9'"
    )
    client.delete_collection_data(removed)
    assert store.get(NAME, ["d1"]) == []


def test_a_collection_is_made_as_dify_makes_it(double: AnalyticDbDouble, store: VectorStore) -> None:
    store.create(NAME, 3, Metric.INNER)
    asked = next(one for action, one in reversed(double.requests) if action == "CreateCollection")
    assert json.loads(asked["Metadata"]) == {
        "ref_doc_id": "text", "page_content": "text", "metadata_": "jsonb"
    }  # fmt: skip
    assert (asked["Namespace"], asked["FullTextRetrievalFields"]) == ("dify", "page_content")
    assert store.describe(NAME).metric is Metric.INNER


def test_values_stay_values(store: VectorStore) -> None:
    store.create(NAME, 3)
    odd = ["x' OR '1'='1", "x\\' OR 1=1 --", "\\", "';DROP TABLE x;--", "%s", "{0}", "$$", "E'\\''"]
    store.upsert(NAME, [record(value, [1, 0, at], value, value=value) for at, value in enumerate(odd)])
    for value in odd:
        assert [one.id for one in store.scan(NAME, filter={"value": value})] == [value]
        assert store.delete(NAME, [value]) == 1
    assert store.count(NAME) == 0


@pytest.mark.parametrize(
    "wrong", ["ANALYTICDB_KEY_SECRET", "ANALYTICDB_PASSWORD", "ANALYTICDB_NAMESPACE_PASSWORD"]
)
def test_a_wrong_secret_is_refused_and_not_shown(
    double: AnalyticDbDouble, store: VectorStore, wrong: str
) -> None:
    store.create(NAME, 3)
    environment = {**analyticdb_api.variables(double.port), wrong: "sesame-77"}
    with vector.open("", environment, options=Options(retries=0)) as other:
        with pytest.raises(PermissionDenied) as raised:
            other.create("another", 3) if wrong == "ANALYTICDB_PASSWORD" else other.count(NAME)
        assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {other!r} {other.backend!r}"


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInput, match="ANALYTICDB_KEY_ID") as raised:
        vector.open("", {"VECTOR_STORE": "analyticdb", "ANALYTICDB_KEY_SECRET": "x"})
    assert "ANALYTICDB_NAMESPACE_PASSWORD" in str(raised.value)
    assert "ANALYTICDB_KEY_SECRET" not in str(raised.value)


def test_other_dimensions_and_other_collections(store: VectorStore) -> None:
    store.create(NAME, 3)
    with pytest.raises(Mismatch):
        store.upsert(NAME, [record("a", [1.0, 2.0])])
    with pytest.raises(NotFound):
        store.count("nothing")


def test_endpoints_are_those_of_the_vendors_sdk() -> None:
    client = pytest.importorskip("alibabacloud_gpdb20160503.client")
    from alibabacloud_tea_openapi.models import Config

    for region in ("cn-hangzhou", "cn-beijing", "cn-shanghai", "ap-southeast-1", "us-east-1", "ap-south-1"):
        made = client.Client(Config(access_key_id="a", access_key_secret="b", region_id=region))
        assert endpoint_of(region) == f"https://{made._endpoint}", region
