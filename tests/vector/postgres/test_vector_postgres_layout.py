"""What Dify wrote is read, and what we write is what Dify would have: table, columns, index, names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
import psycopg
import pytest
from vector_servers import postgres

from cloudberth import vector
from cloudberth.vector.contract import FieldType, Index, Metric, Record
from cloudberth.vector.store import VectorStore

DATASET = "Vector_index_0f3c5a5e_1d2b_4a8e_9c1f_0123456789ab_Node"
IDS = ("7b0f4a52-6a9e-4b5e-8f57-2f6f0a4f8a01", "7b0f4a52-6a9e-4b5e-8f57-2f6f0a4f8a02")
TEXTS = ("向量数据库保存嵌入", "Backups are kept for seven days")
VECTORS = ([1.0, 0.0, 0.0], [0.6, 0.8, 0.0])


@dataclass(frozen=True)
class Layout:
    """How Dify lays out one type. table: its statement as Dify sends it. key: its row's id, given the doc_id.

    columns: of id, text, metadata and vector. brackets: of a vector's text. prepared: the stand-in.
    """

    type: str
    table: str
    columns: tuple[str, str, str, str]
    prepared: tuple[str, ...]
    name: str = "embedding_{name}"
    own_key: bool = True
    brackets: str = "[]"
    metric: Metric = Metric.COSINE
    vendor_ddl: bool = False
    extra: str = ""


_PLAIN = ("id", "text", "meta", "embedding")
LAYOUTS = (
    Layout(
        "pgvector",
        "CREATE TABLE IF NOT EXISTS {table} (id UUID PRIMARY KEY, text TEXT NOT NULL, meta JSONB NOT NULL, "
        "embedding vector(3) NOT NULL) using heap",
        _PLAIN,
        (postgres.VECTOR,),
    ),
    Layout(
        "opengauss",
        "CREATE TABLE IF NOT EXISTS {table} (id UUID PRIMARY KEY, text TEXT NOT NULL, meta JSONB NOT NULL, "
        "embedding vector(3) NOT NULL)",
        _PLAIN,
        (postgres.VECTOR,),
    ),
    Layout(
        "vastbase",
        "CREATE TABLE IF NOT EXISTS {table} (id UUID PRIMARY KEY, text TEXT NOT NULL, meta JSONB NOT NULL, "
        "embedding floatvector(3) NOT NULL)",
        _PLAIN,
        postgres.FLOATVECTOR,
    ),
    Layout(
        "pgvecto-rs",
        "CREATE TABLE IF NOT EXISTS {table} (id UUID PRIMARY KEY, text TEXT NOT NULL, meta JSONB NOT NULL, "
        "vector vector(3) NOT NULL) using heap",
        ("id", "text", "meta", "vector"),
        postgres.SQUARED,
        name="{name}",
        own_key=False,
    ),
    Layout(
        "relyt",
        "CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, document TEXT NOT NULL, "
        "metadata JSON NOT NULL, embedding vector(3) NOT NULL) using heap",
        ("id", "document", "metadata", "embedding"),
        postgres.SQUARED,
        name='"{name}"',
        own_key=False,
        metric=Metric.L2,
    ),
    Layout(
        "analyticdb",
        "CREATE TABLE IF NOT EXISTS dify.{table}(id text PRIMARY KEY, vector real[], ref_doc_id text, "
        "page_content text, metadata_ jsonb, to_tsvector TSVECTOR)",
        ("id", "page_content", "metadata_", "vector"),
        ("CREATE SCHEMA dify",),
        name="{name}",
        own_key=False,
        brackets="{}",
        extra="ref_doc_id",
    ),
    Layout(
        "hologres",
        "CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, text TEXT NOT NULL, meta JSONB NOT NULL, "
        "embedding float4[] NOT NULL CHECK (array_ndims(embedding) = 1 AND array_length(embedding, 1) = 3))",
        _PLAIN,
        postgres.FUNCTIONS,
        brackets="{}",
    ),
)


@pytest.fixture(params=LAYOUTS, ids=[layout.type for layout in LAYOUTS])
def layout(request: pytest.FixtureRequest) -> Layout:
    found: Layout = request.param
    return found


@contextmanager
def opened(server: postgres.PostgresServer, layout: Layout) -> Iterator[tuple[VectorStore, str]]:
    """The store of a type on a database prepared for it, and the database's name."""
    fixed = layout.type == "analyticdb"
    with postgres.knowledgebase("dify") if fixed else server.database() as database:
        server.execute(database, *layout.prepared)
        location = postgres.location(layout.type, "dify" if fixed else database, vendor_ddl=layout.vendor_ddl)
        with vector.open(location, {}) as store:
            yield store, database


