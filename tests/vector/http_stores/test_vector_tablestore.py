"""Tablestore: its protocol, tables half made or not ours, an index that is late, errors and settings."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from vector_servers.listening import serving
from vector_servers.tablestore_api import TablestoreDouble, variables
from vector_servers.tablestore_index import Refused

from cloudberth import vector
from cloudberth.errors import (
    BackendError,
    CorruptData,
    ExpiredCredentials,
    InvalidInput,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unavailable,
)
from cloudberth.vector import _tablestore_queries as queries
from cloudberth.vector._tablestore_messages import decode, encode
from cloudberth.vector._tablestore_rows import Bound, Value, checksum, read, row, value
from cloudberth.vector.contract import DenseQuery, Metric, Record
from cloudberth.vector.filters import equals
from cloudberth.vector.options import Options
from cloudberth.vector.store import VectorStore

NAME = "Vector_index_1_Node"
# Made by the vendor's library; test_vector_tablestore_library.py compares them with it.
RECORDED = json.loads(Path(__file__).with_name("tablestore_recorded.json").read_text(encoding="utf-8"))


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


def body_of(name: str) -> bytes:
    return base64.b64decode(RECORDED[name]["body"])


def message_of(name: str) -> Any:
    return decode(f"{RECORDED[name]['operation']}Request", body_of(name))


# ── the protocol


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_what_the_library_sends_is_read_and_written_bit_for_bit(name: str) -> None:
    assert encode(f"{RECORDED[name]['operation']}Request", message_of(name)) == body_of(name)


def test_rows_are_those_of_the_library() -> None:
    put, gone = message_of("write")["tables"][0]["rows"]
    key = [("id", "中 a")]
    columns: list[tuple[str, Value]] = [
        ("page_content", "text 数" * 40), ("whole", 3), ("half", 0.5), ("yes", True)
    ]  # fmt: skip
    assert put["row_change"] == row(key, columns)
    assert gone["row_change"] == row(key, deleted=True)
    (found,) = read(put["row_change"])
    assert (found.key, found.columns, found.deleted) == (dict(key), dict(columns), False)
    asked = message_of("range")
    assert asked["inclusive_start_primary_key"] == row([("id", Bound.LEAST)])
    assert asked["exclusive_end_primary_key"] == row([("id", Bound.MOST)])
    assert message_of("get")["tables"][0]["primary_key"] == [row(key)]


def test_queries_are_those_of_the_library() -> None:
    downwards = {"sorter": [{"score_sort": {"order": 1}}]}
    limits = {"field_name": "cloudberth", "range_from": value("a\tn0"), "range_to": value("a\to")}
    bounds = {"type": 4, "query": encode("RangeQuery", {**limits, "include_lower": 1, "include_upper": 0})}
    either = queries.some([queries.terms("cloudberth", ["year\tx", "数"]), bounds])
    made = {
        "near": {
            "query": queries.nearest("vector", [0.5, -1.0, 3.25], 7, either),
            "limit": 7,
            "sort": downwards,
        },
        "words": {
            "query": queries.words("page_content", "数据库 fox", queries.UNMARKED),
            "limit": 10,
            "sort": downwards,
        },
        "count": {"query": queries.UNMARKED, "limit": 0, "get_total_count": True},
        "keys": {
            "query": queries.term("metadata_tags", "a=b"),
            "limit": 1000,
            "sort": {"sorter": [{"pk_sort": {"order": 0}}]},
        },
        "more": {"query": queries.ALL, "limit": 10, "token": b"token"},
    }
    for name, one in made.items():
        assert encode("SearchQuery", one) == message_of(name)["search_query"], name


def test_a_collection_is_made_as_dify_makes_it(double: TablestoreDouble, store: VectorStore) -> None:
    store.create(NAME, 3)
    sent = {
        operation: message
        for operation, message in double.requests
        if message.get("table_name") == NAME or (message.get("table_meta") or {}).get("table_name") == NAME
    }
    assert sent["CreateTable"] == message_of("create")
    index = sent["CreateSearchIndex"]
    (facts,) = index["schema"]["field_schemas"][4:]
    assert facts["field_name"] == "cloudberth"
    index["schema"]["field_schemas"] = index["schema"]["field_schemas"][:4]
    assert index == message_of("index")


def test_sums_of_long_and_short_cells_are_the_same() -> None:
    data = numpy.random.default_rng(5).integers(0, 256, 3000, dtype=numpy.uint8).tobytes()
    for length in (96, 97, 127, 128, 254, 255, 3000):
        long = checksum(data[:length])
        step = 0
        for start in range(0, length, 50):
            # The sum of what is before stands for it: a short piece is summed by the loop.
            part = data[start : min(start + 50, length)]
            step = checksum(bytes([part[0] ^ step]) + part[1:])
        assert long == step, length
    assert checksum(b"123456789") == 0xF4  # the check value of this polynomial


def test_answers_that_end_too_early_are_no_rows() -> None:
    whole = row([("id", "a")], [("page_content", "text"), ("whole", 3)])
    assert read(whole[:4]) == []
    for length in (*range(1, 4), *range(5, len(whole))):
        with pytest.raises(CorruptData):
            read(whole[:length])
    with pytest.raises(CorruptData):
        decode("SearchResponse", b"\x12\x7f")


# ── collections


def test_a_creation_that_was_cut_off_is_finished(double: TablestoreDouble, store: VectorStore) -> None:
    double.refusals["CreateSearchIndex"] = [Refused("OTSServerUnavailable", "down", 503)]
    with pytest.raises(Unavailable):
        store.create(NAME, 3)
    with pytest.raises(NotFound):
        store.describe(NAME)
    store.create(NAME, 3)
    assert store.describe(NAME).dimension == 3
    with pytest.raises(PreconditionFailed):
        store.create(NAME, 3)


def test_tables_of_others_are_left_alone(double: TablestoreDouble, store: VectorStore) -> None:
    key = {"name": "order", "type": 2}
    asked = {"table_meta": {"table_name": "orders", "primary_key": [key]}, "reserved_throughput": {}}
    double.answer("CreateTable", encode("CreateTableRequest", asked))
    assert store.collections() == ()
    with pytest.raises(NotFound):
        store.drop("orders")
    with pytest.raises(PreconditionFailed):
        store.create("orders", 3)
    with pytest.raises(InvalidInput):
        store.create("berth_collections", 3)
    assert set(double.tables) == {"orders"}


def test_a_new_table_is_waited_for(double: TablestoreDouble, store: VectorStore) -> None:
    double.unready = 0.3
    store.create(NAME, 3)
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0])])
    assert store.count(NAME) == 1


def test_an_index_that_is_late_shows_what_there_is_now(double: TablestoreDouble, store: VectorStore) -> None:
    store.create(NAME, 3)
    store.upsert(NAME, [record("a", [1.0, 0.0, 0.0], "old", year=1), record("b", [0.0, 1.0, 0.0], year=1)])
    assert store.count(NAME) == 2
    double.delay = 3600.0
    store.upsert(NAME, [record("a", [0.0, 0.0, 1.0], "new", year=2), record("c", [1.0, 0.0, 0.0])])
    store.delete(NAME, ["b"])
    assert [one.id for one in store.scan(NAME)] == ["a", "c"]
    # Of what the index finds, what is gone is not shown, and what changed is measured and filtered anew.
    (hit,) = store.backend.search_dense(store.describe(NAME), dense([1.0, 0.0, 0.0], 2))
    assert (hit.id, hit.record.text) == ("a", "new")
    assert hit.raw == pytest.approx(0.0)
    only = replace(dense([1.0, 0.0, 0.0], 2), filter=equals("year", 1))
    assert store.backend.search_dense(store.describe(NAME), only) == []
    assert store.search_text(NAME, "old", filter="year == 1") == []
    double.delay = 0.0
    assert [one.id for one in store.search(NAME, [1.0, 0.0, 0.0])] == ["c", "a"]


def dense(given: list[float], k: int) -> DenseQuery:
    return DenseQuery(numpy.asarray(given, dtype=numpy.float32), k)


# ── what Dify wrote, by recorded requests


def dify_wrote(double: TablestoreDouble, *names: str) -> None:
    for name in names:
        double.answer(RECORDED[name]["operation"], body_of(name))


DIFY_ROWS = ("row d0", "row d1", "row d2", "row d3")


def test_a_recorded_collection_of_dify_is_read_and_filtered(
    double: TablestoreDouble, store: VectorStore
) -> None:
    dify_wrote(double, "create", "index", *DIFY_ROWS)
    assert store.collections() == (NAME,)
    found = store.describe(NAME)
    assert (found.dify, found.dimension, found.metric) == (True, 3, Metric.COSINE)
    hits = store.search(NAME, [1.0, 1.0, 0.0], 2, filter='document_id == "doc1"')
    assert [hit.id for hit in hits] == ["d1", "d3"]
    assert hits[0].record.text == "text 1 向量数据库"
    # The tags say `of text=1` of all four; of three it is a text.
    assert store.count(NAME, {"of text": "1"}) == 3
    assert store.count(NAME, {"of text": 1}) == 1
    assert store.count(NAME, 'year >= 2022 or document_id == "doc1"') == 3
    assert [one.id for one in store.scan(NAME, filter='document_id != "doc1"')] == ["d0", "d2"]
    # All four have the word, and the first that are asked for do not fit.
    assert [hit.id for hit in store.search_text(NAME, "数据库", 1, filter="year == 2023")] == ["d3"]
    store.upsert(NAME, [record("d1", [0.0, 0.0, 2.0], "new", document_id="doc9")])
    (row_of_dify,) = [one for id, one in double.tables[NAME].rows.items() if id == "d1"]
    assert row_of_dify == {
        "page_content": "new",
        "vector": "[0,0,2]",
        "metadata": '{"document_id": "doc9", "doc_id": "d1"}',
        "metadata_tags": '["document_id=doc9", "doc_id=d1"]',
    }
    assert store.delete_where(NAME, 'document_id in ["doc9", "doc0"] and year != 2020') == 2
    assert [one.id for one in store.scan(NAME)] == ["d0", "d3"]


def test_words_are_looked_for_until_enough_fit(double: TablestoreDouble, store: VectorStore) -> None:
    dify_wrote(double, "create", "index")
    store.upsert(NAME, [record(f"r{at:02}", [1.0, at, 0.0], "a fox", at=at) for at in range(45)])
    assert [hit.id for hit in store.search_text(NAME, "fox", 2, filter="at >= 43")] == ["r43", "r44"]
    asked = [decode("SearchQuery", one["search_query"]) for kind, one in double.requests if kind == "Search"]
    assert sum(bool(one.get("token")) for one in asked) == 4


def test_recorded_rows_of_dify_in_our_collection_are_filtered_too(
    double: TablestoreDouble, store: VectorStore
) -> None:
    store.create(NAME, 3)
    store.upsert(NAME, [record("ours", [1.0, 0.0, 0.0], year=2021, document_id="doc0")])
    dify_wrote(double, "row d0", "row d1")
    assert store.count(NAME) == 3
    assert store.count(NAME, "year == 2021") == 2
    assert store.count(NAME, 'document_id == "doc0"') == 2
    assert store.count(NAME, {"of text": "1"}) == 1
    assert store.count(NAME, 'not exists("of text")') == 1
    found = store.search(NAME, [1.0, 1.0, 0.0], filter="year >= 2021")
    assert {hit.id for hit in found} == {"ours", "d1"}
    assert store.delete_where(NAME, "year == 2021 and not exists(absent)") == 2


def test_a_note_of_a_collection_that_dify_made_again_is_stale(
    double: TablestoreDouble, store: VectorStore
) -> None:
    store.create(NAME, 5, Metric.L2, model="ours")
    del double.tables[NAME]
    dify_wrote(double, "create", "index")
    found = store.backend.describe(NAME)
    assert (found.dify, found.model, found.dimension, found.metric) == (True, "", 3, Metric.COSINE)


# ── records and filters


def test_large_records_go_in_several_requests(double: TablestoreDouble, store: VectorStore) -> None:
    store.create(NAME, 2)
    made = [record(f"r{at}", [1.0, at], "x" * 200_000) for at in range(40)]
    store.upsert(NAME, made)
    sizes = [
        sum(len(one["row_change"]) for one in message["tables"][0]["rows"])
        for operation, message in double.requests
        if operation == "BatchWriteRow" and message["tables"][0]["table_name"] == NAME
    ]
    assert len(sizes) >= 3
    assert max(sizes) < 4_000_000
    assert store.count(NAME) == 40


def test_values_stay_values(store: VectorStore) -> None:
    store.create(NAME, 3)
    odd = [
        "x' OR '1'='1",
        "\\",
        '"',
        "a\tb",
        "year\tn1",
        "数" * 5000,
        "数" * 5000 + "!",
        "=",
        "document_id=x",
    ]
    store.upsert(NAME, [record(f"o{at}", [1, 0, at], one, value=one) for at, one in enumerate(odd)])
    for at, one in enumerate(odd):
        assert store.count(NAME, {"value": one}) == 1
        assert [hit.id for hit in store.search(NAME, [1, 0, 0], filter={"value": one})] == [f"o{at}"]
    assert store.count(NAME, {"value": {"$in": [*odd, *map(str, range(3000))]}}) == len(odd)
    assert store.delete_where(NAME, {"value": {"$nin": odd[1:]}}) == 1
    assert store.count(NAME) == len(odd) - 1


def test_a_record_has_at_most_127_fields(store: VectorStore) -> None:
    store.create(NAME, 2)
    fields: dict[str, Any] = {f"f{at}": at for at in range(127)}
    store.upsert(NAME, [record("most", [1.0, 0.0], **fields)])
    assert store.count(NAME, "f126 == 126 and f0 < 1") == 1
    with pytest.raises(InvalidInput, match="129 fields"):
        store.upsert(NAME, [record("more", [1.0, 0.0], **fields, another=1)])
    assert store.count(NAME) == 1


# ── errors and settings


def test_a_row_that_is_refused_is_an_error(double: TablestoreDouble, store: VectorStore) -> None:
    store.create(NAME, 2)
    with pytest.raises(BackendError, match="page_content") as raised:
        store.upsert(NAME, [record("a", [1.0, 0.0]), record("b", [1.0, 0.0], "x" * (2 * 1024 * 1024 + 1))])
    assert (raised.value.kind, raised.value.retryable) == (Kind.INVALID, False)
    store.drop(NAME)
    with pytest.raises(NotFound):
        store.get(NAME, ["a"])


@pytest.mark.parametrize(
    ("code", "said", "status", "kind"),
    [
        ("OTSServerBusy", "Server is busy.", 503, Throttled),
        ("OTSQuotaExhausted", "Too frequent table operations.", 403, Throttled),
        ("OTSInternalServerError", "Internal server error.", 500, Unavailable),
        ("OTSAuthFailed", "Mismatch between system time and x-ots-date: 1", 403, ExpiredCredentials),
        ("OTSNoPermissionAccess", "You have no permission.", 403, PermissionDenied),
    ],
)
def test_errors_are_ours(
    double: TablestoreDouble, store: VectorStore, code: str, said: str, status: int, kind: type[BackendError]
) -> None:
    store.create(NAME, 2)
    double.refusals["Search"] = [Refused(code, said, status)]
    with pytest.raises(kind, match=said) as raised:
        store.count(NAME)
    assert raised.value.code == code
    assert store.count(NAME) == 0


def test_a_row_that_is_not_read_is_an_error(double: TablestoreDouble, store: VectorStore) -> None:
    """An answer without it would say that it is not there."""
    store.create(NAME, 2)
    store.upsert(NAME, [record("a", [1.0, 0.0]), record("b", [1.0, 0.0])])
    store.describe(NAME)
    double.unread = [{"code": "OTSPartitionUnavailable", "message": "The partition is not available."}]
    with pytest.raises(Unavailable, match="OTSPartitionUnavailable"):
        store.get(NAME, ["a", "b"])
    assert [one.id for one in store.get(NAME, ["a", "b"])] == ["a", "b"]


def test_vectors_of_many_dimensions_are_read_in_smaller_answers(
    double: TablestoreDouble, store: VectorStore
) -> None:
    store.create(NAME, 4096)
    given = numpy.random.default_rng(7).standard_normal((60, 4096)).astype(numpy.float32)
    store.upsert(NAME, [Record(f"r{at}", one) for at, one in enumerate(given)])
    found = store.get(NAME, [f"r{at}" for at in range(60)], vectors=True)
    assert all(numpy.array_equal(given[at], one.vector) for at, one in enumerate(found))  # type: ignore[arg-type]
    asked = [message["tables"][0] for operation, message in double.requests if operation == "BatchGetRow"]
    assert max(len(one["primary_key"]) for one in asked if "vector" in one["columns_to_get"]) < 60


def test_a_server_that_is_away_or_hangs_is_unavailable() -> None:
    options = Options(timeout=0.2, retries=0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with vector.open("", variables(port), options) as store, pytest.raises(TimedOut):
            store.health()
    with vector.open("", variables(port), options) as store, pytest.raises(Unavailable):
        store.health()


def test_half_an_answer_of_an_index_is_an_error(double: TablestoreDouble, store: VectorStore) -> None:
    store.create(NAME, 2)
    double.partial = True
    with pytest.raises(Unavailable, match="part of the index"):
        store.count(NAME)


def test_busy_servers_are_asked_again(double: TablestoreDouble) -> None:
    with vector.open("", variables(double.port), Options(retries=2)) as store:
        store.create(NAME, 2)
        double.refusals["BatchWriteRow"] = [Refused("OTSServerBusy", "Server is busy.", 503)]
        assert store.upsert(NAME, [record("a", [1.0, 0.0])]) == 1
        assert store.count(NAME) == 1


def test_an_answer_that_was_changed_on_its_way_is_not_believed(
    double: TablestoreDouble, store: VectorStore
) -> None:
    store.create(NAME, 2)
    double.spoiled = True
    with pytest.raises(CorruptData, match="MD5"):
        store.count(NAME)


def test_an_answer_of_somebody_without_the_key_is_not_believed(
    store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vector_servers.tablestore_api.answer_signature", lambda *_: "of somebody else")
    with pytest.raises(CorruptData, match="not signed"):
        store.health()


def test_a_wrong_secret_is_refused_and_not_shown(double: TablestoreDouble) -> None:
    environment = {**variables(double.port), "TABLESTORE_ACCESS_KEY_SECRET": "sesame-77"}
    store = vector.open("", environment, Options(retries=0))
    with pytest.raises(PermissionDenied, match="Signature mismatch") as raised:
        store.describe(NAME)
    shown = f"{raised.value!r} {raised.value.hint} {store!r} {store.backend!r} {vars(store.backend)}"
    assert "sesame-77" not in shown


def test_settings_come_from_variables_or_a_location(double: TablestoreDouble) -> None:
    with pytest.raises(InvalidInput, match="TABLESTORE_ENDPOINT, TABLESTORE_INSTANCE_NAME"):
        vector.open("", {"VECTOR_STORE": "tablestore"})
    given = variables(double.port)
    location = f"tablestore://127.0.0.1:{double.port}/dify?tls=false"
    secrets = {name: given[name] for name in ("TABLESTORE_ACCESS_KEY_ID", "TABLESTORE_ACCESS_KEY_SECRET")}
    with vector.open(location, secrets) as store:
        store.create(NAME, 2)
        assert store.health().detail == {"tables": "2"}
    with pytest.raises(InvalidInput, match="access_key_secret is a secret"):
        vector.open(f"{location}&access_key_secret=x", secrets)
