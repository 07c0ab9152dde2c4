"""What is sent, without a server: statements that no server here can run, bound values, settings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth import vector
from cloudberth.errors import InvalidInput, PermissionDenied, Unsupported
from cloudberth.vector._postgres import identities, vectors, words
from cloudberth.vector._postgres.catalog import Facts
from cloudberth.vector._postgres.conditions import condition
from cloudberth.vector._postgres.naming import collection_name, literal, table_name
from cloudberth.vector._postgres.statements import Statements
from cloudberth.vector.analyticdb import AnalyticDb, AnalyticDbSettings
from cloudberth.vector.contract import Collection, DenseQuery, FieldType, Index, Metric
from cloudberth.vector.filters import And, Compare, Filter, Not, Operator, Or
from cloudberth.vector.hologres import Hologres, HologresSettings
from cloudberth.vector.opengauss import OpenGauss, OpenGaussSettings
from cloudberth.vector.options import Options
from cloudberth.vector.pgvecto_rs import DIALECT as PGVECTO_RS
from cloudberth.vector.pgvector import DIALECT as PGVECTOR
from cloudberth.vector.pgvector import PgVector, PgVectorSettings
from cloudberth.vector.relyt import DIALECT as RELYT

DOCS = Collection("docs", 8, index=Index("hnsw", 16, 64, 100))

# ── statements of vendors that are not here


@pytest.mark.parametrize("dialect", [PGVECTO_RS, RELYT], ids=["pgvecto-rs", "relyt"])
def test_the_index_of_the_access_method_vectors(dialect: Any) -> None:
    """As https://docs.vectorchord.ai describes it; the operators are those of the queries, not of Dify's."""
    statement = Statements(dialect).ann(DOCS)
    column = dialect.columns.vector
    assert statement == (
        f'CREATE INDEX IF NOT EXISTS "docs_embedding_index" ON "docs" USING vectors ("{column}" '
        "vector_cos_ops) WITH (options = $$\n[indexing.hnsw]\nm = 16\nef_construction = 64\n$$)"
    )
    assert "vector_l2_ops" in Statements(dialect).ann(replace(DOCS, metric=Metric.L2))
    assert "vector_dot_ops" in Statements(dialect).ann(replace(DOCS, metric=Metric.INNER))
    assert Statements(dialect).create(DOCS)[0].endswith("USING heap")
    assert not Statements(dialect, vendor=False).create(DOCS)[0].endswith("USING heap")


def _analyticdb(**given: Any) -> AnalyticDb:
    settings = AnalyticDbSettings.checked({"host": "db", "user": "u", **given})
    return AnalyticDb.open(settings, Options())


def test_the_table_and_index_of_analyticdb() -> None:
    backend = _analyticdb()
    table, *_ = backend._statements.create(DOCS)
    assert table.startswith('CREATE TABLE "dify"."docs" ("id" text PRIMARY KEY, "page_content" text NOT NULL')
    assert table.endswith("WITH (fillfactor=70) DISTRIBUTED BY (id)")
    assert backend._ann(DOCS) == [
        'ALTER TABLE "dify"."docs" ALTER COLUMN vector SET STORAGE PLAIN',
        'CREATE INDEX "docs_embedding_idx" ON "dify"."docs" USING ann("vector") WITH (dim=\'8\', '
        "distancemeasure='cosine', hnsw_m='16', hnsw_ef_construction='64', pq_enable=0, external_storage=0)",
    ]
    insert = backend._statements.insert("docs", "unnest(%s)", words=True, conflict=False)
    assert "to_tsvector(E'zh_cn', unnest(%s::text[]))" in insert


def test_the_two_indexes_of_hologres() -> None:
    settings = HologresSettings.checked(
        {"host": "h", "database": "d", "namespace": "s", "tokenizer": "ik", "max_degree": 32}
    )
    vector_index, text_index = Hologres.open(settings, Options())._ann(replace(DOCS, metric=Metric.L2))
    prefix = "CALL set_table_property(E's.embedding_docs', 'vectors', E'"
    assert vector_index.startswith(prefix)
    assert json.loads(vector_index.removeprefix(prefix).removesuffix("')"))["embedding"] == {
        "algorithm": "HGraph",
        "distance_method": "Euclidean",
        "builder_params": {
            "max_degree": 32,
            "ef_construction": 400,
            "base_quantization_type": "rabitq",
            "use_reorder": True,
        },
    }
    assert text_index == (
        'CREATE INDEX IF NOT EXISTS "ft_idx_docs" ON "s"."embedding_docs" USING FULLTEXT ("text") '
        "WITH (tokenizer = E'ik')"
    )


def test_the_quantised_index_of_opengauss() -> None:
    settings = OpenGaussSettings.checked({"enable_pq": True})
    assert OpenGauss.open(settings, Options())._ann(DOCS) == [
        'CREATE INDEX IF NOT EXISTS "embedding_embedding_docs_pq_idx" ON "embedding_docs" USING hnsw '
        '("embedding" vector_cosine_ops) WITH (m = 16, ef_construction = 64, enable_pq=on, pq_m=2)'
    ]


