"""What Elasticsearch and its relatives share: documents in Dify's layout, filters, words, scans."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudberth.errors import NotFound, Unsupported
from cloudberth.vector import _search_facts as facts
from cloudberth.vector import _search_rows as rows
from cloudberth.vector._search_calls import SearchRest, line
from cloudberth.vector._search_facts import ALL, UNMARKED, Query
from cloudberth.vector.comparing import nearest
from cloudberth.vector.contract import (
    DOC_ID,
    Collection,
    DenseQuery,
    Effort,
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
from cloudberth.vector.text import tokenized

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,119}")
# Of an index whose name would begin with _, which engines keep for themselves.
_WRAPPED = "berth."
_PAGE = 1000
# A search answers with at most so many (index.max_result_window); a query may name 65,536 ids.
_WINDOW = 10_000
_IDS = 60_000
# Seconds that it is remembered that a collection of ours holds nothing that Dify wrote.
_REMEMBERED = 60.0

Found = dict[str, Any]


class SearchBackend(OpenableVectorBackend):
    """One cluster. doc_id: the keyword under which Dify's mapping keeps a record's id.

    keyed: `_id` of a document is its record's id, as Dify writes it. refreshes: the engine makes writes
    visible when it is asked to. measures: scores are computed here from the vectors of the hits, where the
    vendor does not say how its own are made.
    """

    doc_id = "metadata.doc_id"
    keyed = True
    refreshes = True
    measures = False

    def __init__(self, rest: SearchRest, place: str) -> None:
        self.rest = rest
        self.place = place
        self._loading: set[str] = set()
        self._mapped: set[str] = set()
        self._unmarked: dict[str, float] = {}

    # ── what an engine brings

    @abstractmethod
    def _index_body(self, collection: Collection) -> Found:
        """Settings and mappings of a new index, of the vector and the text."""

    @abstractmethod
    def _found_vector(self, mapping: Mapping[str, Any]) -> tuple[int, Metric, Index] | None:
        """(dimension, metric, index) of the mapping of a vector; None when it is not one of this engine's."""

    @abstractmethod
    def _nearest(self, collection: Collection, query: DenseQuery, filter: Query | None) -> Found:
        """The body of a dense search, without `_source`."""

    def _raw(self, metric: Metric, score: float, *, exact: bool) -> float:
        """What was measured, out of a score; not asked where `measures` is set."""
        raise NotImplementedError

    def _words(self, text: str, ours: str) -> list[Query]:
        """Queries of words, one of which has to hold. ours: the text's tokens. Dify's rows: its analyser."""
        theirs = {"bool": {"must": [{"match": {rows.TEXT: text}}], "must_not": [facts.MARKED]}}
        return [{"match": {"cloudberth.tokens": ours}}, theirs] if ours else [theirs]

    def _path(self, name: str, what: str = "") -> str:
        index = f"{_WRAPPED}{name}" if name.startswith("_") else name
        return f"/{index}/{what}" if what else f"/{index}"

    def _scoped(self, name: str, query: Query) -> Query:
        """A query inside a collection, where it shares its index with others."""
        return query

    def _routed(self, name: str) -> tuple[tuple[str, str], ...]:
        return ()

    # ── collections

    def create(self, collection: Collection) -> None:
        body = self._index_body(collection)
        mappings = body.setdefault("mappings", {})
        mappings["_meta"] = {"cloudberth": collection.note()}
        mappings["properties"][rows.METADATA] = {
            "type": "object", "dynamic": False, "properties": self._metadata_mapping()
        }  # fmt: skip
        mappings["properties"][rows.OWN] = rows.OWN_MAPPING
        self.rest.call("PUT", self._path(collection.name), body)

    def _metadata_mapping(self) -> Found:
        return {"doc_id": {"type": "keyword"}, "document_id": {"type": "keyword"}}

    def describe(self, name: str) -> Collection:
        mappings = self._mappings(name)
        properties = mappings.get("properties") or {}
        found = self._found_vector(properties.get(rows.VECTOR) or {})
        if found is None or rows.TEXT not in properties:
            raise NotFound(f"there is no collection {name}: the index of that name is none")
        dimension, metric, index = found
        note = (mappings.get("_meta") or {}).get("cloudberth")
        made = Collection(name, dimension, metric, index=index)
        return made.noted(note if isinstance(note, str) else None)

    def _mappings(self, name: str) -> Found:
        body = self.rest.call("GET", self._path(name))
        return next(iter(body.values())).get("mappings") or {}

    def collections(self) -> tuple[str, ...]:
        found = self.rest.call("GET", "/*/_mapping") or {}
        names: list[str] = []
        for index, body in found.items():
            name = index.removeprefix(_WRAPPED) if index.startswith(f"{_WRAPPED}_") else index
            properties = (body.get("mappings") or {}).get("properties") or {}
            known = rows.TEXT in properties and self._found_vector(properties.get(rows.VECTOR) or {})
            if known and _NAME.fullmatch(name):
                names.append(name)
        return tuple(sorted(names))

    def drop(self, name: str) -> None:
        self._forget(name)
        self.rest.call("DELETE", self._path(name))

    def _forget(self, name: str) -> None:
        self._loading.discard(name)
        self._mapped.discard(name)
        self._unmarked.pop(name, None)

    # ── records

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        name = collection.name
        # An index that is not there would be made by the first document, with types that it guesses.
        if not self.rest.exists(self._path(name)):
            self._forget(name)
            raise NotFound(f"there is no collection {name}")
        if collection.dify and name not in self._mapped:
            self._add_mapping(name)
        self.rest.bulk(self._path(name, "_bulk"), self._actions(name, records), self._refresh(name))

    def _actions(self, name: str, records: Sequence[Record]) -> Iterator[bytes]:
        for key in self._replaced(name, records):
            yield line({"delete": {"_id": key}})
        for record in records:
            yield line({"index": self._key(name, record)}, self._document(name, record))

    def _key(self, name: str, record: Record) -> Found:
        return {"_id": record.id} if self.keyed else {}

    def _document(self, name: str, record: Record) -> Found:
        return rows.document(record)

    def _replaced(self, name: str, records: Sequence[Record]) -> list[str]:
        """Keys of documents of the same records under another key; none where `_id` is doc_id."""
        return []

    def _add_mapping(self, name: str) -> None:
        """Our fields in an index that Dify made; further fields of metadata are then no longer guessed."""
        added = {rows.OWN: rows.OWN_MAPPING, rows.METADATA: {"type": "object", "dynamic": False}}
        self.rest.call("PUT", self._path(name, "_mapping"), {"properties": added})
        self._mapped.add(name)

    def get(self, collection: Collection, ids: Sequence[str], *, vectors: bool) -> list[Record]:
        if not ids:
            return []
        self._visible(collection.name)
        body = {"query": self._of_ids(ids), "size": min(_WINDOW, 2 * len(ids) + 10)}
        found = {
            record.id: record for record in map(rows.record_of, self._search(collection.name, body, vectors))
        }
        return [found[id] for id in ids if id in found]

    def _of_ids(self, ids: Sequence[str]) -> Query:
        return {"terms": {self.doc_id: list(ids)}}

    def delete(self, collection: Collection, ids: Sequence[str]) -> int:
        return self._delete(collection.name, self._of_ids(ids)) if ids else 0

    def delete_where(self, collection: Collection, filter: Filter) -> int:
        return self._delete(collection.name, self._filter(collection, filter) or ALL)

    def _delete(self, name: str, query: Query) -> int:
        self._visible(name)
        asked = (("refresh", "true"), *self._routed(name))
        body = {"query": self._scoped(name, query)}
        found = self.rest.call("POST", self._path(name, "_delete_by_query"), body, query=asked)
        return int(found["deleted"])

    def count(self, collection: Collection, filter: Filter | None) -> int:
        self._visible(collection.name)
        return self._count(collection.name, self._filter(collection, filter) or ALL)

    def _count(self, name: str, query: Query) -> int:
        body = {"query": self._scoped(name, query)}
        return int(
            self.rest.call("POST", self._path(name, "_count"), body, query=self._routed(name))["count"]
        )

    def scan(
        self, collection: Collection, *, filter: Filter | None, after: str | None, limit: int, vectors: bool
    ) -> Page:
        if after is None:
            self._visible(collection.name)
        limit = min(limit, _WINDOW - 1)
        hits = self._in_order(
            collection.name, self._filter(collection, filter) or ALL, after, limit + 1, vectors
        )
        records = tuple(rows.record_of(hit) for hit in hits[:limit])
        return Page(records, records[-1].id if len(hits) > limit else None)

    def _in_order(
        self, name: str, query: Query, after: str | None, size: int, vectors: bool
    ) -> list[Mapping[str, Any]]:
        body: Found = {"query": query, "size": size, "sort": [{self.doc_id: "asc"}]}
        if after is not None:
            body["search_after"] = [after]
        return self._search(name, body, vectors)

    # ── search

    def search_dense(self, collection: Collection, query: DenseQuery) -> list[Hit]:
        self._visible(collection.name)
        filter = self._scoped(collection.name, self._filter(collection, query.filter) or ALL)
        body = self._nearest(collection, query, None if filter is ALL else filter)
        hits = self._search(collection.name, body, self.measures, scoped=False)
        if self.measures:
            return nearest(map(rows.record_of, hits), collection.metric, query.vector, query.k)
        exact = self._compares_all(collection, query)
        return [
            Hit(rows.record_of(hit), self._raw(collection.metric, float(hit["_score"]), exact=exact))
            for hit in hits[: query.k]
        ]

    def _compares_all(self, collection: Collection, query: DenseQuery) -> bool:
        return query.effort is Effort.EXACT or collection.index.kind == "exact"

    def search_text(self, collection: Collection, query: TextQuery) -> list[Hit]:
        self._visible(collection.name)
        words = self._words(query.text, tokenized(query.text))
        wanted: Found = {"should": words, "minimum_should_match": 1}
        if query.filter is not None:
            wanted["filter"] = [self._filter(collection, query.filter)]
        hits = self._search(collection.name, {"query": {"bool": wanted}, "size": query.k}, False)
        return [Hit(rows.record_of(hit), float(hit["_score"])) for hit in hits]

    # ── much at once

    def begin_bulk(self, collection: Collection) -> None:
        self._set_interval(collection.name, "-1")
        self._loading.add(collection.name)

    def end_bulk(self, collection: Collection) -> None:
        self._loading.discard(collection.name)
        self._set_interval(collection.name, None)
        self._make_visible(collection.name)

    def _set_interval(self, name: str, interval: str | None) -> None:
        body = {"index": {"refresh_interval": interval}}
        self.rest.call("PUT", self._path(name, "_settings"), body)

    def _visible(self, name: str) -> None:
        """While much is written nothing is made visible but before it is asked for."""
        if name in self._loading:
            self._make_visible(name)

    def _make_visible(self, name: str) -> None:
        if self.refreshes:
            self.rest.call("POST", self._path(name, "_refresh"))

    def _refresh(self, name: str) -> tuple[tuple[str, str], ...]:
        return (("refresh", "true"),) if self.refreshes and name not in self._loading else ()

    # ── the store

    def health(self) -> Health:
        found = self.rest.call("GET", "/") or {}
        version = found.get("version") or {}
        return Health(
            str(version.get("number") or "unknown"), {"cluster": str(found.get("cluster_name") or "unknown")}
        )

    def close(self) -> None:
        self.rest.close()

    # ── inside

    def _search(
        self, name: str, body: Found, vectors: bool, *, scoped: bool = True
    ) -> list[Mapping[str, Any]]:
        if scoped:
            body = {**body, "query": self._scoped(name, body["query"])}
        source = rows.WITH_VECTOR if vectors else rows.WITHOUT_VECTOR
        return self._hits(name, {**body, "_source": source, "track_total_hits": False})

    def _hits(self, name: str, body: Found) -> list[Mapping[str, Any]]:
        found = self.rest.call("POST", self._path(name, "_search"), body, query=self._routed(name))
        hits: list[Mapping[str, Any]] = found["hits"]["hits"]
        return hits

    def _filter(self, collection: Collection, filter: Filter | None) -> Query | None:
        """A filter as a query: over our facts, and for what Dify wrote over its own fields."""
        if filter is None:
            return None
        ours = facts.query_of(filter)
        if not self._holds_unmarked(collection):
            return ours
        theirs = facts.native_query(filter, self._keywords(collection.name)) or self._compared(
            collection.name, filter
        )
        both = [
            {"bool": {"filter": [facts.MARKED, ours]}},
            {"bool": {"filter": [UNMARKED, theirs]}},
        ]
        return {"bool": {"should": both, "minimum_should_match": 1}}

    def _holds_unmarked(self, collection: Collection) -> bool:
        """Whether Dify wrote something: remembered for a minute in collections of ours."""
        name = collection.name
        since = self._unmarked.get(name)
        if since is not None and time.monotonic() - since < _REMEMBERED:
            return False
        if self._count(name, UNMARKED):
            return True
        if not collection.dify:
            self._unmarked[name] = time.monotonic()
        return False

    def _keywords(self, name: str) -> dict[str, str]:
        """Metadata that Dify filters by → the keyword that its mapping has for it."""
        metadata = ((self._mappings(name).get("properties") or {}).get(rows.METADATA) or {}).get("properties")
        found: dict[str, str] = {}
        for field in (DOC_ID, "document_id"):
            mapping = (metadata or {}).get(field) or {}
            if mapping.get("type") == "keyword":
                found[field] = f"metadata.{field}"
            elif "keyword" in (mapping.get("fields") or {}):
                found[field] = f"metadata.{field}.keyword"
        return found

    def _compared(self, name: str, filter: Filter) -> Query:
        """Records without facts that match, found by reading the metadata of all of them."""
        ids: list[str] = []
        after: str | None = None
        while True:
            hits = self._in_order(name, UNMARKED, after, _PAGE, False)
            ids += [
                str(hit["_id"]) for hit in hits if matches(filter, rows.metadata_of(hit.get("_source") or {}))
            ]
            if len(ids) > _IDS:
                raise Unsupported(
                    f"more than {_IDS} records that Dify wrote match this filter",
                    hint="write the collection again (berth vector migrate): then the engine filters",
                )
            if len(hits) < _PAGE:
                return {"ids": {"values": ids}}
            after = rows.record_of(hits[-1]).id
