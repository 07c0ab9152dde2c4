"""What is MyScale's own: its statements, Dify's tables, and what goes wrong over HTTP."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from cloudberth import vector
from cloudberth.errors import BackendError, InvalidInput, NotFound, PermissionDenied, Throttled, Unavailable
from cloudberth.vector import Collection, Effort, Index, Metric, Options, Record
from cloudberth.vector import filters as language
from cloudberth.vector._clickhouse import Values, as_ours
from cloudberth.vector.contract import DenseQuery, TextQuery
from cloudberth.vector.myscale import ClickHouseConditions, MyScale, MyScaleSettings

sys.path.append(str(Path(__file__).parents[2] / "contract" / "vector"))

from vector_servers import clickhouse

ID = "0f3c5a5e-1d2b-4a8e-9c1f-0123456789ab"
HASTY = Options(timeout=1.0, deadline=2.0, retries=0)


@pytest.fixture
def store() -> Iterator[vector.VectorStore]:
    if reason := clickhouse.missing():
        pytest.skip(reason)
    server = clickhouse.server()
    with vector.open(
        f"myscale://{clickhouse.USER}@{server.host}:{server.port}/of_dify?engine=clickhouse",
        {"MYSCALE_PASSWORD": clickhouse.PASSWORD},
    ) as found:
        yield found


class Asked:
    """Keeps what a client is asked, and answers with nothing."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, dict[str, str]]] = []

    def rows(self, statement: str, values: Values | None = None) -> list[list[Any]]:
        self.statements.append((statement, values.given if values else {}))
        return []


@pytest.fixture
def vendor() -> tuple[MyScale, Asked]:
    """A backend for MyScale itself, whose statements are kept."""
    settings = MyScaleSettings.from_environment({"MYSCALE_FTS_PARAMS": '{"text": "chinese"}'})
    backend = MyScale(settings, Options())
    asked = Asked()
    backend._client = asked  # type: ignore[assignment]
    return backend, asked


def test_the_table_is_that_of_dify_with_two_columns_more(vendor: tuple[MyScale, Asked]) -> None:
    statement = vendor[0].create_table(Collection("notes", 3, Metric.COSINE))
    assert statement.partition(" COMMENT ")[0] == (
        "CREATE TABLE `notes` (id String, text String, vector Array(Float32), metadata JSON, "
        "exact String DEFAULT '', words String DEFAULT '', "
        "CONSTRAINT cons_vec_len CHECK length(vector) = 3, "
        "VECTOR INDEX vidx vector TYPE DEFAULT('metric_type = Cosine'), "
        'INDEX text_idx text TYPE fts(\'{"text": "chinese"}\'), INDEX words_idx words TYPE fts) '
        "ENGINE = MergeTree ORDER BY id"
    )
    assert "VECTOR INDEX" not in vendor[0].create_table(Collection("notes", 3, index=Index("exact")))


@pytest.mark.parametrize(("metric", "order"), [(Metric.COSINE, "ASC"), (Metric.INNER, "DESC")])
def test_a_search_goes_through_the_index_of_myscale(
    vendor: tuple[MyScale, Asked], metric: Metric, order: str
) -> None:
    backend, asked = vendor
    query = DenseQuery(numpy.array([1, 0], numpy.float32), 5, language.equals("a", "b"))
    backend.search_dense(Collection("notes", 2, metric), query)
    statement, given = asked.statements[0]
    assert "distance(vector, {p0:Array(Float32)}) AS dist FROM `notes` WHERE" in statement
    assert f"ORDER BY dist {order} LIMIT 5" in statement
    assert given["p0"] == "[1,0]"
    exact = DenseQuery(query.vector, 5, None, Effort.EXACT)
    backend.search_dense(Collection("notes", 2, metric), exact)
    assert "distance(vector" not in asked.statements[1][0]


def test_words_are_searched_in_the_index_of_myscale(vendor: tuple[MyScale, Asked]) -> None:
    backend, asked = vendor
    backend.search_text(Collection("notes", 2), TextQuery("数据库 Fox'", 3))
    statement, given = asked.statements[0]
    assert "TextSearch('enable_nlq=false')(words, unhex({p0:String})) AS raw" in statement
    assert bytes.fromhex(given["p0"]).decode() == "数据 据库 fox"
    backend.search_text(Collection("notes", 2, dify=True), TextQuery("数据库 Fox'", 3))
    assert "(text, unhex(" in asked.statements[1][0]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "\\", "\\'); DROP TABLE x; --", "{p0:String}", "\t\n", "数"])
def test_values_and_names_are_parameters_in_digits(text: str) -> None:
    filter = language.Or((language.equals(text, text), language.one_of(text, [text, "b", 1, 2.5, True])))
    harmless = language.Or((language.equals("f", "v"), language.one_of("f", ["v", "b", 1, 2.5, True])))
    values, others = Values(), Values()
    rendered = ClickHouseConditions("exact", values).render(filter)
    assert rendered == ClickHouseConditions("exact", others).render(harmless)
    assert text.encode().hex() in values.given.values()
    assert set("".join(values.given.values())) <= set("0123456789abcdef.[]',-e")


