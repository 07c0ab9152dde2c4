"""Progress of Terraform: which step is under way, which resource, how long."""

from __future__ import annotations

import time
from types import TracebackType

from rich.markup import escape
from rich.status import Status

from cloudberth.cli.console import err
from cloudberth.infra.events import Event, State
from cloudberth.infra.rehearsal import StepDone


class StepProgress:
    """A spinner with the current resource on a terminal; one line a step elsewhere.

    `step_done` and `event` are the callbacks that rehearsals and live runs take.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._title = title
        self._quiet = quiet
        self._status: Status | None = None
        self._started = time.monotonic()
        self._done = 0

    def __enter__(self) -> StepProgress:
        if err.is_terminal and not self._quiet:
            self._status = err.status(self._title)
            self._status.start()
        elif not self._quiet:
            err.print(f"{self._title} …")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
        if kind is None and not self._quiet:
            err.print(f"[green]✓[/green] {self._title} [dim]{time.monotonic() - self._started:.1f} s[/dim]")

    def step_done(self, step: StepDone) -> None:
        if not self._quiet:
            detail = f" · {escape(step.detail)}" if step.detail else ""
            err.print(f"  {step.name} [dim]{step.seconds:.1f} s{detail}[/dim]")

    def event(self, event: Event) -> None:
        if event.state is State.DONE and event.action not in {"refresh", "read"}:
            self._done += 1
        if self._status and event.address:
            self._status.update(f"{self._title} [dim]· {self._done} done · {escape(event.address)}[/dim]")


class ApplyProgress(StepProgress):
    """Progress of a live apply or destroy: every finished resource is a line of its own."""

    def event(self, event: Event) -> None:
        super().event(event)
        if event.state is State.DONE and event.action not in {"refresh", "read", "open", "close"}:
            err.print(
                f"  [green]✓[/green] {escape(event.address)} [dim]{event.action} {event.seconds:.0f} s[/dim]"
            )
        elif event.state is State.FAILED:
            err.print(f"  [red]✗[/red] {escape(event.address)} {escape(event.text)}")
        elif event.state is State.RUNNING and not err.is_terminal:
            err.print(f"  … {escape(event.address)} {event.seconds:.0f} s")
        elif event.state is State.WARNING:
            err.print(f"  [yellow]{escape(event.text)}[/yellow]")
