"""How far a transfer is: numbers that the engine adds to and anybody may look at. No work per look, none per
object.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    PLANNING = "comparing"
    COPYING = "copying"
    WAITING = "waiting for the network"
    DELETING = "deleting"
    VERIFYING = "verifying"
    DONE = "done"


@dataclass(slots=True)
class Progress:
    """Thread-safe sums. listed: keys compared while planning or verifying. total_…: of the plan."""

    phase: Phase = Phase.PLANNING
    listed: int = 0
    objects: int = 0
    bytes: int = 0
    failed: int = 0
    total_objects: int = 0
    total_bytes: int = 0
    resumed: bool = False
    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def compared(self, count: int) -> None:
        self.listed += count

    def moved(self, count: int) -> None:
        """Bytes that went through; called from many threads."""
        with self._lock:
            self.bytes += count

    def begin(self, phase: Phase, *, objects: int = 0, size: int = 0) -> None:
        """Another phase, with so much ahead."""
        with self._lock:
            self.phase = phase
            if phase is Phase.COPYING:
                self.started = time.monotonic()
                self.objects = self.bytes = self.failed = 0
                self.total_objects, self.total_bytes = objects, size


class Rate:
    """A rate over the last seconds, from looks at a sum: what a person wants to see, not the mean since the
    start.
    """

    def __init__(self, seconds: float = 15.0) -> None:
        self._seconds = seconds
        self._looks: list[tuple[float, float]] = []

    def look(self, now: float, amount: float) -> float:
        """Note the sum now; amount a second over the window, 0 while nothing is known."""
        self._looks.append((now, amount))
        while len(self._looks) > 2 and self._looks[0][0] < now - self._seconds:
            self._looks.pop(0)
        (first, before), (last, after) = self._looks[0], self._looks[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0
