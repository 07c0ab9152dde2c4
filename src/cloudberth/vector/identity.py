"""Ids and metadata as they are written: Dify's `doc_id`, and UUIDs where a store keeps nothing else."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

from cloudberth.errors import InvalidInput
from cloudberth.vector.contract import DOC_ID, Capabilities, Record

# Of the ids that are no UUIDs; never change it: stored ids follow from it.
_NAMESPACE = uuid.UUID("6f0f6b0c-3a3e-5d7e-9a53-0c1d6a1f2b44")
_LONGEST_ID = 255


def stored_id(id: str, capabilities: Capabilities) -> str:
    """The form of an id that the store keeps. Raises InvalidInput for an id that none keeps."""
    if not id or len(id.encode()) > _LONGEST_ID or not id.isprintable():
        raise InvalidInput(f"an id has 1 to {_LONGEST_ID} bytes, all printable, not {id[:40]!r}", where="id")
    if capabilities.ids == "any":
        return id
    try:
        given = uuid.UUID(id)
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, id))
    # Another spelling of a UUID ({…}, capitals) is another id.
    return id if str(given) == id else str(uuid.uuid5(_NAMESPACE, id))


def written(record: Record, capabilities: Capabilities) -> Record:
    """A record as a backend gets it: its id as the store keeps it, and `doc_id` in its metadata."""
    known = record.metadata.get(DOC_ID, record.id)
    if known != record.id:
        raise InvalidInput(
            f"the metadata says {DOC_ID} {known!r}, the record is {record.id!r}",
            where=f"record {record.id!r}",
        )
    _check_metadata(record)
    kept = {name: value for name, value in record.metadata.items() if value is not None}
    return replace(record, id=stored_id(record.id, capabilities), metadata={**kept, DOC_ID: record.id})


def found(record: Record) -> Record:
    """A record as an application sees it: its own id, which no longer stands in the metadata too."""
    # Once for every hit of a search: nothing is called here that need not be.
    own = dict(record.metadata)
    id = own.pop(DOC_ID, None)
    if not isinstance(id, str) or not id:
        return record
    return Record(id, record.vector, record.text, own)


def _check_metadata(record: Record) -> None:
    where = f"record {record.id!r}"
    for name in record.metadata:
        if not isinstance(name, str) or not name or "\0" in name:
            raise InvalidInput(f"metadata has names of text, not {name!r}", where=where)
    try:
        text = json.dumps(dict(record.metadata), allow_nan=False, ensure_ascii=False)
        text.encode()
        record.text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"metadata and text have to be JSON in UTF-8: {error}", where=where) from None
    # PostgreSQL, for one, cannot keep it in text; a store that drops it would change what was written.
    if "\\u0000" in text or "\0" in record.text:
        raise InvalidInput("text and metadata cannot hold NUL characters", where=where)