def test_no_index_where_none_is_wanted_or_possible() -> None:
    statements = Statements(PGVECTOR)
    assert statements.ann(replace(DOCS, index=Index("exact"))) == ""
    assert "halfvec(2001)" in statements.ann(replace(DOCS, dimension=2001))
    assert statements.ann(replace(DOCS, dimension=4001)) == ""
    # pgvector refuses fewer candidates than twice the links.
    assert "ef_construction = 80" in statements.ann(replace(DOCS, index=Index("hnsw", 40, 10, 10)))


def test_an_older_pgvector_is_not_asked_for_what_it_lacks() -> None:
    backend = PgVector.open(PgVectorSettings.checked({}), Options())
    query = DenseQuery(numpy.ones(8, numpy.float32), 10)
    for version, indexes, settings in (
        ("0.6.2", 0, {"hnsw.ef_search"}),
        ("0.7.4", 1, {"hnsw.ef_search"}),
        ("0.8.0", 1, {"hnsw.ef_search", "hnsw.iterative_scan", "hnsw.max_scan_tuples"}),
    ):
        numbers = tuple(int(part) for part in version.split("."))
        backend._facts = Facts("PostgreSQL 16", version, 1, 2, numbers)
        assert len(backend._ann(replace(DOCS, dimension=2001))) == indexes
        assert len(backend._ann(DOCS)) == 1
        assert set(backend._search_settings(DOCS, query)) == settings


# ── filters

_SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda text: f"«{text}»"),
    st.integers(-(2**60), 2**60),
    st.booleans(),
)
_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: f"‹{text}›"
)


def _compare(name: str, operator: Operator, value: Any, more: list[Any]) -> Filter:
    if operator is Operator.EXISTS:
        return Compare(name, operator, True)
    if operator in {Operator.IN, Operator.NIN}:
        return Compare(name, operator, (value, *more))
    return Compare(name, operator, value)


