"""Running a child process to its end, with its output streamed, and never leaving one behind.

The child runs in a session of its own: a Ctrl-C reaches us, and we decide what the child gets. On Linux it
cannot outlive us either (child.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cloudberth.errors import EngineError

GRACE_SECONDS: Final = 5.0
CHILD: Final = Path(__file__).with_name("child.py")

LineCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command. seconds: wall time."""

    code: int
    output: str
    error_output: str
    seconds: float


def run(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    *,
    on_line: LineCallback | None = None,
    timeout: float | None = None,
    patient: bool = False,
) -> Completed:
    """Run to the end, whatever the exit code.

    command: as child.py takes it. on_line: called with each line of standard output. timeout: seconds until
    the child is ended and EngineError raised. patient: on Ctrl-C, and if we die, the child is interrupted
    and then waited for, so that it can save what it has to; otherwise it is ended within GRACE_SECONDS.
    """
    started = time.monotonic()
    on_death = signal.SIGINT if patient else signal.SIGKILL
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(CHILD), str(int(on_death)), *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    with _time_limit(process, timeout) as expired:
        try:
            output, error_output = _drain(process, on_line, patient=patient)
        finally:
            end(process, None if patient else GRACE_SECONDS)
    if expired.is_set():
        raise EngineError(f"it did not end within {timeout:g} seconds", where="terraform")
    return Completed(process.returncode, output, error_output, time.monotonic() - started)


@contextlib.contextmanager
def _time_limit(process: subprocess.Popen[str], seconds: float | None) -> Iterator[threading.Event]:
    """End a process after some time; the event says whether that happened."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _end_group(process, GRACE_SECONDS)

    timer = threading.Timer(seconds, expire) if seconds else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield expired
    finally:
        if timer:
            timer.cancel()


def _drain(process: subprocess.Popen[str], on_line: LineCallback | None, *, patient: bool) -> tuple[str, str]:
    """Everything on both outputs, until the process ends."""
    errors: list[str] = []
    reader = threading.Thread(target=_collect, args=(process.stderr, errors), daemon=True)
    reader.start()
    lines: list[str] = []
    interrupted = False
    while True:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if on_line:
                    on_line(line.rstrip("\n"))
            process.wait()
            break
        except KeyboardInterrupt:
            if not patient:
                raise
            interrupted = True
            _signal(process, signal.SIGINT)  # Terraform stops by itself; a second one makes it hurry
    reader.join()
    if interrupted:
        raise KeyboardInterrupt
    return "".join(lines), "".join(errors)


def _collect(stream: IO[str] | None, into: list[str]) -> None:
    with contextlib.suppress(ValueError):  # closed from the other side
        into.extend(stream or ())


def _signal(process: subprocess.Popen[str], number: int) -> None:
    # The whole group: Terraform starts providers as processes of its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end_group(process: subprocess.Popen[str], grace: float | None) -> None:
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
    _signal(process, signal.SIGKILL)  # providers that stayed behind


def end(process: subprocess.Popen[str], grace: float | None) -> None:
    """End a process and its group, and close its outputs.

    grace: seconds to go by itself after SIGTERM; None waits for ever.
    """
    _end_group(process, grace)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
