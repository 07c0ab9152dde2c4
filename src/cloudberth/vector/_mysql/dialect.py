"""What differs between stores with MySQL's protocol, as data.

A layout is how a type lays its table out (as Dify does), an engine is what SQL it speaks. They are apart so
that a layout can be proved on another engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudberth.vector.contract import Metric

if TYPE_CHECKING:
    from cloudberth.vector.contract import Collection


@dataclass(frozen=True, slots=True)
class Distance:
    """word: in the definition of an index. function: the smaller, the nearer. similarity: one of these:

    ``1 - d`` of a cosine distance, ``d`` of a Euclidean one, ``-d`` of a negative product.
    """

    word: str
    function: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a table, in their order. columns: a template with ``{vector}`` for the type of the vector.

    words: the column for our own tokens, empty when the engine's analyser reads the text itself.
    tail: after the closing bracket.
    """

    id: str
    text: str
    metadata: str
    vector: str
    vector_index: str
    text_index: str
    columns: str
    words: str = ""
    tail: str = ""

    @property
    def searched(self) -> str:
        """The column that a search by words looks at."""
        return self.words or self.text


@dataclass(frozen=True, slots=True)
class Engine:
    """SQL of one engine. Templates take {index} {column} {word} {links} {construction} {table} {function}.

    vector: type of the column, with {dimension}. inline: the index inside CREATE TABLE, empty when it can
    only be added. add, drop: the index of a table that is there. into, out: a vector as a parameter and as a
    result. binary: vectors are float32 bytes, little-endian, not text. approximate: between ORDER BY and
    LIMIT. words: the full-text index inside CREATE TABLE; add_words: instead, when it can only be added.
    match: the relevance. cjk: the analyser knows Chinese. effort: variable of the session for HNSW's ef, and
    its most. session: what every connection is told. bytes_of: a text compared as bytes. found_metric: how
    the definition of a table tells the metric. indexable: metrics that an index can serve. least_links,
    most_links: what an index takes for HNSW's m.
    """

    id: str
    vector: str
    distances: Mapping[Metric, Distance]
    add: str
    drop: str
    found_metric: str
    inline: str = ""
    into: str = "%s"
    out: str = "{column}"
    binary: bool = False
    approximate: str = ""
    words: str = ""
    add_words: str = ""
    match: str = "MATCH({column}) AGAINST (%s)"
    cjk: bool = False
    effort: str = ""
    most_effort: int = 1000
    session: tuple[str, ...] = ()
    bytes_of: str = "CAST({} AS BINARY)"
    indexable: frozenset[Metric] = frozenset(Metric)
    dimensions: int = 16_000
    least_links: int = 3
    most_links: int = 200

    def metric_of(self, definition: str) -> Metric | None:
        """The metric of the index in a table's definition; None without an index that is known."""
        found = re.search(self.found_metric, definition, re.IGNORECASE)
        by_word = {distance.word.lower(): metric for metric, distance in self.distances.items()}
        return by_word.get(found[1].lower()) if found else None


def quoted(name: str) -> str:
    """An identifier. Names of collections are checked before; this is the second lock on that door."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as a literal of the definition of a table, where no parameters are taken."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def parts(engine: Engine, layout: Layout, collection: Collection) -> dict[str, str]:
    """What templates of an engine are filled with."""
    return {
        "index": quoted(layout.vector_index),
        "text_index": quoted(layout.text_index),
        "column": quoted(layout.vector),
        "searched": quoted(layout.searched),
        "table": quoted(collection.name),
        "word": engine.distances[collection.metric].word,
        "function": engine.distances[collection.metric].function,
        "links": str(min(max(collection.index.links, engine.least_links), engine.most_links)),
        "construction": str(max(collection.index.construction, collection.index.links + 1)),
    }


def create_table(engine: Engine, layout: Layout, collection: Collection, *, words: bool) -> str:
    """The statement that makes a table, with the indexes that can be made with it."""
    filled = parts(engine, layout, collection)
    columns = layout.columns.format(vector=engine.vector.format(dimension=collection.dimension))
    clauses = [columns]
    if engine.inline and has_index(engine, collection):
        clauses.append(engine.inline.format(**filled))
    if words and engine.words:
        clauses.append(engine.words.format(**filled))
    body = ", ".join(clauses)
    return f"CREATE TABLE {filled['table']} ({body}) {layout.tail} COMMENT = {literal(collection.note())}"


def has_index(engine: Engine, collection: Collection) -> bool:
    """Whether a collection is to have an index over its vectors."""
    return collection.index.kind != "exact" and collection.metric in engine.indexable
