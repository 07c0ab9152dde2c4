"""What the MySQL family sends: identifiers quoted, values bound, and each vendor's own words."""

from __future__ import annotations

import re

import pytest

from cloudberth.vector import Collection, FieldType, Index, Metric
from cloudberth.vector import filters as language
from cloudberth.vector._mysql.conditions import MySqlConditions, path
from cloudberth.vector._mysql.dialect import Engine, Layout, create_table, literal, parts, quoted
from cloudberth.vector._mysql.engines import ALISQL, MARIADB, MATRIXONE, OCEANBASE, TIDB
from cloudberth.vector.alibabacloud_mysql import LAYOUT as ALIBABA_LAYOUT
from cloudberth.vector.mariadb import LAYOUT as MARIADB_LAYOUT
from cloudberth.vector.matrixone import LAYOUT as MATRIXONE_LAYOUT
from cloudberth.vector.oceanbase import LAYOUT as OCEANBASE_LAYOUT
from cloudberth.vector.tidb_vector import LAYOUT as TIDB_LAYOUT

PLAIN = Collection("notes", 3, Metric.COSINE, index=Index(links=16, construction=200))


def made(engine: Engine, layout: Layout, collection: Collection = PLAIN, *, words: bool = True) -> str:
    """The statement without the note, which has a test of its own."""
    return create_table(engine, layout, collection, words=words).partition(" COMMENT = ")[0].strip()


def test_oceanbase_makes_the_table_of_dify() -> None:
    assert made(OCEANBASE, OCEANBASE_LAYOUT) == (
        "CREATE TABLE `notes` (`id` VARCHAR(36) NOT NULL PRIMARY KEY, `vector` VECTOR(3), `text` LONGTEXT, "
        "`metadata` JSON, VECTOR INDEX `vector_index` (`vector`) WITH (distance=cosine, type=hnsw, lib=vsag, "
        "m=16, ef_construction=200), FULLTEXT INDEX `fulltext_index_for_col_text` (`text`) WITH PARSER ik "
        'PARSER_PROPERTIES = (ik_mode = "max_word"))'
    )


def test_tidb_makes_the_table_of_dify() -> None:
    statement = made(TIDB, TIDB_LAYOUT, words=False)
    assert "`vector` VECTOR<FLOAT>(3) NOT NULL" in statement
    assert "`doc_id` VARCHAR(255) AS (LEFT(JSON_UNQUOTE(JSON_EXTRACT(`meta`, '$.doc_id')), 255)) STORED" in (
        statement
    )
    assert "VECTOR INDEX `idx_vector` ((VEC_COSINE_DISTANCE(`vector`))) USING HNSW" in statement
    assert "FULLTEXT" not in statement
    assert "WITH PARSER MULTILINGUAL" in made(TIDB, TIDB_LAYOUT)


def test_tidb_adds_an_index_to_a_table_that_is_there_with_its_replica() -> None:
    assert TIDB.add.format(**parts(TIDB, TIDB_LAYOUT, PLAIN)) == (
        "ALTER TABLE `notes` ADD VECTOR INDEX `idx_vector` ((VEC_COSINE_DISTANCE(`vector`))) USING HNSW "
        "ADD_COLUMNAR_REPLICA_ON_DEMAND"
    )


def test_inner_products_have_no_index_on_tidb() -> None:
    assert "VECTOR INDEX" not in made(TIDB, TIDB_LAYOUT, Collection("notes", 3, Metric.INNER))


def test_matrixone_makes_its_index_afterwards() -> None:
    collection = Collection("notes", 3, Metric.L2)
    statement = made(MATRIXONE, MATRIXONE_LAYOUT, collection)
    assert "`embedding` vecf64(3) NOT NULL, `document` TEXT, `meta` JSON" in statement
    assert "ivfflat" not in statement
    assert "FULLTEXT INDEX `ftidx_document` (`document`) WITH PARSER ngram" in statement
    assert MATRIXONE.add.format(**parts(MATRIXONE, MATRIXONE_LAYOUT, collection)) == (
        "CREATE INDEX `vec_idx_embedding` USING ivfflat ON `notes` (`embedding`) lists=1000 "
        'op_type "vector_l2_ops"'
    )