def test_what_dify_wrote_is_read_and_changed(store: vector.VectorStore) -> None:
    backend: Any = store.backend
    store.create("other", 3)
    store.drop("other")
    backend._client.run(
        "CREATE TABLE dify (id String, text String, vector Array(Float32), metadata JSON, "
        "CONSTRAINT cons_vec_len CHECK length(vector) = 3) ENGINE = MergeTree ORDER BY id"
    )
    metadata = json.dumps({"doc_id": ID, "document_id": "d1", "作者": "李白"})
    backend._client.run(
        f"INSERT INTO dify (id,text,vector,metadata) VALUES ('{ID}', 'a text', [0.1, 0.2, 0.3], '{metadata}')"
    )
    found = store.describe("dify")
    assert (found.dimension, found.metric, found.dify) == (3, Metric.COSINE, True)
    record = store.get("dify", [ID], vectors=True)[0]
    assert (record.id, record.text, dict(record.metadata)) == (
        ID,
        "a text",
        {"document_id": "d1", "作者": "李白"},
    )
    assert numpy.array_equal(record.vector, numpy.array([0.1, 0.2, 0.3], numpy.float32))  # type: ignore[arg-type]
    assert store.search("dify", [0.1, 0.2, 0.3], filter='field("作者") == "李白"')[0].id == ID
    store.upsert("dify", [Record("b", numpy.array([1, 0, 0], numpy.float32), "ours", {"document_id": "d2"})])
    assert store.delete_where("dify", 'document_id == "d1"') == 1
    assert [record.id for record in store.scan("dify")] == ["b"]
    store.drop("dify")


def test_dify_reads_what_we_wrote(store: vector.VectorStore) -> None:
    backend: Any = store.backend
    store.create("ours", 2)
    store.upsert("ours", [Record(ID, numpy.array([1, 0], numpy.float32), "a text", {"document_id": "d1"})])
    rows = backend._client.rows(
        "SELECT text, vector, metadata, cosineDistance(vector, [1, 0]) AS dist FROM of_dify.ours "
        "WHERE metadata.document_id = 'd1' ORDER BY dist ASC LIMIT 4"
    )
    assert rows == [["a text", [1, 0], {"doc_id": ID, "document_id": "d1"}, 0]]
    backend._client.run("INSERT INTO ours (id,text,vector,metadata) VALUES ('x', 'y', [0, 1], '{}')")
    assert store.count("ours") == 2
    assert dict(store.get("ours", ["x"])[0].metadata) == {}
    store.drop("ours")


def test_many_values_travel_in_the_body(store: vector.VectorStore) -> None:
    store.create("many", 2)
    store.upsert("many", [Record("a", numpy.array([1, 0], numpy.float32), "", {"k": "v 4999"})])
    wanted = language.one_of("k", [f"v {number}" for number in range(5000)])
    assert store.count("many", wanted) == 1
    store.drop("many")


def test_a_wrong_password_is_a_refusal_without_it() -> None:
    if reason := clickhouse.missing():
        pytest.skip(reason)
    server = clickhouse.server()
    location = f"myscale://{clickhouse.USER}@{server.host}:{server.port}/d?engine=clickhouse"
    with vector.open(location, {"MYSCALE_PASSWORD": "hunter2"}) as store:
        with pytest.raises(PermissionDenied) as raised:
            store.health()
        assert "hunter2" not in f"{raised.value} {store!r} {vars(store.backend)!r}"


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        location = f"myscale://u@127.0.0.1:{taken.getsockname()[1]}/d"
        with vector.open(location, {}, HASTY) as store, pytest.raises(Unavailable):
            store.health()


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        location = f"myscale://u@127.0.0.1:{silent.getsockname()[1]}/d"
        with vector.open(location, {}, HASTY) as store, pytest.raises(TimeoutError):
            store.health()


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (404, "Code: 60. DB::Exception: Unknown table", NotFound),
        (403, "Code: 516. DB::Exception: Authentication failed", PermissionDenied),
        (500, "Code: 202. DB::Exception: Too many simultaneous queries", Throttled),
        (500, "Code: 252. DB::Exception: Too many parts", Throttled),
        (503, "upstream unavailable", Unavailable),
        (500, "Code: 999. DB::Exception: Keeper", Unavailable),
        (500, "Code: 4711. DB::Exception: new", BackendError),
    ],
)
def test_errors_have_their_place_in_the_tree(status: int, text: str, kind: type[BackendError]) -> None:
    assert type(as_ours(status, text)) is kind


def test_the_name_of_a_database_is_a_name() -> None:
    with pytest.raises(InvalidInput, match="MYSCALE_DATABASE"):
        vector.open("", {"VECTOR_STORE": "myscale", "MYSCALE_DATABASE": "a; DROP DATABASE b"})
