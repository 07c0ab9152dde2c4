"""Couchbase: Dify's collections and requests, filters, a search index that lags, errors and settings."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from vector_servers.couchbase_services import (
    BUCKET,
    PASSWORD,
    SCOPE,
    CouchbaseDouble,
    serving,
    variables,
)

from cloudberth import vector
from cloudberth.errors import (
    BackendError,
    InvalidInput,
    Mismatch,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Unavailable,
    Unsupported,
)
from cloudberth.vector import couchbase
from cloudberth.vector._couchbase_calls import index_path
from cloudberth.vector._couchbase_layout import definition
from cloudberth.vector.contract import Metric, Record
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

NAME = "Vector_index_0f3c5a5e_1d2b_4a8e_9c1f_0123456789ab_Node"
ONCE = Options(retries=0, timeout=5)


def record(id: str, given: list[float], text: str = "", **metadata: Any) -> Record:
    return Record(id, numpy.asarray(given, dtype=numpy.float32), text, metadata)


def opened(double: CouchbaseDouble, scope: str = SCOPE, options: Options = ONCE) -> VectorStore:
    return vector.open("", variables(double.ports["mgmt"], scope), options)


@pytest.fixture
def double() -> Iterator[CouchbaseDouble]:
    with serving(CouchbaseDouble()) as one:
        yield one


@pytest.fixture
def store(double: CouchbaseDouble) -> Iterator[VectorStore]:
    with opened(double) as one:
        yield one


def cluster_of(store: VectorStore) -> Any:
    backend = store.backend
    assert isinstance(backend, couchbase.Couchbase)
    return backend.cluster


# ── Dify's layout


def dify_index(scope: str, dimension: int) -> dict[str, Any]:
    """The definition that Dify's provider sends: like ours, but for what is changed here."""
    made = definition(BUCKET, scope, NAME, dimension, Metric.INNER)
    mapping = made["params"]["mapping"]
    mapping["default_mapping"]["enabled"] = True
    del mapping["types"][f"{scope}.{NAME}"]["properties"]["text"]["fields"][0]["analyzer"]
    return made


def dify_collection(store: VectorStore, scope: str = "_default") -> None:
    """What Dify's provider makes: the collection by a form, the index, then a document for each text."""
    cluster = cluster_of(store)
    cluster.form(f"/pools/default/buckets/{BUCKET}/scopes/{scope}/collections", {"name": NAME})
    cluster.call("fts", "PUT", index_path(BUCKET, scope, f"{NAME}_search"), dify_index(scope, 3))
    texts = ["向量数据库", "a quick fox", "a lazy dog", "数据备份"]
    for at, text in enumerate(texts):
        metadata = {"doc_id": f"d{at}", "document_id": f"doc{at % 2}", "year": 2020 + at, "doc_hash": None}
        document = {"text": text, "embedding": [1.0, float(at), 0.0], "metadata": metadata}
        cluster.query(
            f"UPSERT INTO `{BUCKET}`.{scope}.{NAME} (KEY k, VALUE v) "
            "SELECT r.k AS k, r.v AS v FROM $rows AS r",
            {"rows": [{"k": f"d{at}", "v": document}]},
        )


@pytest.fixture
def dify(double: CouchbaseDouble) -> Iterator[VectorStore]:
    with opened(double, "_default") as one:
        dify_collection(one)
        yield one


def test_a_collection_of_dify_is_read_and_written(dify: VectorStore) -> None:
    assert dify.collections() == (NAME,)
    found = dify.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 3, Metric.INNER)
    hits = dify.search(NAME, [1.0, 1.0, 0.0], 2, filter='document_id == "doc1"')
    assert [(hit.id, hit.score) for hit in hits] == [("d3", 4.0), ("d1", 2.0)]
    assert hits[1].record.metadata == {"document_id": "doc1", "year": 2021}
    assert dify.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    assert [one.id for one in dify.scan(NAME, filter='document_id != "doc1"', page=1)] == ["d0", "d2"]
    assert [hit.id for hit in dify.search_text(NAME, "fox")] == ["d1"]
    assert dify.search_text(NAME, "向量")[0].id == "d0"
    assert [hit.id for hit in dify.search_text(NAME, "数据", filter="year > 2020")] == ["d3"]
    dify.upsert(NAME, [record("d1", [9.0, 9.0, 9.0], "new", document_id="doc9")])
    assert dify.get(NAME, ["d1"])[0].text == "new"
    assert dify.delete_where(NAME, 'document_id == "doc0"') == 2


