"""Reading that goes on where a connection broke, and that compares checksums when a whole object was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from cloudberth.errors import BackendError, CorruptData, InvalidRange
from cloudberth.retry import RetryPolicy
from cloudberth.storage.body import Reader
from cloudberth.storage.calls import Outcome
from cloudberth.storage.checksums import Verifier
from cloudberth.storage.contract import Backend, ObjectInfo, Opened, Span
from cloudberth.storage.options import Options


def policy_of(backend: Backend) -> RetryPolicy:
    """The policy of a backend's layers."""
    options = getattr(backend, "options", None)
    return RetryPolicy.of(options if isinstance(options, Options) else Options())


class ResumingReader(Reader):
    """An object, or a range of it, from first byte to last, whatever happens to the connections.

    Each further one asks for the rest of the same object (its etag), so two versions never mix: when it was
    replaced meanwhile, that is PreconditionFailed. verify: compare the checksum at the end of a whole object.
    """

    def __init__(
        self,
        backend: Backend,
        key: str,
        span: Span | None = None,
        *,
        verify: bool = True,
        match: str | None = None,
    ) -> None:
        self._backend = backend
        self._key = key
        self._policy = policy_of(backend)
        self._opened: Opened = backend.get(key, span, match)
        self.info: ObjectInfo = self._opened.info
        self._start = span.start if span else 0
        self._end = _end(span, self.info.size)
        self._at = self._start
        self._failures = 0
        whole = self._start == 0 and self._end == self.info.size
        self._verifier = Verifier.of(self.info.checksums, self.info.size) if verify and whole else None

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._at
        wanted = left if size < 0 else min(size, left)
        if not wanted:
            self._finish()
            return b""
        while True:
            try:
                data = self._opened.reader.read(wanted)
                if not data:
                    raise CorruptData(f"{self._end - self._at} bytes are missing", where=self._where())
                break
            except BackendError as error:
                self._reopen(error)
        self._took(memoryview(data))
        if size < 0 and len(data) < wanted:
            return data + self.read()
        return data

    def readinto(self, buffer: memoryview) -> int:
        target = buffer[: self._end - self._at]
        if not len(target):
            self._finish()
            return 0
        while True:
            try:
                count = self._opened.reader.readinto(target)
                if not count:
                    raise CorruptData(f"{self._end - self._at} bytes are missing", where=self._where())
                break
            except BackendError as error:
                self._reopen(error)
        self._took(target[:count])
        return count

    def _took(self, data: memoryview) -> None:
        self._at += len(data)
        if self._verifier is not None:
            self._verifier.update(data)
        if self._at == self._end:
            self._finish()

    def _finish(self) -> None:
        self._opened.reader.close()
        verifier, self._verifier = self._verifier, None
        if verifier is not None:
            verifier.check(self._where())

    def _reopen(self, error: BackendError) -> None:
        """Open the rest, or raise. What counts is failures without progress in between."""
        self._opened.reader.close()
        self._failures += 1
        seconds = self._policy.wait(error, self._failures, 0.0)
        if seconds is None:
            raise error
        time.sleep(seconds)
        rest = Span(self._at, self._end - self._at)
        self._opened = self._backend.get(self._key, rest, self.info.etag)

    def _where(self) -> str:
        return f"{self._backend.place}/{self._key}"

    def close(self) -> None:
        self._opened.reader.close()


def _end(span: Span | None, size: int) -> int:
    if span is None or span.length is None:
        return size
    return min(size, span.start + span.length)


def load(backend: Backend, key: str, span: Span | None = None, *, verify: bool = True) -> bytes:
    """An object in memory. One that arrives damaged is read again, as often as the policy says."""
    if span is not None and span.length == 0:
        return _nothing(backend, key, span)

    def once() -> bytes:
        with ResumingReader(backend, key, span, verify=verify) as reader:
            return reader.read()

    return _again_when_corrupt(once, policy_of(backend))


def _again_when_corrupt(once: Callable[[], bytes], policy: RetryPolicy) -> bytes:
    for _ in range(policy.retries):
        try:
            return once()
        except CorruptData:
            continue
    return once()


def _nothing(backend: Backend, key: str, span: Span) -> bytes:
    """A range of no bytes: nothing to ask for, but the object has to be there."""
    if span.start > backend.head(key).size:
        raise InvalidRange(f"the object ends before byte {span.start}", where=f"{backend.place}/{key}")
    return b""


def pieces(reader: Reader, size: int, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """What a reader gives, in pieces; the reader is closed also when nobody wants the rest."""
    with reader:
        while data := reader.read(size):
            if progress is not None:
                progress(len(data))
            yield data


def content_of(outcome: Outcome, place: str, *, verify: bool = True) -> Outcome:
    """The outcome of a `get` with the bytes as its value, or CorruptData as its error."""
    if outcome.error is not None:
        return outcome
    opened: Opened = outcome.value
    data = opened.reader.read()
    try:
        if len(data) != opened.info.size:
            raise CorruptData(
                f"{len(data)} of {opened.info.size} bytes came", where=f"{place}/{outcome.call.key}"
            )
        if verify and (verifier := Verifier.of(opened.info.checksums, opened.info.size)):
            verifier.update(data)
            verifier.check(f"{place}/{outcome.call.key}")
    except CorruptData as error:
        return Outcome(outcome.call, None, error)
    return Outcome(outcome.call, data)
