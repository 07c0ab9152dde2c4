"""Alibaba Cloud Lindorm (`lindorm`): its search engine with its vector engine, which speaks OpenSearch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput, NotFound, Unsupported
from cloudberth.vector import _search_rows as rows
from cloudberth.vector._rest import basic
from cloudberth.vector._search_backend import Found, SearchBackend
from cloudberth.vector._search_calls import SearchRest
from cloudberth.vector._search_facts import ALL, Query
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    FullText,
    Index,
    Metric,
    Record,
)
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_SPACES = {Metric.COSINE: "cosinesimil", Metric.L2: "l2", Metric.INNER: "innerproduct"}
_ROUTING = "routing_field"
_SHARED = "ugc_index_"
# As a dynamic mapping makes it, which is what Dify's requests count on.
_TEXT_WITH_KEYWORD = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


class LindormSettings(VectorSettings):
    """Dify's variables. url: ``http://host:30070``; in a location host and port, TLS by ``?tls=true``.

    using_ugc: look for data sets in Dify's shared indexes too. distance_type and query_timeout: accepted as
    Dify's; a collection's metric is its own, and times are those of the options.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user"}
    url: str = Field("", alias="LINDORM_URL")
    user: str = Field("", alias="LINDORM_USERNAME")
    password: SecretStr | None = Field(None, alias="LINDORM_PASSWORD")
    index_type: Literal["hnsw", "flat", "ivfpq"] = Field("hnsw", alias="LINDORM_INDEX_TYPE")
    distance_type: str = Field("l2", alias="LINDORM_DISTANCE_TYPE")
    using_ugc: bool = Field(True, alias="LINDORM_USING_UGC")
    query_timeout: float = Field(2.0, alias="LINDORM_QUERY_TIMEOUT", gt=0)
    ca_file: str = Field("", alias="LINDORM_CA_FILE")
    host: str = ""
    port: int = Field(30070, ge=1, le=65535)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.url


