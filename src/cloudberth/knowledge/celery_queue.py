"""Celery on Redis, for workers on several machines.

Messages only say which job there is; the table of jobs stays the truth. So a Redis that loses its messages
loses no work: a thread in every process that has a broker sends again what should have been taken up. And a
message that comes twice does no harm: a job is claimed in the table, or it is not.

    celery -A cloudberth.knowledge.celery_app worker --concurrency 2

Variables: ``CELERY_BROKER_URL`` as Dify has it (``redis://``, ``rediss://``; ``sentinel://`` with
``CELERY_SENTINEL_MASTER_NAME`` and ``CELERY_SENTINEL_PASSWORD``). Celery does not speak to a Redis Cluster.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from cloudberth.errors import CloudberthError, InvalidInput
from cloudberth.extras import late_import
from cloudberth.knowledge.parts import Parts

_log = logging.getLogger(__name__)
TASK = "cloudberth.knowledge.run"
QUEUE = "cloudberth-knowledge"
_SWEEP = 5.0  # seconds between two looks for jobs that nobody was told of
_AGAIN = 300.0  # seconds after which a job that waits is told of again
_SCHEMES = ("redis://", "rediss://", "sentinel://")


def application(broker: str, environment: Mapping[str, str] | None = None) -> Any:
    """The Celery application, without its task. Raises InvalidInput."""
    if not broker.startswith(_SCHEMES):
        raise InvalidInput(
            "the broker is no Redis", where="CELERY_BROKER_URL", hint=f"it begins with {', '.join(_SCHEMES)}"
        )
    celery = late_import("celery", extra="celery", needed_for="CELERY_BROKER_URL")
    late_import("redis", extra="celery", needed_for="CELERY_BROKER_URL")
    made = celery.Celery("cloudberth", broker=broker, set_as_current=False)
    made.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport_options=_transport(os.environ if environment is None else environment),
        # A broker that is away must not keep a request waiting: the sweeper sends later.
        task_publish_retry=False,
    )
    return made


def _transport(environment: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": 5.0, "socket_connect_timeout": 2.0, "visibility_timeout": 3600,
    }  # fmt: skip
    master = environment.get("CELERY_SENTINEL_MASTER_NAME", "").strip()
    if master:
        options["master_name"] = master
    password = environment.get("CELERY_SENTINEL_PASSWORD", "").strip()
    if password:
        options["sentinel_kwargs"] = {"password": password}
    return options


class Sender:
    """Tells workers of jobs. Thread-safe; its thread ends when the database is closed."""

    def __init__(self, application: Any, parts: Parts) -> None:
        self._application = application
        self._parts = weakref.ref(parts)
        self._stop = threading.Event()
        self._is_down = False
        self._thread = threading.Thread(target=self._sweep, name="knowledge-sender", daemon=True)
        self._thread.start()

    def __call__(self, job_id: str) -> None:
        """Send one message. Never fails, hardly waits: what does not get through is sent later."""
        parts = self._parts()
        # A broker that was away a moment ago is the sweeper's matter.
        if parts is None or self._is_down:
            return
        # The job is in the table: nothing that goes wrong from here on is the caller's matter.
        with suppress(CloudberthError):
            with parts.database.transaction(alone=True) as connection:
                parts.jobs.mark_sent(connection, (job_id,))
            self._send(parts, (job_id,))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def sweep(self) -> int:
        """Send what nobody was told of, or what should have been taken up; how many it was."""
        parts = self._parts()
        if parts is None:
            self._stop.set()
            return 0
        return self._send(parts, parts.jobs.unsent(_AGAIN))

    def _send(self, parts: Parts, job_ids: tuple[str, ...]) -> int:
        sent = 0
        try:
            for job_id in job_ids:
                self._application.send_task(TASK, args=[job_id], queue=QUEUE)
                sent += 1
        except Exception as error:  # kombu raises whatever its transport does
            if not self._is_down:
                _log.warning("the broker cannot be reached: %s", type(error).__name__)
            self._is_down = True
            parts.jobs.unsend(job_ids[sent:])
        else:
            self._is_down = self._is_down and not job_ids
        return sent

    def _sweep(self) -> None:
        while not self._stop.wait(_SWEEP):
            try:
                self.sweep()
            except CloudberthError as error:
                _log.warning("jobs cannot be looked for: %s", error)
            if self._is_down:
                self._is_down = not self._answers()

    def _answers(self) -> bool:
        """Whether the broker is back."""
        try:
            with self._application.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=3)
        except Exception:
            return False
        return True


def sender(broker: str, parts: Parts, environment: Mapping[str, str] | None = None) -> Sender:
    """What tells Celery's workers of jobs."""
    return Sender(application(broker, environment), parts)


def register(application: Any, run: Callable[[str], None]) -> None:
    """Give an application its task. run: does a job, given its id."""

    @application.task(name=TASK)  # type: ignore[untyped-decorator]
    def run_job(job_id: str) -> None:
        run(job_id)
