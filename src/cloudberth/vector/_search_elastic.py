"""Elasticsearch and its Japanese sister: settings, and how they search vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector import _search_rows as rows
from cloudberth.vector._rest import basic, key_header
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

SIMILARITIES = {Metric.COSINE: "cosine", Metric.L2: "l2_norm", Metric.INNER: "max_inner_product"}
# Scores of exact searches, on the scale that the index has.
_SCRIPTS = {
    Metric.COSINE: "(cosineSimilarity(params.q, 'vector') + 1.0) / 2.0",
    Metric.L2: "double d = l2norm(params.q, 'vector'); return 1.0 / (1.0 + d * d);",
    Metric.INNER: "double p = dotProduct(params.q, 'vector'); return p < 0 ? 1.0 / (1.0 - p) : p + 1.0;",
}
CAPABILITIES = Capabilities(
    metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=4096, batch=500
)


class ElasticsearchSettings(VectorSettings):
    """Dify's variables. host: with ``https://`` in front, or in a location with ``?tls=true``, it is TLS.

    verify_certs: accepted as Dify's, and not followed: a certificate is always verified, against `ca_certs`
    where it is an authority of your own. Dify's timeout of 100,000 s and its 10,000 repeats are not taken
    over: times are those of the options.
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user"}
    host: str = Field("127.0.0.1", alias="ELASTICSEARCH_HOST")
    port: int = Field(9200, alias="ELASTICSEARCH_PORT", ge=1, le=65535)
    user: str = Field("elastic", alias="ELASTICSEARCH_USERNAME")
    password: SecretStr | None = Field(SecretStr("elastic"), alias="ELASTICSEARCH_PASSWORD")
    use_cloud: bool = Field(False, alias="ELASTICSEARCH_USE_CLOUD")
    cloud_url: str = Field("", alias="ELASTICSEARCH_CLOUD_URL")
    api_key: SecretStr | None = Field(None, alias="ELASTICSEARCH_API_KEY")
    ca_certs: str = Field("", alias="ELASTICSEARCH_CA_CERTS")
    verify_certs: bool = Field(False, alias="ELASTICSEARCH_VERIFY_CERTS")
    request_timeout: int = Field(100_000, alias="ELASTICSEARCH_REQUEST_TIMEOUT", ge=1)
    tls: bool = False

    @property
    def address(self) -> str:
        if self.use_cloud:
            return self.cloud_url
        if "://" in self.host:
            return f"{self.host.rstrip('/')}:{self.port}"
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


def opened(settings: ElasticsearchSettings, options: Options, kind: str) -> tuple[SearchRest, str]:
    """(requests, place) of a cluster, by password or by an API key."""
    if settings.use_cloud and not (settings.cloud_url and settings.api_key):
        raise InvalidInput(
            "a cloud needs its URL and a key",
            where="ELASTICSEARCH_USE_CLOUD",
            hint="set ELASTICSEARCH_CLOUD_URL and ELASTICSEARCH_API_KEY",
        )
    key = revealed(settings.api_key)
    given = f"{settings.user}:{revealed(settings.password)}"
    headers = key_header("authorization", f"ApiKey {key}") if key else basic(given) if settings.user else {}
    waiting = replace(options, timeout=min(options.timeout, settings.request_timeout))
    rest = SearchRest(settings.address, waiting, headers=headers, ca_file=settings.ca_certs)
    return rest, f"{kind}://{rest.origin.host}:{rest.origin.port}"


class ElasticBackend(SearchBackend):
    """`dense_vector` with an HNSW graph over float32, so that scores are not those of quantized vectors."""

    settings: ClassVar[type[VectorSettings]] = ElasticsearchSettings
    capabilities = CAPABILITIES

    def __init__(self, rest: SearchRest, place: str) -> None:
        super().__init__(rest, place)
        self._vectors_hidden = False

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, ElasticsearchSettings)  # noqa: S101 — the registry pairs them
        return cls(*opened(settings, options, cls.id))

    def _index_body(self, collection: Collection) -> Found:
        vector: Found = {"type": "dense_vector", "dims": collection.dimension, "index": True}
        if collection.index.kind == "exact":
            vector["index"] = False
        else:
            vector["similarity"] = SIMILARITIES[collection.metric]
            vector["index_options"] = {
                "type": "hnsw",
                "m": collection.index.links,
                "ef_construction": collection.index.construction,
            }
        return {"mappings": {"properties": {rows.TEXT: {"type": "text"}, rows.VECTOR: vector}}}

    def _found_vector(self, mapping: Mapping[str, Any]) -> tuple[int, Metric, Index] | None:
        if mapping.get("type") != "dense_vector":
            return None
        metric = next(
            (one for one, word in SIMILARITIES.items() if word == mapping.get("similarity")), Metric.COSINE
        )
        return int(mapping.get("dims") or 0), metric, Index()

    def _nearest(self, collection: Collection, query: DenseQuery, filter: Query | None) -> Found:
        vector = query.vector.tolist()
        if self._compares_all(collection, query):
            script = {"source": _SCRIPTS[collection.metric], "params": {"q": vector}}
            return {"query": {"script_score": {"query": filter or ALL, "script": script}}, "size": query.k}
        looked_at = max(collection.index.search, query.k + query.k // 2)
        if query.effort is Effort.WIDE:
            looked_at = max(1000, 4 * looked_at)
        knn: Found = {
            "field": rows.VECTOR,
            "query_vector": vector,
            "k": query.k,
            "num_candidates": min(10_000, looked_at),
        }
        if filter is not None:
            knn["filter"] = filter
        return {"knn": knn, "size": query.k}

    def _raw(self, metric: Metric, score: float, *, exact: bool) -> float:
        if metric is Metric.COSINE:
            return 2 * score - 1
        if metric is Metric.L2:
            return float(max(0.0, 1 / score - 1) ** 0.5)
        return score - 1 if score >= 1 else 1 - 1 / score

    def _search(
        self, name: str, body: Found, vectors: bool, *, scoped: bool = True
    ) -> list[Mapping[str, Any]]:
        """Since 9.2 vectors are left out of `_source` unless they are asked for, in words 8 does not know."""
        if not (vectors and self._vectors_hidden):
            hits = super()._search(name, body, vectors, scoped=scoped)
            if not (vectors and hits and rows.VECTOR not in (hits[0].get("_source") or {})):
                return hits
        source = {**rows.WITH_VECTOR, "exclude_vectors": False}
        found = self._hits(name, {**body, "_source": source, "track_total_hits": False})
        self._vectors_hidden = True
        return found
