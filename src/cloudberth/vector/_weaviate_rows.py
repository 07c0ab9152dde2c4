"""Objects as Weaviate keeps them: Dify's properties, and beyond them what it does not keep.

Names and types of properties are fixed by the first object in Weaviate, and it has no `not` in filters. So
metadata stands whole, as JSON, in a property of ours; of it, what Dify reads stands in properties too. What
is equal, one of a list, or there, Weaviate finds by short words (`facets`); the rest is compared here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from cloudberth.vector.contract import Record
from cloudberth.vector.filters import And, Compare, Filter, Operator, Or, Scalar, kind_of
from cloudberth.vector.text import tokenized

TEXT = "text"
VECTOR = "default"
# Ours.
WHOLE = "cloudberth_metadata"
FACETS = "cloudberth_facets"
WORDS = "cloudberth_words"
OURS = {WHOLE, FACETS, WORDS}
# What Dify reads, with the types that it gives them.
DIFY = {
    "doc_id": "text",
    "document_id": "text",
    "doc_type": "text",
    "chunk_index": "int",
    "is_summary": "boolean",
    "original_chunk_id": "text",
    "dataset_id": "text",
    "doc_hash": "text",
    "annotation_id": "text",
    "app_id": "text",
}


def properties(record: Record, *, ours: bool) -> dict[str, Any]:
    """The properties of a record. ours: the class has our properties."""
    found: dict[str, Any] = {TEXT: record.text}
    for name, value in record.metadata.items():
        if DIFY.get(name) == _type_of(value):
            found[name] = value
    if not ours:
        # Dify writes every metadata field as a property, whatever its name.
        return {**record.metadata, **found}
    found[WHOLE] = json.dumps(dict(record.metadata), ensure_ascii=False)
    found[FACETS] = list(_facets(record.metadata))
    found[WORDS] = tokenized(record.text)
    return found


def record_of(id: str, found: Mapping[str, Any], vector: Any = None) -> Record:
    """An object as a record. Its id is the metadata's: Dify's older objects have another."""
    whole = found.get(WHOLE)
    if isinstance(whole, str):
        metadata = json.loads(whole)
    else:
        kept = (one for one in found.items() if one[0] != TEXT and one[0] not in OURS)
        metadata = {name: value for name, value in kept if value is not None}
    known = metadata.get("doc_id")
    # A record of ours is found by the id of its object, which is its own where that is a UUID.
    stored = id if isinstance(whole, str) else str(known or id)
    return Record(stored, vector, found.get(TEXT) or "", metadata)


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int" if abs(value) < 2**53 else ""
    return "text" if isinstance(value, str) else ""


def _word(field: str, kind: str, value: object = None) -> str:
    if kind == "number" and value is not None:
        number: Any = value
        value = repr(int(number)) if float(number).is_integer() else repr(number)
    text = json.dumps([field, kind, None if value is None else str(value)])
    return blake2b(text.encode(), digest_size=10).hexdigest()


def _facets(metadata: Mapping[str, Any]) -> Iterator[str]:
    for field, value in metadata.items():
        yield _word(field, "exists")
        if kind := kind_of(value):
            yield _word(field, kind, value)


def known(part: Compare) -> bool:
    """Whether facets answer a comparison."""
    return part.operator in {Operator.EQ, Operator.IN, Operator.EXISTS}


def words_of(part: Compare) -> list[str]:
    """Facets of which one has to be there."""
    if part.operator is Operator.EXISTS:
        return [_word(part.field, "exists")]
    values: tuple[Scalar, ...] = part.values
    return [_word(part.field, kind_of(value), value) for value in values]


def is_positive(filter: Filter) -> bool:
    """Whether facets answer a whole filter."""
    match filter:
        case And(parts) | Or(parts):
            return bool(parts) and all(is_positive(part) for part in parts)
        case Compare():
            return known(filter) and bool(filter.values)
    return False
