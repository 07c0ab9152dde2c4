"""Keeping an exporter alive: a process of its own that is started again whenever it ends.

`Supervisor` is for servers and applications that want no second service; ``berth traces export`` uses it as
well. The exporter ends by itself when its supervisor does, however that happened: it reads from a pipe that
then closes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from cloudberth.tracing.exporter import URL

_STABLE = 30.0  # seconds after which a start counts as a good one
_LONGEST = 30.0
_WILL_NOT_HELP = {2, 3}  # exit codes: the input is wrong, refused


class Supervisor:
    """Starts an exporter and keeps it running. url goes through the environment: the process list shows
    none of it.
    """

    def __init__(
        self,
        url: str,
        environment: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        given = dict(os.environ if environment is None else environment)
        self._environment = {**given, URL: url, "BERTH_TRACES_SUPERVISED": "1"}
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.restarts = 0
        self.exit_code: int | None = None

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self.run, name="cloudberth-traces-supervisor", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The exporter's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def run(self) -> int:
        """Keep it running until `stop`, or until it says that starting it again cannot help. Its last exit
        code.
        """
        pause = 0.5
        while not self._stopping.is_set():
            started = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cloudberth.tracing.exporter"],
                env=self._environment,
                stdin=subprocess.PIPE,
            )
            self.exit_code = code = self._process.wait()
            if self._stopping.is_set() or code in _WILL_NOT_HELP or code == 0:
                break
            self.restarts += 1
            pause = 0.5 if time.monotonic() - started > _STABLE else min(pause * 2, _LONGEST)
            self._report(f"the exporter of traces ended with {code}; it is started again in {pause:g} s")
            self._stopping.wait(pause)
        return self.exit_code or 0

    def stop(self, timeout: float = 10.0) -> None:
        """End it, gently at first."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if self._thread is not None:
            self._thread.join(timeout)
