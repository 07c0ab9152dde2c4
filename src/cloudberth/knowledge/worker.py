"""A worker as a program: ``berth worker``, and what `ProcessWorkers` starts.

It works until it is asked to stop (SIGTERM, SIGINT), gives a job that it is at back to the queue, and ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloudberth.errors import CloudberthError
from cloudberth.knowledge.opening import open_parts
from cloudberth.knowledge.priority import limit_threads, lower_process
from cloudberth.knowledge.settings import KnowledgeSettings
from cloudberth.knowledge.workers import pace_of
from cloudberth.knowledge.working import Worker

_log = logging.getLogger(__name__)


def work(environment: Mapping[str, str] | None = None, data: Path | None = None, *, parent: int = 0) -> None:
    """Work until asked to stop. parent: a process without which there is no reason to go on."""
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    variables = os.environ if environment is None else environment
    settings = KnowledgeSettings.from_environment(variables)
    lower_process(settings.worker_niceness)
    variables = limit_threads(settings, variables)
    if parent:
        threading.Thread(target=_follow, args=(parent, stop), name="knowledge-parent", daemon=True).start()
    parts = open_parts(variables, data)
    try:
        Worker(parts, pace_of(settings), stop).run()
    finally:
        parts.close()


def _follow(parent: int, stop: threading.Event) -> None:
    """End with the process that started this one, also when it was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    stop.set()


def main(arguments: Sequence[str]) -> int:
    """The program. The only argument is ``--parent PROCESS``; everything else comes from variables."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parent = int(arguments[1]) if len(arguments) == 2 and arguments[0] == "--parent" else 0
    try:
        work(parent=parent)
    except CloudberthError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