def written_by_dify(server: postgres.PostgresServer, layout: Layout, database: str) -> None:
    """The table and two rows, with the statements and the folding of names that Dify has."""
    table = layout.name.format(name=DATASET)
    schema = "dify." if layout.type == "analyticdb" else ""
    with psycopg.connect(host=server.host, user="postgres", dbname=database, autocommit=True) as connection:
        connection.execute(layout.table.format(table=table))
        for at, (id, text, numbers) in enumerate(zip(IDS, TEXTS, VECTORS, strict=True)):
            key = id if layout.own_key else f"00000000-0000-4000-8000-00000000000{at}"
            metadata = {"doc_id": id, "document_id": f"d{at}", "doc_type": None, "page": at}
            open_, close = layout.brackets
            columns, values = list(layout.columns), [key, text, json.dumps(metadata)]
            values.append(open_ + ",".join(map(str, numbers)) + close)
            if layout.extra:
                columns.append(layout.extra)
                values.append(id)
            places = ", ".join(["%s"] * len(values))
            connection.execute(
                f"INSERT INTO {schema}{table} ({', '.join(columns)}) VALUES ({places})", values
            )


def test_a_collection_of_difys_is_read_searched_changed_and_removed(
    server: postgres.PostgresServer, layout: Layout
) -> None:
    with opened(server, layout) as (store, database):
        written_by_dify(server, layout, database)
        name = DATASET.lower() if store.capabilities.lower else DATASET
        assert store.collections() == (name,)
        found = store.describe(DATASET)
        assert (found.dify, found.dimension, found.metric) == (True, 3, layout.metric)

        assert [hit.id for hit in store.search(DATASET, VECTORS[1], 2)] == [IDS[1], IDS[0]]
        assert [hit.id for hit in store.search(DATASET, VECTORS[1], 2, filter='document_id == "d0"')] == [
            IDS[0]
        ]
        assert [hit.id for hit in store.search_text(DATASET, "数据库", 5)] == [IDS[0]]
        assert [hit.id for hit in store.search_text(DATASET, "BACKUPS", 5)] == [IDS[1]]
        assert store.count(DATASET, "exists(doc_type)") == 0
        record = store.get(DATASET, [IDS[0]], vectors=True)[0]
        assert record.text == TEXTS[0]
        assert record.vector is not None
        assert record.vector.tolist() == VECTORS[0]
        assert [one.id for one in store.scan(DATASET)] == list(IDS)

        # Writing to one of Dify's records replaces it, whatever its key is.
        store.upsert(DATASET, [Record(IDS[0], numpy.array([0, 0, 1], numpy.float32), "changed", {"page": 9})])
        assert store.count(DATASET) == 2
        assert [one.text for one in store.get(DATASET, [IDS[0]])] == ["changed"]
        assert store.delete(DATASET, list(IDS)) == 2
        store.drop(DATASET)
        assert store.collections() == ()


def test_what_we_write_has_the_columns_that_dify_reads(
    server: postgres.PostgresServer, layout: Layout
) -> None:
    with opened(server, layout) as (store, database):
        store.create(DATASET, 3)
        store.upsert(DATASET, [Record(IDS[0], numpy.array(VECTORS[0], numpy.float32), TEXTS[0], {"page": 1})])
        table = layout.name.format(name=DATASET)
        schema = "dify." if layout.type == "analyticdb" else ""
        rows = server.execute(database, f"SELECT {', '.join(layout.columns)} FROM {schema}{table}")
        assert [str(rows[0][0]), rows[0][1], rows[0][2]] == [IDS[0], TEXTS[0], {"doc_id": IDS[0], "page": 1}]
        # Dify's own statement finds the table, and its rows go in beside ours.
        numbers = str(VECTORS[1]).translate(_brackets(layout))
        server.execute(
            database,
            layout.table.format(table=table),
            f"INSERT INTO {schema}{table} ({', '.join(layout.columns)}) "
            f"VALUES ('{IDS[1]}', 'x', '{{\"doc_id\": \"{IDS[1]}\"}}', '{numbers}')",
        )
        assert {hit.id for hit in store.search(DATASET, VECTORS[0], 5)} == set(IDS)


def _brackets(layout: Layout) -> dict[int, str]:
    return {ord("["): layout.brackets[0], ord("]"): layout.brackets[1]}


def _pgvector(server: postgres.PostgresServer, database: str) -> VectorStore:
    return vector.open(postgres.location("pgvector", database, vendor_ddl=True), {})


def test_difys_index_statement_finds_our_index(server: postgres.PostgresServer, database: str) -> None:
    """The hash is of the name as Dify spells it, MD5 of ``embedding_Vector_index_…_Node``."""
    with _pgvector(server, database) as store:
        store.create(DATASET, 3)
        before = _indexes(server, database)
        assert "embedding_cosine_v1_idx_61f27217" in before
        server.execute(
            database,
            f"CREATE INDEX IF NOT EXISTS embedding_cosine_v1_idx_61f27217 ON embedding_{DATASET} "
            "USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
        )
        assert _indexes(server, database) == before


def _indexes(server: postgres.PostgresServer, database: str) -> set[str]:
    rows = server.execute(database, "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'")
    return {name for (name,) in rows}


