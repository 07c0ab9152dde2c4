"""A worker: takes jobs, keeps their leases, does them, and says what went wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloudberth.errors import BackendError, CloudberthError
from cloudberth.knowledge import indexing, removing
from cloudberth.knowledge.indexing import Report, Superseded
from cloudberth.knowledge.model import DocumentStatus
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.state import jobs as kinds
from cloudberth.knowledge.state.jobs import MOST_ATTEMPTS, Claimed
from cloudberth.knowledge.state.values import clock
from cloudberth.knowledge.steps import BrokenOff

_log = logging.getLogger(__name__)
_ACTS: dict[str, Callable[[Parts, Claimed, Report], None]] = {
    kinds.INDEX: indexing.index,
    kinds.METADATA: indexing.describe,
    kinds.DELETE_DOCUMENT: removing.delete_document,
    kinds.DELETE_DATASET: removing.delete_dataset,
    kinds.REEMBED: removing.reembed,
}
# What was promised to be gone is tried until it is.
_ENDLESS = {kinds.DELETE_DOCUMENT, kinds.DELETE_DATASET}
SEEN = 30.0  # seconds after which a worker that was not seen does not count as alive


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a worker, in seconds.

    lease: after which a job of a dead worker is taken by another. idle: between two looks for work. retry,
    longest: before the second attempt, and the most before any. tidy: between two rounds of housekeeping.
    """

    lease: float = 30.0
    idle: float = 0.5
    retry: float = 2.0
    longest: float = 300.0
    tidy: float = 60.0


class Stopped(BrokenOff):
    """The worker was asked to stop; the job goes back into the queue."""


