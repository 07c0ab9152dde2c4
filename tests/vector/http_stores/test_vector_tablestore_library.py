"""Tablestore: the vendor's library, as Dify calls it, against our double and beside our backend.

The library takes protobuf below 6 in its metadata only; its messages work with later ones, as used here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from vector_servers.listening import serving
from vector_servers.tablestore_api import INSTANCE, KEY_ID, KEY_SECRET, TablestoreDouble, variables

from cloudberth import vector
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

library = pytest.importorskip("tablestore", reason="the vendor's library is not installed: tablestore 6.4")

NAME = "Vector_index_1_Node"
INDEX = f"{NAME}_idx"
RECORDED = Path(__file__).with_name("tablestore_recorded.json")


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


@pytest.fixture
def double() -> Iterator[TablestoreDouble]:
    with serving(TablestoreDouble()) as one:
        yield one


@pytest.fixture
def store(double: TablestoreDouble) -> Iterator[VectorStore]:
    with vector.open("", variables(double.port), Options(retries=0)) as one:
        yield one


@pytest.fixture
def client(double: TablestoreDouble) -> Any:
    policy = library.NoRetryPolicy()
    url = f"http://127.0.0.1:{double.port}"
    return library.OTSClient(url, KEY_ID, KEY_SECRET, INSTANCE, retry_policy=policy)


def dify_fields(dimension: int) -> list[Any]:
    """The index of Dify 1.x, by the vendor's library."""
    keyword, text = library.FieldType.KEYWORD, library.FieldType.TEXT
    options = library.VectorOptions(
        data_type=library.VectorDataType.VD_FLOAT_32,
        dimension=dimension,
        metric_type=library.VectorMetricType.VM_COSINE,
    )
    field = library.FieldSchema
    return [
        field("page_content", text, analyzer=library.AnalyzerType.MAXWORD, index=True,
              enable_sort_and_agg=False, store=False),
        field("vector", library.FieldType.VECTOR, vector_options=options),
        field("metadata", keyword, index=True, store=False),
        field("metadata_tags", keyword, index=True, store=False, is_array=True),
    ]  # fmt: skip


def dify_collection(client: Any, rows: list[Any]) -> None:
    meta = library.TableMeta(NAME, [("id", "STRING")])
    throughput = library.ReservedThroughput(library.CapacityUnit(0, 0))
    client.create_table(meta, library.TableOptions(), throughput)
    client.create_search_index(NAME, INDEX, library.SearchIndexMeta(dify_fields(3)))
    for one in rows:
        dify_row(client, *one)


def dify_row(client: Any, id: str, given: list[float], text: str, metadata: dict[str, Any]) -> None:
    columns = [
        ("page_content", text),
        ("vector", json.dumps(given)),
        ("metadata", json.dumps(metadata)),
        ("metadata_tags", json.dumps([f"{key}={value}" for key, value in metadata.items()])),
    ]
    client.put_row(NAME, library.Row([("id", id)], columns))


ROWS = [
    (f"d{at}", [1.0, float(at), 0.0], f"text {at} 向量数据库",
     {"doc_id": f"d{at}", "document_id": f"doc{at % 2}", "year": 2020 + at, "of text": "1" if at else 1})
    for at in range(4)
]  # fmt: skip


def dify_search(client: Any, query: Any, limit: int = 4) -> list[tuple[str, dict[str, Any], float]]:
    sort = library.Sort(sorters=[library.ScoreSort(sort_order=library.SortOrder.DESC)])
    found = client.search(
        NAME,
        INDEX,
        library.SearchQuery(query, limit=limit, get_total_count=False, sort=sort),
        library.ColumnsToGet(return_type=library.ColumnReturnType.ALL_FROM_INDEX),
    )
    return [
        (hit.row[0][0][1], {name: value for name, value, _ in hit.row[1]}, hit.score)
        for hit in found.search_hits
    ]


def test_a_collection_of_dify_is_read_and_written(client: Any, store: VectorStore) -> None:
    dify_collection(client, ROWS)
    assert store.collections() == (NAME,)
    found = store.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 3, Metric.COSINE)
    hits = store.search(NAME, [1.0, 1.0, 0.0], 2, filter='document_id == "doc1"')
    assert [hit.id for hit in hits] == ["d1", "d3"]
    assert hits[0].score == pytest.approx(1.0)
    assert hits[0].record.text == "text 1 向量数据库"
    assert store.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    assert store.count(NAME, {"of text": "1"}) == 3
    assert [one.id for one in store.scan(NAME, filter='document_id != "doc1"')] == ["d0", "d2"]
    assert {hit.id for hit in store.search_text(NAME, "数据库", filter="year < 2021")} == {"d0"}
    store.upsert(NAME, [record("d1", [0.0, 0.0, 2.0], "new", document_id="doc9", **{"a.b": 0.5})])
    assert store.get(NAME, ["d1"])[0].metadata == {"document_id": "doc9", "a.b": 0.5}
    # Dify finds it, and removes it, by its own requests.
    query = library.KnnVectorQuery(field_name="vector", top_k=4, float32_query_vector=[0.0, 0.0, 1.0])
    query.filter = library.TermsQuery("metadata_tags", ["document_id=doc9", "document_id=doc8"])
    ((id, columns, score),) = dify_search(client, query)
    assert (id, columns["page_content"]) == ("d1", "new")
    assert score == pytest.approx(1.0)
    assert json.loads(columns["metadata"]) == {"document_id": "doc9", "a.b": 0.5, "doc_id": "d1"}
    assert json.loads(columns["vector"]) == [0.0, 0.0, 2.0]
    client.delete_row(NAME, library.Row([("id", "d1")]), None)
    assert store.get(NAME, ["d1"]) == []


