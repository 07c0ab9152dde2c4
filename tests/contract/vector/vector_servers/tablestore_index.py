"""A search index of Tablestore in memory: what is seen of a table after a while, and its queries."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

from cloudberth.vector._tablestore_messages import Message, decode
from cloudberth.vector._tablestore_rows import Value, read_value
from cloudberth.vector._word_ranking import ranked

KEYWORD, TEXT, VECTOR = 4, 5, 9
MATCH, TERM, RANGE, BOOL, MATCH_ALL, TERMS, EXISTS, KNN = 1, 3, 4, 6, 11, 15, 16, 17
_NAMES = {
    MATCH: "MatchQuery", TERM: "TermQuery", RANGE: "RangeQuery", BOOL: "BoolQuery",
    MATCH_ALL: "MatchAllQuery", TERMS: "TermsQuery", EXISTS: "ExistsQuery", KNN: "KnnVectorQuery",
}  # fmt: skip
Document = dict[str, Any]


class Refused(Exception):
    """An answer that says no: the vendor's code and its sentence."""

    def __init__(self, code: str, said: str, status: int = 400) -> None:
        super().__init__(said)
        self.code, self.status = code, status


@dataclass
class SearchIndex:
    """schema: as it was asked for. changes: (when, id, columns or None) of what is not seen yet."""

    schema: Message
    made: float = field(default_factory=time.monotonic)
    documents: dict[str, Document] = field(default_factory=dict)
    changes: list[tuple[float, str, dict[str, Value] | None]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fields = {one["field_name"]: one for one in self.schema["field_schemas"]}
        for one in self.fields.values():
            if one["field_type"] == VECTOR and not 1 <= one["vector_options"]["dimension"] <= 4096:
                raise Refused("OTSParameterInvalid", "dimension is out of range")

    def catch_up(self, delay: float) -> None:
        """Take in what was written before so many seconds."""
        until = time.monotonic() - delay
        while self.changes and self.changes[0][0] <= until:
            _, id, columns = self.changes.pop(0)
            made = None if columns is None else self._document(columns)
            if made is None:
                self.documents.pop(id, None)
                if columns is not None:
                    self.dropped.append(id)
            else:
                self.documents[id] = made

    def _document(self, columns: dict[str, Value]) -> Document | None:
        """What is indexed of a row; None when a value is not what its field takes."""
        made: Document = {}
        for name, one in self.fields.items():
            if name not in columns:
                continue
            given: Any = columns[name]
            kind = one["field_type"]
            if kind == VECTOR or one.get("is_array"):
                given = json.loads(given)
            if kind == VECTOR and len(given) != one["vector_options"]["dimension"]:
                return None
            if kind == KEYWORD:
                listed = isinstance(given, list)
                given = given if listed else [given]
                # A long keyword alone is taken: nothing asks for the metadata as a whole.
                if len(given) > 256 or (listed and any(len(str(one).encode()) > 4096 for one in given)):
                    return None
            made[name] = given
        return made

    # ── queries

    def found(self, query: Message) -> dict[str, float]:
        """id → score of what a query finds."""
        kind = query.get("type")
        if kind not in _NAMES:
            raise Refused("OTSParameterInvalid", f"query type {kind} is not known")
        asked = decode(_NAMES[kind], query.get("query") or b"")
        if "field_name" in asked and asked["field_name"] not in self.fields:
            raise Refused("OTSParameterInvalid", f"field {asked['field_name']} is not in the index")
        handler = getattr(self, f"_{_NAMES[kind]}")
        result: dict[str, float] = handler(asked)
        return result

    def _MatchAllQuery(self, asked: Message) -> dict[str, float]:
        return dict.fromkeys(self.documents, 1.0)

    def _ExistsQuery(self, asked: Message) -> dict[str, float]:
        name = asked["field_name"]
        return {id: 1.0 for id, one in self.documents.items() if one.get(name) not in (None, [])}

    def _keywords(self, asked: Message) -> dict[str, list[str]]:
        name = asked["field_name"]
        if self.fields[name]["field_type"] != KEYWORD:
            raise Refused("OTSParameterInvalid", f"field {name} is no keyword")
        return {id: one.get(name) or [] for id, one in self.documents.items()}

    def _TermQuery(self, asked: Message) -> dict[str, float]:
        wanted = read_value(asked["term"])
        return {id: 1.0 for id, given in self._keywords(asked).items() if wanted in given}

    def _TermsQuery(self, asked: Message) -> dict[str, float]:
        if not 1 <= len(asked["terms"]) <= 1024:
            raise Refused("OTSParameterInvalid", "a terms query takes 1 to 1024 terms")
        wanted = {read_value(one) for one in asked["terms"]}
        return {id: 1.0 for id, given in self._keywords(asked).items() if wanted & set(given)}

    def _RangeQuery(self, asked: Message) -> dict[str, float]:
        low = str(read_value(asked["range_from"])).encode() if "range_from" in asked else None
        high = str(read_value(asked["range_to"])).encode() if "range_to" in asked else None

        def within(given: str) -> bool:
            data = given.encode()
            above = low is None or data > low or (data == low and bool(asked.get("include_lower")))
            below = high is None or data < high or (data == high and bool(asked.get("include_upper")))
            return above and below

        return {id: 1.0 for id, given in self._keywords(asked).items() if any(map(within, given))}

    def _MatchQuery(self, asked: Message) -> dict[str, float]:
        name = asked["field_name"]
        if self.fields[name]["field_type"] != TEXT:
            raise Refused("OTSParameterInvalid", f"field {name} is no text")
        ids = list(self.documents)
        return {
            ids[at]: score
            for at, score in ranked(asked["text"], [str(self.documents[id].get(name) or "") for id in ids])
        }

    def _BoolQuery(self, asked: Message) -> dict[str, float]:
        found = dict.fromkeys(self.documents, 0.0)
        for part in asked["must_queries"]:
            scores = self.found(part)
            found = {id: score + scores[id] for id, score in found.items() if id in scores}
        for part in asked["filter_queries"]:
            kept = self.found(part)
            found = {id: score for id, score in found.items() if id in kept}
        for part in asked["must_not_queries"]:
            gone = self.found(part)
            found = {id: score for id, score in found.items() if id not in gone}
        if asked["should_queries"]:
            each = [self.found(part) for part in asked["should_queries"]]
            alone = not asked["must_queries"] and not asked["filter_queries"]
            least = asked.get("minimum_should_match", 1 if alone else 0)
            fits = {id: [scores[id] for scores in each if id in scores] for id in found}
            found = {id: found[id] + sum(scores) for id, scores in fits.items() if len(scores) >= least}
        return found

    def _KnnVectorQuery(self, asked: Message) -> dict[str, float]:
        name, query = asked["field_name"], asked["float32_query_vector"]
        options = self.fields[name].get("vector_options")
        if options is None or len(query) != options["dimension"]:
            raise Refused("OTSParameterInvalid", "the dimension of the vector is not that of the field")
        if not 1 <= asked["top_k"] <= 1000:
            raise Refused("OTSParameterInvalid", "top_k has to be 1 to 1000")
        kept = self.found(asked["filter"]) if "filter" in asked else self.documents
        scores = {
            id: _near(options.get("metric_type", 0), query, self.documents[id][name])
            for id in kept
            if name in self.documents[id]
        }
        best = sorted(scores, key=lambda id: (-scores[id], id))[: asked["top_k"]]
        return {id: scores[id] for id in best}


def _near(metric: int, query: list[float], vector: list[float]) -> float:
    """Larger is nearer; not on the vendor's scale, which it does not publish as text."""
    product = math.fsum(a * b for a, b in zip(query, vector, strict=True))
    if metric == 2:
        return product
    if metric == 1:
        return (1 + product / (math.hypot(*query) * math.hypot(*vector))) / 2
    return 1 / (1 + math.dist(query, vector) ** 2)
