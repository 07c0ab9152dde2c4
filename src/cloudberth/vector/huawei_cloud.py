"""Huawei Cloud's search service, CSS (`huawei_cloud`): Elasticsearch 7.10 with vectors of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
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
)
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_METRICS = {Metric.COSINE: "cosine", Metric.L2: "euclidean", Metric.INNER: "inner_product"}


class HuaweiCloudSettings(VectorSettings):
    """Dify's variables. hosts: URLs with commas between them, as in Dify; the first one is used.

    In a location: host and port, TLS by ``?tls=true``. Certificates are always verified (Dify never does).
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user"}
    hosts: str = Field("", alias="HUAWEI_CLOUD_HOSTS")
    user: str = Field("", alias="HUAWEI_CLOUD_USER")
    password: SecretStr | None = Field(None, alias="HUAWEI_CLOUD_PASSWORD")
    ca_file: str = Field("", alias="HUAWEI_CLOUD_CA_FILE")
    host: str = ""
    port: int = Field(9200, ge=1, le=65535)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.host:
            return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"
        return self.hosts.partition(",")[0].strip()


class HuaweiCloud(SearchBackend):
    """CSS over REST, without a library.

    Layout as Dify's: ``page_content, vector, metadata``, `_id` is doc_id; and what `elasticsearch` says of
    the object `cloudberth`. Dense searches filter first (CSS's pre-filter, which Dify does not use). The
    vendor does not say how a score comes from a metric: scores are computed here from the vectors of the
    hits, which therefore travel. Exact searches are CSS's script `vector_score`.

    Tested against an emulator of OpenSearch (osmem-server 0.1.6) for texts, filters and records, with CSS's
    dense searches by a double in front of it. Not proved: the service.
    """

    id = "huawei_cloud"
    settings: ClassVar[type[VectorSettings]] = HuaweiCloudSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=4096, batch=500
    )
    measures = True

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, HuaweiCloudSettings)  # noqa: S101 — the registry pairs them
        if not settings.address:
            raise InvalidInput("the server is not named", where="HUAWEI_CLOUD_HOSTS")
        headers = basic(f"{settings.user}:{revealed(settings.password)}") if settings.user else {}
        rest = SearchRest(settings.address, options, headers=headers, ca_file=settings.ca_file)
        return cls(rest, f"huawei-cloud://{rest.origin.host}:{rest.origin.port}")

    def _index_body(self, collection: Collection) -> Found:
        index = collection.index
        vector: Found = {
            "type": "vector",
            "dimension": collection.dimension,
            "indexing": index.kind != "exact",
        }
        if index.kind != "exact":
            vector |= {
                "algorithm": "GRAPH",
                "metric": _METRICS[collection.metric],
                "neighbors": 2 * index.links,
                "efc": index.construction,
            }
        properties = {rows.TEXT: {"type": "text"}, rows.VECTOR: vector}
        return {"settings": {"index.vector": True}, "mappings": {"properties": properties}}

    def _found_vector(self, mapping: Mapping[str, Any]) -> tuple[int, Metric, Index] | None:
        if mapping.get("type") != "vector":
            return None
        metric = next((one for one, word in _METRICS.items() if word == mapping.get("metric")), Metric.COSINE)
        return int(mapping.get("dimension") or 0), metric, Index()

    def _nearest(self, collection: Collection, query: DenseQuery, filter: Query | None) -> Found:
        vector = query.vector.tolist()
        if self._compares_all(collection, query):
            given = {"field": rows.VECTOR, "vector": vector, "metric": _METRICS[collection.metric]}
            script = {"lang": "vector", "source": "vector_score", "params": given}
            return {"query": {"script_score": {"query": filter or ALL, "script": script}}, "size": query.k}
        looked_at = max(collection.index.search, query.k)
        if query.effort is Effort.WIDE:
            looked_at = max(1000, 4 * looked_at)
        asked: Found = {"vector": vector, "topk": query.k, "ef": looked_at}
        if filter is not None:
            asked["filter"] = filter
        return {"query": {"vector": {rows.VECTOR: asked}}, "size": query.k}
