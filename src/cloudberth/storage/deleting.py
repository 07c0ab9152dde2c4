"""Deleting any number of keys, by batches, several batches at once, with constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice

from cloudberth.errors import BackendError
from cloudberth.storage.contract import Backend, DeleteFailure

BATCH = 1000
_AHEAD = 4


def delete(backend: Backend, keys: Iterable[str], threads: Executor) -> int:
    """Delete keys; how many. Raises the error of the first that cannot be deleted, after trying all."""
    count = 0
    failures: list[DeleteFailure] = []
    running: deque[Future[Sequence[DeleteFailure]]] = deque()
    for batch in _batches(keys):
        count += len(batch)
        if len(batch) < BATCH and not running:
            failures += backend.delete(batch)
            continue
        running.append(threads.submit(backend.delete, batch))
        if len(running) >= _AHEAD:
            failures += running.popleft().result()
    for future in running:
        failures += future.result()
    if failures:
        _raise(failures)
    return count


def _raise(failures: Sequence[DeleteFailure]) -> None:
    first = failures[0].error
    if isinstance(first, BackendError):
        first.add_note(f"{len(failures)} objects could not be deleted, {failures[0].key!r} is the first")
    raise first


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        yield batch
