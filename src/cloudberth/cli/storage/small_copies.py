"""Copying many small objects: as programs on the lanes, hundreds of requests at once on one thread.

What is on this machine is read and written in between, at once: handing it to a thread takes longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudberth.cli.storage.jobs import Changes, Job
from cloudberth.errors import CloudberthError, CorruptData, NotFound, PreconditionFailed, Unsupported
from cloudberth.storage.body import BytesBody
from cloudberth.storage.calls import Call, Program
from cloudberth.storage.checksums import Verifier
from cloudberth.storage.contract import Condition, ObjectInfo
from cloudberth.storage.http.backend import HttpBackend
from cloudberth.storage.layers import Layered, bare_backend
from cloudberth.storage.uploads import portable

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

SMALL = 256 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job. copied False without an error: there was one already."""

    job: Job
    copied: bool
    error: Exception | None = None
    counted: int = 0


def suits(job: Job) -> bool:
    """Whether a job belongs here: small, known in size, and over the network."""
    stores = [side.store for side in (job.origin, job.target) if side.store is not None]
    if job.size is None or job.size > SMALL or len(stores) < 2:
        return False
    return any(isinstance(bare_backend(store.backend), HttpBackend) for store in stores)


class SmallCopies:
    """Runs jobs that `suits` says yes to. if_absent: leave what is there. move: delete the source then."""

    def __init__(self, changes: Changes, *, if_absent: bool, move: bool) -> None:
        self._changes = changes
        self._if_absent = if_absent
        self._move = move
        self._by_server = True

    def run(self, jobs: Iterable[Job], concurrency: int) -> Iterator[Done]:
        """What became of each, as they end. Jobs are taken as there is room."""
        from cloudberth.storage.lanes import Lanes

        lanes: Lanes[Done] = Lanes(concurrency)
        return lanes.run((job.size or 0, self._kept(job)) for job in jobs)

    def _kept(self, job: Job) -> Program[Done]:
        try:
            return (yield from self._one(job, job.origin.opened_store, job.target.opened_store))
        except PreconditionFailed as error:
            return Done(job, False, None if self._if_absent else error)
        except (CloudberthError, OSError) as error:
            return Done(job, False, error)

    def _one(self, job: Job, origin: Storage, target: Storage) -> Program[Done]:
        source, key = origin.prefix + job.source, target.prefix + job.key
        if self._if_absent and (yield from self._exists(target, key)):
            return Done(job, False)
        size = 0
        if not (yield from self._copied_by_server(origin, source, target, key)):
            size = yield from self._through_here(origin, source, target, key)
        if self._move:
            for failure in (yield from _made(origin, Call("delete", ([source],), source))):
                raise failure.error
        return Done(job, True, counted=size)

    def _exists(self, target: Storage, key: str) -> Program[bool]:
        try:
            yield from _made(target, Call("head", (key,), key))
        except NotFound:
            return False
        return True

    def _copied_by_server(self, origin: Storage, source: str, target: Storage, key: str) -> Program[bool]:
        if not self._by_server or origin.type != target.type or not target.capabilities.copy_max:
            return False
        attributes = None
        if self._changes:
            info: ObjectInfo = yield from _made(origin, Call("head", (source,), source))
            attributes = self._changes.upon(info.attributes, target)
        try:
            arguments = (bare_backend(origin.backend), source, key, attributes)
            yield from _made(target, Call("copy_from", arguments, key))
        except Unsupported:
            self._by_server = False
            return False
        return True

    def _through_here(self, origin: Storage, source: str, target: Storage, key: str) -> Program[int]:
        opened = yield from _made(origin, Call("get", (source,), source))
        info: ObjectInfo = opened.info
        with opened.reader as reader:
            data = reader.read()
        where = f"{origin.backend.place}/{source}"
        if len(data) != info.size:
            raise CorruptData(f"{len(data)} bytes came instead of {info.size}", where=where)
        if origin.options.verify and (verifier := Verifier.of(info.checksums, info.size)):
            verifier.update(data)
            verifier.check(where)
        attributes = portable(info.attributes, origin.capabilities, target.capabilities)
        if self._changes:
            attributes = self._changes.upon(attributes, target)
        condition = Condition(absent=self._if_absent and "absent" in target.capabilities.conditional)
        put = Call("put", (key, BytesBody(data), attributes, condition), key, len(data))
        yield from _made(target, put)
        return len(data)


def _made(store: Storage, call: Call) -> Program[Any]:
    """The value of a call: over the network in its turn, on this machine at once."""
    backend = store.backend
    if isinstance(bare_backend(backend), HttpBackend) and isinstance(backend, Layered):
        return (yield backend, call)
    return getattr(backend, call.primitive)(*call.arguments)
