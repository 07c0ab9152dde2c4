"""Letters hashed into a vector: no model, no library but numpy, no meaning. For tests and for trying things
out.

It finds texts that share words or pieces of words, never a synonym nor another language. The vectors are the
same on every machine and in every release: the hash is CRC-32.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field

from cloudberth.knowledge.documents.tokens import is_cjk
from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.settings import EnvironmentSettings

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Vectors

_GRAM = 3


class HashSettings(EnvironmentSettings):
    """dimension: of the vectors; more means fewer collisions."""

    dimension: int = Field(default=384, ge=8, le=65_536, alias="BERTH_KNOWLEDGE_EMBEDDING_DIMENSIONS")


class HashEmbedder(Embedder):
    """See the module."""

    settings = HashSettings

    def __init__(self, dimension: int = 384) -> None:
        super().__init__("hash", f"hash/1/{dimension}/l2", dimension, 1_000_000)

    @classmethod
    def of(cls, settings: EnvironmentSettings) -> Self:
        assert isinstance(settings, HashSettings)  # noqa: S101 — narrows the type
        return cls(settings.dimension)

    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:  # noqa: ARG002 — the contract's
        import numpy as np

        found = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(found, texts, strict=True):
            for gram in grams(text):
                code = zlib.crc32(gram.encode("utf-8", "surrogatepass"))
                row[code % self.dimension] += 1.0 if code & 0x80000000 else -1.0
            if not row.any():  # every gram was undone by another, or there is none
                row[0] = 1.0
        return found


def grams(text: str) -> list[str]:
    """Words, their pieces of three letters, and pairs of CJK characters."""
    found: list[str] = []
    for word in unicodedata.normalize("NFKC", text).lower().split():
        found.append(word)
        size = 2 if any(is_cjk(letter) for letter in word) else _GRAM
        found += [word[at : at + size] for at in range(len(word) - size + 1)]
    return found
