"""The engines of the MySQL family. Sources: their manuals, and Dify's own statements, which have to work."""

from __future__ import annotations

from cloudberth.vector._mysql.dialect import Distance, Engine
from cloudberth.vector.contract import Metric

_READ_COMMITTED = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

# https://mariadb.com/docs/server/reference/sql-structure/vectors — since 11.7; no inner product, one vector
# index in a table. Full text knows no Chinese, so the type's layout brings a column of our tokens. With
# its default isolation two writers get error 1020.
MARIADB = Engine(
    id="mariadb",
    vector="VECTOR({dimension})",
    distances={
        Metric.COSINE: Distance("cosine", "VEC_DISTANCE_COSINE"),
        Metric.L2: Distance("euclidean", "VEC_DISTANCE_EUCLIDEAN"),
    },
    inline="VECTOR INDEX {index} ({column}) M={links} DISTANCE={word}",
    add="ALTER TABLE {table} ADD VECTOR INDEX {index} ({column}) M={links} DISTANCE={word}",
    drop="ALTER TABLE {table} DROP INDEX {index}",
    found_metric=r"`?DISTANCE`?\s*=\s*['\"]?(\w+)",
    binary=True,
    words="FULLTEXT INDEX {text_index} ({searched})",
    effort="mhnsw_ef_search",
    most_effort=10_000,
    session=(_READ_COMMITTED,),
    dimensions=16_383,
)

# https://github.com/alibaba/AliSQL/blob/master/wiki/vidx/vidx_readme.md — needs READ COMMITTED; the full-text
# parser ngram takes two characters at a time, Chinese or not.
ALISQL = Engine(
    id="alisql",
    vector="VECTOR({dimension})",
    distances=MARIADB.distances,
    inline=MARIADB.inline,
    add=MARIADB.add,
    drop=MARIADB.drop,
    found_metric=MARIADB.found_metric,
    into="VEC_FROMTEXT(%s)",
    out="VEC_TOTEXT({column})",
    words="FULLTEXT INDEX {text_index} ({searched}) WITH PARSER ngram",
    match="MATCH({column}) AGAINST (%s IN NATURAL LANGUAGE MODE)",
    cjk=True,
    effort="vidx_hnsw_ef_search",
    most_effort=10_000,
    session=(_READ_COMMITTED,),
    dimensions=16_383,
)

# https://en.oceanbase.com/docs/common-oceanbase-database-10000000001976351 — since 4.3.3. A vector is shown
# with six digits; array_map shows all of them. An index on inner products serves negative_inner_product. The
# parser finds words inside of words too, 数据 in 数据库; Dify's index does not.
OCEANBASE = Engine(
    id="oceanbase",
    vector="VECTOR({dimension})",
    distances={
        Metric.COSINE: Distance("cosine", "cosine_distance"),
        Metric.L2: Distance("l2", "l2_distance"),
        Metric.INNER: Distance("inner_product", "negative_inner_product"),
    },
    inline="VECTOR INDEX {index} ({column}) WITH (distance={word}, type=hnsw, lib=vsag, m={links}, "
    "ef_construction={construction})",
    add="CREATE VECTOR INDEX {index} ON {table} ({column}) WITH (distance={word}, type=hnsw, lib=vsag, "
    "m={links}, ef_construction={construction})",
    drop="ALTER TABLE {table} DROP INDEX {index}",
    found_metric=r"\bDISTANCE\s*=\s*(\w+)",
    out="array_map(x -> CAST(x AS DOUBLE), {column})",
    approximate="APPROXIMATE",
    words="FULLTEXT INDEX {text_index} ({searched}) WITH PARSER ik "
    'PARSER_PROPERTIES = (ik_mode = "max_word")',
    cjk=True,
    effort="ob_hnsw_ef_search",
    most_effort=1000,
    dimensions=4096,
    least_links=5,
    most_links=128,
)

# https://docs.pingcap.com/tidb/stable/vector-search-index — since 8.4; an index needs TiFlash, serves cosine
# and L2, and no search with a filter, which is then exact. Vectors are shown with all their digits.
TIDB = Engine(
    id="tidb",
    vector="VECTOR<FLOAT>({dimension})",
    distances={
        Metric.COSINE: Distance("COSINE", "VEC_COSINE_DISTANCE"),
        Metric.L2: Distance("L2", "VEC_L2_DISTANCE"),
        Metric.INNER: Distance("NEGATIVE_INNER_PRODUCT", "VEC_NEGATIVE_INNER_PRODUCT"),
    },
    inline="VECTOR INDEX {index} (({function}({column}))) USING HNSW",
    add="ALTER TABLE {table} ADD VECTOR INDEX {index} (({function}({column}))) USING HNSW "
    "ADD_COLUMNAR_REPLICA_ON_DEMAND",
    drop="ALTER TABLE {table} DROP INDEX {index}",
    found_metric=r"VEC_(COSINE|L2)_DISTANCE",
    words="FULLTEXT INDEX {text_index} ({searched}) WITH PARSER MULTILINGUAL",
    match="FTS_MATCH_WORD(%s, {column})",
    cjk=True,
    indexable=frozenset({Metric.COSINE, Metric.L2}),
    dimensions=16_383,
)

# https://docs.matrixorigin.cn — vecf64, as Dify's client makes it. An IVF index learns its lists from what is
# there, so it is made after a bulk load and not with the table; without one a search is exact.
MATRIXONE = Engine(
    id="matrixone",
    vector="vecf64({dimension})",
    distances={
        Metric.COSINE: Distance("cosine", "cosine_distance"),
        Metric.L2: Distance("l2", "l2_distance"),
    },
    add='CREATE INDEX {index} USING ivfflat ON {table} ({column}) lists=1000 op_type "vector_l2_ops"',
    drop="ALTER TABLE {table} DROP INDEX {index}",
    found_metric=r"vector_(l2|cosine)_ops",
    words="FULLTEXT INDEX {text_index} ({searched}) WITH PARSER ngram",
    match="MATCH({column}) AGAINST (%s IN NATURAL LANGUAGE MODE)",
    cjk=True,
    bytes_of="{}",
    session=("SET experimental_ivf_index = 1", "SET experimental_fulltext_index = 1"),
    indexable=frozenset({Metric.L2}),
    dimensions=65_535,
)
