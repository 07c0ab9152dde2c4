"""What differs between stores that speak PostgreSQL's protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloudberth.vector.contract import Metric


@dataclass(frozen=True, slots=True)
class Distance:
    """How a store measures. sql: of ``{vector}`` and ``{query}``. operators: the class of an index.

    raw: what it says → similarity, distance or product. descending: larger is nearer.
    """

    sql: str
    operators: str = ""
    raw: Callable[[float], float] = float
    descending: bool = False


def similarity(distance: float) -> float:
    return 1.0 - distance


def product(negative: float) -> float:
    return -negative


def root(squared: float) -> float:
    return math.sqrt(max(squared, 0.0))


# pgvector's own: what most others have taken over.
PGVECTOR_DISTANCES = {
    Metric.COSINE: Distance("{vector} <=> {query}", "cosine", similarity),
    Metric.L2: Distance("{vector} <-> {query}", "l2"),
    Metric.INNER: Distance("{vector} <#> {query}", "ip", product),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns as Dify has them. words: ours, null where Dify wrote the row."""

    id: str = "id"
    text: str = "text"
    meta: str = "meta"
    vector: str = "embedding"
    words: str = "words"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One store's SQL.

    type: of the column, with ``{dimension}``. cast: of a vector that is given as text. open_close: brackets
    of that text. binary: vectors go in pgvector's own binary form.
    uuid: ids are UUIDs. json: type of the metadata. prefix: of the table's name.
    own_key: Dify's primary key is the record's id; else it is random and the id stands in the metadata, or
    in the column `doc_column`. parsed_column: a full-text column of Dify's own that is filled as Dify does.
    checked: the type does not say the dimension, a constraint does. extra: columns that Dify has besides.
    upsert: ``ON CONFLICT`` is known; else rows are deleted and inserted in one transaction.
    table, index: statements; ``{…}`` are filled in by statements.py. vendor: ends a table's statement and is,
    with the index, left out when the settings say so.
    half: types for indexes over more dimensions than a full one takes.
    indexed: most dimensions that an index takes; 0: all.
    search: setting for the candidates that a search looks at; most_candidates: the most it takes.
    session: settings for every connection; those that a server does not know are left out.
    words: rows have our tokens as a tsvector. fields: metadata fields get indexes of their own.
    default_metric: of a collection without a note, where its index does not say it.
    """

    distances: Mapping[Metric, Distance]
    type: str = "vector({dimension})"
    cast: str = "vector"
    open_close: str = "[]"
    binary: bool = False
    columns: Columns = Columns()
    uuid: bool = True
    json: str = "jsonb"
    prefix: str = "embedding_"
    own_key: bool = True
    doc_column: str = ""
    parsed_column: str = ""
    upsert: bool = True
    extension: str = ""
    vendor: str = ""
    checked: bool = False
    extra: tuple[str, ...] = ()
    index: str = (
        "CREATE INDEX IF NOT EXISTS {index} ON {table} USING hnsw ({vector} {operators}) "
        "WITH (m = {links}, ef_construction = {construction})"
    )
    operators: str = "vector_{operators}_ops"
    index_name: str = "embedding_{metric}_v1_idx_{hash}"
    indexed: int = 2000
    half: bool = False
    search: str = ""
    most_candidates: int = 1000
    session: tuple[str, ...] = ()
    words: bool = True
    fields: bool = False
    default_metric: Metric = Metric.COSINE