def test_a_collection_of_ours_is_read_by_dify(client: Any, store: VectorStore) -> None:
    store.create(NAME, 3)
    store.upsert(NAME, [record("a", [1.0, 0.5, 0.1], "数据库 备份", document_id="doc1", year=2020)])
    fields = client.describe_search_index(NAME, INDEX, True)[0].fields
    wanted = {one.field_name: one for one in dify_fields(3)}
    for one in fields[:4]:
        like = wanted.pop(one.field_name)
        # `store` of the vector is the vendor's default, which its library does not show.
        for name in ("field_type", "index", "is_array", "analyzer", "enable_sort_and_agg"):
            assert getattr(one, name) == getattr(like, name) or not getattr(like, name), (
                one.field_name,
                name,
            )
    assert (wanted, fields[1].vector_options.dimension) == ({}, 3)
    words = library.BoolQuery(must_queries=[library.MatchQuery(text="备份", field_name="page_content")],
                              filter_queries=[library.TermsQuery("metadata_tags", ["document_id=doc1"])],
                              should_queries=[], must_not_queries=[])  # fmt: skip
    ((id, columns, score),) = dify_search(client, words)
    assert (id, columns["page_content"]) == ("a", "数据库 备份")
    assert score > 0
    _, row, _ = client.get_row(NAME, [("id", "a")], columns_to_get=["metadata", "vector"])
    assert [name for name, _, _ in row.attribute_columns] == ["metadata", "vector"]
    asked = library.BatchGetRowRequest()
    asked.add(library.TableInBatchGetRowItem(NAME, [[("id", "a")], [("id", "no")]], ["metadata"], None, 1))
    both = client.batch_get_row(asked).get_result_by_table(NAME)
    assert [one.is_ok for one in both] == [True, True]
    assert (bool(both[0].row), bool(both[1].row)) == (True, False)
    # Dify drops it.
    for table, index in client.list_search_index(NAME):
        client.delete_search_index(table, index)
    client.delete_table(NAME)
    assert store.collections() == ()


def test_a_note_of_a_collection_that_dify_made_again_is_not_believed(client: Any, store: VectorStore) -> None:
    store.create(NAME, 3, model="ours")
    client.delete_search_index(NAME, INDEX)
    client.delete_table(NAME)
    dify_collection(client, ROWS)
    found = store.backend.describe(NAME)
    assert (found.dify, found.model) == (True, "")


def test_what_dify_adds_to_our_collection_is_filtered_too(client: Any, store: VectorStore) -> None:
    store.create(NAME, 3)
    store.upsert(NAME, [record("ours", [1.0, 0.0, 0.0], year=2020, document_id="doc0")])
    dify_row(client, "d1", [0.0, 1.0, 0.0], "x", {"doc_id": "d1", "year": 2020})
    assert store.count(NAME, "year == 2020") == 2
    assert store.count(NAME, "not exists(document_id)") == 1
    assert {hit.id for hit in store.search(NAME, [1.0, 1.0, 0.0], filter="year == 2020")} == {"ours", "d1"}
    assert store.delete_where(NAME, 'year == 2020 and not document_id == "doc0"') == 1
    assert [one.id for one in store.scan(NAME)] == ["ours"]


def test_the_library_pages_by_tokens(client: Any, store: VectorStore) -> None:
    """As Dify looks for the records of a document that it removes."""
    dify_collection(client, [(f"d{at}", [1.0, at, 0.0], "x", {"document_id": "one"}) for at in range(25)])
    query = library.SearchQuery(library.TermQuery("metadata_tags", "document_id=one"), limit=10)
    found: list[str] = []
    while True:
        columns = library.ColumnsToGet(["id"], library.ColumnReturnType.SPECIFIED)
        answer = client.search(NAME, INDEX, query, columns)
        found += [row[0][0][1] for row in answer.rows]
        if not answer.next_token:
            break
        query.next_token = answer.next_token
    assert sorted(found) == sorted(f"d{at}" for at in range(25))


