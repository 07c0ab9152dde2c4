"""Progress over records: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cloudberth.cli.console import err

_LINE_EVERY = 10.0  # seconds, where there is no terminal


class Counting:
    """title: of the bar. total: records. quiet: show nothing."""

    def __init__(self, title: str, total: int, *, quiet: bool = False) -> None:
        self._title = title
        self._total = total
        self._quiet = quiet
        self._started = self._said = time.monotonic()
        self._first = self._done = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if err.is_terminal and not self._quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            rate = TextColumn("{task.fields[rate]}/s")
            self._bar = Progress(*columns, rate, TimeRemainingColumn(), console=err, transient=True)
            self._task = self._bar.add_task(self._title, total=self._total, rate="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if kind is None and not self._quiet:
            took = time.monotonic() - self._started
            err.print(f"{self._title}: {self._done:,} records [dim]{took:.1f} s[/dim]")

    def begin(self, done: int) -> None:
        """So many were done before; they do not count for the rate."""
        self._first = self._done = done

    def reached(self, done: int) -> None:
        self._done = done
        now = time.monotonic()
        rate = (done - self._first) / max(now - self._started, 1e-3)
        if self._bar:
            self._bar.update(self._task, completed=done, rate=f"{rate:,.0f}")
        elif not self._quiet and now - self._said > _LINE_EVERY:
            self._said = now
            err.print(f"{self._title}: {done:,} of {self._total:,}, {rate:,.0f}/s")
