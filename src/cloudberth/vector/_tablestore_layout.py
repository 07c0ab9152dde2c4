"""How a collection lies in Tablestore: Dify's columns and index fields, and a list of facts beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.vector import _tablestore_queries as queries
from cloudberth.vector import _tablestore_rows as rows
from cloudberth.vector._mysql import vectors
from cloudberth.vector._tablestore_messages import Message
from cloudberth.vector.contract import Collection, Metric, Record

KEY, TEXT, VECTOR, METADATA = "id", "page_content", "vector", "metadata"
# Numbers of the protocol: metrics, and types of fields.
METRICS = {Metric.L2: 0, Metric.COSINE: 1, Metric.INNER: 2}
_KEYWORD, _WORDS, _VECTORS, _FLOATS = 4, 5, 9, 2


def fields(collection: Collection) -> list[Message]:
    """The fields of the search index."""
    options = {
        "data_type": _FLOATS,
        "dimension": collection.dimension,
        "metric_type": METRICS[collection.metric],
    }
    text = {"field_name": TEXT, "field_type": _WORDS, "analyzer": "max_word"}
    keyword = {"field_type": _KEYWORD, "index": True, "store": False}
    return [
        {**text, "index": True, "enable_sort_and_agg": False, "store": False},
        {"field_name": VECTOR, "field_type": _VECTORS, "vector_options": options},
        {"field_name": METADATA, **keyword},
        {"field_name": queries.TAGS, **keyword, "is_array": True},
        {"field_name": queries.FACTS, **keyword, "is_array": True},
    ]


def columns(vectors: bool) -> list[str]:
    """The columns that a record is read from."""
    return [TEXT, METADATA, VECTOR] if vectors else [TEXT, METADATA]


def row(record: Record, collection: Collection) -> bytes:
    """A record as it is written. Raises InvalidInput for more fields than a list in the index has members."""
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    metadata = dict(record.metadata)
    cells: list[tuple[str, rows.Value]] = [
        (TEXT, record.text),
        (VECTOR, vectors.as_text(record.vector)),
        (METADATA, json.dumps(metadata)),
        (queries.TAGS, json.dumps(queries.tags_of(metadata))),
    ]
    if not collection.dify:
        cells.append((queries.FACTS, json.dumps(queries.facts_of(metadata))))
    most = queries.MOST_MEMBERS if collection.dify else queries.MOST_MEMBERS // 2
    if len(metadata) > most:
        raise InvalidInput(
            f"the metadata has {len(metadata)} fields; {most} are the most", where=f"record {record.id!r}"
        )
    return rows.row([(KEY, record.id)], cells)


def metadata(found: rows.Row) -> dict[str, Any]:
    given = json.loads(str(found.columns.get(METADATA) or "{}"))
    return dict(given) if isinstance(given, Mapping) else {}


def record(found: rows.Row) -> Record:
    """A row that was read, with its vector if that was among the columns."""
    given = found.columns.get(VECTOR)
    vector = vectors.read(given) if given else None
    return Record(str(found.key[KEY]), vector, str(found.columns.get(TEXT) or ""), metadata(found))
