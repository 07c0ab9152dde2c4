"""VikingDB: Dify's collections, the vendor's library, waiting, limits, errors and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers.listening import serving
from vector_servers.vikingdb_http import ACCESS_KEY, REGION, SECRET_KEY, VikingDbDouble, variables

from cloudberth import vector
from cloudberth.errors import (
    InvalidInput,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unsupported,
)
from cloudberth.vector import filters
from cloudberth.vector.conformance import CHECKS, Subject
from cloudberth.vector.conformance.running import Outcome, run_check
from cloudberth.vector.contract import Index, Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

DATASET = "0f3c5a5e-1d2b-4a8e-9c1f-0123456789ab"
NAME = "vector_index_0f3c5a5e_1d2b_4a8e_9c1f_0123456789ab_node"


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


@pytest.fixture
def double() -> Iterator[VikingDbDouble]:
    with serving(VikingDbDouble()) as one:
        yield one


@pytest.fixture
def store(double: VikingDbDouble) -> Iterator[VectorStore]:
    with vector.open("", variables(double.port), Options(retries=0)) as one:
        yield one


@pytest.fixture
def library(double: VikingDbDouble, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The vendor's library that Dify pins, signed in as Dify signs in. Opening it asks for `ping`."""
    module = pytest.importorskip("volcengine.viking_db")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    place = f"127.0.0.1:{double.port}"
    return module.VikingDBService(host=place, region=REGION, scheme="http", ak=ACCESS_KEY, sk=SECRET_KEY)


def dify_fields(dimension: int = 4) -> list[Any]:
    from volcengine.viking_db import Field, FieldType

    return [
        Field(field_name="id", field_type=FieldType.String, is_primary_key=True),
        Field(field_name="metadata", field_type=FieldType.String),
        Field(field_name="group_id", field_type=FieldType.String),
        Field(field_name="page_content", field_type=FieldType.Text),
        Field(field_name="vector", field_type=FieldType.Vector, dim=dimension),
    ]


def dify_rows(count: int = 4) -> list[Any]:
    from volcengine.viking_db import Data

    return [
        Data({
            "id": f"d{at}", "vector": [1.0, float(at), 0.0, 0.0], "page_content": f"text {at}",
            "metadata": json.dumps({"doc_id": f"d{at}", "document_id": f"doc{at % 2}", "year": 2020 + at}),
            "group_id": DATASET,
        })
        for at in range(count)
    ]  # fmt: skip


def dify_collection(library: Any, *, partition_by: str, count: int = 4) -> Any:
    """The collection that Dify asks for, with the index that it means."""
    from volcengine.viking_db import DistanceType, IndexType, QuantType, VectorIndexParams

    made = library.create_collection(NAME, fields=dify_fields(), description="Collection For Dify")
    library.create_index(
        NAME,
        f"{NAME}_idx",
        vector_index=VectorIndexParams(
            distance=DistanceType.L2, index_type=IndexType.HNSW, quant=QuantType.Float
        ),
        partition_by=partition_by,
        description="Index For Dify",
    )
    for start in range(0, count, 100):
        made.upsert_data(dify_rows(count)[start : start + 100])
    return library.get_collection(NAME)


@pytest.mark.parametrize("partition_by", ["group_id", ""])
def test_a_collection_of_dify_is_read_and_written(
    library: Any, store: VectorStore, partition_by: str
) -> None:
    dify_collection(library, partition_by=partition_by)
    assert store.collections() == (NAME,)
    found = store.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 4, Metric.L2)
    assert store.count(NAME) == 4
    hits = store.search(NAME, [1.0, 1.0, 0.0, 0.0], 2, filter='document_id == "doc1"')
    assert [(hit.id, hit.raw) for hit in hits] == [("d1", 0.0), ("d3", 2.0)]
    assert store.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    assert [one.id for one in store.scan(NAME, filter='document_id != "doc1"')] == ["d0", "d2"]
    store.upsert(NAME, [record("d1", [9.0, 9.0, 9.0, 9.0], "new", document_id="doc9", dataset_id=DATASET)])
    # Dify finds it, and removes it, by its own requests.
    collection = library.get_collection(NAME)
    row = collection.fetch_data("d1").fields
    assert (row["page_content"], row["group_id"]) == ("new", DATASET)
    assert json.loads(row["metadata"]) == {"doc_id": "d1", "document_id": "doc9", "dataset_id": DATASET}
    collection.delete_data(["d1"])
    assert store.get(NAME, ["d1"]) == []
    store.drop(NAME)
    assert library.list_collections() == []