def test_the_library_refuses_what_the_double_refuses(client: Any, double: TablestoreDouble) -> None:
    with pytest.raises(library.OTSServiceError) as raised:
        client.get_row(NAME, [("id", "a")])
    assert raised.value.code == "OTSObjectNotExist"
    url = f"http://127.0.0.1:{double.port}"
    other = library.OTSClient(url, KEY_ID, "wrong", INSTANCE, retry_policy=library.NoRetryPolicy())
    with pytest.raises(library.OTSServiceError) as raised:
        other.list_table()
    assert raised.value.code == "OTSAuthFailed"
    double.spoiled = True
    with pytest.raises(library.OTSClientError, match="MD5"):
        client.list_table()


def searches() -> dict[str, Any]:
    """Queries by the vendor's library, of every kind that we ask."""
    terms = library.TermsQuery("cloudberth", ["year\tx", "数"])
    bounds = library.RangeQuery("cloudberth", range_from="a\tn0", range_to="a\to", include_lower=True,
                                include_upper=False)  # fmt: skip
    absent = library.BoolQuery(
        filter_queries=[library.MatchAllQuery()], must_not_queries=[library.ExistsQuery("cloudberth")]
    )
    either = library.BoolQuery(should_queries=[terms, bounds], minimum_should_match=1)
    near = library.KnnVectorQuery("vector", 7, [0.5, -1.0, 3.25], filter=either)
    words = library.BoolQuery(
        must_queries=[library.MatchQuery("page_content", "数据库 fox")], filter_queries=[absent]
    )
    downwards = library.Sort([library.ScoreSort(library.SortOrder.DESC)])
    upwards = library.Sort([library.PrimaryKeySort(library.SortOrder.ASC)])
    return {
        "near": library.SearchQuery(near, limit=7, sort=downwards, get_total_count=None),
        "words": library.SearchQuery(words, limit=10, sort=downwards, get_total_count=None),
        "count": library.SearchQuery(absent, limit=0, get_total_count=True),
        "keys": library.SearchQuery(library.TermQuery("metadata_tags", "a=b"), limit=1000, sort=upwards,
                                    get_total_count=None),
        "more": library.SearchQuery(library.MatchAllQuery(), limit=10, next_token=b"token",
                                    get_total_count=None),
    }  # fmt: skip


class Recorder:
    """Takes Dify's rows instead of a client."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []

    def put_row(self, name: str, one: Any) -> None:
        self.rows.append((name, one))


def messages(client: Any) -> dict[str, dict[str, str]]:
    """Requests as the vendor's library writes them."""
    meta = library.TableMeta(NAME, [("id", "STRING")])
    throughput = library.ReservedThroughput(library.CapacityUnit(0, 0))
    key = [("id", "中 a")]
    columns = [("page_content", "text 数" * 40), ("whole", 3), ("half", 0.5), ("yes", True)]
    written = library.BatchWriteRowRequest()
    items = [
        library.PutRowItem(library.Row(key, columns), None),
        library.DeleteRowItem(library.Row(key), None),
    ]
    written.add(library.TableInBatchWriteRowItem(NAME, items))
    got = library.BatchGetRowRequest()
    got.add(library.TableInBatchGetRowItem(NAME, [key], ["metadata"], None, 1))
    nothing = library.ColumnsToGet(return_type=library.ColumnReturnType.NONE)
    ends = ([("id", library.INF_MIN)], [("id", library.INF_MAX)])
    ours = Recorder()
    for one in ROWS:
        dify_row(ours, *one)
    given: dict[str, tuple[str, tuple[Any, ...]]] = {
        "create": ("CreateTable", (meta, library.TableOptions(), throughput, None, [])),
        "index": ("CreateSearchIndex", (NAME, INDEX, library.SearchIndexMeta(dify_fields(3)))),
        "described": ("DescribeSearchIndex", (NAME, INDEX, True)),
        "listed": ("ListSearchIndex", (NAME,)),
        "write": ("BatchWriteRow", (written,)),
        "get": ("BatchGetRow", (got,)),
        "range": (
            "GetRange",
            (NAME, "FORWARD", *ends, ["metadata"], 5, None, 1, None, None, None, None, None),
        ),
        **{f"row {one.primary_key[0][1]}": ("PutRow", (NAME, one, None, None, None)) for _, one in ours.rows},
        **{name: ("Search", (NAME, INDEX, one, nothing, None, None)) for name, one in searches().items()},
    }
    encoder = client.protocol.encoder
    made = {
        name: (operation, encoder.encode_request(operation, *asked).SerializeToString())
        for name, (operation, asked) in given.items()
    }
    return {
        name: {"operation": operation, "body": base64.b64encode(body).decode()}
        for name, (operation, body) in made.items()
    }


def test_the_recorded_requests_are_the_librarys(client: Any) -> None:
    """test_vector_tablestore.py holds our own to them, also where the library is not installed."""
    assert json.loads(RECORDED.read_text(encoding="utf-8")) == messages(client)
