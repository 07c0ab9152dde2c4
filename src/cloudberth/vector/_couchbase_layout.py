"""How collections stand in Couchbase: documents, the search index beside them, and filters as SQL++."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from cloudberth.vector._dbapi_conditions import Conditions
from cloudberth.vector.contract import DOC_ID, Metric, Record

SIMILARITIES = {Metric.COSINE: "cosine", Metric.L2: "l2_norm", Metric.INNER: "dot_product"}
_PREFIX = "berth_"
_INDEX = "_search"
# A key has at most 246 bytes in a collection.
_LONGEST_KEY = 240


def stored(name: str) -> str:
    """The collection's name there: none begins with `_`, and none of ours is that of our notes."""
    return f"{_PREFIX}{name}" if name.startswith(("_", _PREFIX)) else name


def shown(name: str) -> str:
    return name.removeprefix(_PREFIX)


def index_name(name: str) -> str:
    """The search index of a collection, as Dify names it."""
    return stored(name) + _INDEX


def collection_of_index(index: str) -> str:
    """The collection of an index by its full name (``bucket.scope.name_search``); empty: of none."""
    name = index.rpartition(".")[2]
    return name.removesuffix(_INDEX) if name.endswith(_INDEX) else ""


def key_of(id: str) -> str:
    """The key of a document: Dify's is the id itself; ids that are too long stand in the metadata only."""
    if len(id.encode()) <= _LONGEST_KEY:
        return id
    return f"{_PREFIX}{blake2b(id.encode(), digest_size=32).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Found:
    """What an index says of its collection. alone: it indexes nothing else."""

    dimension: int
    metric: Metric
    alone: bool


def definition(bucket: str, scope: str, name: str, dimension: int, metric: Metric) -> dict[str, Any]:
    """Dify's index with two differences: nothing else is indexed, and texts are taken apart for CJK too.

    Dify's maps also the default collection, so it works in the scope `_default` only: an index spans one
    scope.
    """
    vector = {
        "dims": dimension,
        "index": True,
        "name": "embedding",
        "similarity": SIMILARITIES[metric],
        "type": "vector",
        "vector_index_optimized_for": "recall",
    }
    text = {"analyzer": "cjk", "index": True, "name": "text", "store": True, "type": "text"}
    properties = {
        "embedding": {"dynamic": False, "enabled": True, "fields": [vector]},
        "metadata": {"dynamic": True, "enabled": True},
        "text": {"dynamic": False, "enabled": True, "fields": [text]},
    }
    mapping = {
        "analysis": {},
        "default_analyzer": "standard",
        "default_datetime_parser": "dateTimeOptional",
        "default_field": "_all",
        "default_mapping": {"dynamic": True, "enabled": False},
        "default_type": "_default",
        "docvalues_dynamic": False,
        "index_dynamic": True,
        "store_dynamic": True,
        "type_field": "_type",
        "types": {f"{scope}.{stored(name)}": {"dynamic": True, "enabled": True, "properties": properties}},
    }
    places = {"docid_prefix_delim": "", "docid_regexp": "", "mode": "scope.collection.type_field"}
    return {
        "type": "fulltext-index",
        "name": index_name(name),
        "sourceType": "gocbcore",
        "sourceName": bucket,
        "sourceParams": {},
        "planParams": {"maxPartitionsPerPIndex": 1024, "indexPartitions": 1},
        "params": {
            "doc_config": {**places, "type_field": "type"},
            "mapping": mapping,
            "store": {"indexType": "scorch", "segmentVersion": 16},
        },
    }


def read(index: Any, scope: str, collection: str) -> Found | None:
    """What an index definition says of a collection, by its stored name; None: it is not of this layout."""
    mapping = _inside(index, "params", "mapping")
    types = _inside(mapping, "types")
    fields = _inside(types, f"{scope}.{collection}", "properties", "embedding").get("fields")
    vector = next((one for one in fields or () if one.get("type") == "vector"), None)
    if vector is None or not isinstance(vector.get("dims"), int):
        return None
    by_word = {word: metric for metric, word in SIMILARITIES.items()}
    enabled = [name for name, one in types.items() if one.get("enabled", True)]
    alone = len(enabled) == 1 and not _inside(mapping, "default_mapping").get("enabled", True)
    # Without a word of it the server measures distances.
    return Found(int(vector["dims"]), by_word.get(vector.get("similarity"), Metric.L2), alone)


def _inside(found: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def document(record: Record) -> dict[str, Any]:
    """A document as Dify writes it. Nine digits are all that a float32 has."""
    assert record.vector is not None  # noqa: S101 — the facade sees to it
    vector = [float(format(number, ".9g")) for number in record.vector.tolist()]
    return {"text": record.text, "embedding": vector, "metadata": dict(record.metadata)}


def record(row: Mapping[str, Any], *, vectors: bool) -> Record:
    vector = None
    if vectors and row.get("embedding") is not None:
        import numpy

        vector = numpy.asarray(row["embedding"], dtype=numpy.float32)
    found = row.get("metadata")
    metadata: dict[str, Any] = dict(found) if isinstance(found, Mapping) else {}
    metadata = {name: value for name, value in metadata.items() if value is not None}
    return Record(str(metadata.get(DOC_ID) or row["id"]), vector, str(row.get("text") or ""), metadata)


class SqlConditions(Conditions):
    """Filters over ``d.metadata``. values: of the rendered condition, by name.

    SQL++ keeps the kinds of JSON apart: `TYPE` is asked before anything is compared.
    """

    true = "TRUE"
    false = "FALSE"

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._fields: dict[str, str] = {}

    def bound(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _field(self, field: str) -> str:
        """A member by its name, which is a value of the statement too."""
        if field not in self._fields:
            self._fields[field] = f"d.`metadata`.[{self.bound(field)}]"
        return self._fields[field]

    def has(self, field: str) -> str:
        return f"{self._field(field)} IS VALUED"

    def text(self, field: str, sign: str, values: Sequence[str]) -> str:
        return self._of_kind("string", field, sign, values)

    def number(self, field: str, sign: str, values: Sequence[float]) -> str:
        return self._of_kind("number", field, sign, values)

    def boolean(self, field: str, value: bool) -> str:
        return self._of_kind("boolean", field, "=", [value])

    def _of_kind(self, kind: str, field: str, sign: str, values: Sequence[Any]) -> str:
        found = self._field(field)
        compared = (
            f"{found} IN {self.bound(list(values))}"
            if sign == "=" and len(values) != 1
            else f"{found} {sign} {self.bound(values[0])}"
        )
        return f'(TYPE({found}) = "{kind}" AND {compared})'
