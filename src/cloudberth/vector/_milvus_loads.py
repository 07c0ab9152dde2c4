"""Bulk loads into collections that were empty: which ids can be there already is known without asking."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Loads:
    """The ids that each bulk load has written, by collection. Safe to use from several threads.

    Someone else may write at the same time; whoever ends a load has to compare the number of records with
    that of ids, and where they differ look for records of the same id.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, set[str]] = {}
        self._ended: dict[str, set[str]] = {}

    def begin(self, name: str) -> None:
        """The collection is empty. One that is being loaded goes on."""
        with self._lock:
            self._running.setdefault(name, set())

    def to_look_for(self, name: str, ids: list[str]) -> list[str]:
        """Those of ids, which are about to be written, that may be there already."""
        with self._lock:
            known = self._running.get(name)
            if known is None:
                return ids
            again = [id for id in ids if id in known]
            known.update(ids)
            return again

    def removed(self, name: str, ids: Iterable[str]) -> None:
        with self._lock:
            if name in self._running:
                self._running[name].difference_update(ids)

    def size(self, name: str) -> int:
        with self._lock:
            return len(self._running.get(name, ()))

    def end(self, name: str) -> list[str] | None:
        """All ids of the load; None where there was none. The same again until `forget`."""
        with self._lock:
            known = self._running.pop(name, None)
            if known is not None:
                self._ended.setdefault(name, set()).update(known)
            ended = self._ended.get(name)
            return None if ended is None else sorted(ended)

    def forget(self, name: str) -> None:
        with self._lock:
            self._ended.pop(name, None)

    def drop(self, name: str) -> None:
        with self._lock:
            self._running.pop(name, None)
            self._ended.pop(name, None)