def test_long_names_stay_apart(server: postgres.PostgresServer, database: str) -> None:
    first, second = "x" * 119 + "a", "x" * 119 + "b"
    with _pgvector(server, database) as store:
        for name in (first, second):
            store.create(name, 3)
        store.upsert(first, [Record("1", numpy.array(VECTORS[0], numpy.float32))])
        assert (store.count(first), store.count(second)) == (1, 0)
        assert store.collections() == (first, second)


def test_tables_of_others_are_neither_listed_nor_dropped(
    server: postgres.PostgresServer, database: str
) -> None:
    server.execute(
        database, "CREATE TABLE embedding_notes (id int, text text)", "CREATE TABLE users (id int)"
    )
    with _pgvector(server, database) as store:
        assert store.collections() == ()
        with pytest.raises(FileNotFoundError):
            store.drop("notes")
    assert server.execute(database, "SELECT count(*) FROM embedding_notes") == [(0,)]


def _plan(server: postgres.PostgresServer, database: str, sql: str) -> str:
    rows: list[Any] = server.execute(database, f"EXPLAIN {sql}")
    return "\n".join(line for (line,) in rows)


def test_searches_and_filters_use_their_indexes(server: postgres.PostgresServer, database: str) -> None:
    """With enough rows that a planner who may choose does choose them."""
    made = numpy.random.default_rng(3).standard_normal((3000, 3)).astype(numpy.float32)
    fields = {"group": FieldType.KEYWORD, "year": FieldType.INTEGER, "tens": FieldType.NUMBER}
    with _pgvector(server, database) as store:
        store.create("plans", 3, fields=fields, index=Index(links=4, construction=20))
        with store.bulk("plans"):
            store.upsert(
                "plans",
                [
                    Record(str(at), row, f"word{at}", {"group": f"g{at}", "year": at, "tens": at % 10})
                    for at, row in enumerate(made)
                ],
            )
        table = "embedding_plans"
        near = _plan(server, database, f"SELECT id FROM {table} ORDER BY embedding <=> '[1,0,0]' LIMIT 5")
        assert "embedding_cosine_v1_idx" in near
        keyword = _plan(
            server, database, f"SELECT id FROM {table} WHERE (meta -> 'group'::text) = '\"g7\"'::jsonb"
        )
        year = _plan(
            server,
            database,
            f"SELECT id FROM {table} WHERE jsonb_typeof(meta -> 'year'::text) = 'number' "
            "AND (meta -> 'year'::text) >= '2990'::jsonb",
        )
        some = _plan(
            server,
            database,
            f"SELECT id FROM {table} WHERE jsonb_typeof(meta -> 'tens'::text) = 'number' "
            "AND (meta -> 'tens'::text) = '3'::jsonb",
        )
        assert "rows=300 " in some, "the planner knows how many there are"
        assert [
            hit.record.metadata["tens"] for hit in store.search("plans", [1, 0, 0], 5, filter="tens == 3")
        ] == [3] * 5
        assert store.count("plans", "tens == 3 or tens in [4, 5] or tens == '6'") == 900
        words = _plan(server, database, f"SELECT id FROM {table} WHERE words @@ '''word9'''::tsquery")
        wordless = _plan(server, database, f"SELECT id FROM {table} WHERE words IS NULL AND text ~ 'x'")
        for plan in (keyword, year, some, words, wordless):
            assert "Seq Scan" not in plan, plan


def test_many_dimensions_are_indexed_in_half_precision_and_measured_in_full(
    server: postgres.PostgresServer, database: str
) -> None:
    made = numpy.random.default_rng(4).standard_normal((30, 2001)).astype(numpy.float32)
    with _pgvector(server, database) as store:
        store.create("large", 2001)
        store.upsert("large", [Record(str(at), row) for at, row in enumerate(made)])
        hits = store.search("large", made[3] + made[4], 2)
        exact = store.search("large", made[3] + made[4], 2, exact=True)
        assert {hit.id for hit in hits} == {"3", "4"}
        assert [hit.raw for hit in hits] == [hit.raw for hit in exact]
        definition = server.execute(
            database, "SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%halfvec%'"
        )
        assert "halfvec_cosine_ops" in definition[0][0]


def test_bulk_drops_the_index_and_builds_it_afterwards(
    server: postgres.PostgresServer, database: str
) -> None:
    made = numpy.random.default_rng(5).standard_normal((50, 3)).astype(numpy.float32)
    with _pgvector(server, database) as store:
        store.create("bulky", 3)
        with store.bulk("bulky"):
            assert not any("cosine" in name for name in _indexes(server, database))
            store.upsert("bulky", [Record(str(at), row) for at, row in enumerate(made)])
        assert any("cosine" in name for name in _indexes(server, database))
        # A process that died in between: the next one's end_bulk builds it.
        store.backend.begin_bulk(store.describe("bulky"))
        with _pgvector(server, database) as other:
            other.backend.end_bulk(other.describe("bulky"))
        assert any("cosine" in name for name in _indexes(server, database))
