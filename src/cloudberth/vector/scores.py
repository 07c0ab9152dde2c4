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

from cloudberth.vector.contract import Hit, Metric

# Of reciprocal rank fusion; Cormack, Clarke and Büttcher (SIGIR 2009) found 60 to be good for everything.
RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Fusion:
    """How two lists become one. dense, text: weights of the lists."""

    dense: float = 0.5
    text: float = 0.5
    constant: int = RANK_CONSTANT


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
    """The k best of two lists by weighted reciprocal ranks. 1.0: first in both."""
    best = (fusion.dense + fusion.text) / (fusion.constant + 1)
    scores: dict[str, float] = {}
    found: dict[str, Hit] = {}
    for hits, weight in ((dense, fusion.dense), (text, fusion.text)):
        for rank, hit in enumerate(hits, 1):
            scores[hit.id] = scores.get(hit.id, 0.0) + weight / (fusion.constant + rank)
            known = found.get(hit.id, hit)
            both = {hit.source: hit.score}
            found[hit.id] = replace(
                known, dense=both.get("dense", known.dense), text=both.get("text", known.text)
            )
    order = sorted(scores, key=lambda id: (-scores[id], id))[:k]
    return [replace(found[id], score=scores[id] / best, raw=scores[id], source="fused") for id in order]
