"""Progress of long work: one line on a terminal, nothing elsewhere. Safe to feed from many threads."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from cloudberth.cli.storage.units import duration_text, size_text

_BAR = 24
_PARTS = " ▏▎▍▌▋▊▉█"
_REFRESH_SECONDS = 0.2
_WINDOW = 25


class Stopped(BaseException):
    """The user pressed Ctrl-C: work in other threads ends at its next piece."""


class Progress:
    """Objects and bytes so far, the rate of the last seconds, and how long it may still take.

    total_bytes, total_objects: None while nobody knows. quiet: show nothing.
    """

    def __init__(
        self,
        title: str,
        *,
        total_bytes: int | None = None,
        total_objects: int | None = None,
        quiet: bool = False,
    ) -> None:
        self.title = title
        self.total_bytes = total_bytes
        self.total_objects = total_objects
        self.bytes = 0
        self.objects = 0
        self._stopped = False
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque(maxlen=_WINDOW)
        self._visible = sys.stderr.isatty() and not quiet
        self._end = threading.Event()
        self._painter: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def add_bytes(self, count: int) -> None:
        """So many bytes more have gone through. Raises Stopped after `stop`."""
        if self._stopped:
            raise Stopped
        with self._lock:
            self.bytes += count

    def add_object(self, size: int = 0) -> None:
        """One object more is done; size: bytes of it that `add_bytes` was not told of."""
        with self._lock:
            self.objects += 1
            self.bytes += size

    def stop(self) -> None:
        """Make every thread that reports here end its work."""
        self._stopped = True

    def __enter__(self) -> Self:
        if self._visible:
            self._painter = threading.Thread(target=self._paint, daemon=True)
            self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        self._end.set()
        if self._painter:
            self._painter.join()
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _paint(self) -> None:
        # Work that takes a blink shows nothing.
        while not self._end.wait(_REFRESH_SECONDS):
            import shutil

            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r{self.line()[:width]}\x1b[K")
            sys.stderr.flush()

    def line(self) -> str:
        """What the line says now."""
        now = time.monotonic()
        with self._lock:
            objects, count = self.objects, self.bytes
        self._recent.append((now, count))
        rate = self._rate(now, count)
        parts = [self.title]
        share = self._share(objects, count)
        if share is not None:
            parts.append(f"{bar(share, _BAR)} {share * 100:3.0f} %")
        if self.total_objects != 1:
            of = f"/{self.total_objects:,}" if self.total_objects is not None else ""
            parts.append(f"{objects:,}{of} objects")
        of = f"/{size_text(self.total_bytes)}" if self.total_bytes is not None else ""
        parts += [f"{size_text(count)}{of}", f"{size_text(rate)}/s"]
        left = self._left(share, rate, count)
        if left is not None:
            parts.append(f"{duration_text(left)} left")
        return "  ".join(parts)

    def _rate(self, now: float, count: int) -> float:
        first, before = self._recent[0]
        if len(self._recent) < 2 or now <= first:
            return count / max(now - self._started, 1e-6)
        return (count - before) / (now - first)

    def _share(self, objects: int, count: int) -> float | None:
        if self.total_bytes:
            return min(count / self.total_bytes, 1.0)
        if self.total_objects:
            return min(objects / self.total_objects, 1.0)
        return None

    def _left(self, share: float | None, rate: float, count: int) -> float | None:
        if self.total_bytes and rate > 0:
            return max(self.total_bytes - count, 0) / rate
        if share:
            return self.seconds * (1 - share) / share
        return None


def bar(share: float, width: int) -> str:
    """A bar of eighths of a character, always `width` wide."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_PARTS[rest] if rest else "")).ljust(width)
