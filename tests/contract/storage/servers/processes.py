"""Programs that tests start: on free ports of loopback, in a folder of their own, and gone when the run ends.

`Shared` keeps one server for all of this process; it is stopped when the interpreter ends at the latest.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

HOST = "127.0.0.1"
T = TypeVar("T")


class NotStarted(RuntimeError):
    """A server did not come up; what it wrote is in the message."""


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether something takes connections on a port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def process(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which is killed as a whole at the end.

    It also ends when this process is killed, where the system can arrange that (setpriv of util-linux).
    """
    leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with log.open("wb") as output:
        running = subprocess.Popen(
            [*leash, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            start_new_session=True,
        )
        try:
            yield running
        finally:
            stop(running)


def stop(running: subprocess.Popen[bytes]) -> None:
    """End a process group: asked first, made to after three seconds."""
    for wanted, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
        try:
            os.killpg(running.pid, wanted)
        except ProcessLookupError:
            break
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        if wanted is signal.SIGKILL:
            break
    running.wait()


def wait(
    running: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, seconds: float = 30.0
) -> None:
    """Until `ready` says so. Raises NotStarted when the program ends before, or takes too long."""
    end = time.monotonic() + seconds
    while not ready():
        ended = running.poll() is not None
        if ended or time.monotonic() > end:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            why = f"ended with {running.returncode}" if ended else f"did not answer within {seconds:.0f} s"
            raise NotStarted(f"{log.stem} {why}: {said}")
        time.sleep(0.05)


class Shared(Generic[T]):
    """A server that is started when it is first asked for and then serves the whole process."""

    def __init__(self, name: str, start: Callable[[Path], AbstractContextManager[T]]) -> None:
        self._name = name
        self._start = start
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._value: T | None = None
        self._failed = ""

    def __call__(self) -> T:
        """The server. One that did not start is not tried again; a further call raises NotStarted."""
        with self._lock:
            if self._failed:
                raise NotStarted(self._failed)
            if self._value is None:
                atexit.register(self.close)
                try:
                    self._value = self._started()
                except Exception as error:
                    self._failed = f"{self._name} did not start: {error}"
                    self._stack.close()
                    raise
            return self._value

    def _started(self) -> T:
        folder = Path(tempfile.mkdtemp(prefix=f"berth-{self._name}-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return self._stack.enter_context(self._start(folder))

    def close(self) -> None:
        """Stop it, if it was started, and forget it."""
        with self._lock:
            self._value = None
            self._stack.close()