def test_dify_works_with_a_collection_of_ours(library: Any, store: VectorStore) -> None:
    """Every request that Dify makes: of its search, its look-up by metadata, its removal."""
    store.create(NAME, 4)
    long = {"document_id": "doc1", "dataset_id": DATASET, "doc_hash": "0" * 64, "note": "值;" * 300}
    store.upsert(NAME, [record("ours", [1.0, 0.0, 0.0, 0.0], "our text", **long)])
    library.get_collection(NAME).upsert_data(dify_rows(2))
    index = library.get_index(NAME, f"{NAME}_idx")
    hits = index.search_by_vector([1.0, 0.1, 0.0, 0.0], limit=4)
    assert {hit.id for hit in hits} == {"ours", "d0", "d1"}
    ours = next(hit for hit in hits if hit.id == "ours")
    assert ours.fields["page_content"] == "our text"
    read = json.loads(ours.fields["metadata"])
    assert (read["doc_id"], read["document_id"], read["doc_hash"]) == ("ours", "doc1", "0" * 64)
    found = index.search(filter={"op": "must", "field": "group_id", "conds": [DATASET]}, limit=5000)
    assert {one.id for one in found} == {"ours", "d0", "d1"}
    # What Dify added is filtered, counted and scanned with what is ours.
    assert store.get(NAME, ["ours"])[0].metadata == long
    assert store.count(NAME, 'document_id == "doc1"') == 2
    assert {one.id for one in store.scan(NAME, filter="year == 2020 or exists(note)")} == {"ours", "d0"}
    library.get_collection(NAME).delete_data(["ours", "d0"])
    assert store.count(NAME) == 1
    library.drop_index(NAME, f"{NAME}_idx")
    library.drop_collection(NAME)
    with pytest.raises(NotFound):
        store.describe(NAME)


def test_dify_stops_at_its_index(library: Any, store: VectorStore) -> None:
    """Its adapter gives names of constants as texts where its library wants the constants."""
    from volcengine.viking_db import DistanceType, IndexType, QuantType, VectorIndexParams

    library.create_collection(NAME, fields=dify_fields(), description="Collection For Dify")
    index = VectorIndexParams(
        distance=str(DistanceType.L2), index_type=str(IndexType.HNSW), quant=str(QuantType.Float)
    )
    with pytest.raises(AttributeError, match="'str' object has no attribute 'value'"):
        library.create_index(NAME, f"{NAME}_idx", vector_index=index, partition_by="group_id")
    # What it leaves is not taken for a collection.
    assert store.collections() == ()
    with pytest.raises(NotFound, match="has no index") as raised:
        store.describe(NAME)
    assert "drop it" in raised.value.hint
    store.drop(NAME)
    assert library.list_collections() == []


def test_an_index_that_cannot_count_is_counted_here(
    double: VikingDbDouble, library: Any, store: VectorStore
) -> None:
    """The service counts only where a scalar field is in the index."""
    dify_collection(library, partition_by="")
    double.collections[NAME].indexes[f"{NAME}_idx"].settings["scalar_index"] = []
    assert (store.count(NAME), store.count(NAME, "year > 2020")) == (4, 3)


