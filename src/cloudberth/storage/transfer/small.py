"""Copying an object that fits into memory: one get, one put, one comparison.

It is written once, as a program of calls (calls.py): the lanes run hundreds of them at once on one thread,
and `Copier.copy` runs one to its end on the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from cloudberth.errors import (
    BackendError,
    BucketNotFound,
    CloudberthError,
    CorruptData,
    Kind,
    NotFound,
    PreconditionFailed,
)
from cloudberth.storage.body import Buffer, BytesBody, Reader
from cloudberth.storage.calls import Call, Program
from cloudberth.storage.contract import Attributes, ObjectInfo, Written
from cloudberth.storage.transfer.content import ATTEMPTS, Digests, Verify, fill, looks_like_md5, same_content
from cloudberth.storage.transfer.journal import Status, Work
from cloudberth.storage.transfer.route import (
    CHANGES,
    Changed,
    Outcome,
    Route,
    Stopped,
    Vanished,
    done,
    failed,
    keeps_changing,
    vanished,
    without_metadata,
)
from cloudberth.storage.transfer.rules import Action, same_by_checksum

if TYPE_CHECKING:
    from cloudberth.storage.transfer.large import LargeCopier

T = TypeVar("T")
LARGE = "large"
"""The kind of an outcome that says: it has become too large to be copied like this."""


def run_here(program: Program[T]) -> T:
    """Run a program to its end, one call after the other, on this thread."""
    step: Callable[[], Any] = program.__next__
    while True:
        try:
            backend, call = step()
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            answer = getattr(backend, call.primitive)(*call.arguments)
        except Exception as error:
            step = _throwing(program, error)
        else:
            step = _sending(program, answer)


def _throwing(program: Program[T], error: Exception) -> Callable[[], Any]:
    return lambda: program.throw(error)


def _sending(program: Program[T], answer: Any) -> Callable[[], Any]:
    return lambda: program.send(answer)


class Copier:
    """Copies objects; used by many threads at once."""

    def __init__(self, route: Route, large: LargeCopier) -> None:
        self._route = route
        self._large = large
        self.limit = route.part_size
        """Bytes up to which an object is small."""

    def copy(self, work: Work) -> Outcome:
        """Copy an object of any size; every error of a store becomes an outcome."""
        if work.size <= self.limit:
            with self._route.budget.taking(work.size):
                outcome = run_here(self.program(work))
            if outcome.kind != LARGE:
                return outcome
        return self._outcome_of(work, lambda: self._large_copied(work))

    def _large_copied(self, work: Work) -> Outcome:
        if work.action is Action.COMPARE and self._same(work):
            return Outcome(work, Status.SKIPPED)
        return self._large.copy(work)

    def _outcome_of(self, work: Work, copied: Callable[[], Outcome]) -> Outcome:
        """The same as `program` does around its attempts, for what calls by itself."""
        attempts = _Attempts(work)
        while True:
            try:
                return copied()
            except (CloudberthError, OSError, Changed, Vanished, Stopped) as error:
                outcome = attempts.after(error)
                if outcome is not None:
                    return outcome

    def program(self, work: Work) -> Program[Outcome]:
        """Copy a small object; every error of a store becomes an outcome."""
        attempts = _Attempts(work)
        while True:
            try:
                return (yield from self._copied(work, attempts.match))
            except (CloudberthError, OSError, Changed, Vanished, Stopped) as error:
                outcome = attempts.after(error)
                if outcome is not None:
                    return outcome

    # -- an attempt ------------------------------------------------------------------------------------------

    def _copied(self, work: Work, match: str | None) -> Program[Outcome]:
        route = self._route
        if work.action is Action.COMPARE and self._same(work):
            return Outcome(work, Status.SKIPPED)
        if route.server_side:
            outcome = yield from self._by_server(work)
            if outcome is not None:
                return outcome
        key = route.source_prefix + work.key
        try:
            opened = yield route.source, Call("get", (key, None, match), key)
        except PreconditionFailed:
            raise Changed from None
        except BucketNotFound:
            raise
        except NotFound:
            raise Vanished from None
        info = opened.info
        with opened.reader as reader:
            if info.size > self.limit:
                return Outcome(work, Status.PENDING, kind=LARGE)
            data = self._read(reader, info)
        return (yield from self._put(work, info, data))

    def _read(self, reader: Reader, info: ObjectInfo) -> Buffer:
        """All bytes of an object that is open; when the connection breaks, the rest is asked for again."""
        try:
            return reader.read()
        except BackendError as error:
            if not error.retryable:
                raise
        again = bytearray(info.size)
        fill(self._route.source, info.key, memoryview(again), 0, info.etag)
        return again

    def _put(self, work: Work, info: ObjectInfo, data: Buffer) -> Program[Outcome]:
        route = self._route
        size = len(data)
        if size != info.size:
            raise CorruptData(
                f"{size} bytes came instead of {info.size}", where=f"{route.source.place}/{info.key}"
            )
        digests = Digests(data)
        if info.checksums and digests.agree(info.checksums) is False:
            raise CorruptData(
                "the source's bytes have another checksum than it says",
                where=f"{route.source.place}/{info.key}",
            )
        key = route.target_prefix + work.key
        attributes, lost = route.mapping(info.attributes)
        try:
            written = yield route.target, Call("put", (key, BytesBody(data), attributes), key, size)
        except BackendError as error:
            reduced = without_metadata(attributes, error)
            if reduced is None:
                raise
            written = yield from self._put_reduced(key, data, reduced[0], error)
            lost = (*lost, *reduced[1])
        if route.verify is not Verify.SIZE:
            yield from self._check(key, data, digests, written)
        if route.live_source:
            yield from self._unchanged(info)
        route.moved(size)
        return done(work, size, lost)

    def _put_reduced(
        self, key: str, data: Buffer, attributes: Attributes, error: BackendError
    ) -> Program[Written]:
        try:
            written: Written = yield (
                self._route.target,
                Call("put", (key, BytesBody(data), attributes), key, len(data)),
            )
        except BackendError:
            raise error from None
        return written

    def _check(self, key: str, data: Buffer, digests: Digests, written: Written) -> Program[None]:
        """Raise CorruptData unless the destination has these bytes."""
        target = self._route.target
        agreed: bool | None = None
        if self._route.verify is Verify.CHECKSUM:
            if looks_like_md5(written.etag) and digests.get("md5") == str(written.etag).lower():
                return
            agreed = digests.agree(written.checksums)
            if agreed is None and target.capabilities.checksum is not None:
                agreed = digests.agree((yield target, Call("head", (key,), key)).checksums)
        if agreed is None:
            opened = yield target, Call("get", (key,), key)
            with opened.reader as reader:
                agreed = reader.read() == data
        if not agreed:
            raise CorruptData("the destination has other bytes than were sent", where=f"{target.place}/{key}")

    def _unchanged(self, info: ObjectInfo) -> Program[None]:
        """Raise Changed unless the source's object is still this one."""
        now = yield from self._looked_at(info.key)
        if (now.etag, now.size) != (info.etag, info.size):
            raise Changed

    def _looked_at(self, key: str) -> Program[ObjectInfo]:
        try:
            info: ObjectInfo = yield self._route.source, Call("head", (key,), key)
        except BucketNotFound:
            raise
        except NotFound:
            raise Vanished from None
        return info

    # -- by the server ---------------------------------------------------------------------------------------

    def _by_server(self, work: Work) -> Program[Outcome | None]:
        """Let the server copy; None when it cannot, and the bytes have to go through this machine."""
        route = self._route
        info = yield from self._looked_at(route.source_prefix + work.key)
        if info.size > min(route.capabilities.copy_max, self.limit):
            return None
        try:
            written = yield route.target, route.server_copy(work, info)
        except BackendError as error:
            if error.retryable:
                raise
            route.refused_server_copy(error)
            return None
        yield from self._check_server_copy(work, info, written)
        route.moved(info.size)
        return done(work, info.size, route.mapping(info.attributes)[1])

    def _check_server_copy(self, work: Work, info: ObjectInfo, written: Written) -> Program[None]:
        """Like `LargeCopier.check_server_copy`, which see."""
        route = self._route
        key = route.target_prefix + work.key
        if route.verify is Verify.READ:
            one = yield route.source, Call("get", (info.key,), info.key)
            other = yield route.target, Call("get", (key,), key)
            with one.reader as mine, other.reader as theirs:
                same = mine.read() == theirs.read()
        elif same_by_checksum(info, ObjectInfo(key, info.size, None, written.etag, written.checksums)):
            return
        else:
            there = yield route.target, Call("head", (key,), key)
            same = there.size == info.size and same_by_checksum(info, there) is not False
        yield from self._unchanged(info)
        if not same:
            raise CorruptData("the copy has other bytes", where=f"{route.target.place}/{key}")

    def _same(self, work: Work) -> bool:
        """Whether both sides have the same content. Reads; not for lanes."""
        route = self._route
        mine = route.look(work)
        try:
            theirs = route.target.head(route.target_prefix + work.key)
        except BucketNotFound:
            raise
        except NotFound:
            return False
        vouched = same_by_checksum(mine, theirs)
        return vouched if vouched is not None else same_content(route.source, mine, route.target, theirs)


class _Attempts:
    """What happens after an attempt that failed: another one, or the outcome. match: the etag to ask for."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._changes = self._corrupt = 0
        self.match = work.etag

    def after(self, error: Exception) -> Outcome | None:
        """The outcome; None: try again."""
        if isinstance(error, Changed):
            # It may be another one since the list; what it is now is copied.
            self.match = None
            self._changes += 1
            return keeps_changing(self._work) if self._changes > CHANGES else None
        if isinstance(error, Vanished):
            return vanished(self._work)
        if isinstance(error, Stopped):
            return Outcome(self._work, Status.PENDING)
        if isinstance(error, CorruptData):
            self._corrupt += 1
            return failed(self._work, error) if self._corrupt >= ATTEMPTS else None
        if isinstance(error, CloudberthError):
            return failed(self._work, error)
        return failed(self._work, _of_system(error))


def _of_system(error: Exception) -> CloudberthError:
    """The disk under a place failed: full, read-only, gone."""
    return BackendError(getattr(error, "strerror", None) or str(error), kind=Kind.UNEXPECTED)
