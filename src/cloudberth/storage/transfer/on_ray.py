"""Copying by the workers of a Ray cluster: the plan and the journal stay here, shards of the keys go there.

The plan is in the order of keys, so a run of its lines is a range of keys: a shard. A worker copies its shard
with the same code as this process would, and streams back what became of each object and each part; only this
process writes the journal. A worker that dies loses nothing but what it had not told yet: those objects are
tried again.

Workers open both stores themselves, from a `Place`: it takes the variables with the credentials along,
through Ray's own channels (which are encrypted when the cluster uses TLS), never in a name or a log.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cloudberth.errors import BackendError, CloudberthError, Kind, Unavailable
from cloudberth.extras import late_import
from cloudberth.storage.contract import Part
from cloudberth.storage.options import Options
from cloudberth.storage.transfer.content import Verify
from cloudberth.storage.transfer.crew import unordered
from cloudberth.storage.transfer.journal import Journal, Status, Upload, Work
from cloudberth.storage.transfer.large import LargeCopier
from cloudberth.storage.transfer.route import Outcome, Route, failed
from cloudberth.storage.transfer.small import Copier

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

SHARD_OBJECTS = 500
SHARD_BYTES = 256 * 1024 * 1024
_TELL_SECONDS = 0.5
_POLL_SECONDS = 1.0
_CONNECT_SECONDS = 10.0
Event = tuple[Any, ...]
"""What a worker tells: ("outcome", …), ("begin", …), ("part", …), ("end", …)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store as another process opens it: settings by their field's name, of a type of the registry."""

    type: str
    values: Mapping[str, Any] = field(repr=False)
    prefix: str
    options: Options

    def open(self, *, share: int = 1) -> Storage:
        """Open it; limits of bandwidth and requests are divided by `share`, so that all workers keep to
        them.
        """
        from cloudberth.storage.registry import backend_class
        from cloudberth.storage.storage import Storage

        kind = backend_class(self.type)
        limits = {
            name: value / share
            for name in ("bandwidth", "request_rate")
            if (value := getattr(self.options, name)) is not None
        }
        options = replace(self.options, **limits)
        return Storage(kind.open(kind.settings.checked(self.values), options), options, prefix=self.prefix)


@dataclass(frozen=True, slots=True)
class Shard:
    """A range of keys for one worker. uploads: of large objects that were begun before, by line of the
    plan.
    """

    works: tuple[Work, ...]
    uploads: Mapping[int, Upload]


@dataclass(frozen=True, slots=True)
class _Task:
    """What is the same for all shards of a transfer."""

    source: Place
    target: Place
    share: int
    verify: Verify
    server_side: bool


class RayCopying:
    """Makes `copy_objects` for an Executor; `address` is that of an existing cluster (``auto``,
    ``ray://host:port``).

    Raises InvalidInput when Ray is not installed, Unavailable when there is no such cluster.
    """

    def __init__(self, source: Place, target: Place, *, address: str = "auto") -> None:
        self._places = source, target
        self._address = address

    def __call__(self, route: Route, journal: Journal) -> Callable[[Iterable[Work]], Iterator[Outcome]]:
        ray = late_import("ray", extra="ray", needed_for="copying with a Ray cluster")
        if not ray.is_initialized():
            try:
                _reachable(self._address)
                ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise Unavailable(
                    f"there is no Ray cluster: {first}", where=self._address,
                    hint="start one with `ray start --head`, or name another with --ray-address",
                ) from None  # fmt: skip
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        task = _Task(*self._places, workers, route.verify, route.server_side)
        return _Driver(ray, task, workers, route, journal).copy_objects


def _reachable(address: str) -> None:
    """Raise ConnectionError when nobody listens there; Ray itself would ask for minutes."""
    host, colon, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if colon and port.isdigit():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
            pass


