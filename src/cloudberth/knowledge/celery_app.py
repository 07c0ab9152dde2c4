"""What ``celery -A cloudberth.knowledge.celery_app worker`` loads; settings come from variables.

Every process of the pool opens its own connections after the fork. A job that this worker was told of may be
somebody else's by now, or may have to wait for another one: then it takes whichever may start.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from cloudberth.knowledge.celery_queue import application, register
from cloudberth.knowledge.opening import open_parts
from cloudberth.knowledge.parts import Parts
from cloudberth.knowledge.priority import limit_threads, lower_thread
from cloudberth.knowledge.settings import KnowledgeSettings
from cloudberth.knowledge.workers import pace_of
from cloudberth.knowledge.working import Worker
from cloudberth.settings import revealed

_settings = KnowledgeSettings.from_environment(os.environ)
_variables = limit_threads(_settings, os.environ)
_stop = threading.Event()
_guard = threading.Lock()
_worker: Worker | None = None
_parts: Parts | None = None

app = application(revealed(_settings.broker))


def _run(job_id: str) -> None:
    # Also the threads of a pool of threads; what a process of the pool starts afterwards inherits it.
    lower_thread(_settings.worker_niceness)
    worker = _opened()
    if not worker.run_one(job_id) and not worker.run_one():
        # It waits for another job of its document: it is told of again soon.
        worker.parts.jobs.unsend((job_id,))


def _opened() -> Worker:
    """The worker of this process; also where the pool makes no processes (``--pool solo``, threads)."""
    global _worker, _parts
    with _guard:
        if _worker is None:
            _parts = open_parts(_variables)
            _worker = Worker(_parts, pace_of(_settings), _stop)
            _worker.show()
    return _worker


register(app, _run)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _start(**_: Any) -> None:
    _stop.clear()
    _opened()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _ask_to_stop(**_: Any) -> None:
    """In the parent, which with ``--pool solo`` or threads is also the worker."""
    _stop.set()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    _stop.set()
    if _worker is not None:
        _worker.hide()
    if _parts is not None:
        _parts.close()
