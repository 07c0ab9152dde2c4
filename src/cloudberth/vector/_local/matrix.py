"""The vectors of a collection in memory, and the search over them.

A matrix is kept up to date by what changed: rows with a larger key are new, keys in `removed` are gone. What
a search works with is a snapshot; later rows are written behind its end, so it never changes.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudberth.errors import NotFound
from cloudberth.vector.contract import Metric

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from cloudberth.vector.contract import Collection, Vector

    Floats = NDArray[numpy.float32]
    Keys = NDArray[numpy.int64]

# Share of rows that are gone at which a matrix is made anew.
_MOST_GONE = 0.2
# Share of rows up to which picking them out, which copies them, is faster than measuring all.
_MOST_PICKED = 0.3
_PAGE = 20_000


@dataclass(frozen=True)
class Snapshot:
    """keys: ascending, shape (n,). rows: shape (n, dimension), for cosine of length 1. gone: their places."""

    keys: Keys
    rows: Floats
    gone: Keys
    epoch: int
    change: int
    removed: int

    @property
    def bytes(self) -> int:
        return int(self.rows.nbytes + self.keys.nbytes)


class Matrices:
    """Matrices by collection, the least used dropped when they take more than `budget` bytes together."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Snapshot] = OrderedDict()
        self._locks: dict[int, threading.Lock] = {}

    def current(
        self, connection: sqlite3.Connection, number: int, state: tuple[int, int], collection: Collection
    ) -> Snapshot:
        """The vectors as they were when the state was read, or later. number, state: see `state_of`."""
        known = self._kept.get(number)
        if known is not None and (known.epoch, known.change) == state:
            return known
        with self._lock:
            lock = self._locks.setdefault(number, threading.Lock())
        with lock:
            known = self._kept.get(number)
            made = _refreshed(connection, number, collection.dimension, collection.metric, known)
            self._keep(number, made)
            return made

    def forget(self, collection: int) -> None:
        with self._lock:
            self._kept.pop(collection, None)

    def _keep(self, collection: int, snapshot: Snapshot) -> None:
        with self._lock:
            self._kept[collection] = snapshot
            self._kept.move_to_end(collection)
            while len(self._kept) > 1 and sum(each.bytes for each in self._kept.values()) > self.budget:
                self._kept.popitem(last=False)


def state_of(connection: sqlite3.Connection, name: str) -> tuple[int, tuple[int, int]]:
    """The number of a collection, and its state: another one whenever something in it changed."""
    found = connection.execute(
        "SELECT number, epoch, change FROM collections WHERE name = ?", (name,)
    ).fetchone()
    if found is None:
        raise NotFound("there is no such collection")
    return found[0], (found[1], found[2])


def _state(connection: sqlite3.Connection, collection: int) -> tuple[int, int]:
    found = connection.execute(
        "SELECT epoch, change FROM collections WHERE number = ?", (collection,)
    ).fetchone()
    return (int(found[0]), int(found[1])) if found else (-1, -1)


def _refreshed(
    connection: sqlite3.Connection, collection: int, dimension: int, metric: Metric, known: Snapshot | None
) -> Snapshot:
    """One read transaction, so that what is new and what is gone belong together."""
    import numpy

    connection.execute("BEGIN")
    try:
        epoch, change = _state(connection, collection)
        if known is not None and known.epoch != epoch:
            known = None
        if known is None:
            keys = numpy.empty(0, numpy.int64)
            known = Snapshot(keys, numpy.empty((0, dimension), numpy.float32), keys, epoch, 0, 0)
            removed = _last_removed(connection, collection)
            grown = _grown(connection, collection, metric, known)
            return Snapshot(grown[0], grown[1], keys, epoch, change, removed)
        gone_keys, removed = _removed_since(connection, collection, known.removed)
        keys, rows = _grown(connection, collection, metric, known)
        gone = numpy.union1d(known.gone, _places(keys, gone_keys))
        if len(gone) > _MOST_GONE * len(keys) + 100:
            alive = numpy.ones(len(keys), bool)
            alive[gone] = False
            keys, rows, gone = keys[alive], rows[alive], numpy.empty(0, numpy.int64)
        return Snapshot(keys, rows, gone, epoch, change, removed)
    finally:
        connection.execute("COMMIT")


def _last_removed(connection: sqlite3.Connection, collection: int) -> int:
    found = connection.execute(
        "SELECT max(place) FROM removed WHERE collection = ?", (collection,)
    ).fetchone()
    return int(found[0] or 0)


