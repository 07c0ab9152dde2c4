"""Workers beside a service: threads of this process, or processes of their own that are started again.

A process keeps the interface quick while documents are embedded. When one dies, whatever killed it, the
leases that it held are ended at once, so that the work is taken up without waiting for them to run out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cloudberth.errors import CloudberthError
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.priority import lower_thread
from cloudberth.knowledge.settings import DATA, KnowledgeSettings
from cloudberth.knowledge.working import Pace, Worker

_log = logging.getLogger(__name__)
_PATIENCE = 20.0  # seconds that workers have to give their jobs back
_QUICK = 5.0  # a process that dies sooner is started again later each time
MODULE = "cloudberth.knowledge.worker"


class ThreadWorkers:
    """Workers in threads of this process. They share its parts. niceness: of these threads, on Linux."""

    def __init__(self, parts: Parts, count: int = 1, pace: Pace | None = None, *, niceness: int = 0) -> None:
        self._parts = parts
        self._niceness = niceness
        self._stop = threading.Event()
        self._wakes = [threading.Event() for _ in range(count)]
        self._threads = [
            threading.Thread(
                target=self._work,
                args=(Worker(parts, pace or Pace(), self._stop), wake),
                name="knowledge-worker",
                daemon=True,
            )
            for wake in self._wakes
        ]
        self._told = parts.wake

    def start(self) -> Self:
        self._parts.wake = self._wake
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, patience: float = _PATIENCE) -> bool:
        """Give the jobs back and end. Whether all did within `patience` seconds."""
        self._stop.set()
        self._parts.wake = self._told
        for wake in self._wakes:
            wake.set()
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, worker: Worker, wake: threading.Event) -> None:
        lower_thread(self._niceness)
        worker.run(wake)

    def _wake(self, job_id: str) -> None:
        self._told(job_id)
        for wake in self._wakes:
            wake.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class ProcessWorkers:
    """Workers in processes of their own, watched by a thread of this one.

    environment, data: as for `open_knowledge`; secrets go to the processes as variables, never as arguments.
    """

    def __init__(self, parts: Parts, environment: Mapping[str, str], data: Path, count: int = 1) -> None:
        self._parts = parts
        self._environment = {**os.environ, **environment, DATA: str(data)}
        self._count = count
        self._running: list[subprocess.Popen[bytes] | None] = [None] * count
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="knowledge-workers", daemon=True)

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of those that run."""
        return tuple(each.pid for each in self._running if each is not None and each.poll() is None)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self, patience: float = _PATIENCE) -> bool:
        """Ask them to give their jobs back and end; kill those that do not. Whether none had to be."""
        self._stop.set()
        self._thread.join()
        running = [each for each in self._running if each is not None and each.poll() is None]
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                each.send_signal(signal.SIGTERM)
        end, all_ended = time.monotonic() + patience, True
        for each in running:
            try:
                each.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()
                self._expire(each.pid)
                all_ended = False
        return all_ended

    def _watch(self) -> None:
        started = [0.0] * self._count
        pauses = [0.0] * self._count
        due = [0.0] * self._count
        while not self._stop.is_set():
            for at, each in enumerate(self._running):
                now = time.monotonic()
                if each is not None and each.poll() is not None:
                    _log.warning("worker process %d ended with %d", each.pid, each.returncode)
                    self._expire(each.pid)
                    pauses[at] = min(30.0, pauses[at] * 2 + 0.5) if now - started[at] < _QUICK else 0.0
                    due[at], self._running[at] = now + pauses[at], None
                if self._running[at] is None and now >= due[at]:
                    started[at], self._running[at] = now, self._spawn()
            self._stop.wait(0.2)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", MODULE, "--parent", str(os.getpid())]
        return subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL)

    def _expire(self, process: int) -> None:
        """End the leases of a process that is dead for sure."""
        import socket

        try:
            with self._parts.database.connection() as connection:
                rows = connection.rows(
                    "SELECT DISTINCT worker FROM knowledge_jobs WHERE state = 'running' AND worker LIKE ?",
                    (f"{socket.gethostname()}-{process}-%",),
                )
            for row in rows:
                self._parts.jobs.expire(row[0])
        except CloudberthError as error:
            # Then they run out by themselves.
            _log.warning("the leases of worker process %d could not be ended: %s", process, error)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_workers(
    parts: Parts, environment: Mapping[str, str] | None = None, data: Path | None = None
) -> ThreadWorkers | ProcessWorkers | None:
    """The workers that the settings ask for; None when they ask for none (a broker has its own)."""
    from cloudberth.knowledge.opening import data_folder

    variables = os.environ if environment is None else environment
    settings = KnowledgeSettings.from_environment(variables)
    if not settings.worker_count:
        return None
    if settings.worker_kind == "thread":
        niceness = settings.worker_niceness
        return ThreadWorkers(parts, settings.worker_count, pace_of(settings), niceness=niceness).start()
    return ProcessWorkers(parts, variables, data_folder(settings, data), settings.worker_count).start()


def pace_of(settings: KnowledgeSettings) -> Pace:
    return Pace(lease=settings.lease, retry=settings.retry)
