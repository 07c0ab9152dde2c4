"""Comparing vectors in memory: for exact searches where a store has none, and for verification."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudberth.vector.contract import Hit, Metric, Record

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cloudberth.vector.contract import Vector

    Matrix = NDArray[numpy.float32]


def measured(metric: Metric, query: Vector, vectors: Matrix) -> NDArray[numpy.float32]:
    """What a store measures between a query and each row: similarity, distance or product; shape (n,)."""
    import numpy

    if metric is Metric.INNER:
        return numpy.asarray(vectors @ query, dtype=numpy.float32)
    if metric is Metric.L2:
        return numpy.asarray(numpy.linalg.norm(vectors - query, axis=1), dtype=numpy.float32)
    lengths = numpy.linalg.norm(vectors, axis=1) * numpy.linalg.norm(query)
    return numpy.asarray((vectors @ query) / numpy.maximum(lengths, 1e-30), dtype=numpy.float32)


def nearest(records: Iterable[Record], metric: Metric, query: Vector, k: int) -> list[Hit]:
    """The k nearest of records with vectors, best first, in memory for k records only."""
    import numpy

    best: list[tuple[float, str, Hit]] = []
    for record in records:
        if record.vector is None:
            raise ValueError(f"record {record.id!r} came without its vector")
        raw = float(measured(metric, query, record.vector[numpy.newaxis])[0])
        order = -raw if metric is Metric.L2 else raw
        hit = Hit(Record(record.id, None, record.text, record.metadata), raw)
        entry = (order, record.id, hit)
        if len(best) < k:
            heapq.heappush(best, entry)
        elif entry[:2] > best[0][:2]:
            heapq.heapreplace(best, entry)
    return [hit for _, _, hit in sorted(best, key=lambda entry: (-entry[0], entry[1]))]
