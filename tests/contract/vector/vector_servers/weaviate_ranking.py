"""How Weaviate tokenizes and ranks, as its documentation says: for the double."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence


def tokens_of(text: str, tokenization: str) -> list[str]:
    """field: the whole; whitespace: between spaces; word: letters and digits, in lower case."""
    if tokenization == "field":
        return [text.strip()]
    if tokenization == "whitespace":
        return text.split()
    if tokenization == "lowercase":
        return text.lower().split()
    return re.findall(r"\w+", text.lower())


def ranked(query: str, texts: Sequence[str], tokenization: str) -> list[tuple[int, float]]:
    """(position, BM25) of the texts that have a word of the query, best first."""
    counted = [Counter(tokens_of(text, tokenization)) for text in texts]
    usual = sum(map(Counter.total, counted)) / max(1, len(counted)) or 1.0
    found = []
    for at, counts in enumerate(counted):
        score = 0.0
        for token in set(tokens_of(query, tokenization)) & counts.keys():
            having = sum(1 for other in counted if token in other)
            rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            times, norm = counts[token], 1.2 * (0.25 + 0.75 * counts.total() / usual)
            score += rarity * times * 2.2 / (times + norm)
        if score > 0:
            found.append((at, score))
    return sorted(found, key=lambda one: (-one[1], one[0]))