_COMPARES = st.builds(
    _compare,
    _NAMES,
    st.sampled_from([each for each in Operator if each not in {"and", "or", "not"}]),
    _SCALARS,
    st.lists(_SCALARS, max_size=3),
)
_FILTERS = st.recursive(
    _COMPARES,
    lambda part: st.one_of(
        st.lists(part, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(part, max_size=3).map(lambda parts: Or(tuple(parts))),
        part.map(Not),
    ),
    max_leaves=8,
)


class _Everything(frozenset[str]):
    def __contains__(self, name: object) -> bool:
        return True


@given(_FILTERS, st.booleans())
def test_nothing_of_a_filter_becomes_sql(filter: Filter, indexed: bool) -> None:
    """Neither names nor values: the text is made of our own words, and every value has its placeholder."""
    sql, values = condition(filter, '"meta"', _Everything() if indexed else frozenset())
    assert sql.count("%s") == len(values)
    assert not set(sql) & set("‹›«»")
    rest = sql
    for word in (
        *("IS NOT TRUE", "AND", "OR", "TRUE", "FALSE", "ANY", 'COLLATE "C"', "jsonb_typeof", '"meta"', "->>"),
        *("->", "%s", "::text[]", "::jsonb[]", "::text", "::jsonb", "'null'", "'string'", "'number'"),
        *("<>", "<=", ">=", "<", ">", "=", "(", ")", " "),
    ):
        rest = rest.replace(word, "")
    assert rest == ""


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_literal_holds_any_text(text: str) -> None:
    """No quote ends it early: those within are doubled, and backslashes too."""
    inner = literal(text).removeprefix("E'").removesuffix("'")
    assert inner.replace("\\\\", "").replace("''", "").count("'") == 0
    assert inner.replace("\\\\", "").count("\\") == 0
    assert inner.replace("''", "'").replace("\\\\", "\\") == text


def test_names_of_fields_are_literals_in_index_statements() -> None:
    made = Statements(PGVECTOR).create(replace(DOCS, fields={"x') --": FieldType.KEYWORD}))
    assert any("\"meta\" -> E'x'') --'" in statement for statement in made)


# ── names, words, vectors


def test_names_come_back_from_tables() -> None:
    dataset = "vector_index_0f3c5a5e_1d2b_4a8e_9c1f_0123456789ab_node"
    table = table_name("embedding_", dataset)
    assert (len(table), table[-4:]) == (63, "_nod")
    assert collection_name("embedding_", table, "") == dataset
    long = "x" * 120
    assert len(table_name("embedding_", long)) == 63
    assert collection_name("embedding_", table_name("embedding_", long), long) == long
    assert collection_name("embedding_", "other", "") is None
    assert collection_name("embedding_", "embedding_docs", "of another table") == "docs"


def test_texts_larger_than_a_tsvector_are_cut() -> None:
    """A tsvector has 1 MiB at most; the server refuses a larger one, and the record with it."""
    made = words.tsvector(" ".join(f"word{at}" for at in range(200_000)))
    assert len(made.encode()) < 2**20
    assert made.startswith("'word0':1 'word1':2 ")
    assert words.tsvector("again " * 300).count(",") == 254


def test_vectors_read_back_as_they_were() -> None:
    made = numpy.array([0.1, -1e-30, 3.4e38, 16777217, 1 / 3], numpy.float32)
    assert vectors.of_text(vectors.as_text(made, "[]")).tolist() == made.tolist()
    assert vectors.of_text(vectors.as_text(made, "{}")).tolist() == made.tolist()
    assert vectors.of_binary(vectors.one(made)).tolist() == made.tolist()


# ── settings


def test_settings_come_by_difys_names() -> None:
    found = PgVectorSettings.from_environment(
        {"PGVECTOR_HOST": "db", "PGVECTOR_PASSWORD": "secret-word", "PGVECTOR_PORT": "5432"}
    )
    assert found.connection_parameters() == {
        "host": "db", "port": "5432", "user": "postgres", "password": "secret-word", "dbname": "postgres",
    }  # fmt: skip
    assert "secret-word" not in repr(found)
    with vector.open("", {"VECTOR_STORE": "pgvector", "PGVECTOR_PASSWORD": "secret-word"}) as store:
        assert "secret-word" not in repr(store)


def test_a_ca_file_means_that_the_server_is_verified(tmp_path: Any) -> None:
    ca = tmp_path / "ca.pem"
    with pytest.raises(InvalidInput, match="there is no file"):
        PgVectorSettings.checked({"sslrootcert": str(ca)}).connection_parameters()
    ca.write_text("x")
    assert (
        PgVectorSettings.checked({"sslrootcert": str(ca)}).connection_parameters()["sslmode"] == "verify-full"
    )
    with pytest.raises(InvalidInput, match="PGVECTOR_SSLMODE"):
        PgVectorSettings.from_environment({"PGVECTOR_SSLMODE": "sometimes"})


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(InvalidInput, match="PGVECTOR_MIN_CONNECTION"):
        PgVectorSettings.from_environment({"PGVECTOR_MIN_CONNECTION": "9", "PGVECTOR_MAX_CONNECTION": "5"})
    with pytest.raises(InvalidInput, match="password is a secret") as caught:
        vector.open("pgvector://user:word@host/db", {})
    assert "PGVECTOR_PASSWORD" in caught.value.hint
    assert "word@" not in str(caught.value)
    with pytest.raises(InvalidInput, match="ANALYTICDB_NAMESPACE"):
        AnalyticDbSettings.from_environment({"ANALYTICDB_HOST": "db", "ANALYTICDB_NAMESPACE": 'x"; DROP'})


def test_the_password_of_an_aws_identity_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-word")
    made = identities.token("aws", "db.example.com", 5432, "app", "eu-west-1")
    assert made.startswith("db.example.com:5432/?Action=connect&DBUser=app&")
    assert "eu-west-1%2Frds-db%2Faws4_request" in made
    assert "secret-word" not in made


def test_without_an_identity_nobody_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(PermissionDenied, match="no identity of aws"):
        identities.token("aws", "db.example.com", 5432, "app", "eu-west-1")


def test_the_tokens_of_azure_and_google_are_for_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the interfaces of the vendors' libraries, which themselves are not asked."""
    scopes: list[object] = []

    class Credential:
        token = "word-of-the-moment"

        def get_token(self, scope: str) -> Credential:
            scopes.append(scope)
            return self

        def refresh(self, request: object) -> None:
            assert request is not None

    def default(scopes_asked: list[str] | None = None, **named: list[str]) -> tuple[Credential, str]:
        scopes.extend(scopes_asked or named["scopes"])
        return Credential(), "project"

    azure = pytest.importorskip("azure.identity")
    google = pytest.importorskip("google.auth")
    monkeypatch.setattr(azure, "DefaultAzureCredential", Credential)
    monkeypatch.setattr(google, "default", default)
    assert identities.token("azure", "h", 5432, "u", "") == "word-of-the-moment"
    assert identities.token("google", "h", 5432, "u", "") == "word-of-the-moment"
    assert scopes == [
        "https://ossrdbms-aad.database.windows.net/.default",
        "https://www.googleapis.com/auth/sqlservice.login",
    ]


def test_analyticdb_without_a_host_is_the_other_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudberth.vector.analyticdb._OPENAPI", "cloudberth.vector.analyticdb_not_there")
    with pytest.raises(Unsupported, match="ANALYTICDB_HOST"):
        vector.open("", {"VECTOR_STORE": "analyticdb", "ANALYTICDB_ACCOUNT": "a"})