def test_a_large_collection_of_dify_is_read_whole(
    double: VikingDbDouble, library: Any, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudberth.vector.vikingdb._MOST", 50)
    double.most = 50
    dify_collection(library, partition_by="group_id", count=130)
    assert len({one.id for one in store.scan(NAME)}) == 130
    assert store.count(NAME, "year < 2120") == 100
    asked = [body["search"] for path, body in double.requests if path == "/api/index/search"]
    assert [len(one.get("primary_key_not_in", ())) for one in asked[:3]] == [0, 50, 100]


def test_rows_that_are_told_again_and_again_are_an_error(
    double: VikingDbDouble, library: Any, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that does not know the keys to leave out must not look like a smaller collection."""
    monkeypatch.setattr("cloudberth.vector.vikingdb._MOST", 4)
    dify_collection(library, partition_by="", count=4)
    chosen = double._chosen
    monkeypatch.setattr(
        double, "search", lambda one, index, asked: [
            [{"id": row["id"], "score": 1.0, "fields": row} for row in chosen(one, index, asked["search"])]
        ],
    )  # fmt: skip
    with pytest.raises(Unsupported, match="repeats 4 rows"):
        list(store.scan(NAME))


# ── what was written is seen later


@pytest.mark.parametrize(
    "name",
    [
        "writing_again_replaces_the_whole_record",
        "deleting_by_filter_removes_all_that_match",
        "a_scan_gives_every_record_once_with_its_vector",
    ],
)
def test_a_slow_index_is_waited_for(name: str) -> None:
    """Checks of conformance with an index that is behind."""
    check = next(one for one in CHECKS if one.name == name)
    with serving(VikingDbDouble(delay=0.3)) as slow, vector.open("", variables(slow.port)) as store:
        assert run_check(check, Subject(store)) is Outcome.PASSED


def test_reads_by_id_are_at_once(double: VikingDbDouble, store: VectorStore) -> None:
    double.delay = 60.0
    store.create(NAME, 4)
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0, 0.0], "x")])
    assert [one.text for one in store.get(NAME, ["a"])] == ["x"]
    assert (store.count(NAME), store.search(NAME, [1.0, 0.0, 0.0, 0.0])) == (0, [])
    assert not store.capabilities.immediate


def test_an_index_is_waited_for_when_it_is_made_and_removed(
    double: VikingDbDouble, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudberth.vector.vikingdb._WAIT", 0.01)
    double.slow = 3
    store.create(NAME, 4, Metric.INNER, index=Index("hnsw", 8, 50, 70))
    asked = next(body for path, body in double.requests if path == "/api/index/create")
    assert asked["vector_index"] == {
        "distance": "ip", "quant": "float", "index_type": "hnsw",
        "hnsw_m": 8, "hnsw_cef": 50, "hnsw_sef": 70,
    }  # fmt: skip
    assert [path for path, _ in double.requests].count("/api/index/info") == 4
    # One that somebody made beside ours goes too: a collection with any index stays.
    double.answer("POST", "/api/index/create", {**asked, "index_name": "another"})
    store.drop(NAME)
    assert [path for path, _ in double.requests].count("/api/collection/drop") == 4
    assert double.collections == {}


def test_an_index_that_never_comes_is_given_up(double: VikingDbDouble) -> None:
    double.slow = 1000
    environment = {**variables(double.port), "VIKINGDB_READY_TIMEOUT": "1"}
    with pytest.raises(TimedOut, match="not ready after 1 s"):
        vector.open("", environment, Options(retries=0)).create(NAME, 4)


def test_a_collection_without_its_index_is_finished(double: VikingDbDouble, store: VectorStore) -> None:
    """As it is left by a process that was stopped between the two requests."""
    store.create(NAME, 4)
    double.collections[NAME].indexes.clear()
    with pytest.raises(NotFound):
        store.describe(NAME)
    with pytest.raises(PreconditionFailed):
        store.create(NAME, 8)
    store.create(NAME, 4)
    assert store.describe(NAME).dimension == 4


# ── limits, errors, settings


def test_what_does_not_fit_is_refused_by_name(store: VectorStore) -> None:
    with pytest.raises(InvalidInput, match="a multiple of 4, not 3"):
        store.create(NAME, 3)
    store.create(NAME, 4)
    random = numpy.random.default_rng(5).bytes(8000).hex()
    with pytest.raises(InvalidInput, match=r"compressed; VikingDB keeps 7936"):
        store.upsert(NAME, [record("a", [1.0, 0.0, 0.0, 0.0], note=random)])
    with pytest.raises(Mismatch):
        store.upsert(NAME, [record("a", [1.0])])


def test_a_record_with_more_fields_than_a_list_takes_is_found(store: VectorStore) -> None:
    store.create(NAME, 4)
    many = {f"field {at}": at for at in range(40)}
    store.upsert(NAME, [record("many", [1.0, 0.0, 0.0, 0.0], **many), record("few", [0.0, 1.0, 0.0, 0.0])])
    assert store.count(NAME, {"field 39": 39}) == 1
    assert [hit.id for hit in store.search(NAME, [0.0, 1.0, 0.0, 0.0], filter={"field 7": 7})] == ["many"]
    assert store.count(NAME, 'not exists(field("field 7"))') == 1
    assert store.count(NAME, filters.one_of("field 39", range(600))) == 1


def test_a_filter_holds_nothing_of_what_was_given(double: VikingDbDouble, store: VectorStore) -> None:
    store.create(NAME, 4)
    odd = 'x"], "op": "or'
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0, 0.0], lang=odd), record("b", [1.0, 0.0, 0.0, 0.0])])
    assert [hit.id for hit in store.search(NAME, [1.0, 0.0, 0.0, 0.0], filter={"lang": odd})] == ["a"]
    sent = [body["search"]["filter"] for path, body in double.requests if path == "/api/index/search"]
    assert sent
    assert not any("x\\" in json.dumps(one) for one in sent)


def test_too_many_requests_are_repeated(double: VikingDbDouble, store: VectorStore) -> None:
    double.busy = 1
    with pytest.raises(Throttled):
        store.health()
    double.busy = 2
    assert vector.open("", variables(double.port), Options(retries=3)).health().version == "HTTP V1"


@pytest.mark.parametrize("variable", ["VIKINGDB_ACCESS_KEY", "VIKINGDB_SECRET_KEY", "VIKINGDB_REGION"])
def test_a_wrong_key_is_refused_and_not_shown(double: VikingDbDouble, variable: str) -> None:
    environment = {**variables(double.port), variable: "sesame-77"}
    store = vector.open("", environment, Options(retries=0))
    with pytest.raises(PermissionDenied, match="unauthorized") as raised:
        store.describe(NAME)
    assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r}"


def test_settings_are_those_of_dify(double: VikingDbDouble) -> None:
    with pytest.raises(InvalidInput, match="VIKINGDB_ACCESS_KEY, VIKINGDB_SECRET_KEY"):
        vector.open("", {"VECTOR_STORE": "vikingdb"})
    keys = {"VIKINGDB_ACCESS_KEY": ACCESS_KEY, "VIKINGDB_SECRET_KEY": SECRET_KEY}
    assert vector.open("", {"VECTOR_STORE": "vikingdb", **keys}).backend.place == (
        "vikingdb://api-vikingdb.mlp.cn-shanghai.volces.com"
    )
    location = f"vikingdb://127.0.0.1:{double.port}?region={REGION}"
    assert vector.open(location, keys).collections() == ()
    with pytest.raises(InvalidInput, match="is a secret"):
        vector.open(f"{location}&secret_key=x", keys)
    with pytest.raises(InvalidInput, match="VIKINGDB_SCHEME"):
        vector.open("", {"VECTOR_STORE": "vikingdb", **keys, "VIKINGDB_SCHEME": "ftp"})
