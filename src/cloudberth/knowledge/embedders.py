"""Embedders by name, kept open, with a cache of what they gave before."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloudberth.errors import InvalidInput, Mismatch
from cloudberth.knowledge.state.datasets import Vectors

if TYPE_CHECKING:
    from cloudberth.cache import Cache
    from cloudberth.knowledge.embedding.contract import Embedder
    from cloudberth.knowledge.embedding.contract import Vectors as Rows

_KEPT = 30 * 86_400.0  # seconds that vectors are kept in the cache


class Embedders:
    """The embedders that can be chosen. Thread-safe. names: the default first. open: by name."""

    def __init__(
        self, names: Sequence[str], open: Callable[[str], Embedder], cache: Cache | None = None
    ) -> None:
        if not names:
            raise InvalidInput("there is no embedder", where="BERTH_KNOWLEDGE_EMBEDDING")
        self.names = tuple(names)
        self._open = open
        self._cache = None if cache is None else cache.under("embeddings")
        self._opened: dict[str, Embedder] = {}
        self._guard = threading.Lock()

    def named(self, name: str) -> Embedder:
        """The embedder of this name; empty: the default. Raises InvalidInput."""
        name = name.strip() or self.names[0]
        with self._guard:
            found = self._opened.get(name)
            if found is None:
                found = self._opened[name] = self._open(name)
        return found

    def of(self, vectors: Vectors) -> Embedder:
        """The embedder that a dataset's vectors were made with. Raises Mismatch when it is another by now."""
        found = self.named(vectors.embedding)
        if found.fingerprint != vectors.fingerprint or found.dimension != vectors.dimension:
            raise Mismatch(
                f"its vectors were made by {vectors.fingerprint}, and {vectors.embedding!r} is now"
                f" {found.fingerprint}",
                where="dataset",
                hint="embed the dataset again, or bring the former model back",
            )
        return found

    def documents(self, embedder: Embedder, dataset_id: str, texts: Sequence[str]) -> Rows:
        """One row for each text: from the cache where it has them."""
        import numpy

        keys = [_key(dataset_id, embedder, text) for text in texts]
        found = numpy.empty((len(texts), embedder.dimension), dtype=numpy.float32)
        missing = self._fill(found, keys)
        if missing:
            fresh = embedder.embed_documents([texts[at] for at in missing])
            found[missing] = fresh
            self._keep({keys[at]: row.tobytes() for at, row in zip(missing, fresh, strict=True)})
        return found

    def query(self, embedder: Embedder, dataset_id: str, text: str) -> Rows:
        """The vector of a question."""
        import numpy

        keys = [_key(dataset_id, embedder, text, is_query=True)]
        found = numpy.empty((1, embedder.dimension), dtype=numpy.float32)
        if self._fill(found, keys):
            found[0] = embedder.embed_query(text)
            self._keep({keys[0]: found[0].tobytes()}, seconds=600.0)
        row: Rows = found[0]
        return row

    def forget(self, dataset_id: str, embedding: str, texts: Sequence[str]) -> None:
        """Remove the vectors of texts that were deleted. Not without the embedder: its keys have its name."""
        if self._cache is None or not texts:
            return
        embedder, cache = self.named(embedding), self._cache
        keys = [_key(dataset_id, embedder, text) for text in texts]
        for at in range(0, len(keys), 500):
            some = keys[at : at + 500]
            cache.attempt(lambda some=some: cache.delete(*some), 0)  # type: ignore[misc]

    def forget_dataset(self, dataset_id: str) -> None:
        """Remove all vectors of a dataset that was deleted."""
        if self._cache is not None:
            cache = self._cache
            cache.attempt(lambda: cache.clear(f"{dataset_id}:"), 0)

    def close(self) -> None:
        with self._guard:
            opened, self._opened = self._opened, {}
        for embedder in opened.values():
            embedder.close()

    def _fill(self, rows: Rows, keys: Sequence[str]) -> list[int]:
        """Put in what the cache has; the places of what it has not."""
        import numpy

        if self._cache is None:
            return list(range(len(keys)))
        cache = self._cache
        nothing: list[bytes | None] = [None] * len(keys)
        missing: list[int] = []
        for at, value in enumerate(cache.attempt(lambda: cache.get_many(keys), nothing)):
            if value is None or len(value) != rows.shape[1] * 4:
                missing.append(at)
            else:
                rows[at] = numpy.frombuffer(value, dtype=numpy.float32)
        return missing

    def _keep(self, values: dict[str, bytes], seconds: float = _KEPT) -> None:
        if self._cache is not None:
            cache = self._cache
            cache.attempt(lambda: cache.set_many(values, seconds), None)


def _key(dataset_id: str, embedder: Embedder, text: str, *, is_query: bool = False) -> str:
    what = f"{embedder.fingerprint}\0{'query' if is_query else 'document'}\0{text}"
    return f"{dataset_id}:{hashlib.sha256(what.encode('utf-8', 'replace')).hexdigest()}"
