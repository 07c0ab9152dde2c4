"""What every copy of one transfer shares: both ends, what is verified, how much memory parts may take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CloudberthError,
    Kind,
    NotFound,
)
from cloudberth.storage.calls import Call
from cloudberth.storage.contract import MIB, Attributes, Backend, Capabilities, ObjectInfo, Part
from cloudberth.storage.layers import Layered
from cloudberth.storage.transfer.content import Verify
from cloudberth.storage.transfer.journal import Status, Upload, Work
from cloudberth.storage.transfer.mapping import AttributeMapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudberth.storage.storage import Storage

BUFFERS = 64 * MIB
LANES_UP_TO = 512 * 1024
"""Bytes of an object that goes through the lanes; hashing a larger one would hold the others up."""
# What is this small is not worth counting.
_UNCOUNTED = 256 * 1024
CHANGES = 3
# Types that give bytes of files which others may be writing to: the object is looked at again afterwards.
_LIVE = frozenset({"local", "opendal"})


class Changed(Exception):
    """The source's object is not the one that was expected any more."""


class Vanished(Exception):
    """The source has no such object any more."""


class Stopped(Exception):
    """The transfer was asked to stop."""


class Outcome(NamedTuple):
    """What became of one line of the plan. bytes: that were moved. note: what a report should say."""

    work: Work
    status: Status
    bytes: int = 0
    error: CloudberthError | None = None
    kind: str | None = None
    note: str | None = None


class PartJournal(Protocol):
    """Where the progress of large objects is kept; the journal, or what stands for it on another machine."""

    def upload(self, work: int) -> Upload | None: ...
    def begin_upload(self, work: int, upload: str, part_size: int, size: int, etag: str | None) -> None: ...
    def part_done(self, work: int, part: Part, digest: str) -> None: ...
    def end_upload(self, work: int) -> None: ...


class Budget:
    """Bytes that may be in memory at once. One that is larger than all of it goes alone."""

    def __init__(self, limit: int = BUFFERS) -> None:
        self._limit = limit
        self._used = 0
        self._free = threading.Condition()
        self._spare: list[bytearray] = []

    def taking(self, size: int) -> AbstractContextManager[None]:
        """Wait until so many bytes are free, and give them back afterwards."""
        return nullcontext() if size <= _UNCOUNTED else self._taking(size)

    @contextmanager
    def _taking(self, size: int) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._free:
                self._used -= size
                self._free.notify_all()

    @contextmanager
    def buffer(self, size: int) -> Iterator[memoryview]:
        """A buffer of so many bytes; buffers are used again, because new ones have to be zeroed."""
        with self._taking(size):
            whole = self._taken(size)
            view = memoryview(whole)[:size]
            try:
                yield view
            finally:
                view.release()
                with self._free:
                    self._spare.append(whole)

    def _taken(self, size: int) -> bytearray:
        """A spare buffer, else a new one for which spare ones go: together they keep to the limit."""
        with self._free:
            for at, spare in enumerate(self._spare):
                if len(spare) >= size:
                    return self._spare.pop(at)
            while self._spare and self._used + sum(map(len, self._spare)) > self._limit:
                self._spare.pop()
        return bytearray(size)


def layered(backend: Backend) -> Layered:
    """The backend of a storage, which always has its layers."""
    assert isinstance(backend, Layered)
    return backend


class Route:
    """From one storage to another. server_side: whether the destination's server may still be asked to
    copy.
    """

    def __init__(
        self,
        source: Storage,
        target: Storage,
        *,
        verify: Verify = Verify.CHECKSUM,
        server_side: bool = True,
        budget: Budget | None = None,
        stop: threading.Event | None = None,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        self.source = layered(source.backend)
        self.target = layered(target.backend)
        self.source_prefix = source.prefix
        self.target_prefix = target.prefix
        self.part_size = target.options.part_size
        self.concurrency = min(source.options.concurrency, target.options.concurrency)
        self.verify = verify
        self.same_backend = self.source is self.target
        self.server_side = server_side and source.type == target.type and target.capabilities.copy_max > 0
        self.budget = budget or Budget()
        self.stop = stop or threading.Event()
        self.moved = moved or (lambda _count: None)
        self.mapping = AttributeMapping(source.capabilities, target.capabilities)
        self.live_source = source.type in _LIVE

    @property
    def capabilities(self) -> Capabilities:
        """Of the destination."""
        return self.target.capabilities

    def look(self, work: Work) -> ObjectInfo:
        """The source's object without its bytes. Raises Vanished."""
        try:
            return self.source.head(self.source_prefix + work.key)
        except BucketNotFound:
            raise
        except NotFound:
            raise Vanished from None

    def unchanged(self, work: Work, info: ObjectInfo) -> None:
        """Raise Changed unless the source's object is still this one."""
        now = self.look(work)
        if (now.etag, now.size) != (info.etag, info.size):
            raise Changed

    def server_copy(self, work: Work, info: ObjectInfo) -> Call:
        """The call with which the destination's server copies an object."""
        attributes, _ = self.mapping(info.attributes)
        same = attributes == info.attributes and info.attributes.storage_class is None
        chosen = None if same else attributes
        key = self.target_prefix + work.key
        if self.same_backend:
            return Call("copy", (info.key, key, chosen), key)
        return Call("copy_from", (self.source.inner, info.key, key, chosen), key)

    def refused_server_copy(self, error: BackendError) -> None:
        """The server cannot, or may not, copy: it is not asked again when that holds for every object."""
        if error.kind in {Kind.UNSUPPORTED, Kind.PERMISSION}:
            self.server_side = False


def without_metadata(
    attributes: Attributes, error: BackendError
) -> tuple[Attributes, tuple[str, ...]] | None:
    """What to try when a destination refused an object for what may be its metadata; None: that is not it."""
    if not attributes.metadata or error.kind not in {Kind.INVALID, Kind.UNSUPPORTED}:
        return None
    return replace(attributes, metadata={}), ("metadata " + ", ".join(sorted(attributes.metadata)),)


def done(work: Work, size: int, lost: tuple[str, ...]) -> Outcome:
    """It was moved; lost: what the destination has no place for."""
    if not lost:
        return Outcome(work, Status.DONE, size)
    return Outcome(work, Status.DONE, size, kind="incomplete", note="not kept: " + "; ".join(lost))


def failed(work: Work, error: CloudberthError) -> Outcome:
    """It was not; whether trying again can help is the error's to say."""
    again = isinstance(error, BackendError) and (error.retryable or _passing(error))
    kind = error.kind.value if isinstance(error, BackendError) else Kind.INVALID.value
    note = f"{error}" + (f" ({error.hint})" if error.hint else "")
    return Outcome(work, Status.RETRY if again else Status.FAILED, 0, error, kind, note)


def _passing(error: BackendError) -> bool:
    """Credentials that expired and buckets that are gone say nothing about the object."""
    from cloudberth.errors import ExpiredCredentials, WrongRegion

    return isinstance(error, ExpiredCredentials | BucketNotFound | WrongRegion)


def vanished(work: Work) -> Outcome:
    return Outcome(
        work, Status.SKIPPED, kind="vanished", note="it was deleted at the source since it was listed"
    )


def keeps_changing(work: Work) -> Outcome:
    return Outcome(
        work,
        Status.FAILED,
        kind="changing",
        note=f"it changed at the source {CHANGES} times while it was copied",
    )