class _Driver:
    """Hands out shards, hears what becomes of them, keeps the journal."""

    def __init__(self, ray: Any, task: _Task, workers: int, route: Route, journal: Journal) -> None:
        self._ray = ray
        self._task = ray.put(task)
        self._workers = workers
        self._route = route
        self._journal = journal
        self._copy = ray.remote(num_cpus=1, max_retries=0)(copy_shard).options(num_returns="streaming")

    def copy_objects(self, works: Iterable[Work]) -> Iterator[Outcome]:
        """Copy objects of any size."""
        rest = self._shards(works)
        running: dict[Any, dict[int, Work]] = {}
        more = True
        cancelled = False
        while True:
            while more and len(running) < 2 * self._workers and not self._route.stop.is_set():
                shard = next(rest, None)
                if shard is None:
                    more = False
                    break
                running[self._copy.remote(self._task, shard)] = {work.id: work for work in shard.works}
            if not running:
                return
            if self._route.stop.is_set() and not cancelled:
                cancelled = True
                for generator in running:
                    self._ray.cancel(generator)
            ready, _ = self._ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS, fetch_local=False)
            for generator in ready:
                yield from self._heard(generator, running)

    def _heard(self, generator: Any, running: dict[Any, dict[int, Work]]) -> Iterator[Outcome]:
        open_works = running[generator]
        try:
            events: Sequence[Event] = self._ray.get(next(generator))
        except StopIteration:
            events = ()
            del running[generator]
        except self._ray.exceptions.RayError as error:
            del running[generator]
            if not self._route.stop.is_set():
                trouble = Unavailable(f"a worker of the cluster failed: {_first_line(error)}")
                yield from (failed(work, trouble) for work in open_works.values())
            return
        for event in events:
            outcome = self._apply(event, open_works)
            if outcome is not None:
                yield outcome

    def _apply(self, event: Event, open_works: dict[int, Work]) -> Outcome | None:
        kind, number, *rest = event
        if kind == "begin":
            self._journal.begin_upload(number, *rest)
        elif kind == "part":
            self._journal.part_done(number, *rest)
        elif kind == "end":
            self._journal.end_upload(number)
        else:
            work = open_works.pop(number)
            outcome = _outcome(work, *rest)
            self._route.moved(outcome.bytes)
            return outcome
        return None

    def _shards(self, works: Iterable[Work]) -> Iterator[Shard]:
        chosen: list[Work] = []
        size = 0
        for work in works:
            chosen.append(work)
            size += work.size
            if len(chosen) >= SHARD_OBJECTS or size >= SHARD_BYTES:
                yield self._shard(chosen)
                chosen, size = [], 0
        if chosen:
            yield self._shard(chosen)

    def _shard(self, works: list[Work]) -> Shard:
        uploads = {
            work.id: upload
            for work in works
            if work.size > self._route.part_size and (upload := self._journal.upload(work.id)) is not None
        }
        return Shard(tuple(works), uploads)


# -- in the worker -------------------------------------------------------------------------------------------


class _Telling:
    """The journal of a worker: it knows the uploads of its shard, and tells the driver of everything new."""

    def __init__(self, shard: Shard) -> None:
        self._uploads = dict(shard.uploads)
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def upload(self, work: int) -> Upload | None:
        return self._uploads.get(work)

    def begin_upload(self, work: int, upload: str, part_size: int, size: int, etag: str | None) -> None:
        self._uploads[work] = Upload(upload, part_size, size, etag, {})
        self.events.put(("begin", work, upload, part_size, size, etag))

    def part_done(self, work: int, part: Part, digest: str) -> None:
        self.events.put(("part", work, part, digest))

    def end_upload(self, work: int) -> None:
        self._uploads.pop(work, None)
        self.events.put(("end", work))


def copy_shard(task: _Task, shard: Shard) -> Iterator[list[Event]]:
    """Copy a shard; what became of it comes as it happens, at least twice a second."""
    telling = _Telling(shard)
    stop = threading.Event()
    ended = threading.Event()

    def work() -> None:
        try:
            _copy_all(task, shard, telling, stop)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            last = ended.wait(_TELL_SECONDS)
            events = list(_drained(telling.events))
            if events:
                yield events
            if last and telling.events.empty():
                return
    finally:
        stop.set()


def _copy_all(task: _Task, shard: Shard, telling: _Telling, stop: threading.Event) -> None:
    def tell(outcome: Outcome) -> None:
        again = isinstance(outcome.error, BackendError) and outcome.error.retryable
        telling.events.put(
            ("outcome", outcome.work.id, int(outcome.status), outcome.bytes, outcome.kind, outcome.note,
             outcome.error is not None, again)
        )  # fmt: skip

    try:
        with task.source.open(share=task.share) as source, task.target.open(share=task.share) as target:
            route = Route(source, target, verify=task.verify, server_side=task.server_side, stop=stop)
            copier = Copier(route, LargeCopier(route, telling))
            for outcome in unordered(copier.copy, shard.works, threads=route.concurrency, stop=stop):
                tell(outcome)
    except CloudberthError as error:
        for one in shard.works:
            tell(failed(one, error))


def _drained(events: queue.SimpleQueue[Event]) -> Iterator[Event]:
    until = time.monotonic() + _TELL_SECONDS
    while time.monotonic() < until:
        try:
            yield events.get_nowait()
        except queue.Empty:
            return


def _outcome(
    work: Work, status: int, size: int, kind: str | None, note: str | None, is_error: bool, retryable: bool
) -> Outcome:
    """What a worker told, as an outcome again; errors travel as their words."""
    error = BackendError(note or "", kind=_kind(kind), retryable=retryable) if is_error else None
    return Outcome(work, Status(status), size, error, kind, note)


def _kind(text: str | None) -> Kind:
    try:
        return Kind(text or "")
    except ValueError:
        return Kind.UNEXPECTED


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
