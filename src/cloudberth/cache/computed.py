"""Results that are dear: of queries, until a document changes; of embedding, for as long as there is room.

::

    results = Computed(cache.under("queries"), seconds=600)
    found = results.get_or_compute(key_of(query, 10), lambda: search(query), groups=[f"dataset:{dataset}"])
    results.invalidate(f"dataset:{dataset}")                     # a document changed: one step, all gone

    vectors = Embeddings(cache.under("embeddings"), model="use-multilingual@3", dimensions=512)
    vectors.get_or_compute(texts, embed)                          # one request for all texts

When the cache is out, everything is computed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

from cloudberth.cache.cache import Cache
from cloudberth.cache.flights import Flights
from cloudberth.cache.generations import Generations, Seen
from cloudberth.errors import InvalidInput

_DAY = 86_400
_BATCH = 256


def key_of(*parts: object) -> str:
    """A key for anything that JSON can hold: equal parts, equal key. Tells nothing of the parts."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Computed:
    """Bytes by a key (see `key_of`), good for some seconds and until one of their groups is invalidated."""

    def __init__(
        self, cache: Cache, seconds: float = 600.0, *, lock_seconds: float = 10.0, wait: float = 15.0
    ) -> None:
        self._cache = cache
        self._seconds = seconds
        self._generations = Generations(cache)
        self._flights: Flights[bytes] = Flights(cache, lock_seconds, wait)

    def get_or_compute(
        self,
        key: str,
        compute: Callable[[], bytes],
        groups: Sequence[str] = (),
        seconds: float | None = None,
    ) -> bytes:
        """The value, computed once however many ask for it. Errors of `compute` are raised, never kept."""
        name, groups = "v:" + key, tuple(groups)
        seen = self._generations.read(name, groups)
        if seen is None:
            return compute()
        self._cache.counted(*((0, 1) if seen.value is None else (1, 0)))
        if seen.value is not None:
            return seen.value

        def look() -> bytes | None:
            again = self._generations.read(name, groups)
            return None if again is None else again.value

        def produce(fence: int) -> bytes:
            # Asked again: what changed since the first look has to be in the value, or the value not be kept.
            before = self._generations.read(name, groups)
            value = compute()
            if before is not None:
                self._generations.write(name, groups, before, value, seconds or self._seconds, fence)
            return value

        # A request that began after a change must not get the result of a computation from before it.
        return self._flights.run(_flight(name, seen), look, produce)

    def invalidate(self, *groups: str) -> bool:
        """What was kept for these groups is not used again; False: the store could not be told yet."""
        return self._generations.invalidate(*groups)


def _flight(name: str, seen: Seen) -> str:
    return key_of(name, seen.generations)


class Embeddings:
    """Vectors of texts, each as little-endian float32 (``numpy.frombuffer(value, "<f4")``).

    model: everything that a vector depends on, in one text (name, version, settings).
    """

    def __init__(self, cache: Cache, model: str, dimensions: int, seconds: float = 30 * _DAY) -> None:
        self._cache = cache
        self._size = dimensions * 4
        self._seconds = seconds
        self._model = hashlib.sha256(f"{model}\0{dimensions}".encode()).hexdigest()[:20]

    def get_or_compute(
        self, texts: Sequence[str], embed: Callable[[list[str]], Iterable[bytes]]
    ) -> list[bytes]:
        """The vectors in the order of the texts; `embed` gets those that are not there, each once."""
        names = {text: self._name(text) for text in texts}
        found: dict[str, bytes] = {}
        unique = list(names)
        for start in range(0, len(unique), _BATCH):
            part = unique[start : start + _BATCH]
            for text, value in zip(part, self._read(part), strict=True):
                if value is not None and len(value) == self._size:
                    found[text] = value
        missing = [text for text in unique if text not in found]
        self._cache.counted(len(unique) - len(missing), len(missing))
        if missing:
            found |= self._computed(missing, embed)
        return [found[text] for text in texts]

    def _read(self, texts: Sequence[str]) -> list[bytes | None]:
        nothing: list[bytes | None] = [None] * len(texts)
        names = [self._name(text) for text in texts]
        return self._cache.attempt(lambda: self._cache.read_many(names), nothing)

    def _keep(self, vectors: Mapping[str, bytes]) -> None:
        self._cache.attempt(lambda: self._cache.set_many(vectors, self._seconds), None)

    def _computed(
        self, missing: list[str], embed: Callable[[list[str]], Iterable[bytes]]
    ) -> dict[str, bytes]:
        fresh = dict(zip(missing, map(bytes, embed(missing)), strict=True))
        wrong = next((len(value) for value in fresh.values() if len(value) != self._size), None)
        if wrong is not None:
            raise InvalidInput(
                f"a vector has {wrong} bytes, not {self._size}", where="embeddings", hint="float32, packed"
            )
        for start in range(0, len(missing), _BATCH):
            self._keep({self._name(text): fresh[text] for text in missing[start : start + _BATCH]})
        return fresh

    def _name(self, text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._model}:{digest}"


def pack(vector: Iterable[float]) -> bytes:
    """Numbers as little-endian float32."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def unpack(value: bytes) -> array[float]:
    """Little-endian float32 as numbers."""
    values = array("f")
    values.frombytes(value)
    if sys.byteorder == "big":
        values.byteswap()
    return values
