"""Words for stores without a ranking of their own: BM25 as a sparse vector, or over candidates in memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from cloudberth.vector.text import tokens

# Of BM25: how fast repeats saturate, how much length counts, and the length of a usual passage in tokens.
_SATURATION = 1.2
_LENGTH = 0.75
_USUAL = 256.0


def number_of(token: str) -> int:
    """A token as an index of a sparse vector, 32 bits; always the same."""
    return int.from_bytes(blake2b(token.encode(), digest_size=4).digest(), "big")


def weights(text: str) -> tuple[list[int], list[float]]:
    """A text as a sparse vector: BM25's weight of each token, without its rarity, which the store knows."""
    counts = Counter(tokens(text))
    length = sum(counts.values())
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / _USUAL)
    found: dict[int, float] = {}
    for token, times in counts.items():
        index = number_of(token)
        found[index] = found.get(index, 0.0) + times * (_SATURATION + 1) / (times + norm)
    return list(found), list(found.values())


def query_weights(text: str) -> tuple[list[int], list[float]]:
    """A question as a sparse vector: every token once."""
    indices = sorted({number_of(token) for token in tokens(text)})
    return indices, [1.0] * len(indices)


def ranked(question: str, texts: Sequence[str]) -> list[tuple[int, float]]:
    """(position, relevance above 0) of texts by BM25 among themselves, best first."""
    wanted = set(tokens(question))
    counted = [Counter(tokens(text)) for text in texts]
    usual = max(1.0, sum(map(Counter.total, counted)) / max(1, len(counted)))
    having = Counter(token for counts in counted for token in wanted & counts.keys())
    rarity = {
        token: math.log(1 + (len(texts) - number + 0.5) / (number + 0.5)) for token, number in having.items()
    }
    found = []
    for at, counts in enumerate(counted):
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * counts.total() / usual)
        score = sum(
            rarity[token] * counts[token] * (_SATURATION + 1) / (counts[token] + norm)
            for token in wanted & counts.keys()
        )
        if score > 0:
            found.append((at, score))
    return sorted(found, key=lambda one: (-one[1], one[0]))
