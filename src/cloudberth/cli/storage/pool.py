"""Many small pieces of work at once, in order of arrival and with flat memory; Ctrl-C ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from cloudberth.cli.storage.progress import Progress

Work = TypeVar("Work")
_WAITING = 4


def run_all(
    work: Iterable[Work], act: Callable[[Work], None], *, concurrency: int, progress: Progress
) -> None:
    """Call `act` for every piece of work on threads; at most a few pieces wait. Its first error ends it all.

    What `act` does not want to end the others with, it has to keep for itself.
    """
    running: set[Future[None]] = set()
    threads = ThreadPoolExecutor(concurrency, thread_name_prefix="berth-storage")
    try:
        for piece in work:
            running.add(threads.submit(act, piece))
            while len(running) >= concurrency * _WAITING:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in running:
            future.result()
    except BaseException:
        progress.stop()
        threads.shutdown(wait=True, cancel_futures=True)
        raise
    threads.shutdown()
