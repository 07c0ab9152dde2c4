"""Elasticsearch (`elasticsearch`), 8 and newer: a cluster of your own, or Elastic Cloud."""

from __future__ import annotations

from cloudberth.vector._search_elastic import CAPABILITIES, ElasticBackend, ElasticsearchSettings

__all__ = ["Elasticsearch", "ElasticsearchSettings"]


class Elasticsearch(ElasticBackend):
    """Elasticsearch over REST, without its library.

    Layout as Dify's: an index in lower case, `_id` is doc_id, ``page_content, vector, metadata``; vectors in
    an HNSW graph over float32, with cosine unless it is told otherwise. Beyond it an object `cloudberth`:
    tokens for searches by words in any language, facts for filters (one keyword a field and value), and as
    JSON what an engine would not take (names with dots). Rows that Dify wrote are searched by its own
    analyser, and filtered by `doc_id` and `document_id` in the index, by other fields here, at the cost of
    one pass over their metadata. Writes are visible when they return. `delete_where` removes all that match.

    Tested against an emulator (noida-db 0.2.3, which the vendor's own library accepts). Not proved: a real
    cluster, Elastic Cloud, and the quality of its graph.
    """

    id = "elasticsearch"
    capabilities = CAPABILITIES
