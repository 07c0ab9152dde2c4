"""Vectors: Dify's stores and an embedded one behind one contract.

::

    import numpy
    from cloudberth import vector

    with vector.open("./vectors.db") as store:  # or pgvector://…, or Dify's variables
        store.create("notes", 3, exist_ok=True)
        numbers = numpy.array([0.1, 0.2, 0.3], numpy.float32)
        store.upsert("notes", [vector.Record("a", numbers, "a text", {"year": 2026})])
        for hit in store.search("notes", [0.1, 0.2, 0.3], filter="year >= 2020"):
            print(hit.score, hit.record.text)

Nothing of any store is imported before a store of that type is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudberth.vector.contract import (
    Capabilities,
    Collection,
    DenseQuery,
    Effort,
    FieldType,
    FullText,
    Health,
    Hit,
    Index,
    Metric,
    Page,
    Record,
    TextQuery,
    VectorBackend,
)
from cloudberth.vector.options import Options
from cloudberth.vector.scores import Fusion
from cloudberth.vector.store import VectorStore

if TYPE_CHECKING:
    from cloudberth.vector.asynchronous import AsyncVectorStore

__all__ = [
    "Capabilities",
    "Collection",
    "DenseQuery",
    "Effort",
    "FieldType",
    "FullText",
    "Fusion",
    "Health",
    "Hit",
    "Index",
    "Metric",
    "Options",
    "Page",
    "Record",
    "TextQuery",
    "VectorBackend",
    "VectorStore",
    "open",
    "open_async",
]


def open(
    location: str = "", environment: Mapping[str, str] | None = None, options: Options = Options()
) -> VectorStore:
    """The store at a location (opening.py), or that of Dify's variables. Makes no request.

    environment: this process's by default. Raises InvalidInput naming what is missing or wrong.
    """
    from cloudberth.vector.opening import backend_at

    variables = os.environ if environment is None else environment
    return VectorStore(backend_at(location, variables, options), options)


def open_async(
    location: str = "", environment: Mapping[str, str] | None = None, options: Options = Options()
) -> AsyncVectorStore:
    """The same store with awaitable methods."""
    from cloudberth.vector.asynchronous import AsyncVectorStore

    return AsyncVectorStore(open(location, environment, options))
