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
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from cloudberth.errors import EngineError

GRACE_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05
READ_BYTES: Final = 1 << 20
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
    output, errors = (_Tail(), _Tail()) if patient else (_Pipe(), _Pipe())
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(CHILD), str(int(on_death)), *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output.target,
        stderr=errors.target,
        start_new_session=True,
    )
    output.attach(process, process.stdout)
    errors.attach(process, process.stderr)
    with _time_limit(process, timeout) as expired:
        try:
            text, error_text = _drain(process, output, errors, on_line, patient=patient)
        finally:
            end(process, None if patient else GRACE_SECONDS)
            output.close()
            errors.close()
    if expired.is_set():
        raise EngineError(f"it did not end within {timeout:g} seconds", where="terraform")
    return Completed(process.returncode, text, error_text, time.monotonic() - started)


class _Pipe:
    """Output through a pipe."""

    def __init__(self) -> None:
        self.target = subprocess.PIPE
        self._stream: IO[bytes] | None = None

    def attach(self, _: subprocess.Popen[bytes], stream: IO[bytes] | None) -> None:
        self._stream = stream

    def lines(self) -> Iterator[str]:
        with contextlib.suppress(ValueError):  # closed from the other side
            for line in self._stream or ():
                yield line.decode("utf-8", "replace")

    def close(self) -> None:
        if self._stream:
            self._stream.close()


class _Tail:
    """Output through a file without a name, followed as it grows.

    A Terraform whose pipe breaks dies of SIGPIPE before it has saved its state; a file can always be written
    to, also when we are gone.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.target = self._file.fileno()
        self._process: subprocess.Popen[bytes] | None = None
        self._offset = 0
        self._rest = b""

    def attach(self, process: subprocess.Popen[bytes], _: IO[bytes] | None) -> None:
        self._process = process

    def lines(self) -> Iterator[str]:
        """Lines until the process has ended; may be called again after an interrupt."""
        while True:
            ended = self._process is None or self._process.poll() is not None
            data = os.pread(self.target, READ_BYTES, self._offset)
            self._offset += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace") + "\n"
            if ended and not data:
                break
            if not data:
                time.sleep(POLL_SECONDS)
        if self._rest:
            yield self._rest.decode("utf-8", "replace")

    def close(self) -> None:
        self._file.close()


@contextlib.contextmanager
def _time_limit(process: subprocess.Popen[bytes], seconds: float | None) -> Iterator[threading.Event]:
    """End a process after some time; the event says whether that happened."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        end(process, GRACE_SECONDS)

    timer = threading.Timer(seconds, expire) if seconds else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield expired
    finally:
        if timer:
            timer.cancel()


def _drain(
    process: subprocess.Popen[bytes],
    output: _Pipe | _Tail,
    errors: _Pipe | _Tail,
    on_line: LineCallback | None,
    *,
    patient: bool,
) -> tuple[str, str]:
    """Everything on both outputs, until the process ends."""
    error_lines: list[str] = []
    reader = threading.Thread(target=lambda: error_lines.extend(errors.lines()), daemon=True)
    reader.start()
    lines: list[str] = []
    interrupted = False
    while True:
        try:
            for line in output.lines():
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
    return "".join(lines), "".join(error_lines)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    # The whole group: Terraform starts providers as processes of its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes], grace: float | None) -> None:
    """End a process and its group. grace: seconds to go by itself after SIGTERM; None waits for ever."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
    _signal(process, signal.SIGKILL)  # providers that stayed behind