class Worker:
    """One worker, in one thread. `stop` may be set from anywhere."""

    def __init__(self, parts: Parts, pace: Pace = Pace(), stop: threading.Event | None = None) -> None:
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.parts = parts
        self.pace = pace
        self.stop = stop or threading.Event()
        self._tidied = 0.0
        self._shown = threading.Event()
        self._sayer: threading.Thread | None = None

    def run(self, wake: threading.Event | None = None) -> None:
        """Work until `stop` is set. wake: set by others when there is something to do."""
        self.show()
        try:
            while not self.stop.is_set():
                if self._one():
                    continue
                pause = self.pace.idle * random.uniform(0.8, 1.2)  # noqa: S311 — spreads workers
                if wake is not None:
                    wake.wait(pause)
                    wake.clear()
                else:
                    self.stop.wait(pause)
        finally:
            self.hide()

    def run_one(self, job_id: str | None = None) -> bool:
        """Do the next job, or this one, if it may start. Whether there was one."""
        job = self.parts.jobs.claim(self.id, self.pace.lease, job_id)
        if job is None:
            return False
        self._do(job)
        return True

    def _one(self) -> bool:
        """The next job; errors of the database are waited out."""
        try:
            self._tidy()
            return self.run_one()
        except CloudberthError as error:
            _log.warning("worker %s cannot work: %s", self.id, error)
            self.stop.wait(min(5.0, self.pace.retry))
            return False

    def _do(self, job: Claimed) -> None:
        lost = threading.Event()

        def checkpoint() -> None:
            if lost.is_set():
                raise Superseded
            if self.stop.is_set():
                raise Stopped

        with self._renewed(job, lost):
            try:
                if job.attempts > MOST_ATTEMPTS and job.kind not in _ENDLESS:
                    raise _Deadly(job.attempts - 1)
                _ACTS[job.kind](self.parts, job, Report(self.parts, job, checkpoint))
            except Stopped:
                self.parts.jobs.release(job)
            except Superseded:
                _log.info("job %s is somebody else's", job.id)
            except Exception as error:
                self._failed(job, error)

    def _failed(self, job: Claimed, error: Exception) -> None:
        if not isinstance(error, CloudberthError):
            _log.exception("job %s (%s) met something unexpected", job.id, job.kind)
        said, hint = _said(error), getattr(error, "hint", "") or ""
        again = _may_help(error) and (job.attempts < MOST_ATTEMPTS or job.kind in _ENDLESS)
        _log.warning("job %s (%s), attempt %d: %s", job.id, job.kind, job.attempts, said)
        parts = self.parts
        if not again and job.kind == kinds.REEMBED:
            with contextlib.suppress(CloudberthError):
                removing.give_up_reembedding(parts, job)
        with parts.database.transaction(alone=True) as connection:
            if again:
                held = parts.jobs.again(connection, job, self._pause(job, error), said, hint)
            else:
                held = parts.jobs.bury(connection, job, said, hint)
            if not held:
                return
            if job.kind == kinds.INDEX:
                status = DocumentStatus.WAITING if again else DocumentStatus.FAILED
                parts.documents.went_wrong(
                    connection, job.document_id, int(job.payload["generation"]), status, job.attempts,
                    said, hint,
                )  # fmt: skip
                parts.events.add(connection, job.dataset_id, job.document_id, str(status), error=said)
            elif job.kind == kinds.REEMBED and not again:
                parts.datasets.set_rebuild(connection, job.dataset_id, "", f"{said} {hint}".strip())
                parts.events.add(connection, job.dataset_id, "", "changed", error=said)

    def _pause(self, job: Claimed, error: Exception) -> float:
        """Seconds before the next attempt: doubled each time, spread, not less than the store asked for."""
        seconds = min(self.pace.longest, self.pace.retry * 2.0 ** min(job.attempts - 1, 20))
        seconds *= random.uniform(0.75, 1.25)  # noqa: S311 — spreads workers, guards nothing
        asked = error.retry_after if isinstance(error, BackendError) else None
        return max(seconds, asked or 0.0)

    @contextmanager
    def _renewed(self, job: Claimed, lost: threading.Event) -> Iterator[None]:
        """Keep the lease while the job is done; say when it is lost."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.pace.lease / 3):
                try:
                    if not self.parts.jobs.renew(job, self.pace.lease):
                        lost.set()
                        return
                except CloudberthError as error:
                    _log.warning("the lease of job %s could not be renewed: %s", job.id, error)

        thread = threading.Thread(target=renew, name="knowledge-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def show(self) -> None:
        """Be in the list of workers from now on."""
        self._shown.clear()

        def say() -> None:
            while True:
                with contextlib.suppress(CloudberthError):
                    self._say()
                if self._shown.wait(SEEN / 3):
                    return

        self._sayer = threading.Thread(target=say, name="knowledge-worker-seen", daemon=True)
        self._sayer.start()

    def hide(self) -> None:
        """Leave the list."""
        self._shown.set()
        if self._sayer is not None:
            self._sayer.join()
        with contextlib.suppress(CloudberthError), self.parts.database.transaction(alone=True) as connection:
            connection.run("DELETE FROM knowledge_workers WHERE id = ?", (self.id,))

    def _say(self) -> None:
        with self.parts.database.transaction(alone=True) as connection:
            now = clock(connection)
            if not connection.run("UPDATE knowledge_workers SET seen = ? WHERE id = ?", (now, self.id)):
                connection.run(
                    "INSERT INTO knowledge_workers (id, host, process, started, seen) VALUES (?, ?, ?, ?, ?)",
                    (self.id, socket.gethostname(), os.getpid(), now, now),
                )

    def _tidy(self) -> None:
        """Housekeeping, now and then; that two workers do it at once does no harm."""
        if time.monotonic() - self._tidied < self.pace.tidy:
            return
        self._tidied = time.monotonic()
        self.parts.events.forget()
        with self.parts.database.transaction(alone=True) as connection:
            connection.run("DELETE FROM knowledge_workers WHERE seen < ?", (clock(connection) - 10 * SEEN,))
        self.parts.originals.sweep()


def alive(parts: Parts) -> int:
    """How many workers were seen lately."""
    with parts.database.connection() as connection:
        rows = connection.rows(
            "SELECT COUNT(*) FROM knowledge_workers WHERE seen > ?", (clock(connection) - SEEN,)
        )
    return int(rows[0][0])


class _Deadly(CloudberthError):
    def __init__(self, times: int) -> None:
        super().__init__(
            f"the worker died {times} times of it",
            hint="look at the worker's log and at its memory; then index it again",
        )


def _may_help(error: Exception) -> bool:
    """Whether trying again can help. What nobody expected is tried again: it may be the moment."""
    if isinstance(error, BackendError):
        return error.retryable
    return not isinstance(error, CloudberthError)


def _said(error: Exception) -> str:
    if isinstance(error, CloudberthError):
        return str(error)[:1000]
    return f"unexpected: {type(error).__name__}: {str(error)[:500]}"
