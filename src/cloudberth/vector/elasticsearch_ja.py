"""Elasticsearch for Japanese (`elasticsearch-ja`): the plugins analysis-kuromoji and analysis-icu."""

from __future__ import annotations

from typing import Any

from cloudberth.vector import _search_rows as rows
from cloudberth.vector._search_backend import Found
from cloudberth.vector._search_elastic import CAPABILITIES, ElasticBackend
from cloudberth.vector._search_facts import Query
from cloudberth.vector.contract import Collection

# Dify's analyser, part by part.
_ANALYSIS: dict[str, Any] = {
    "analyzer": {
        "ja_analyzer": {
            "type": "custom",
            "char_filter": ["icu_normalizer", "kuromoji_iteration_mark"],
            "tokenizer": "kuromoji_tokenizer",
            "filter": [
                "kuromoji_baseform",
                "kuromoji_part_of_speech",
                "ja_stop",
                "kuromoji_number",
                "kuromoji_stemmer",
            ],
        }
    }
}


class ElasticsearchJa(ElasticBackend):
    """As `elasticsearch`, with Dify's Japanese analyser (kuromoji) over `page_content`.

    A search by words asks it for texts with all the words of the query in their dictionary form, and our
    tokens for those with any of them, so that other languages are found too.

    Tested against an emulator (noida-db 0.2.3), which takes the analyser's definition and has no kuromoji:
    the analyser itself is rendered only. A real cluster needs the two plugins.
    """

    id = "elasticsearch-ja"
    capabilities = CAPABILITIES

    def _index_body(self, collection: Collection) -> Found:
        body = super()._index_body(collection)
        text = {"type": "text", "analyzer": "ja_analyzer", "search_analyzer": "ja_analyzer"}
        body["mappings"]["properties"][rows.TEXT] = text
        return {"settings": {"analysis": _ANALYSIS}, **body}

    def _words(self, text: str, ours: str) -> list[Query]:
        every = {"match": {rows.TEXT: {"query": text, "operator": "and"}}}
        return [*super()._words(text, ours), every]
