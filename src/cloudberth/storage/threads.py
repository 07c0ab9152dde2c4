"""Many calls at once for backends that block: a thread for each, with the same rules as the lanes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudberth.errors import BackendError
from cloudberth.storage.body import BytesReader
from cloudberth.storage.calls import Call, Outcome, Rules

if TYPE_CHECKING:
    from cloudberth.storage.contract import Backend


def many_on_threads(backend: Backend, calls: Iterable[Call], rules: Rules, width: int) -> Iterator[Outcome]:
    """Outcomes as they come."""
    source = iter(calls)
    running: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(width, thread_name_prefix="cloudberth-many") as threads:
        while True:
            while len(running) < 2 * width and (call := next(source, None)) is not None:
                running.add(threads.submit(_attempts, backend, call, rules))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _attempts(backend: Backend, call: Call, rules: Rules) -> Outcome:
    """One call with its repeats."""
    began = time.monotonic()
    attempt = 1
    while True:
        time.sleep(rules.before(call))
        try:
            value = _made(backend, call)
        except BackendError as error:
            seconds = rules.failed(call, error, attempt, time.monotonic() - began)
            if seconds is None:
                return Outcome(call, None, error)
            time.sleep(seconds)
            attempt += 1
        except Exception as error:
            return Outcome(call, None, error)
        else:
            rules.succeeded(call, time.monotonic() - began)
            return Outcome(call, value)


def _made(backend: Backend, call: Call) -> object:
    value = getattr(backend, call.primitive)(*call.arguments)
    if call.primitive != "get":
        return value
    with value.reader:
        return replace(value, reader=BytesReader(value.reader.read()))
