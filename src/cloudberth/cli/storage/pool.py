"""Pieces of work on threads, beside what the caller does; Ctrl-C ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from cloudberth.cli.storage.progress import Progress

_WAITING = 64


class Pool:
    """Threads that take work in the order in which it comes."""

    def __init__(self, concurrency: int) -> None:
        self._most = concurrency * _WAITING
        self._running: set[Future[None]] = set()
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="berth-storage")

    def add(self, act: Callable[[], None]) -> None:
        """Do it when there is a thread; waits itself when very much is waiting. Raises an earlier error."""
        self._running.add(self._threads.submit(act))
        while len(self._running) >= self._most:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()

    def finish(self) -> None:
        """Wait for all of it. Raises the first error."""
        for future in self._running:
            future.result()
        self._threads.shutdown()

    def give_up(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)


@contextmanager
def running(concurrency: int, progress: Progress) -> Iterator[Pool]:
    """A pool whose work is done at the end of the context, or given up after an error."""
    pool = Pool(concurrency)
    try:
        yield pool
        pool.finish()
    except BaseException:
        progress.stop()
        pool.give_up()
        raise