def test_many_that_fit_are_found_in_an_index_that_knows_no_keys(
    double: CouchbaseDouble, dify: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dify's index spans two collections: a list of keys inside a search would find nothing."""
    monkeypatch.setattr(couchbase, "_COMPARED", 1)
    hits = dify.search(NAME, [1.0, 1.0, 0.0], 1, filter="year <= 2022")
    assert [hit.id for hit in hits] == ["d2"]
    (near,) = [body["knn"][0] for _, path, body in double.requests if path.endswith("search/query")]
    assert "filter" not in near and near["k"] > 1
    assert [hit.id for hit in dify.search_text(NAME, "数据", 1, filter="year > 2020")] == ["d3"]


def test_dify_reads_and_removes_what_we_wrote(double: CouchbaseDouble, store: VectorStore) -> None:
    """Its provider's own statements and searches, on a collection of ours."""
    store.create(NAME, 3, Metric.INNER)
    store.upsert(
        NAME, [record(f"d{at}", [1.0, at, 0.0], f"fox {at}", document_id=f"doc{at}") for at in range(4)]
    )
    assert set(double.keyspaces[SCOPE, NAME]["d1"]) == {"text", "embedding", "metadata"}
    assert double.keyspaces[SCOPE, NAME]["d1"]["metadata"] == {"doc_id": "d1", "document_id": "doc1"}
    cluster, place = cluster_of(store), f"`{BUCKET}`.{SCOPE}.{NAME}"
    exists = f"SELECT COUNT(1) AS count FROM\n {place}\n WHERE META().id = $doc_id"
    assert cluster.query(exists, {"doc_id": "d1"}).rows == [{"count": 1}]
    asked = {"fields": ["*"], "size": 2, "collections": [NAME], "ctl": {"timeout": 75000}}
    near = {
        "query": {"match_none": {}},
        "knn": [{"field": "embedding", "vector": [1, 1, 0], "k": 2}],
        **asked,
    }
    hits = cluster.search(index_path(BUCKET, SCOPE, f"{NAME}_search"), near)["hits"]
    assert [(hit["id"], hit["score"]) for hit in hits] == [("d3", 4.0), ("d2", 3.0)]
    assert hits[0]["fields"]["metadata.document_id"] == "doc3"
    words = {"query": {"query": "text:fox"}, "fields": ["*"], "size": 4}
    found = cluster.search(index_path(BUCKET, SCOPE, f"{NAME}_search"), words)["hits"]
    assert sorted(hit["fields"]["text"] for hit in found) == [f"fox {at}" for at in range(4)]
    assert (
        cluster.query(f"DELETE FROM {place}\n WHERE META().id IN $doc_ids;", {"doc_ids": ["d0"]}).changed == 1
    )
    gone = f"DELETE FROM {place}\n WHERE metadata.document_id = $value;"
    assert cluster.query(gone, {"value": "doc1"}).changed == 1
    assert [one.id for one in store.scan(NAME)] == ["d2", "d3"]


def test_our_index_is_that_of_dify_but_for_what_is_said() -> None:
    ours = definition(BUCKET, "_default", NAME, 3, Metric.INNER)
    theirs = copy.deepcopy(ours)
    mapping = theirs["params"]["mapping"]
    assert mapping["default_mapping"].pop("enabled") is False
    properties = mapping["types"][f"_default.{NAME}"]["properties"]
    assert properties["text"]["fields"][0].pop("analyzer") == "cjk"
    expected = dify_index("_default", 3)
    expected["params"]["mapping"]["default_mapping"].pop("enabled")
    assert theirs == expected
    assert set(properties) == {"embedding", "metadata", "text"}


def test_difys_index_works_in_the_default_scope_only(store: VectorStore) -> None:
    with pytest.raises(BackendError, match="multiple scopes"):
        dify_collection(store, SCOPE)


def test_a_note_of_an_earlier_collection_does_not_count(double: CouchbaseDouble) -> None:
    with opened(double, "_default") as store:
        store.create(NAME, 3, Metric.INNER, model="ours")
        assert store.describe(NAME).model == "ours"
        cluster_of(store).call(
            "mgmt", "DELETE", f"/pools/default/buckets/{BUCKET}/scopes/_default/collections/{NAME}"
        )
        assert store.collections() == ()
        with pytest.raises(NotFound):
            store.describe(NAME)
        cluster_of(store).call("fts", "DELETE", index_path(BUCKET, "_default", f"{NAME}_search"))
        dify_collection(store)
        assert (store.describe(NAME).dify, store.describe(NAME).model) == (True, "")


# ── collections


def test_an_interrupted_creation_is_finished(double: CouchbaseDouble, store: VectorStore) -> None:
    store.create(NAME, 3)
    del double.indexes[SCOPE, f"{NAME}_search"]
    store.create(NAME, 3, Metric.L2)
    assert store.describe(NAME).metric is Metric.L2
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0])])
    del double.indexes[SCOPE, f"{NAME}_search"]
    with pytest.raises(PreconditionFailed):
        store.create(NAME, 3)
    assert "a" in double.keyspaces[SCOPE, NAME], "documents of somebody else are left alone"


