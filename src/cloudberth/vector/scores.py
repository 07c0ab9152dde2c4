"""One scale of scores for all stores: larger is better.

=========  =============================  ==================================================
search     what the store measures        score
=========  =============================  ==================================================
dense      cosine similarity s            s, from -1 to 1 (Dify's ``1 - distance``)
dense      Euclidean distance d           1 / (1 + d), from 0 to 1
dense      inner product p                p, without bounds
full text  relevance r of the store ≥ 0   r / (1 + r), from 0 to 1; comparable within one store
hybrid     both lists                     `fuse`: from 0 to 1
=========  =============================  ==================================================

A threshold is compared with these scores. On inner products and fused scores none is taken: the first have
no bounds, the second tell the order and not how good a hit is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cloudberth.vector.contract import Hit, Metric

# Of reciprocal rank fusion; Cormack, Clarke and Büttcher (SIGIR 2009) found 60 to be good for everything.
RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Fusion:
    """How two lists become one. dense, text: weights of the lists.

    kind: `scores` scales each list from its worst hit (0) to its best (1) and adds, absent counting 0; on the
    set of docs/decisions/0014 it beats either list alone in recall and rank. `ranks` is reciprocal rank
    fusion, which looks at places only.
    """

    dense: float = 0.5
    text: float = 0.5
    kind: Literal["scores", "ranks"] = "scores"


def dense_score(metric: Metric, measured: float) -> float:
    """The score of what a store measured between a query and a record."""
    if metric is Metric.L2:
        return 1.0 / (1.0 + max(0.0, measured))
    if metric is Metric.COSINE:
        return max(-1.0, min(1.0, measured))
    return measured


def text_score(relevance: float) -> float:
    """The score of what a store says of a match of words."""
    return max(0.0, relevance) / (1.0 + max(0.0, relevance))


def fuse(dense: Sequence[Hit], text: Sequence[Hit], k: int, fusion: Fusion = Fusion()) -> list[Hit]:
    """The k best of two lists, best first. 1.0: first in both."""
    scaled = _by_rank if fusion.kind == "ranks" else _by_score
    # Of words the store's own number: the score saturates, which flattens what is far ahead.
    parts = (
        (dense, fusion.dense, scaled([hit.score for hit in dense])),
        (text, fusion.text, scaled([hit.raw for hit in text])),
    )
    scores: dict[str, float] = {}
    found: dict[str, Hit] = {}
    for hits, weight, values in parts:
        for hit, value in zip(hits, values, strict=True):
            scores[hit.id] = scores.get(hit.id, 0.0) + weight * value / (fusion.dense + fusion.text)
            known = found.get(hit.id, hit)
            both = {hit.source: hit.score}
            found[hit.id] = replace(
                known, dense=both.get("dense", known.dense), text=both.get("text", known.text)
            )
    order = sorted(scores, key=lambda id: (-scores[id], id))[:k]
    return [replace(found[id], score=scores[id], raw=scores[id], source="fused") for id in order]


def _by_score(values: Sequence[float]) -> list[float]:
    """From 0, the least, to 1, the largest; all 1 when there is no difference."""
    if not values:
        return []
    least, spread = min(values), max(values) - min(values)
    return [(value - least) / spread if spread else 1.0 for value in values]


def _by_rank(values: Sequence[float]) -> list[float]:
    """1 for the first, and less for each that follows."""
    return [(RANK_CONSTANT + 1) / (RANK_CONSTANT + rank) for rank in range(1, len(values) + 1)]
