"""Scans of stores that have no order to go on in: ids of a moment, sorted, page by page."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

# Seconds that ids are kept between two pages of one scan; after that they are asked for again.
_KEPT = 120.0
_MOST = 8


class Snapshots:
    """Sorted ids by scan. A scan goes on after the last id of its page, also in another process."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[float, list[str]]] = {}
        self._lock = threading.Lock()

    def page(
        self, scan: tuple[str, Any], after: str | None, limit: int, ids: Callable[[], list[str]]
    ) -> tuple[list[str], str | None]:
        """(ids of the page, cursor of the next one). A scan that begins asks for the ids anew."""
        kept = self._kept(scan) if after is not None else None
        if kept is None:
            kept = ids()
        start = bisect_right(kept, after) if after is not None else 0
        page = kept[start : start + limit]
        more = start + limit < len(kept)
        with self._lock:
            self._known.pop(scan, None)
            if more:
                self._known[scan] = (time.monotonic(), kept)
            while len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))
        return page, page[-1] if more else None

    def forget(self, name: str) -> None:
        """Drop what is known of a collection."""
        with self._lock:
            for scan in [scan for scan in self._known if scan[0] == name]:
                self._known.pop(scan, None)

    def _kept(self, scan: tuple[str, Any]) -> list[str] | None:
        with self._lock:
            since, kept = self._known.get(scan, (0.0, None))
        return kept if kept is not None and time.monotonic() - since < _KEPT else None