def test_an_index_that_outlived_its_collection_is_made_anew(
    double: CouchbaseDouble, store: VectorStore
) -> None:
    store.create(NAME, 3)
    del double.keyspaces[SCOPE, NAME]
    store.create(NAME, 4)
    assert store.describe(NAME).dimension == 4


def test_odd_names_and_ids_are_kept(double: CouchbaseDouble, store: VectorStore) -> None:
    for name in ("_hidden", "berth_collections", "berth__hidden"):
        store.create(name, 2)
        store.upsert(name, [record(name, [1.0, 0.0])])
    assert store.collections() == ("_hidden", "berth__hidden", "berth_collections")
    assert [one.id for name in store.collections() for one in store.scan(name)] == list(store.collections())
    long = ["x" * 255, "x" * 254, "长" * 85]
    store.upsert("_hidden", [record(id, [0.0, 1.0], id) for id in long])
    assert max(len(key.encode()) for key in double.keyspaces[SCOPE, "berth__hidden"]) <= 246
    assert [one.text for one in store.get("_hidden", long)] == long
    assert {one.id for one in store.scan("_hidden", page=2)} == {"_hidden", *long}
    assert store.delete("_hidden", long) == 3


def test_it_works_without_the_index_service() -> None:
    with serving(CouchbaseDouble(index_service=False)) as double, opened(double) as store:
        store.create(NAME, 2)
        assert any("CREATE PRIMARY INDEX" in str(body) for _, _, body in double.requests)
        store.upsert(NAME, [record("a", [1.0, 0.0])])
        assert store.count(NAME) == 1


def test_an_older_server_says_what_it_lacks() -> None:
    with serving(CouchbaseDouble(cosine=False, prefilters=False)) as double, opened(double) as store:
        with pytest.raises(Unsupported, match="cosine") as raised:
            store.create(NAME, 2)
        assert "7.6.5" in raised.value.hint
        store.create(NAME, 2, Metric.INNER)
        assert store.describe(NAME).metric is Metric.INNER


# ── filters and searches


def filled(store: VectorStore, number: int = 60) -> list[Record]:
    made = [record(f"r{at}", [1.0, at / number, 0.0], f"fox {at}", at=at) for at in range(number)]
    store.create(NAME, 3, Metric.INNER)
    store.upsert(NAME, made)
    return made


