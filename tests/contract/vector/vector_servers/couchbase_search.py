"""Couchbase's Search service on documents in memory: mappings, analysers, queries, nearest neighbours.

As the server does: an index over several collections keeps documents under prefixed keys, so that lists of
keys inside of other queries find nothing in it.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORDS = re.compile(rf"(?P<cjk>[{_CJK}])|(?P<word>[^\W{_CJK}]+)")
# The commonest of the vendor's list.
_STOP = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
    }
)
_MOST = 10_000


def tokens(text: str, analyzer: str) -> list[str]:
    """As the analysers `standard` (without English stop words) and `cjk` (pairs) take a text apart."""
    found = [(one.lastgroup, one[0].lower(), one.start()) for one in _WORDS.finditer(text)]
    if analyzer == "standard":
        return [word for _, word, _ in found if word not in _STOP]
    if analyzer != "cjk":
        raise ValueError(f"no analyzer with name or type '{analyzer}' registered")
    made: list[str] = []
    run: list[str] = []
    last = -2
    for kind, word, at in [*found, ("end", "", -1)]:
        if run and (kind != "cjk" or at != last + 1):
            made += ["".join(run[i : i + 2]) for i in range(len(run) - 1)] or run
            run = []
        if kind == "cjk":
            run.append(word)
            last = at
        elif kind == "word":
            made.append(word)
    return made


class Search:
    """One index: its definition, and what it has heard of."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.definition = definition
        mapping = definition["params"]["mapping"]
        self.types = {name: one for name, one in mapping["types"].items() if one["enabled"]}
        self.collections = {tuple(name.split(".")) for name in self.types}
        if mapping["default_mapping"]["enabled"]:
            self.collections.add(("_default", "_default"))
        properties = next(iter(self.types.values()))["properties"]
        (vector,) = properties["embedding"]["fields"]
        (text,) = properties["text"]["fields"]
        self.dims, self.similarity = vector["dims"], vector["similarity"]
        if not 1 <= self.dims <= 4096 or self.similarity not in {"cosine", "dot_product", "l2_norm"}:
            raise ValueError("invalid vector field")
        self.analyzer = text.get("analyzer") or mapping["default_analyzer"]
        self.documents: dict[str, Any] = {}
        self._coming: list[tuple[float, str, Any]] = []

    def heard(self, scope: str, collection: str, key: str, value: Any, due: float) -> None:
        """Of a change, which is seen when it is due."""
        if (scope, collection) in self.collections:
            self._coming.append((due, key, value))

    def catch_up(self) -> None:
        now = time.monotonic()
        while self._coming and self._coming[0][0] <= now:
            _, key, value = self._coming.pop(0)
            if value is None:
                self.documents.pop(key, None)
            else:
                self.documents[key] = value

    @property
    def prefixed(self) -> bool:
        return len(self.collections) > 1

    def vector(self, key: str) -> Any:
        """The vector of a document; None: it has none that fits, and is not in the index of vectors."""
        found = self.documents[key].get("embedding")
        fits = isinstance(found, list) and len(found) == self.dims
        return found if fits else None


def hits_of(index: Search, body: Mapping[str, Any], *, prefilters: bool) -> dict[str, Any]:
    """The answer to a request."""
    index.catch_up()
    size = body.get("size", 10)
    if size + (body.get("from") or 0) > _MOST:
        raise ValueError("Search bleveMaxResultWindow exceeded")
    scores = found(index, body.get("query") or {"match_none": {}}, top=True)
    for one in body.get("knn") or ():
        for key, score in nearest(index, one, prefilters=prefilters).items():
            scores[key] = scores.get(key, 0.0) + score
    order = sorted(scores, key=lambda key: (-scores[key], key))
    hits = [
        {"index": "part", "id": key, "score": scores[key], "sort": ["_score"], **_fields(index, key, body)}
        for key in order[:size]
    ]
    status = {"total": 1, "failed": 0, "successful": 1}
    best = max(scores.values(), default=0.0)
    return {
        "status": status, "hits": hits or None, "total_hits": len(scores), "max_score": best, "took": 1000,
    }  # fmt: skip


def _fields(index: Search, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, flattened, as Dify asks for it."""
    if body.get("fields") != ["*"]:
        return {}
    document = index.documents[key]
    metadata = {f"metadata.{name}": value for name, value in document["metadata"].items()}
    return {"fields": {"text": document["text"], **metadata}}


def found(index: Search, query: Mapping[str, Any], *, top: bool = False) -> dict[str, float]:
    """Scores by key."""
    boost = float(query.get("boost", 1))
    if "match_none" in query:
        return {}
    if "match_all" in query:
        return dict.fromkeys(index.documents, boost)
    if "ids" in query:
        # The server puts prefixes before keys at the top of a query only.
        keys = query["ids"] if top or not index.prefixed else ()
        return {key: boost for key in keys if key in index.documents}
    if "conjuncts" in query:
        parts = [found(index, part) for part in query["conjuncts"]]
        keys = set.intersection(*(set(part) for part in parts))
        return {key: sum(part[key] for part in parts) for key in keys}
    if "match" in query:
        return _matching(index, query["match"], query.get("field"))
    if "query" in query:  # a query string, as Dify's
        name, _, words = str(query["query"]).partition(":")
        return _matching(index, words, name)
    raise ValueError(f"unknown query type: {sorted(query)}")


def _matching(index: Search, words: str, name: Any) -> dict[str, float]:
    if name != "text":
        raise ValueError(f"query_validate: field not indexed, name: {name}, type: text")
    wanted = set(tokens(words, index.analyzer))
    counted = {
        key: Counter(tokens(str(one.get("text") or ""), index.analyzer))
        for key, one in index.documents.items()
    }
    having = Counter(token for counts in counted.values() for token in wanted & counts.keys())
    scores: dict[str, float] = {}
    for key, counts in counted.items():
        both = wanted & counts.keys()
        norm = 1 / math.sqrt(max(1, counts.total()))
        score = sum(
            math.sqrt(counts[token]) * norm * (1 + math.log(len(counted) / (having[token] + 1))) ** 2
            for token in both
        )
        if both:
            scores[key] = max(1e-9, score * len(both) / len(wanted))
    return scores


def nearest(index: Search, asked: Mapping[str, Any], *, prefilters: bool) -> dict[str, float]:
    """Scores of the k nearest. prefilters: whether the server knows `filter`; older ones pass over it."""
    import numpy

    if asked["field"] != "embedding" or len(asked["vector"]) != index.dims:
        dims = len(asked["vector"])
        raise ValueError(
            f"query_validate: field not indexed, name: {asked['field']}, type: vector, dims: {dims}"
        )
    if not 1 <= asked["k"] <= _MOST:
        raise ValueError("k must be less than 10000")
    allowed = set(index.documents)
    if asked.get("filter") and prefilters:
        allowed = set(found(index, asked["filter"]))
    query = numpy.asarray(asked["vector"])
    scores = {}
    for key in allowed:
        if (given := index.vector(key)) is None:
            continue
        vector = numpy.asarray(given)
        if index.similarity == "l2_norm":
            squared = float(((query - vector) ** 2).sum())
            scores[key] = 1 / squared if squared else 3.4e38
        else:
            lengths = numpy.linalg.norm(query) * numpy.linalg.norm(vector)
            scores[key] = float(query @ vector) / (float(lengths) if index.similarity == "cosine" else 1)
    best = sorted(scores, key=lambda key: (-scores[key], key))[: asked["k"]]
    return {key: scores[key] for key in best}
