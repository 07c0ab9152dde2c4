"""Rows of VikingDB as Dify lays them out, what stands beside, and filters over it.

Facts of the service, of its documents: a text of type ``string`` has at most 256 bytes, a list at most 32
elements (docs/84313/1791127, docs/6459/1167774). A field that is not written gets its default, in a list
of texts ``["default"]``, in a number 0; one of type ``text`` has none, and a row without it is
refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.vector._comparing_metadata import split, without_not
from cloudberth.vector._digested_facts import ALWAYS, _digest, digests_of
from cloudberth.vector._search_facts import fact
from cloudberth.vector.contract import DOC_ID, Record
from cloudberth.vector.filters import ORDERED, And, Compare, Filter, Not, Operator, Or

Query = dict[str, Any]

ID, METADATA, GROUP, TEXT, VECTOR = "id", "metadata", "group_id", "page_content", "vector"
FACTS, REST, ORDER = "cloudberth", "cloudberth_rest", "cloudberth_order"
# What an index has to know for filters and order.
SCALARS = [GROUP, FACTS, ORDER]

_LONGEST = 256
_MOST_ELEMENTS = 32
# A filter that names more values than this is compared here.
_MOST_VALUES = 500
# In this order they stand in Dify's field when not everything fits.
_DIFY_READS = (DOC_ID, "document_id", "dataset_id", "doc_hash", "doc_type")
_PACKED, _NOTHING, _TOO_MANY = "zlib", "none", "1" * 24
_DIFY = re.compile(r"vector_index_([0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12})_node")
_DEFAULT_GROUP = "default"


def schema(dimension: int) -> list[Query]:
    """Dify's five fields, and ours with defaults, so that Dify may write rows without them."""
    kinds = ((ID, "string"), (METADATA, "string"), (GROUP, "string"), (TEXT, "text"))
    dify = [{"field_name": name, "field_type": kind} for name, kind in kinds]
    return [
        *dify,
        {"field_name": VECTOR, "field_type": "vector", "dim": dimension},
        {"field_name": FACTS, "field_type": "list<string>"},
        {"field_name": REST, "field_type": "list<string>"},
        {"field_name": ORDER, "field_type": "int64", "default_val": 0},
    ]


def row(record: Record, name: str, *, dify: bool) -> Query:
    """A record as it is written. name: of the collection. dify: with the fields that Dify has, no others."""
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    whole = _json(record.metadata)
    fits = len(whole.encode()) <= _LONGEST
    made: Query = {
        ID: record.id,
        VECTOR: record.vector.tolist(),
        TEXT: record.text,
        # Dify writes all of it here, however long; so does a row beside those of Dify.
        METADATA: whole if fits or dify else _json(_shortened(record.metadata)),
        GROUP: _group(record.metadata, name),
    }
    if dify:
        return made
    digests = digests_of(record.metadata)
    made[FACTS] = digests if len(digests) <= _MOST_ELEMENTS else [_TOO_MANY]
    made[REST] = [_NOTHING] if fits else _packed(whole, record.id)
    made[ORDER] = order_of(record.id)
    return made


def record_of(id: str, fields: Mapping[str, Any]) -> Record:
    """A record from a row; with its vector where the row has one."""
    given = fields.get(VECTOR)
    vector = None
    if given:
        import numpy

        vector = numpy.asarray(given, dtype=numpy.float32)
    text = fields.get(TEXT) or ""
    # A text may also come as {"text": …}, the form in which the vendor's own examples write it.
    text = text.get("text") or "" if isinstance(text, Mapping) else text
    return Record(id, vector, str(text), metadata_of(fields))


def metadata_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    rest = fields.get(REST) or ()
    if rest and rest[0] == _PACKED:
        packed = base64.urlsafe_b64decode("".join(rest[1:]))
        return dict(json.loads(zlib.decompress(packed)))
    return dict(json.loads(fields.get(METADATA) or "{}"))