@pytest.mark.parametrize("prefilters", [True, False], ids=["7.6.4", "older"])
@pytest.mark.parametrize("listed", [5_000, 10], ids=["keys", "no keys"])
def test_filtered_searches_are_whole_however_they_are_done(
    prefilters: bool, listed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few that fit are compared here; keys of more go along; of very many, more neighbours are asked for."""
    monkeypatch.setattr(couchbase, "_COMPARED", 1)
    monkeypatch.setattr(couchbase, "_LISTED", listed)
    with serving(CouchbaseDouble(prefilters=prefilters)) as double, opened(double) as store:
        filled(store)
        hits = store.search(NAME, [0.0, 1.0, 0.0], 3, filter="at < 30")
        assert [hit.id for hit in hits] == ["r29", "r28", "r27"]
        given = [
            body["knn"][0] for _, path, body in double.requests if path.endswith("/query") and body.get("knn")
        ]
        assert ("filter" in given[0]) == (listed == 5_000)
        found = store.search_text(NAME, "fox", 4, filter="at >= 50")
        assert {hit.id for hit in found} <= {f"r{at}" for at in range(50, 60)}
        assert len(found) == 4


def test_a_filter_changes_no_relevance(store: VectorStore) -> None:
    filled(store, 8)
    free = {hit.id: hit.raw for hit in store.search_text(NAME, "fox 3")}
    bound = {hit.id: hit.raw for hit in store.search_text(NAME, "fox 3", filter="at > 2")}
    assert set(bound) == {f"r{at}" for at in range(3, 8)}
    assert bound == {id: free[id] for id in bound}


def test_a_statement_holds_nothing_of_what_was_given(double: CouchbaseDouble, store: VectorStore) -> None:
    filled(store, 3)
    odd = "x' OR 1=1; `--\" $v0 */"
    assert store.count(NAME, {odd: odd}) == 0
    assert (
        store.search(NAME, [1.0, 0.0, 0.0], filter={"$or": [{odd: {"$in": [odd, 1]}}, {"at": 1}]})[0].id
        == "r1"
    )
    assert store.get(NAME, [odd]) == []
    assert store.delete(NAME, [odd]) == 0
    statements = [body["statement"] for service, _, body in double.requests if service == "n1ql"]
    assert len(statements) > 4
    assert not any("x'" in one or "OR 1=1" in one for one in statements)


def test_kinds_are_asked_for_before_values_are_compared(double: CouchbaseDouble, store: VectorStore) -> None:
    """SQL++ orders every text after every number: alone, `at > 5` would hold for texts."""
    store.create(NAME, 2)
    kinds: list[Any] = [7, "7", True, [7], {"a": 7}, 2.5]
    store.upsert(NAME, [record(f"r{at}", [1.0, 0.0], at=kind) for at, kind in enumerate(kinds)])
    place = f"`{BUCKET}`.`{SCOPE}`.`{NAME}`"
    unguarded = f"SELECT RAW META(d).id FROM {place} AS d WHERE d.metadata.at > $v"
    assert len(cluster_of(store).query(unguarded, {"v": 5}).rows) == 4
    assert [one.id for one in store.scan(NAME, filter="at > 5")] == ["r0"]
    assert [one.id for one in store.scan(NAME, filter='at >= "5"')] == ["r1"]


# ── an index that lags


def test_a_write_waits_until_the_index_shows_it() -> None:
    with serving(CouchbaseDouble(lag=0.3, hearing=0.05)) as double, opened(double) as store:
        store.create(NAME, 2)
        store.upsert(NAME, [record("a", [1.0, 0.0], "a fox")])
        assert [hit.id for hit in store.search_text(NAME, "fox")] == ["a"]
        store.delete(NAME, ["a"])
        assert store.search_text(NAME, "fox") == [], (
            "what is gone is not shown, though the index has it still"
        )
        assert store.search(NAME, [1.0, 0.0]) == []


def test_a_bulk_load_waits_once() -> None:
    with serving(CouchbaseDouble(lag=0.2)) as double, opened(double) as store:
        store.create(NAME, 2)
        with store.bulk(NAME):
            before = len(double.requests)
            for at in range(5):
                store.upsert(NAME, [record(f"r{at}", [1.0, 0.0], "a fox")])
            assert len(double.requests) - before == 5
        assert len(store.search_text(NAME, "fox")) == 5


# ── errors and settings


def test_a_wrong_password_is_refused_and_not_shown(double: CouchbaseDouble) -> None:
    environment = {**variables(double.ports["mgmt"]), "COUCHBASE_PASSWORD": "sesame-77"}
    store = vector.open("", environment, ONCE)
    with pytest.raises(PermissionDenied) as raised:
        store.describe(NAME)
    assert "sesame-77" not in f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r}"
    assert PASSWORD not in repr(opened(double).backend)


def test_what_is_missing_is_named(store: VectorStore, double: CouchbaseDouble) -> None:
    with pytest.raises(InvalidInput, match="COUCHBASE_CONNECTION_STRING, COUCHBASE_USER"):
        vector.open("", {"VECTOR_STORE": "couchbase"})
    with pytest.raises(InvalidInput, match="COUCHBASE_BUCKET_NAME"):
        vector.open("", {**variables(1), "COUCHBASE_BUCKET_NAME": "a`b"})
    with pytest.raises(NotFound, match="has no scope elsewhere"):
        opened(double, "elsewhere").collections()
    with pytest.raises(NotFound):
        opened(double, "elsewhere").create(NAME, 2)
    with pytest.raises(NotFound):
        vector.open(
            "", {**variables(double.ports["mgmt"]), "COUCHBASE_BUCKET_NAME": "none"}, ONCE
        ).collections()
    store.create(NAME, 3)
    with pytest.raises(Mismatch):
        store.search(NAME, [1.0])


def test_a_statement_that_fails_after_its_answer_began_is_an_error(store: VectorStore) -> None:
    """The status is 200 then."""
    with pytest.raises(BackendError, match="no value for named parameter") as raised:
        cluster_of(store).query("SELECT RAW $nothing", {})
    assert raised.value.code == "5010"


def test_part_of_an_answer_is_no_answer(store: VectorStore, double: CouchbaseDouble) -> None:
    filled(store, 5)
    double.failing = 1
    with pytest.raises(Unavailable, match="1 of 1 parts of the index did not answer: context deadline"):
        store.search(NAME, [1.0, 0.0, 0.0])
    double.failing = 1
    with opened(double, options=Options(retries=2)) as patient:
        assert len(patient.search(NAME, [1.0, 0.0, 0.0])) == 5


def test_services_are_found_again_where_they_went(double: CouchbaseDouble) -> None:
    with opened(double, options=Options(retries=3, timeout=5)) as store:
        filled(store, 5)
        with double.listening("n1ql") as another:
            moved, double.ports["n1ql"] = double.ports["n1ql"], another.address[1]
            # What is left of the old one refuses everything, as a node that is taken out does.
            store.backend.cluster._places = {  # type: ignore[attr-defined]
                **store.backend.cluster._places, "n1ql": ("http://127.0.0.1:9",),  # type: ignore[attr-defined]
            }  # fmt: skip
            assert store.count(NAME) == 5
            assert cluster_of(store).nodes()["n1ql"] == (another.url,)
            double.ports["n1ql"] = moved


def test_a_cluster_without_a_service_says_so(double: CouchbaseDouble) -> None:
    del double.ports["fts"]
    with opened(double) as store, pytest.raises(Unsupported, match="no node of the cluster runs the Search"):
        store.collections()


def test_nobody_there_is_unavailable() -> None:
    with vector.open("", variables(9), ONCE) as store, pytest.raises(Unavailable):
        store.describe(NAME)


def test_a_location_names_host_bucket_and_scope(double: CouchbaseDouble) -> None:
    environment = {"COUCHBASE_PASSWORD": PASSWORD}
    location = f"couchbase://dify@127.0.0.1:{double.ports['mgmt']}/{BUCKET}?scope_name={SCOPE}"
    with vector.open(location, environment, ONCE) as store:
        assert store.collections() == ()
        health = store.health()
        assert (health.version, dict(health.detail)) == (
            "7.6.5-5704-enterprise",
            {"Query": "1", "Search": "1"},
        )
        assert store.backend.place == f"couchbase://127.0.0.1:{double.ports['mgmt']}/{BUCKET}/{SCOPE}"
