"""Say what is being done: one line that rewrites itself on a terminal, a line every few seconds elsewhere.

Everything goes to standard error, so that `./berth plan --json > plan.json` stays clean.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

SECONDS_BETWEEN_LINES = 3.0
SECONDS_BETWEEN_REDRAWS = 0.1


class Progress:
    """The steps of one set-up, counted and timed."""

    def __init__(self, steps: int, stream: TextIO | None = None) -> None:
        self._steps = steps
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._number = 0
        self._title = ""
        self._detail = ""
        self._began = self._spoke = 0.0
        self._open = False

    def say(self, text: str) -> None:
        """Print one whole line."""
        self._close_line()
        print(text, file=self._stream, flush=True)

    def start(self, title: str) -> None:
        """Begin the next step."""
        self._number += 1
        self._title, self._detail = title, ""
        self._began = self._spoke = time.monotonic()
        if self._terminal:
            self._draw()
        else:
            self.say(f"{self._place()}{title}")

    def resume(self, title: str) -> None:
        """Go on with something that was announced in another way."""
        self._title = title
        self._began = self._spoke = time.monotonic()

    def clear(self) -> None:
        """Take the line that rewrites itself away."""
        if self._open:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._open = False

    def update(self, detail: str) -> None:
        """What the step is doing now; shown at the next tick."""
        self._detail = detail

    def tick(self) -> None:
        """Show the newest detail if it is time; call this at least twice a second."""
        now = time.monotonic()
        pause = SECONDS_BETWEEN_REDRAWS if self._terminal else SECONDS_BETWEEN_LINES
        if now - self._spoke < pause:
            return
        self._spoke = now
        if self._terminal:
            self._draw()
        else:
            self.say(f"      {now - self._began:.0f} s: {self._detail or 'still at it'}")

    def done(self, note: str = "") -> None:
        """End the step."""
        seconds = f"{time.monotonic() - self._began:.1f} s"
        text = f"{note}, {seconds}" if note else seconds
        if self._terminal:
            self.clear()
            self.say(f"{self._place()}{self._title}: {text}")
        else:
            self.say(f"      done: {text}")

    def _place(self) -> str:
        return f"  {self._number}/{self._steps} " if self._number else "  "

    def _draw(self) -> None:
        elapsed = time.monotonic() - self._began
        line = f"{self._place()}{self._title} … {elapsed:.0f} s  {self._detail}"
        width = max(20, _columns(self._stream) - 1)
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()
        self._open = True

    def _close_line(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