def _removed_since(connection: sqlite3.Connection, collection: int, place: int) -> tuple[Keys, int]:
    import numpy

    found = connection.execute(
        "SELECT place, key FROM removed WHERE collection = ? AND place > ? ORDER BY place",
        (collection, place),
    ).fetchall()
    keys = numpy.fromiter((key for _, key in found), numpy.int64, len(found))
    return keys, int(found[-1][0]) if found else place


def _grown(
    connection: sqlite3.Connection, collection: int, metric: Metric, known: Snapshot
) -> tuple[Keys, Floats]:
    """Keys and rows with what was added since, in the known arrays when there is room behind their end."""
    import numpy

    number = len(known.keys)
    last = int(known.keys[-1]) if number else 0
    total = connection.execute(
        "SELECT count(*) FROM records WHERE collection = ? AND key > ?", (collection, last)
    ).fetchone()[0]
    keys, rows = _with_room(known, number + total)
    cursor = connection.execute(
        "SELECT key, vector FROM records WHERE collection = ? AND key > ? ORDER BY key", (collection, last)
    )
    at = number
    while page := cursor.fetchmany(_PAGE):
        dimension = rows.shape[1]
        part = numpy.frombuffer(b"".join(blob for _, blob in page), numpy.float32).reshape(-1, dimension)
        if metric is Metric.COSINE:
            part = part / numpy.linalg.norm(part, axis=1, keepdims=True)
        rows[at : at + len(page)] = part
        keys[at : at + len(page)] = [key for key, _ in page]
        at += len(page)
    return keys[:at], rows[:at]


def _with_room(known: Snapshot, needed: int) -> tuple[Keys, Floats]:
    """Arrays that hold at least so many rows and begin with the known ones."""
    import numpy

    keys, rows = known.keys.base, known.rows.base
    number, dimension = known.rows.shape
    if (
        isinstance(keys, numpy.ndarray)
        and isinstance(rows, numpy.ndarray)
        and rows.ndim == 2
        and min(len(keys), len(rows)) >= needed
    ):
        return keys, rows
    room = needed if number == 0 else max(needed, number + number // 2)
    keys, rows = numpy.empty(room, numpy.int64), numpy.empty((room, dimension), numpy.float32)
    keys[:number], rows[:number] = known.keys, known.rows
    return keys, rows


def _places(keys: Keys, wanted: Keys) -> Keys:
    """Where the wanted keys stand among ascending keys; those that do not are left out."""
    import numpy

    at = numpy.searchsorted(keys, wanted)
    inside = at < len(keys)
    at, wanted = at[inside], wanted[inside]
    found: Keys = at[keys[at] == wanted].astype(numpy.int64)
    return found


def nearest_keys(
    snapshot: Snapshot, metric: Metric, query: Vector, k: int, only: Keys | None
) -> list[tuple[int, float]]:
    """Keys of the k nearest with what was measured, best first; of `only` these keys when given."""
    import numpy

    if metric is Metric.COSINE:
        query = query / numpy.float32(numpy.linalg.norm(query))
    places = None if only is None else _places(snapshot.keys, only)
    if places is not None:
        places.sort()  # of equals the older one is first
        if len(snapshot.gone):
            places = numpy.setdiff1d(places, snapshot.gone)
    if not len(snapshot.rows if places is None else places):
        return []
    if places is None:
        near = _measured(metric, snapshot.rows, query)
    elif len(places) > _MOST_PICKED * len(snapshot.rows):
        near = _measured(metric, snapshot.rows, query)[places]
    else:
        near = _measured(metric, snapshot.rows[places], query)
    if places is None and len(snapshot.gone):
        near[snapshot.gone] = -numpy.inf
    best = _best(near, k)
    keys = snapshot.keys[best if places is None else places[best]]
    measured = near[best]
    if metric is Metric.L2:
        measured = -measured
    found = zip(keys.tolist(), measured.tolist(), strict=True)
    return [(key, value) for key, value in found if math.isfinite(value)]


def _measured(metric: Metric, rows: Floats, query: Vector) -> Floats:
    """Larger is nearer: similarity, product, or the negative distance."""
    import numpy

    if metric is not Metric.L2:
        product: Floats = rows @ query
        return product
    distances = numpy.empty(len(rows), numpy.float32)
    for start in range(0, len(rows), 8192):  # differences of all rows at once would double the memory
        part = rows[start : start + 8192] - query
        distances[start : start + 8192] = -numpy.sqrt(numpy.einsum("ij,ij->i", part, part))
    return distances


def _best(near: Floats, k: int) -> Keys:
    """Places of the k largest, best first; of equals the older one first."""
    import numpy

    if k < len(near):
        candidates = numpy.argpartition(-near, k)[:k]
        candidates.sort()
    else:
        candidates = numpy.arange(len(near))
    order: Keys = candidates[numpy.argsort(-near[candidates], kind="stable")]
    return order
