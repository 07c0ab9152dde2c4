"""The dialect of pgvecto.rs's access method `vectors`, which Relyt has too."""

from __future__ import annotations

from cloudberth.vector._postgres.dialect import Distance, product, root, similarity
from cloudberth.vector.contract import Metric

# Its `<->` is the square of the Euclidean distance.
DISTANCES = {
    Metric.COSINE: Distance("{vector} <=> {query}", "cos", similarity),
    Metric.L2: Distance("{vector} <-> {query}", "l2", root),
    Metric.INNER: Distance("{vector} <#> {query}", "dot", product),
}
INDEX = (
    "CREATE INDEX IF NOT EXISTS {index} ON {table} USING vectors ({vector} {operators}) "
    "WITH (options = $$\n[indexing.hnsw]\nm = {links}\nef_construction = {construction}\n$$)"
)
INDEX_NAME = "{collection}_embedding_index"
SESSION = ("SET vectors.enable_search_growing = on", "SET vectors.enable_search_write = on")
SEARCH = "vectors.hnsw_ef_search"
