"""Records as documents of a search engine, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cloudberth.vector._search_facts import facts_of
from cloudberth.vector.contract import DOC_ID, Record
from cloudberth.vector.text import tokenized

TEXT, VECTOR, METADATA, OWN = "page_content", "vector", "metadata", "cloudberth"
_DOCUMENT_ID = "document_id"
# What a search gives back: everything but what only searches read.
WITHOUT_VECTOR = {"excludes": [VECTOR, f"{OWN}.facts", f"{OWN}.tokens"]}
WITH_VECTOR = {"excludes": [f"{OWN}.facts", f"{OWN}.tokens"]}

# Mappings of what we add to Dify's document.
OWN_MAPPING: dict[str, Any] = {
    "properties": {
        "facts": {"type": "keyword"},
        "tokens": {"type": "text", "analyzer": "whitespace"},
        "rest": {"type": "keyword", "index": False, "doc_values": False},
    }
}


def document(record: Record) -> dict[str, Any]:
    """The document of a record that has its vector."""
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    kept = {name: value for name, value in record.metadata.items() if _plain(name, value)}
    rest = {name: value for name, value in record.metadata.items() if name not in kept}
    own: dict[str, Any] = {"facts": facts_of(record.metadata), "tokens": tokenized(record.text)}
    if rest:
        own["rest"] = json.dumps(rest, ensure_ascii=False)
    return {TEXT: record.text, VECTOR: record.vector.tolist(), METADATA: kept, OWN: own}


def record_of(hit: Mapping[str, Any]) -> Record:
    """The record of a hit. Its id: doc_id, which Dify keeps in the metadata."""
    source = hit.get("_source") or {}
    metadata = metadata_of(source)
    return Record(
        str(metadata.get(DOC_ID) or hit["_id"]),
        vector_of(source.get(VECTOR)),
        str(source.get(TEXT) or ""),
        metadata,
    )


def metadata_of(source: Mapping[str, Any]) -> dict[str, Any]:
    own = source.get(OWN)
    rest = own.get("rest") if isinstance(own, Mapping) else None
    return {**(source.get(METADATA) or {}), **(json.loads(rest) if rest else {})}


def vector_of(found: Any) -> Any:
    if found is None:
        return None
    import numpy

    return numpy.asarray(found, dtype=numpy.float32)


def _plain(name: str, value: Any) -> bool:
    """Whether an engine takes a field as it is: it reads dots as objects, and refuses blank names."""
    if name == _DOCUMENT_ID and not (isinstance(value, str) and len(value) <= 1000):
        return False
    return _plain_name(name) and _plain_inside(value)


def _plain_inside(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_plain_name(str(name)) and _plain_inside(inner) for name, inner in value.items())
    return all(_plain_inside(inner) for inner in value) if isinstance(value, list) else True


def _plain_name(name: str) -> bool:
    return bool(name.strip()) and "." not in name