class Lindorm(SearchBackend):
    """Lindorm over REST, without a library.

    Collections of ours are indexes of their own, in Dify's layout for these. A data set that Dify keeps in
    one of its shared indexes (``ugc_index_…``, its default) is found there under its collection's name: it is
    read, written and removed inside its routing. Filters go before the vectors (``pre_filter``). Scores are
    computed here from the vectors of the hits, because the vendor does not say how its own are made; exact
    searches are compared here. Words: our tokens; rows of Dify by its analyser (ik_max_word).

    Tested against an emulator of OpenSearch (osmem-server 0.1.6) for texts, filters and records, with dense
    searches by a double in front of it. Not proved: the service, its analyser, and index type ivfpq, which
    is built by a call of its own and is not made here.
    """

    id = "lindorm"
    settings: ClassVar[type[VectorSettings]] = LindormSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=4096, batch=500, exact=False
    )
    doc_id = "metadata.doc_id.keyword"
    measures = True

    def __init__(self, rest: SearchRest, place: str, *, kind: str = "hnsw", shared: bool = True) -> None:
        super().__init__(rest, place)
        self._kind = kind
        self._looks_in_shared = shared
        self._shared: dict[str, str] = {}

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, LindormSettings)  # noqa: S101 — the registry pairs them
        if not settings.address:
            raise InvalidInput("the server is not named", where="LINDORM_URL")
        headers = basic(f"{settings.user}:{revealed(settings.password)}") if settings.user else {}
        rest = SearchRest(settings.address, options, headers=headers, ca_file=settings.ca_file)
        place = f"lindorm://{rest.origin.host}:{rest.origin.port}"
        return cls(rest, place, kind=settings.index_type, shared=settings.using_ugc)

    # ── where a collection is

    def describe(self, name: str) -> Collection:
        self._locate(name)
        return super().describe(name)

    def drop(self, name: str) -> None:
        self._locate(name)
        if name not in self._shared:
            return super().drop(name)
        self._delete(name, ALL)
        self._shared.pop(name)
        return self._forget(name)

    def collections(self) -> tuple[str, ...]:
        own = [name for name in super().collections() if not name.startswith(_SHARED)]
        return tuple(sorted({*own, *self._data_sets()}))

    def _data_sets(self) -> list[str]:
        """Names of what Dify keeps in its shared indexes."""
        found: list[str] = []
        for index in self._shared_indexes():
            body = {"size": 0, "aggs": {"names": {"terms": {"field": f"{_ROUTING}.keyword", "size": 10_000}}}}
            answer = self.rest.call("POST", f"/{index}/_search", body)
            found += [str(one["key"]) for one in answer["aggregations"]["names"]["buckets"]]
        return found

    def _shared_indexes(self) -> list[str]:
        if not self._looks_in_shared:
            return []
        return sorted(
            index for index in self.rest.call("GET", "/*/_mapping") or {} if index.startswith(_SHARED)
        )

    def _locate(self, name: str) -> None:
        """Find out whether a collection has an index, or is a routing in a shared one."""
        if name in self._shared or self.rest.exists(super()._path(name)):
            return
        for index in self._shared_indexes():
            body = {"query": _only(name), "size": 1, "_source": False}
            answer = self.rest.call("POST", f"/{index}/_search", body, query=(("routing", name),))
            if answer["hits"]["hits"]:
                self._shared[name] = index
                return
        raise NotFound(f"there is no collection {name}")

    def _path(self, name: str, what: str = "") -> str:
        shared = self._shared.get(name)
        if shared is None:
            return super()._path(name, what)
        return f"/{shared}/{what}" if what else f"/{shared}"

    def _scoped(self, name: str, query: Query) -> Query:
        return {"bool": {"must": [query], "filter": [_only(name)]}} if name in self._shared else query

    def _routed(self, name: str) -> tuple[tuple[str, str], ...]:
        return (("routing", name),) if name in self._shared else ()

    def _key(self, name: str, record: Record) -> Found:
        return {**super()._key(name, record), **dict(self._routed(name))}

    def _document(self, name: str, record: Record) -> Found:
        made = super()._document(name, record)
        return {**made, _ROUTING: name} if name in self._shared else made

    def _set_interval(self, name: str, interval: str | None) -> None:
        """Others write to a shared index: its settings stay as they are."""
        if name not in self._shared:
            super()._set_interval(name, interval)

    def _replaced(self, name: str, records: Sequence[Record]) -> list[str]:
        return []

    # ── vectors

    def _metadata_mapping(self) -> Found:
        return {"doc_id": _TEXT_WITH_KEYWORD, "document_id": _TEXT_WITH_KEYWORD}

    def _index_body(self, collection: Collection) -> Found:
        if self._kind == "ivfpq":
            raise Unsupported(
                "an index of type ivfpq is built by a call of its own, after the vectors are there",
                where="LINDORM_INDEX_TYPE",
                hint="hnsw, or flat",
            )
        kind = "flat" if collection.index.kind == "exact" else self._kind
        graph = {"m": collection.index.links, "ef_construction": collection.index.construction}
        vector = {
            "type": "knn_vector",
            "dimension": collection.dimension,
            "data_type": "float",
            "method": {
                "engine": "lvector",
                "name": kind,
                "space_type": _SPACES[collection.metric],
                "parameters": graph if kind == "hnsw" else {},
            },
        }
        properties = {rows.TEXT: {"type": "text", "analyzer": "ik_max_word"}, rows.VECTOR: vector}
        return {
            "settings": {"index": {"number_of_shards": 4, "knn": True}},
            "mappings": {"properties": properties},
        }

    def _found_vector(self, mapping: Mapping[str, Any]) -> tuple[int, Metric, Index] | None:
        if mapping.get("type") != "knn_vector":
            return None
        space = str((mapping.get("method") or {}).get("space_type") or "l2")
        metric = Metric.COSINE if space.startswith("cosine") else Metric.L2
        return int(mapping.get("dimension") or 0), Metric.INNER if "inner" in space else metric, Index()

    def _nearest(self, collection: Collection, query: DenseQuery, filter: Query | None) -> Found:
        looked_at = max(collection.index.search, query.k)
        if query.effort is not Effort.NORMAL:
            looked_at = max(1000, 4 * looked_at)
        asked: Found = {"vector": query.vector.tolist(), "k": query.k}
        extra = {"ef_search": str(min(10_000, looked_at))}
        if filter is not None:
            asked["filter"] = filter
            extra["filter_type"] = "pre_filter"
        return {"query": {"knn": {rows.VECTOR: asked}}, "size": query.k, "ext": {"lvector": extra}}


def _only(name: str) -> Query:
    return {"term": {f"{_ROUTING}.keyword": name}}