def order_of(id: str) -> int:
    """Where a row stands in a scan: 1 to 2**52, which every reader of JSON keeps as it is."""
    return int(hashlib.sha256(id.encode()).hexdigest()[:13], 16) + 1


def dataset_of(name: str) -> str:
    """The data set whose collection has such a name; empty for others."""
    found = _DIFY.fullmatch(name)
    return found[1].replace("_", "-") if found else ""


def _group(metadata: Mapping[str, Any], name: str) -> str:
    """Dify's `group_id`: the data set."""
    given = metadata.get("dataset_id")
    if isinstance(given, str) and given and len(given.encode()) <= _LONGEST:
        return given
    return dataset_of(name) or _DEFAULT_GROUP


def _shortened(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """As much as fits, first what Dify reads."""
    kept: dict[str, Any] = {}
    names = [name for name in _DIFY_READS if name in metadata]
    for name in [*names, *(name for name in metadata if name not in names)]:
        longer = {**kept, name: metadata[name]}
        if len(_json(longer).encode()) <= _LONGEST:
            kept = longer
    return kept


def _packed(text: str, id: str) -> list[str]:
    """A long text as a list of short ones, letters and digits only: some lists are kept with ; between."""
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()
    pieces = [packed[start : start + _LONGEST] for start in range(0, len(packed), _LONGEST)]
    if len(pieces) >= _MOST_ELEMENTS:
        most = (_MOST_ELEMENTS - 1) * _LONGEST
        raise InvalidInput(
            f"its metadata has {len(packed)} characters, compressed; VikingDB keeps {most}",
            where=f"record {id!r}",
            hint="put long texts into the text of the record",
        )
    return [_PACKED, *pieces]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))


# ── filters

MARKED: Query = {"op": "must", "field": FACTS, "conds": [ALWAYS]}
# Rows that Dify wrote, or that have more facts than a list takes.
UNMARKED: Query = {"op": "must_not", "field": FACTS, "conds": [ALWAYS]}


def compiled(filter: Filter | None) -> tuple[Query | None, bool]:
    """What the service evaluates of a filter over marked rows, and whether that is all. Order is left out."""
    if filter is None:
        return None, True
    part, is_all = split(
        without_not(filter), lambda one: one.operator not in ORDERED and len(one.values) <= _MOST_VALUES
    )
    return (None if part is None else _written(part)), is_all


def candidates(filter: Filter | None) -> Query | None:
    """A condition that holds for every row, marked or not, that a filter may match."""
    condition, _ = compiled(filter)
    return None if condition is None else either([condition, UNMARKED])


def every(conditions: Sequence[Query | None]) -> Query | None:
    """All of these conditions."""
    given = [one for one in conditions if one is not None]
    return {"op": "and", "conds": given} if len(given) > 1 else next(iter(given), None)


def either(conditions: Sequence[Query]) -> Query:
    return {"op": "or", "conds": list(conditions)} if len(conditions) > 1 else conditions[0]


def _written(filter: Filter) -> Query:
    match filter:
        case And(parts):
            return every([_written(part) for part in parts]) or MARKED
        case Or(parts):
            return either([_written(part) for part in parts]) if parts else UNMARKED
        case Not(Compare(field, Operator.EXISTS, _)):
            return _listed("must_not", [f"{field}\tx"])
        case Compare(field, Operator.EXISTS, _):
            return _listed("must", [f"{field}\tx"])
        case Compare(field, operator, _):
            positive = operator in {Operator.EQ, Operator.IN}
            facts = [fact(field, value) for value in filter.values]
            if not facts:
                return UNMARKED if positive else MARKED
            return _listed("must" if positive else "must_not", facts)
    raise TypeError(f"{filter!r} is not told by digests")


def _listed(operator: str, facts: list[str]) -> Query:
    return {"op": operator, "field": FACTS, "conds": [_digest(one) for one in facts]}
