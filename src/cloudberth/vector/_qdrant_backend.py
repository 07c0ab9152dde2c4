"""What all Qdrants do, whoever runs them and however they are reached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cloudberth.errors import Mismatch, NotFound, PreconditionFailed
from cloudberth.vector import _qdrant_rows as rows
from cloudberth.vector._comparing_metadata import split
from cloudberth.vector._qdrant_calls import QdrantCalls
from cloudberth.vector._word_ranking import query_weights, ranked
from cloudberth.vector.contract import (
    Collection,
    DenseQuery,
    Effort,
    FieldType,
    Health,
    Hit,
    Index,
    Metric,
    Page,
    Record,
    TextQuery,
)
from cloudberth.vector.filters import Filter, matches
from cloudberth.vector.opening import OpenableVectorBackend
from cloudberth.vector.text import tokens

_DISTANCES = {"Cosine": Metric.COSINE, "Euclid": Metric.L2, "Dot": Metric.INNER}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
_SCHEMAS = {
    FieldType.KEYWORD: "keyword",
    FieldType.INTEGER: "integer",
    FieldType.NUMBER: "float",
    FieldType.BOOLEAN: "bool",
}
# Dify's index over the texts, for its search by words.
_TEXT_INDEX = {
    "type": "text",
    "tokenizer": "multilingual",
    "min_token_len": 2,
    "max_token_len": 20,
    "lowercase": True,
}
# Above these versions: sparse vectors with rarity and one way to search; below: Dify's way.
_WITH_SPARSE = (1, 10)
# Texts that are ranked here at most, where Qdrant does not rank.
_RANKED_HERE = 2000
_PAGE = 500
# Kilobytes of a segment from which on Qdrant builds an index, as its server has it by default.
_INDEXED_FROM = 20_000


class QdrantBackend(OpenableVectorBackend):
    """calls: to the server or folder. group: of Dify's shared collections, the id of a data set."""

    def __init__(self, calls: QdrantCalls, place: str, *, group: str = "", replication: int = 1) -> None:
        self.calls = calls
        self.place = place
        self.group = group
        self.replication = replication
        self._tokens: dict[str, bool] = {}

    # ── collections

    def create(self, collection: Collection) -> None:
        if self.group and self._in_group(collection):
            return
        with_tokens = not self.group and self._is_new()
        distance = next(word for word, metric in _DISTANCES.items() if metric is collection.metric)
        body: dict[str, Any] = {
            "vectors": {"size": collection.dimension, "distance": distance},
            "hnsw_config": self._graph(collection),
            "replication_factor": self.replication,
        }
        if with_tokens:
            body["sparse_vectors"] = {rows.TOKENS: {"modifier": "idf"}}
        if not self.group:
            body["metadata"] = {rows.OURS: collection.note()}
        self.calls.create(collection.name, body)
        for field, schema in self._indexes(collection):
            self.calls.index(collection.name, field, schema)
        self._tokens[collection.name] = with_tokens

    def describe(self, name: str) -> Collection:
        config = self.calls.collection(name).get("config") or {}
        params = config.get("params") or {}
        vectors = params.get("vectors") or {}
        plain = vectors if "size" in vectors else vectors.get("")
        if not plain:
            raise Mismatch("the collection has no vector without a name", where=f"{self.place} {name}")
        self._tokens[name] = rows.TOKENS in (params.get("sparse_vectors") or {})
        graph = config.get("hnsw_config") or {}
        links = int(graph.get("m") or graph.get("payload_m") or 16)
        found = Collection(
            name,
            int(plain["size"]),
            _DISTANCES.get(str(plain["distance"]), Metric.COSINE),
            index=Index("hnsw", links, int(graph.get("ef_construct") or 100)),
        )
        if self.group and not self.count(found, None):
            raise NotFound(f"nothing in {name} is of the group {self.group}")
        note = (config.get("metadata") or {}).get(rows.OURS)
        return found.noted(note if isinstance(note, str) else None)

    def collections(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.calls.names() if _NAME.fullmatch(name)))

    def drop(self, name: str) -> None:
        if not self.group:
            self.calls.drop(name)
            return
        self.describe(name)
        self.calls.remove(name, {"filter": rows.in_group(self.group)})

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        with_tokens = self._with_tokens(collection.name)
        points = [
            rows.point(record, collection.metric, self.group, with_tokens=with_tokens) for record in records
        ]
        self.calls.upsert(collection.name, points)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        body = {"ids": list(ids), "with_payload": True, "with_vector": vectors}
        found = self.calls.points(collection.name, "get", body)
        return [rows.record_of(one, vectors=vectors) for one in found if self._is_mine(one)]

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        there = [record.id for record in self.get(collection, ids, vectors=False)]
        if there:
            self.calls.remove(collection.name, {"points": there})
        return len(there)

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        condition = self._condition(collection, filter)
        total = self._count(collection.name, condition)
        if total:
            self.calls.remove(collection.name, {"filter": condition})
        return total

    def count(self, collection: Collection, filter: Filter | None) -> int:
        return self._count(collection.name, self._condition(collection, filter))

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        """after: the id that the page begins with, as Qdrant has it."""
        points, following = self._scroll(
            collection.name, self._condition(collection, filter), limit=limit, after=after, vectors=vectors
        )
        records = tuple(rows.record_of(one, vectors=vectors) for one in points)
        return Page(records, None if following is None else str(following))

    def begin_bulk(self, collection: Collection) -> None:
        if not self.group and self._count(collection.name, None) < _PAGE:
            self.calls.update(collection.name, {"optimizers_config": {"indexing_threshold": 0}})

    def end_bulk(self, collection: Collection) -> None:
        if not self.group:
            self.calls.update(collection.name, {"optimizers_config": {"indexing_threshold": _INDEXED_FROM}})

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        condition = self._condition(collection, query.filter)
        search = collection.index.search
        params: dict[str, Any] = {"hnsw_ef": max(search, query.k)}
        if query.effort is Effort.WIDE:
            params = {"hnsw_ef": max(400, 4 * search, 4 * query.k)}
        elif query.effort is Effort.EXACT:
            params = {"exact": True}
        body = {"limit": query.k, "with_payload": True, "params": params}
        if condition is not None:
            body["filter"] = condition
        vector = self.calls.vector(query.vector)
        if self._is_new():
            points = self.calls.points(collection.name, "query", {"query": vector, **body})["points"]
        else:
            points = self.calls.points(collection.name, "search", {"vector": vector, **body})
        return _hits(points)

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        condition = self._condition(collection, query.filter)
        if not self._with_tokens(collection.name):
            return self._ranked_here(collection.name, query, condition)
        indices, values = query_weights(query.text)
        if not indices:
            return []
        body: dict[str, Any] = {
            "query": {"indices": indices, "values": values},
            "using": rows.TOKENS,
            "limit": query.k,
            "with_payload": True,
        }
        if condition is not None:
            body["filter"] = condition
        hits = _hits(self.calls.points(collection.name, "query", body)["points"])
        return [hit for hit in hits if hit.raw > 0]

    def health(self) -> Health:
        return Health(self.calls.version() or "unknown")

    def close(self) -> None:
        self.calls.close()

    # ── inside

    def _ranked_here(self, name: str, query: TextQuery, condition: rows.Condition | None) -> list[Hit]:
        """Dify's collections: Qdrant finds the words, in any order; the ranking is ours."""
        # Also what stands between spaces, as a whole: Qdrant cuts Chinese by a dictionary, we into pairs.
        words = list(dict.fromkeys([*tokens(query.text), *query.text.split()]))
        if not tokens(query.text):
            return []
        wanted = rows.both(condition, rows.has_words(words))
        records: list[Record] = []
        for one in self._all(name, wanted):
            records.append(rows.record_of(one))
            if len(records) >= _RANKED_HERE:
                break
        order = ranked(query.text, [record.text for record in records])
        return [Hit(records[at], score, source="text") for at, score in order[: query.k]]

    def _condition(self, collection: Collection, filter: Filter | None) -> rows.Condition | None:
        """A filter for Qdrant; what it does not know is compared here, and becomes a list of ids."""
        part, is_all = split(filter, rows.known)
        condition = None if part is None else rows.condition(part)
        if self.group:
            condition = rows.both(rows.in_group(self.group), condition)
        if is_all:
            return condition
        found = [
            one["id"]
            for one in self._all(collection.name, condition)
            if matches(filter, rows.record_of(one).metadata)
        ]
        return {"must": [{"has_id": found}]}

    def _all(self, name: str, condition: rows.Condition | None) -> Iterator[dict[str, Any]]:
        after: Any = None
        while True:
            points, after = self._scroll(name, condition, limit=_PAGE, after=after, vectors=False)
            yield from points
            if after is None:
                return

    def _scroll(
        self, name: str, condition: rows.Condition | None, *, limit: int, after: Any, vectors: bool
    ) -> tuple[list[dict[str, Any]], Any]:
        body: dict[str, Any] = {"limit": limit, "with_payload": True, "with_vector": vectors}
        if after is not None:
            body["offset"] = int(after) if str(after).isdecimal() else after
        if condition is not None:
            body["filter"] = condition
        found = self.calls.points(name, "scroll", body)
        return found["points"], found.get("next_page_offset")

    def _count(self, name: str, condition: rows.Condition | None) -> int:
        body: dict[str, Any] = {"exact": True}
        if condition is not None:
            body["filter"] = condition
        return int(self.calls.points(name, "count", body)["count"])

    def _with_tokens(self, name: str) -> bool:
        if name not in self._tokens:
            self.describe(name)
        return self._tokens[name]

    def _is_mine(self, found: dict[str, Any]) -> bool:
        return not self.group or (found.get("payload") or {}).get(rows.GROUP) == self.group

    def _is_new(self) -> bool:
        """Whether it has sparse vectors with rarity, and `query`; a version that is no number is new."""
        found = re.match(r"v?(\d+)\.(\d+)", self.calls.version())
        return found is None or (int(found[1]), int(found[2])) >= _WITH_SPARSE

    def _in_group(self, collection: Collection) -> bool:
        """Whether the shared collection is there, fits, and has nothing of this group yet."""
        try:
            config = self.calls.collection(collection.name)
        except NotFound:
            return False
        size = config["config"]["params"]["vectors"].get("size")
        if size != collection.dimension:
            raise Mismatch(f"the shared collection has {size} dimensions, not {collection.dimension}")
        if self.count(collection, None):
            raise PreconditionFailed(f"{collection.name} has records of the group {self.group} already")
        return True

    def _graph(self, collection: Collection) -> dict[str, Any]:
        """Of a collection of its own: over all points. Of a shared one: by group, with Dify's numbers."""
        if self.group:
            return {"m": 0, "payload_m": 16, "ef_construct": 100, "full_scan_threshold": 10_000}
        links = 0 if collection.index.kind == "exact" else collection.index.links
        return {"m": links, "ef_construct": max(4, collection.index.construction)}

    def _indexes(self, collection: Collection) -> Iterator[tuple[str, Any]]:
        yield rows.GROUP, "keyword"
        for field in ("doc_id", "document_id"):
            yield f"{rows.METADATA}.{field}", "keyword"
        yield rows.CONTENT, _TEXT_INDEX
        for field, kind in collection.fields.items():
            if field not in {"doc_id", "document_id"} and '"' not in field:
                plain = field.replace("_", "").isalnum() and field.isascii()
                yield f"{rows.METADATA}.{field}" if plain else f'{rows.METADATA}."{field}"', _SCHEMAS[kind]


def _hits(points: list[dict[str, Any]]) -> list[Hit]:
    return [Hit(rows.record_of(one), float(one["score"])) for one in points]
