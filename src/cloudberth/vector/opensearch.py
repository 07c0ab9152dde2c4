"""OpenSearch (`opensearch`): a cluster of your own, Amazon OpenSearch Service, or its serverless form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr

from cloudberth.errors import InvalidInput
from cloudberth.vector import _search_rows as rows
from cloudberth.vector._rest import basic
from cloudberth.vector._search_backend import Found, SearchBackend
from cloudberth.vector._search_calls import RequestSigner, SearchRest, line
from cloudberth.vector._search_facts import ALL, Query
from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    FullText,
    Health,
    Index,
    Metric,
    Record,
)
from cloudberth.vector.options import Options
from cloudberth.vector.settings import VectorSettings, revealed

_SPACES = {Metric.COSINE: "cosinesimil", Metric.L2: "l2", Metric.INNER: "innerproduct"}
_MOST = 10_000


class OpenSearchSettings(VectorSettings):
    """Dify's variables, and beyond them a file of authorities. In a location TLS is ``?secure=true``.

    verify_certs: accepted as Dify's; a certificate is always verified. auth_method ``aws_managed_iam``: AWS's
    default credentials sign each request; aws_service is ``es`` or ``aoss`` (serverless).
    """

    parts: ClassVar[Mapping[str, str]] = {"host": "host", "port": "port", "user": "user"}
    host: str = Field("", alias="OPENSEARCH_HOST")
    port: int = Field(9200, alias="OPENSEARCH_PORT", ge=1, le=65535)
    secure: bool = Field(False, alias="OPENSEARCH_SECURE")
    verify_certs: bool = Field(True, alias="OPENSEARCH_VERIFY_CERTS")
    auth_method: Literal["basic", "aws_managed_iam"] = Field("basic", alias="OPENSEARCH_AUTH_METHOD")
    user: str = Field("", alias="OPENSEARCH_USER")
    password: SecretStr | None = Field(None, alias="OPENSEARCH_PASSWORD")
    aws_region: str = Field("", alias="OPENSEARCH_AWS_REGION")
    aws_service: Literal["es", "aoss", ""] = Field("", alias="OPENSEARCH_AWS_SERVICE")
    ca_file: str = Field("", alias="OPENSEARCH_CA_FILE")


class OpenSearch(SearchBackend):
    """OpenSearch over REST, without its library.

    Layout as Dify's: an index in lower case, ``page_content, vector, metadata``, and what `elasticsearch`
    says of the object `cloudberth`. Dify's keys (`_id`) are random: records are found by ``metadata.doc_id``,
    and a record that Dify wrote is replaced, not doubled. Dify's index measures Euclidean distances (faiss);
    collections of ours have the engine lucene, which has cosine in every version (2.13 and newer for inner
    products). Exact searches are the script `knn_score`. With ``aoss`` documents have no keys of ours, and
    what was written is found when the service shows it, after up to a minute.

    Tested against an emulator of OpenSearch (osmem-server 0.1.6) for texts, filters and records, with dense
    searches by a double in front of it; the vendor's library accepts both. Signatures are held against
    botocore's. Not proved: a real cluster, Amazon's services.
    """

    id = "opensearch"
    settings: ClassVar[type[VectorSettings]] = OpenSearchSettings
    capabilities = Capabilities(
        metrics=frozenset(Metric), full_text=FullText.CJK, lower=True, dimensions=16_000, batch=500
    )

    def __init__(self, rest: SearchRest, place: str, *, serverless: bool = False) -> None:
        super().__init__(rest, place)
        if serverless:
            self.keyed = self.refreshes = False
            self.capabilities = replace(OpenSearch.capabilities, immediate=False)

    @classmethod
    def open(cls, settings: VectorSettings, options: Options) -> Self:
        assert isinstance(settings, OpenSearchSettings)  # noqa: S101 — the registry pairs them
        if not settings.host:
            raise InvalidInput("the server is not named", where="OPENSEARCH_HOST")
        headers = basic(f"{settings.user}:{revealed(settings.password)}") if settings.user else {}
        signer = None
        if settings.auth_method == "aws_managed_iam":
            headers, signer = {}, _signer(settings)
        scheme = "https" if settings.secure else "http"
        address = f"{scheme}://{settings.host}:{settings.port}"
        rest = SearchRest(address, options, headers=headers, ca_file=settings.ca_file, signer=signer)
        place = f"opensearch://{rest.origin.host}:{rest.origin.port}"
        return cls(rest, place, serverless=settings.aws_service == "aoss")

    def _index_body(self, collection: Collection) -> Found:
        vector: Found = {"type": "knn_vector", "dimension": collection.dimension}
        if collection.index.kind != "exact":
            vector["method"] = {
                "name": "hnsw",
                "space_type": _SPACES[collection.metric],
                "engine": "lucene",
                "parameters": {"m": collection.index.links, "ef_construction": collection.index.construction},
            }
        properties = {rows.TEXT: {"type": "text"}, rows.VECTOR: vector}
        knn = collection.index.kind != "exact"
        return {"settings": {"index": {"knn": knn}}, "mappings": {"properties": properties}}

    def _found_vector(self, mapping: Mapping[str, Any]) -> tuple[int, Metric, Index] | None:
        if mapping.get("type") != "knn_vector":
            return None
        space = (mapping.get("method") or {}).get("space_type") or mapping.get("space_type") or "l2"
        metric = next((one for one, word in _SPACES.items() if word == space), Metric.L2)
        return int(mapping.get("dimension") or 0), metric, Index()

    def _nearest(self, collection: Collection, query: DenseQuery, filter: Query | None) -> Found:
        vector = query.vector.tolist()
        if self._compares_all(collection, query):
            given = {
                "field": rows.VECTOR,
                "query_value": vector,
                "space_type": _SPACES[collection.metric],
            }
            script = {"lang": "knn", "source": "knn_score", "params": given}
            return {"query": {"script_score": {"query": filter or ALL, "script": script}}, "size": query.k}
        looked_at = max(collection.index.search, query.k)
        if query.effort is Effort.WIDE:
            looked_at = max(1000, 4 * looked_at)
        knn: Found = {"vector": vector, "k": min(_MOST, looked_at)}
        if filter is not None:
            knn["filter"] = filter
        return {"query": {"knn": {rows.VECTOR: knn}}, "size": query.k}

    def _raw(self, metric: Metric, score: float, *, exact: bool) -> float:
        if metric is Metric.COSINE:
            # The script's score is 1 + cosine, the index's half of it.
            return score - 1 if exact else 2 * score - 1
        if metric is Metric.L2:
            return float(max(0.0, 1 / score - 1) ** 0.5)
        return score - 1 if score >= 1 else 1 - 1 / score

    def _replaced(self, name: str, records: Sequence[Record]) -> list[str]:
        ids = [record.id for record in records]
        others: Query = {"bool": {"filter": [self._of_ids(ids)]}}
        if self.keyed:
            others["bool"]["must_not"] = [{"ids": {"values": ids}}]
        body = {"query": others, "size": _MOST, "_source": False, "track_total_hits": False}
        return [str(hit["_id"]) for hit in self._hits(name, body)]

    def _delete(self, name: str, query: Query) -> int:
        if self.keyed:
            return super()._delete(name, query)
        removed = 0
        while True:
            body = {"query": query, "size": _MOST, "_source": False, "track_total_hits": False}
            hits = self._hits(name, body)
            actions = [line({"delete": {"_id": hit["_id"]}}) for hit in hits]
            gone = self.rest.bulk(self._path(name, "_bulk"), actions, ())
            removed += gone
            if len(hits) < _MOST or not gone:
                return removed

    def health(self) -> Health:
        if self.refreshes:
            return super().health()
        # The serverless form does not say what it is.
        return Health("serverless", {"collections": str(len(self.collections()))})

    def _set_interval(self, name: str, interval: str | None) -> None:
        if self.refreshes:
            super()._set_interval(name, interval)


def _signer(settings: OpenSearchSettings) -> RequestSigner:
    from cloudberth.storage.s3 import aws_chain

    if not settings.aws_service:
        raise InvalidInput("which service of AWS it is", where="OPENSEARCH_AWS_SERVICE", hint="es, or aoss")
    provider, region = aws_chain("OpenSearch with AWS's roles")
    region = settings.aws_region or region
    if not region:
        raise InvalidInput("the region is not set", where="OPENSEARCH_AWS_REGION")
    return RequestSigner(region, settings.aws_service, provider)
