"""Copying an object that fits into memory: one get, one put, one comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudberth.errors import BackendError, BucketNotFound, CloudberthError, CorruptData, Kind, NotFound
from cloudberth.storage.body import Buffer, BytesBody, Reader
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


class Copier:
    """Copies one object after the other; used by many threads at once."""

    def __init__(self, route: Route, large: LargeCopier) -> None:
        self._route = route
        self._large = large
        self.limit = route.part_size
        """Bytes up to which an object is small."""

    def copy(self, work: Work) -> Outcome:
        """Copy an object, whatever it takes; every error of a store becomes an outcome."""
        match = work.etag
        changes = corrupt = 0
        while True:
            try:
                return self._copied(work, match)
            except Changed:
                # It may be another one since the list; what it is now is copied.
                match = None
                changes += 1
                if changes > CHANGES:
                    return keeps_changing(work)
            except Vanished:
                return vanished(work)
            except Stopped:
                return Outcome(work, Status.PENDING)
            except CloudberthError as error:
                corrupt += 1
                if not isinstance(error, CorruptData) or corrupt >= ATTEMPTS:
                    return failed(work, error)
            except OSError as error:
                return failed(work, _of_system(error))

    def _copied(self, work: Work, match: str | None) -> Outcome:
        route = self._route
        if work.action is Action.COMPARE and self._same(work):
            return Outcome(work, Status.SKIPPED)
        if work.size > self.limit:
            return self._large.copy(work)
        if route.server_side and (outcome := self._by_server(work)) is not None:
            return outcome
        with route.budget.taking(work.size):
            opened = route.open(work, match)
            info = opened.info
            with opened.reader as reader:
                if info.size > self.limit:
                    reader.close()
                    return self._large.copy(work)
                data = self._read(reader, info)
            return self._put(work, info, data)

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

    def _put(self, work: Work, info: ObjectInfo, data: Buffer) -> Outcome:
        route = self._route
        key = route.target_prefix + work.key
        if len(data) != info.size:
            raise CorruptData(
                f"{len(data)} bytes came instead of {info.size}", where=f"{route.source.place}/{info.key}"
            )
        digests = Digests(data)
        if info.checksums and digests.agree(info.checksums) is False:
            raise CorruptData(
                "the source's bytes have another checksum than it says",
                where=f"{route.source.place}/{info.key}",
            )
        attributes, lost = route.mapping(info.attributes)
        try:
            written = route.target.put(key, BytesBody(data), attributes)
        except BackendError as error:
            reduced = without_metadata(attributes, error)
            if reduced is None:
                raise
            written, lost = self._put_reduced(key, data, *reduced, error), (*lost, *reduced[1])
        if route.verify is not Verify.SIZE:
            self._check(key, data, digests, written)
        if route.live_source:
            route.unchanged(work, info)
        route.moved(len(data))
        return done(work, len(data), lost)

    def _put_reduced(
        self, key: str, data: Buffer, attributes: Attributes, _lost: tuple[str, ...], error: BackendError
    ) -> Written:
        try:
            return self._route.target.put(key, BytesBody(data), attributes)
        except BackendError:
            raise error from None

    def _check(self, key: str, data: Buffer, digests: Digests, written: Written) -> None:
        """Raise CorruptData unless the destination has these bytes."""
        target = self._route.target
        agreed: bool | None = None
        if self._route.verify is Verify.CHECKSUM:
            agreed = digests.agree(written.checksums)
            if agreed is None and looks_like_md5(written.etag):
                agreed = True if digests.get("md5") == str(written.etag).lower() else None
            if agreed is None and target.capabilities.checksum is not None:
                agreed = digests.agree(target.head(key).checksums)
        if agreed is None:
            with target.get(key).reader as reader:
                agreed = reader.read() == data
        if not agreed:
            raise CorruptData("the destination has other bytes than were sent", where=f"{target.place}/{key}")

    def _by_server(self, work: Work) -> Outcome | None:
        """Let the server copy; None when it cannot, and the bytes have to go through this machine."""
        route = self._route
        info = route.look(work)
        if info.size > route.capabilities.copy_max:
            return None
        answer = route.copied_by_server(work, info)
        if answer is None:
            return None
        written, lost = answer
        self._large.check_server_copy(work, info, written)
        route.moved(info.size)
        return done(work, info.size, lost)

    def _same(self, work: Work) -> bool:
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


def _of_system(error: OSError) -> CloudberthError:
    """The disk under a place failed: full, read-only, gone."""
    return BackendError(error.strerror or str(error), kind=Kind.UNEXPECTED)
