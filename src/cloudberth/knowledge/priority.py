"""Workers yield to searches: they run at a lower priority, and leave a processor free.

Linux gives a niceness to every thread, and threads inherit that of the one which starts them: so it is
lowered before any other thread of a worker is started. Other systems know one for the whole process, so that
workers in threads of a server keep its priority there; Windows has none of this, and nothing is changed.

Niceness is weighed among the processes of one session where Linux groups them (``sched_autogroup_enabled``,
see sched(7)): workers that a server starts are in its session. One that is started in another terminal or by
a service manager shares by that group's weight (``CPUWeight=`` of systemd).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudberth.knowledge.settings import KnowledgeSettings

_log = logging.getLogger(__name__)
# What the libraries that multiply matrices look at when they are loaded, by the first embedder.
_LIBRARIES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EMBEDDING_THREADS = "BERTH_KNOWLEDGE_EMBEDDING_THREADS"


def lower_thread(niceness: int) -> bool:
    """Let the calling thread, and those that it starts, yield. Whether it is at that niceness, or above."""
    if sys.platform != "linux":
        return False
    return _lower(threading.get_native_id(), niceness)


def lower_process(niceness: int) -> bool:
    """The same for a process that is a worker and nothing else; to be called before it starts threads."""
    if sys.platform == "win32":
        return False
    return _lower(0, niceness)


def _lower(what: int, niceness: int) -> bool:
    """Never raise a priority: whoever started the process may have lowered it further."""
    try:
        if os.getpriority(os.PRIO_PROCESS, what) < niceness:
            os.setpriority(os.PRIO_PROCESS, what, niceness)
    except OSError as error:
        _log.warning("workers keep their priority: %s", error.strerror)
        return False
    return True


def limit_threads(settings: KnowledgeSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a worker process, its embedders limited to the threads that the settings give it.

    Sets variables of this process for the libraries that read nothing else; one that is set already stands,
    unless the setting is given. To be called before an embedder is opened.
    """
    threads = str(settings.threads_of_a_worker)
    is_asked = settings.worker_threads is not None
    for name in _LIBRARIES:
        if is_asked or not os.environ.get(name, "").strip():
            os.environ[name] = threads
    # Embedders have defaults of their own, some as low as one: those are not raised.
    if is_asked or (threads == "1" and not environment.get(EMBEDDING_THREADS, "").strip()):
        return {**environment, EMBEDDING_THREADS: threads}
    return dict(environment)


def processors() -> int:
    """How many this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
