"""What a person sees of a transfer under way: one line that is painted anew on a terminal, a line now and
then elsewhere.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Self

from cloudberth.cli.storage.progress import bar
from cloudberth.cli.storage.units import duration_text, size_text
from cloudberth.storage.transfer.progress import Phase, Progress, Rate

_PAINT_SECONDS = 0.25
_LINE_SECONDS = 5.0
_BAR = 24


class Display:
    """Looks at a transfer's numbers from time to time; the transfer itself does nothing for it."""

    def __init__(self, progress: Progress, *, quiet: bool) -> None:
        self._progress = progress
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._bytes, self._objects = Rate(), Rate()
        self._phase: Phase | None = None
        self._end = threading.Event()
        self._painter: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self._quiet:
            self._painter = threading.Thread(target=self._paint, daemon=True)
            self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._painter:
            self._painter.join()
            if self._terminal:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    def say(self, text: str) -> None:
        """A line of its own, above what is painted."""
        sys.stderr.write(("\r\x1b[K" if self._terminal else "") + text + "\n")
        sys.stderr.flush()

    def _paint(self) -> None:
        said = time.monotonic()
        while not self._end.wait(_PAINT_SECONDS):
            text = self.line(time.monotonic())
            if self._terminal:
                width = shutil.get_terminal_size().columns - 1
                sys.stderr.write(f"\r{text[:width]}\x1b[K")
                sys.stderr.flush()
            elif time.monotonic() - said >= _LINE_SECONDS:
                said = time.monotonic()
                self.say(text)

    def line(self, now: float) -> str:
        """What there is to say now."""
        progress = self._progress
        if progress.phase is not self._phase:
            self._phase, self._bytes, self._objects = progress.phase, Rate(), Rate()
        if progress.phase in {Phase.PLANNING, Phase.VERIFYING}:
            rate = self._objects.look(now, progress.listed)
            return f"{progress.phase}  {progress.listed:,} keys  {rate:,.0f}/s"
        if progress.phase is not Phase.COPYING:
            return f"{progress.phase}  {progress.objects:,} objects done"
        return self._copying(now)

    def _copying(self, now: float) -> str:
        progress = self._progress
        rate = self._bytes.look(now, progress.bytes)
        pace = self._objects.look(now, progress.objects)
        share = _share(progress)
        parts = [
            f"{progress.phase}  {bar(share, _BAR)} {share * 100:3.0f} %",
            f"{progress.objects:,}/{progress.total_objects:,} objects",
            f"{size_text(progress.bytes)}/{size_text(progress.total_bytes)}",
            f"{size_text(rate)}/s  {pace:,.0f}/s",
        ]
        left = _left(progress, rate, pace)
        if left is not None:
            parts.append(f"{duration_text(left)} left")
        if progress.failed:
            parts.append(f"{progress.failed:,} failed")
        return "  ".join(parts)


def _share(progress: Progress) -> float:
    """Of the work: small objects cost by number, large ones by bytes, so the lower of the two shares."""
    shares = [
        min(done / total, 1.0)
        for done, total in (
            (progress.bytes, progress.total_bytes),
            (progress.objects, progress.total_objects),
        )
        if total
    ]
    return min(shares) if shares else 0.0


def _left(progress: Progress, rate: float, pace: float) -> float | None:
    """Seconds that it may still take: the longer of both estimates; None while there is no rate."""
    estimates = [
        max(total - done, 0) / each
        for done, total, each in (
            (progress.bytes, progress.total_bytes, rate),
            (progress.objects, progress.total_objects, pace),
        )
        if each > 0
    ]
    return max(estimates) if estimates else None
