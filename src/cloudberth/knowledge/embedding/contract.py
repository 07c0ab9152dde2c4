"""What an embedder is: text in, vectors of length one out.

Every embedder gives float32 rows with an L2 norm of 1, so that the dot product is the cosine. A text longer
than a model takes is cut into parts of at most `max_tokens`, and the mean of their vectors, weighted by the
tokens and brought back to length one, stands for it: nothing is silently cut off
(`Embedder.embed_documents`). An empty text is InvalidInput: it has no meaning that a vector could stand for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.pieces import split_to_fit
from cloudberth.knowledge.documents.tokens import estimate_tokens
from cloudberth.settings import EnvironmentSettings

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vectors = NDArray[numpy.float32]
    """Of shape (texts, dimension), or (dimension,) for one."""


class Embedder(ABC):
    """One model. Thread-safe. Dimension and fingerprint do not change during its life.

    name: for people (``use``, ``openai text-embedding-3-small``). fingerprint: which vectors can be compared
    with each other: the model, its version, dimension and normalisation; part of every cache key, and of the
    dataset. max_tokens: longer texts are embedded in parts.
    """

    settings: ClassVar[type[EnvironmentSettings]]

    tokens_per_character: ClassVar[float] = 4.0
    """The most that a character can take: texts that are short by this measure need no counting."""

    def __init__(self, name: str, fingerprint: str, dimension: int, max_tokens: int) -> None:
        self.name = name
        self._fingerprint = fingerprint
        self._dimension = dimension
        self.max_tokens = max_tokens

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimension(self) -> int:
        return self._dimension

    @classmethod
    @abstractmethod
    def of(cls, settings: EnvironmentSettings) -> Self:
        """The embedder of these settings. Nothing is loaded and nobody is asked yet."""

    @abstractmethod
    def _embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Vectors of texts that are not empty and at most `max_tokens` long; need not be of length one."""

    def count_tokens(self, text: str) -> int:
        """How long the model takes a text to be; an estimate when its tokenizer is elsewhere."""
        return estimate_tokens(text)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, in their order: shape (texts, dimension). Any number of texts."""
        import numpy as np

        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        parts: list[str] = []
        owners: list[int] = []
        for at, text in enumerate(texts):
            pieces = self._parts(text, at)
            parts += pieces
            owners += [at] * len(pieces)
        # Of like length together: padding is what costs when they are mixed.
        order = sorted(range(len(parts)), key=lambda at: len(parts[at]))
        found = np.empty((len(parts), self.dimension), dtype=np.float32)
        found[order] = self._checked(self._embed([parts[at] for at in order], is_query=False), len(parts))
        if len(parts) == len(texts):
            return found
        weights = np.array([max(1, self.count_tokens(part)) for part in parts], dtype=np.float32)
        joined = np.zeros((len(texts), self.dimension), dtype=np.float32)
        np.add.at(joined, owners, found * weights[:, None])
        return unit_length(joined)

    def embed_query(self, text: str) -> Vectors:
        """The vector of a question: shape (dimension,)."""
        import numpy as np

        parts = self._parts(text, None)
        found = self._checked(self._embed(parts, is_query=True), len(parts))
        joined: Vectors = found if len(parts) == 1 else unit_length(np.sum(found, axis=0, keepdims=True))
        first: Vectors = joined[0]
        return first

    def close(self) -> None:  # noqa: B027 — most have nothing to give back
        """Give back connections; loaded models stay for the rest of the process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _parts(self, text: str, at: int | None) -> list[str]:
        if not text.strip():
            where = "the question" if at is None else f"text {at}"
            raise InvalidInput("an empty text cannot be embedded", where=where)
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to any model
        is_short = len(text) * self.tokens_per_character <= self.max_tokens
        if is_short or self.count_tokens(text) <= self.max_tokens:
            return [text]
        return split_to_fit(text, self.max_tokens, self.count_tokens)

    def _checked(self, found: Vectors, count: int) -> Vectors:
        import numpy as np

        from cloudberth.errors import BackendError, Kind

        if found.shape != (count, self.dimension):
            raise BackendError(
                f"the model gave vectors of shape {found.shape} instead of {(count, self.dimension)}",
                kind=Kind.UNEXPECTED,
                where=self.name,
            )
        if not np.isfinite(found).all():
            raise BackendError("the model gave numbers that are none", kind=Kind.UNEXPECTED, where=self.name)
        return unit_length(found)


def unit_length(vectors: Vectors) -> Vectors:
    """Rows brought to an L2 norm of 1; a row of zeros stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