def test_alibaba_makes_the_table_of_dify() -> None:
    assert made(ALISQL, ALIBABA_LAYOUT) == (
        "CREATE TABLE `notes` (`id` VARCHAR(36) PRIMARY KEY, `text` LONGTEXT NOT NULL, `meta` JSON NOT NULL, "
        "`embedding` VECTOR(3) NOT NULL, VECTOR INDEX `embedding` (`embedding`) M=16 DISTANCE=cosine, "
        "FULLTEXT INDEX `idx_text` (`text`) WITH PARSER ngram) "
        "ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci"
    )
    assert (ALISQL.into, ALISQL.out) == ("VEC_FROMTEXT(%s)", "VEC_TOTEXT({column})")


def test_mariadb_has_a_column_for_our_words() -> None:
    assert "FULLTEXT INDEX `words` (`words`)" in made(MARIADB, MARIADB_LAYOUT)


@pytest.mark.parametrize(("links", "wanted"), [(1, 5), (16, 16), (500, 128)])
def test_links_stay_in_what_the_engine_takes(links: int, wanted: int) -> None:
    collection = Collection("notes", 3, index=Index(links=links))
    assert f" m={wanted}," in made(OCEANBASE, OCEANBASE_LAYOUT, collection)


def test_a_collection_without_index_has_none() -> None:
    assert "VECTOR INDEX" not in made(MARIADB, MARIADB_LAYOUT, Collection("n", 3, index=Index("exact")))


@pytest.mark.parametrize(
    ("engine", "definition", "metric"),
    [
        (OCEANBASE, "VECTOR KEY `v` (`v`) WITH (DISTANCE=L2, TYPE=HNSW)", Metric.L2),
        (OCEANBASE, "VECTOR KEY `v` (`v`) WITH (DISTANCE=INNER_PRODUCT, TYPE=HNSW)", Metric.INNER),
        (MARIADB, "VECTOR KEY `e` (`e`) `M`='6' `DISTANCE`='euclidean'", Metric.L2),
        (ALISQL, "VECTOR KEY `e` (`e`) M=6 DISTANCE=COSINE", Metric.COSINE),
        (TIDB, "VECTOR INDEX `i`((VEC_L2_DISTANCE(`vector`)))", Metric.L2),
        (MATRIXONE, "USING ivfflat (`e`) lists = 1000  op_type 'vector_l2_ops'", Metric.L2),
        (OCEANBASE, "PRIMARY KEY (`id`)", None),
    ],
)
def test_the_metric_is_read_from_the_definition_of_the_index(
    engine: Engine, definition: str, metric: Metric | None
) -> None:
    assert engine.metric_of(definition) is metric


def test_the_note_is_one_literal_whatever_is_in_it() -> None:
    collection = Collection("notes", 3, model='it\'s \\ "x"', fields={"a'b": FieldType.KEYWORD})
    statement = create_table(MARIADB, MARIADB_LAYOUT, collection, words=True)
    note = statement.partition(" COMMENT = ")[2]
    assert note == literal(collection.note())
    assert re.fullmatch(r"'(?:[^'\\]|''|\\\\)*'", note)


def test_identifiers_cannot_end_their_quotes() -> None:
    assert quoted("a`; DROP TABLE b; --") == "`a``; DROP TABLE b; --`"


INJECTIONS = ["' OR 1=1 --", '"; DROP TABLE x; --', "\\' OR ''='", "%s", "{x}", "`", "a'b", "\u2019"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_values_and_names_of_filters_are_parameters(text: str) -> None:
    filter = language.Or((language.equals(text, text), language.one_of(text, [text, 1, 2.5, True])))
    conditions = MySqlConditions("`meta`")
    rendered = conditions.render(filter)
    harmless = MySqlConditions("`meta`").render(
        language.Or((language.equals("f", "v"), language.one_of("f", ["v", 1, 2.5, True])))
    )
    assert rendered == harmless
    assert rendered.count("%s") == len(conditions.parameters)
    assert text in conditions.parameters
    assert path(text) in conditions.parameters


@pytest.mark.parametrize(
    "text",
    [
        "n > 9007199254740993",
        "n == 0.5 or n <= 1e300 and n != 1e300",
        "n in [1, 2.5, 1e308] and not exists(m)",
        'not (t >= "b" or n < -2.5)',
    ],
)
def test_every_placeholder_has_its_parameter(text: str) -> None:
    filter = language.parse(text)
    assert filter is not None
    conditions = MySqlConditions("`meta`")
    assert conditions.render(filter).count("%s") == len(conditions.parameters)


def test_a_field_is_a_name_and_never_a_path() -> None:
    assert path('a.b"c\\d[0]*') == '$."a.b\\"c\\\\d[0]*"'
