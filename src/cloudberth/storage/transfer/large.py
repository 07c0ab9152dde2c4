"""Copying an object that does not fit into memory: parts in parallel, begun again where they were.

A part's digest is kept beside it in the journal. It is the MD5 when the store answered with that as the
part's etag (then the store has proved that it holds these bytes), else the SHA-256, with which the part is
read again at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudberth.errors import BackendError, CorruptData, NotFound, PreconditionFailed, Unsupported
from cloudberth.storage.body import Buffer, BytesBody
from cloudberth.storage.checksums import PREFERENCE
from cloudberth.storage.contract import MIB, Attributes, Checksum, ObjectInfo, Part, Span, Written
from cloudberth.storage.transfer.content import (
    ATTEMPTS,
    SourceBody,
    Verify,
    computable,
    digest,
    fill,
    hashed,
    looks_like_md5,
)
from cloudberth.storage.transfer.crc import POLYNOMIALS, combined
from cloudberth.storage.transfer.crew import unordered
from cloudberth.storage.transfer.journal import Work
from cloudberth.storage.transfer.route import (
    Changed,
    Outcome,
    PartJournal,
    Route,
    Stopped,
    Vanished,
    done,
    without_metadata,
)
from cloudberth.storage.transfer.rules import same_by_checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

# A part over this goes through without being held: 64 MiB of buffers are for many parts, not for one.
_HELD = 32 * MIB
PARTS_AT_ONCE = 8
Digests = Mapping[int, tuple[Part, str]]


@dataclass(slots=True)
class _Job:
    """One object under way."""

    work: Work
    info: ObjectInfo
    key: str
    upload: str
    part_size: int
    attributes: Attributes
    parts: dict[int, tuple[Part, str]] = field(default_factory=dict)

    def span(self, number: int) -> Span:
        start = (number - 1) * self.part_size
        return Span(start, min(self.part_size, self.info.size - start))

    @property
    def numbers(self) -> range:
        return range(1, -(-self.info.size // self.part_size) + 1)

    @property
    def ordered(self) -> list[tuple[Part, str]]:
        return [self.parts[number] for number in sorted(self.parts)]


class LargeCopier:
    """Copies one large object at a time for each caller; memory is bounded by the route's budget."""

    def __init__(self, route: Route, journal: PartJournal) -> None:
        self._route = route
        self._journal = journal
        checksum = route.capabilities.checksum
        self._whole: Checksum | None = (
            checksum if checksum in POLYNOMIALS and checksum and computable(checksum) else None
        )

    def copy(self, work: Work) -> Outcome:
        """Copy an object. Raises Changed, Vanished, Stopped and the errors of both stores."""
        route = self._route
        info = route.look(work)
        attributes, lost = route.mapping(info.attributes)
        try:
            if route.server_side and (outcome := self._by_server(work, info, attributes, lost)) is not None:
                return outcome
            return self._through(work, info, attributes, lost)
        except BackendError as error:
            reduced = without_metadata(attributes, error)
            if reduced is None:
                if not error.retryable:
                    with suppress(BackendError):
                        self._abandon(work)
                raise
            self._abandon(work)
            return self._through(work, info, reduced[0], (*lost, *reduced[1]))

    def _through(
        self, work: Work, info: ObjectInfo, attributes: Attributes, lost: tuple[str, ...]
    ) -> Outcome:
        """Through this machine."""
        if self._route.capabilities.multipart and info.size:
            self._in_parts(work, info, attributes)
        else:
            self._in_one(work, info, attributes)
            self._route.unchanged(work, info)
        return done(work, info.size, lost)

    # -- in one request --------------------------------------------------------------------------------------

    def _in_one(self, work: Work, info: ObjectInfo, attributes: Attributes) -> None:
        route = self._route
        key = route.target_prefix + work.key
        wanted: set[Checksum] = {"sha256"}
        wanted |= {
            name for name in (route.capabilities.checksum, *info.checksums) if name and computable(name)
        }
        counted = route.moved
        if route.same_backend:
            # Reading inside of writing would wait for ever for a slot of the same client.
            self._over_disk(info, key, attributes)
            return
        body = SourceBody(route.source, info, tuple(wanted), counted)
        written = self._matching(lambda: route.target.put(key, body, attributes))
        self._compare(body.digests, info.checksums, f"{route.source.place}/{info.key}")
        if route.verify is Verify.SIZE:
            return
        vouched = written.checksums or (
            route.target.head(key).checksums if route.capabilities.checksum is not None else {}
        )
        known = route.verify is Verify.CHECKSUM and self._compare(
            body.digests, vouched, f"{route.target.place}/{key}"
        )
        if not known and hashed(route.target, key, info.size) != body.digests["sha256"]:
            raise _other_bytes(f"{route.target.place}/{key}")

    def _over_disk(self, info: ObjectInfo, key: str, attributes: Attributes) -> None:
        from pathlib import Path
        from tempfile import NamedTemporaryFile

        from cloudberth.storage.body import FileBody
        from cloudberth.storage.transfer.content import read_again

        route = self._route
        with NamedTemporaryFile(prefix="berth-") as file:
            for piece in read_again(route.source, info.key, info.size, None, info.etag):
                file.write(piece)
            file.flush()
            self._matching(lambda: route.target.put(key, FileBody(Path(file.name)), attributes))
        route.moved(info.size)
        if route.verify is not Verify.SIZE and hashed(route.source, info.key, info.size) != hashed(
            route.target, key, info.size
        ):
            raise _other_bytes(f"{route.target.place}/{key}")

    @staticmethod
    def _matching(call: Callable[[], Written]) -> Written:
        """A put whose body comes from the source: that it has another etag now means that it changed."""
        try:
            return call()
        except PreconditionFailed:
            raise Changed from None

    @staticmethod
    def _compare(digests: Mapping[Checksum, str], vouched: Mapping[Checksum, str], where: str) -> bool:
        """Whether a checksum could be compared. Raises CorruptData when it is another one."""
        for name, expected in vouched.items():
            found = digests.get(name)
            if found is not None:
                if found != expected.lower():
                    raise CorruptData(f"the {name} is {expected}, not {found}", where=where)
                return True
        return False

    # -- in parts --------------------------------------------------------------------------------------------

    def _in_parts(self, work: Work, info: ObjectInfo, attributes: Attributes) -> None:
        job = self._resumed(work, info, attributes) or self._begun(work, info, attributes)
        # What an earlier run sent counts as moved.
        self._route.moved(sum(part.size for part, _ in job.parts.values()))
        todo = [number for number in job.numbers if number not in job.parts]
        try:
            for part, found in unordered(
                lambda number: self._part(job, number), todo, threads=PARTS_AT_ONCE, stop=self._route.stop
            ):
                job.parts[part.number] = part, found
            if len(job.parts) < len(job.numbers):
                raise Stopped
            self._route.unchanged(work, info)
        except (PreconditionFailed, Changed, Vanished):
            self._abandon(work)
            raise Changed from None
        self._finish(job)

    def _finish(self, job: _Job) -> None:
        route = self._route
        written = route.target.finish_upload(
            job.key, job.upload, [part for part, _ in job.ordered], job.attributes
        )
        if route.verify is not Verify.SIZE:
            try:
                self._check(job, written)
            except CorruptData:
                self._journal.end_upload(job.work.id)
                raise
        self._journal.end_upload(job.work.id)

    def _begun(self, work: Work, info: ObjectInfo, attributes: Attributes) -> _Job:
        key = self._route.target_prefix + work.key
        upload = self._route.target.start_upload(key, attributes)
        size = self._part_size(info.size)
        self._journal.begin_upload(work.id, upload, size, info.size, info.etag)
        return _Job(work, info, key, upload, size, attributes)

    def _part_size(self, size: int) -> int:
        limits = self._route.capabilities
        least = max(self._route.part_size, limits.part_min, -(-size // limits.max_parts))
        return min(-(-least // MIB) * MIB, limits.part_max)

    def _resumed(self, work: Work, info: ObjectInfo, attributes: Attributes) -> _Job | None:
        """The upload of an earlier run, with the parts that both it and the store know; None: start anew."""
        known = self._journal.upload(work.id)
        if known is None:
            return None
        if (known.size, known.etag) != (info.size, info.etag):
            self._abandon(work)
            return None
        key = self._route.target_prefix + work.key
        try:
            there = {part.number: part for part in self._route.target.list_parts(key, known.upload)}
        except NotFound:
            self._journal.end_upload(work.id)
            return None
        except Unsupported:
            there = {number: part for number, (part, _) in known.parts.items()}
        job = _Job(work, info, key, known.upload, known.part_size, attributes)
        for number, (part, found) in known.parts.items():
            has = there.get(number)
            if has is not None and has.etag == part.etag and has.size == part.size == job.span(number).length:
                job.parts[number] = part, found
        return job

    def _abandon(self, work: Work) -> None:
        known = self._journal.upload(work.id)
        if known is not None:
            self._route.target.abort_upload(self._route.target_prefix + work.key, known.upload)
            self._journal.end_upload(work.id)

    def _part(self, job: _Job, number: int) -> tuple[Part, str]:
        route = self._route
        span = job.span(number)
        size = span.length or 0
        if size > _HELD and not route.same_backend:
            return self._streamed_part(job, number, span)
        for attempt in range(1, ATTEMPTS + 1):
            with route.budget.buffer(size) as buffer:
                fill(route.source, job.info.key, buffer, span.start, job.info.etag)
                part = route.target.put_part(job.key, job.upload, number, BytesBody(buffer))
                found = self._digest(buffer, part)
            if part.size == size:
                break
            if attempt == ATTEMPTS:
                raise _other_bytes(f"{route.target.place}/{job.key}")
        self._journal.part_done(job.work.id, part, found)
        route.moved(size)
        return part, found

    def _streamed_part(self, job: _Job, number: int, span: Span) -> tuple[Part, str]:
        route = self._route
        body = _SpanBody(route, job.info, span, ("sha256", *((self._whole,) if self._whole else ())))
        part = route.target.put_part(job.key, job.upload, number, body)
        found = ",".join(f"{name}={value}" for name, value in body.digests.items())
        self._journal.part_done(job.work.id, part, found)
        return part, found

    def _digest(self, data: Buffer, part: Part) -> str:
        """What is kept of a part's bytes: ``md5=…`` when the store has proved it, else ``sha256=…``; its
        CRC.
        """
        if self._route.verify is Verify.SIZE:
            return ""
        found = []
        if self._whole:
            found.append(f"{self._whole}={digest(self._whole, data)}")
        md5 = digest("md5", data) if looks_like_md5(part.etag) else None
        if md5 is not None and md5 == part.etag.lower():
            found.append(f"md5={md5}")
        elif not self._whole:
            found.append(f"sha256={digest('sha256', data)}")
        return ",".join(found)

    # -- comparing -------------------------------------------------------------------------------------------

    def _check(self, job: _Job, written: Written) -> None:
        """Raise CorruptData unless the destination's object is made of the bytes that were read."""
        route = self._route
        if route.verify is Verify.CHECKSUM:
            vouched = dict(written.checksums)
            if self._whole and self._whole not in vouched:
                vouched.update(route.target.head(job.key).checksums)
            digests = [_parsed(found) for _, found in job.ordered]
            if self._whole and self._whole in vouched and all(self._whole in found for found in digests):
                sizes = [part.size for part, _ in job.ordered]
                whole = combined(
                    self._whole,
                    [(found[self._whole], size) for found, size in zip(digests, sizes, strict=True)],
                )
                if whole != vouched[self._whole].lower():
                    raise _other_bytes(f"{route.target.place}/{job.key}")
                return
            if all("md5" in found for found in digests):
                # Every part's etag was the MD5 of what went out; the object is made of those parts by etag.
                if route.target.head(job.key).size != job.info.size:
                    raise _other_bytes(f"{route.target.place}/{job.key}")
                return
        self._read_parts(job)

    def _read_parts(self, job: _Job) -> None:
        """Read the destination's object by parts, and compare each with what is known of it."""
        route = self._route

        def same(number: int) -> bool:
            known = _parsed(job.parts[number][1])
            span = job.span(number)
            algorithm: Checksum = next((name for name in PREFERENCE if name in known), "sha256")
            expected = known.get(algorithm) or hashed(
                route.source, job.info.key, span.length or 0, algorithm, span
            )
            return hashed(route.target, job.key, span.length or 0, algorithm, span) == expected

        compared = list(unordered(same, job.numbers, threads=PARTS_AT_ONCE, stop=route.stop))
        if not all(compared):
            raise _other_bytes(f"{route.target.place}/{job.key}")
        if len(compared) < len(job.numbers):
            raise Stopped
        if route.target.head(job.key).size != job.info.size:
            raise _other_bytes(f"{route.target.place}/{job.key}")

    # -- by the server ---------------------------------------------------------------------------------------

    def _by_server(
        self, work: Work, info: ObjectInfo, attributes: Attributes, lost: tuple[str, ...]
    ) -> Outcome | None:
        route = self._route
        if info.size <= route.capabilities.copy_max:
            call = route.server_copy(work, info)
            try:
                written = getattr(route.target, call.primitive)(*call.arguments)
            except BackendError as error:
                if error.retryable:
                    raise
                route.refused_server_copy(error)
                return None
        else:
            parts = self._server_parts(work, info, attributes)
            if parts is None:
                return None
            written = parts
        self.check_server_copy(work, info, written)
        route.moved(info.size)
        return done(work, info.size, lost)

    def _server_parts(self, work: Work, info: ObjectInfo, attributes: Attributes) -> Written | None:
        """Parts of up to 1 GiB, each copied by the server; None when it cannot."""
        route = self._route
        if not route.capabilities.multipart or route.capabilities.copy_max == 0:
            return None
        key = route.target_prefix + work.key
        limits = route.capabilities
        least = max(min(1024 * MIB, limits.copy_max, limits.part_max), -(-info.size // limits.max_parts))
        upload = route.target.start_upload(key, attributes)
        job = _Job(work, info, key, upload, least, attributes)
        other = None if route.same_backend else route.source

        def one(number: int) -> Part:
            return route.target.copy_part(key, upload, number, info.key, job.span(number), other)

        try:
            parts = list(unordered(one, job.numbers, threads=PARTS_AT_ONCE, stop=route.stop))
            if len(parts) < len(job.numbers):
                raise Stopped
            return route.target.finish_upload(key, upload, _sorted(parts), attributes)
        except BaseException as error:
            route.target.abort_upload(key, upload)
            if isinstance(error, BackendError) and not error.retryable:
                return None
            raise

    def check_server_copy(self, work: Work, info: ObjectInfo, written: Written) -> None:
        """Raise unless the copy is of this object: by checksums or etags, else by size and an unchanged
        source.

        Verify.READ reads both; what a server copies inside is otherwise taken to be what it has.
        """
        route = self._route
        key = route.target_prefix + work.key
        where = f"{route.target.place}/{key}"
        if route.verify is Verify.READ:
            if hashed(route.source, info.key, info.size) != hashed(route.target, key, info.size):
                raise _other_bytes(where)
            return
        said = ObjectInfo(key, info.size, None, written.etag, written.checksums)
        same = same_by_checksum(info, said)
        if same:
            return
        there = route.target.head(key)
        if there.size != info.size or same_by_checksum(info, there) is False:
            route.unchanged(work, info)
            raise _other_bytes(where)
        route.unchanged(work, info)


class _SpanBody(SourceBody):
    """A range of the source's object as a body."""

    def __init__(self, route: Route, info: ObjectInfo, span: Span, algorithms: tuple[Checksum, ...]) -> None:
        super().__init__(route.source, info, algorithms, route.moved)
        self.span = span
        self.size = span.length or 0


def _parsed(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(",")) if text else {}


def _sorted(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.number)


def _other_bytes(where: str) -> CorruptData:
    return CorruptData("the destination has other bytes than were sent", where=where)
