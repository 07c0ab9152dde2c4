"""Threads that work through a stream: bounded, in any order, stopped by an event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def unordered(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    threads: int,
    stop: threading.Event,
    chunk: int = 1,
) -> Iterator[Result]:
    """The results of a function for every job, as they come. After `stop` no new job is begun.

    The jobs are taken from their iterator on the caller's thread, at most two chunks a thread ahead. An
    exception of the function is raised here, once what was under way has ended. The threads are daemons: they
    keep no process alive.
    """
    todo: SimpleQueue[list[Job] | None] = SimpleQueue()
    finished: SimpleQueue[list[Result]] = SimpleQueue()
    failures: list[BaseException] = []

    def work() -> None:
        while (piece := todo.get()) is not None:
            try:
                finished.put([function(job) for job in piece if not (stop.is_set() or failures)])
            except BaseException as error:
                failures.append(error)
                finished.put([])

    rest = iter(jobs)
    started = running = 0
    more = True
    try:
        while True:
            while more and running < 2 * threads and not (stop.is_set() or failures):
                piece = list(islice(rest, chunk))
                if not piece:
                    more = False
                    break
                if started < threads:
                    threading.Thread(target=work, daemon=True, name="cloudberth-transfer").start()
                    started += 1
                todo.put(piece)
                running += 1
            if not running:
                break
            results = finished.get()
            running -= 1
            yield from results
        if failures:
            raise failures[0]
    finally:
        for _ in range(started):
            todo.put(None)
