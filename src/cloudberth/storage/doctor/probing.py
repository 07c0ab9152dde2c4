"""Every operation, tried for real on objects of doctor's own, which are always removed again."""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudberth.errors import (
    BackendError,
    CloudberthError,
    Kind,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    Unsupported,
)
from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import MIB, Attributes, Condition, ObjectInfo, Span
from cloudberth.storage.doctor.facts import Attempt, Speed
from cloudberth.storage.http.backend import HttpBackend, flow_of
from cloudberth.storage.http.message import Origin, Request

if TYPE_CHECKING:
    from cloudberth.storage.storage import Storage

PREFIX = ".berth-doctor-"
_NEED_AN_OBJECT = ("metadata", "overwrite", "conditional put", "copy", "multipart", "presigned put")
_CONTENT = b"berth storage doctor made this object and removes it again\n"
_ROUNDS = 20
_LARGE = 8 * MIB
Notice = Callable[[str], None]


class Probe:
    """Tries operations on a store, one after the other. `attempts`: what became of each."""

    def __init__(self, store: Storage, notice: Notice) -> None:
        self.store = store
        self.backend = store.backend
        self.notice = notice
        self.attempts: list[Attempt] = []
        self.written: list[str] = []
        self.uploads: list[tuple[str, str]] = []
        self._folder = f"{PREFIX}{secrets.token_hex(6)}/"

    def key(self, name: str) -> str:
        """A whole key of our own, remembered for the end."""
        key = f"{self.store.prefix}{self._folder}{name}"
        if key not in self.written:
            self.written.append(key)
        return key

    def attempt(self, name: str, act: Callable[[], str]) -> bool:
        """Try one operation; act returns a detail in words. Whether it worked."""
        self.notice(name)
        began = time.perf_counter()
        try:
            detail = act()
        except Unsupported:
            self.attempts.append(Attempt(name, "absent"))
        except CloudberthError as error:
            self.attempts.append(Attempt(name, "failed", time.perf_counter() - began, error=error))
        else:
            self.attempts.append(Attempt(name, "ok", time.perf_counter() - began, detail))
            return True
        return False

    def skip(self, *names: str, why: str) -> None:
        self.attempts += [Attempt(name, "skipped", detail=why) for name in names]

    # -- the operations --------------------------------------------------------------------------------------

    def listing(self) -> ObjectInfo | None:
        """List one page; an object of it, for the operations that only read."""
        found: list[ObjectInfo] = []

        def act() -> str:
            page = self.backend.list(self.store.prefix, limit=10)
            found.extend(entry for entry in page.entries if isinstance(entry, ObjectInfo))
            return "the bucket is empty" if not page.entries else ""

        self.attempt("list", act)
        return found[0] if found else None

    def writing(self, example: ObjectInfo | None) -> bool:
        """Everything, on an object of our own. Where none can be written, what can be tried without one."""
        key = self.key("probe")
        if not self.attempt("put", lambda: self._put(key)):
            self.skip(*_NEED_AN_OBJECT, why="nothing could be written")
            self._reading(example)
            return False
        self.attempt("head", lambda: self._head(key))
        self.attempt("get", lambda: self._get(key, None))
        self.attempt("range", lambda: self._get(key, Span(6, 7)))
        self.attempt("metadata", lambda: self._metadata(key))
        self.attempt("overwrite", lambda: self._put(key))
        self.attempt("conditional put", lambda: self._conditional(key))
        self.attempt("copy", lambda: self._copy(key))
        self.attempt("multipart", self._multipart)
        self.attempt("presigned get", lambda: self._presigned_get(key))
        self.attempt("presigned put", self._presigned_put)
        return True

    def reading(self, example: ObjectInfo | None) -> None:
        """What can be tried without writing, on an object that is there already."""
        self.skip("put", *_NEED_AN_OBJECT, "delete", why="--read-only")
        self._reading(example)

    def _reading(self, example: ObjectInfo | None) -> None:
        if example is None:
            self.skip("head", "get", "range", "presigned get", why="there is no object to read")
            return
        self.attempt("head", lambda: self._head(example.key))
        if example.size:
            self.attempt("range", lambda: self._get(example.key, Span(0, 1)))
        self.attempt("get", lambda: self._open(example.key))
        self.attempt("presigned get", lambda: self._presigned_get(example.key, whole=False))

    def deleting(self) -> None:
        """Delete one of our objects, or one that was never written, and see that it is gone."""
        key = self.key("probe")

        def act() -> str:
            for failure in self.backend.delete([key]):
                raise failure.error
            try:
                self.backend.head(key)
            except (NotFound, PermissionDenied):
                return ""
            raise BackendError("the object is still there", kind=Kind.UNEXPECTED, where=key)

        self.attempt("delete", act)

    def _put(self, key: str) -> str:
        able = self.store.capabilities
        attributes = Attributes(
            content_type="text/x-berth-doctor" if able.attributes else None,
            metadata={"made-by": "berth doctor"} if able.metadata else {},
        )
        self.backend.put(key, BytesBody(_CONTENT), attributes)
        return ""

    def _head(self, key: str) -> str:
        info = self.backend.head(key)
        if key in self.written and info.size != len(_CONTENT):
            raise BackendError(f"it says {info.size} bytes", kind=Kind.UNEXPECTED, where=key)
        return ""

    def _get(self, key: str, span: Span | None) -> str:
        with self.backend.get(key, span).reader as reader:
            data = reader.read()
        expected = _CONTENT if span is None else _CONTENT[span.start : span.start + (span.length or 0)]
        if key in self.written and data != expected:
            raise BackendError("other bytes came back", kind=Kind.CORRUPT, where=key)
        if span is not None and span.length is not None and len(data) != span.length:
            raise BackendError(
                f"{len(data)} bytes came for a range of {span.length}", kind=Kind.UNEXPECTED, where=key
            )
        return ""

    def _open(self, key: str) -> str:
        with self.backend.get(key).reader as reader:
            reader.read(1)
        return ""

    def _metadata(self, key: str) -> str:
        capabilities = self.store.capabilities
        if not (capabilities.metadata or capabilities.attributes):
            raise Unsupported("metadata")
        known = self.backend.head(key).attributes
        lost = []
        if capabilities.attributes and known.content_type != "text/x-berth-doctor":
            lost.append("content type")
        if capabilities.metadata and known.metadata.get("made-by") != "berth doctor":
            lost.append("metadata")
        if lost:
            raise BackendError(f"{' and '.join(lost)} came back changed", kind=Kind.UNEXPECTED, where=key)
        return ""

    def _conditional(self, key: str) -> str:
        if "absent" not in self.store.capabilities.conditional:
            raise Unsupported("conditional put")
        try:
            self.backend.put(key, BytesBody(_CONTENT), condition=Condition(absent=True))
        except PreconditionFailed:
            return ""
        raise BackendError(
            "the server ignores If-None-Match and overwrote an object", kind=Kind.UNEXPECTED, where=key
        )

    def _copy(self, key: str) -> str:
        if not self.store.capabilities.copy_max:
            raise Unsupported("copy")
        self.backend.copy(key, self.key("copy"))
        return ""

    def _multipart(self) -> str:
        if not self.store.capabilities.multipart:
            raise Unsupported("multipart upload")
        key = self.key("parts")
        upload = self.backend.start_upload(key)
        self.uploads.append((key, upload))
        part = self.backend.put_part(key, upload, 1, BytesBody(_CONTENT))
        self.backend.finish_upload(key, upload, [part])
        self.uploads.pop()
        return ""

    def _presigned_get(self, key: str, *, whole: bool = True) -> str:
        if "GET" not in self.store.capabilities.presign:
            raise Unsupported("signed URLs")
        signed = self.backend.presign("GET", key, 300)
        headers = {**signed.headers} if whole else {**signed.headers, "range": "bytes=0-0"}
        self._send(plain_request("GET", signed.url, headers))
        return ""

    def _presigned_put(self) -> str:
        if "PUT" not in self.store.capabilities.presign:
            raise Unsupported("signed URLs")
        signed = self.backend.presign("PUT", self.key("presigned"), 300)
        request = plain_request("PUT", signed.url, signed.headers)
        request.body = BytesBody(_CONTENT)
        self._send(request)
        return ""

    def _send(self, request: Request) -> None:
        """A request of somebody who has no credentials. Raises what the answer means."""
        inner = getattr(self.backend, "inner", self.backend)
        if not isinstance(inner, HttpBackend):
            raise Unsupported("signed URLs over HTTP")
        outcome = inner.exchange(request)
        if isinstance(outcome, BackendError):
            raise outcome

    # -- the rest --------------------------------------------------------------------------------------------

    def exposed(self, key: str | None) -> tuple[str, ...] | None:
        """What works without credentials, on the list and on one object; None when that cannot be tried."""
        self.notice("public access")
        inner = getattr(self.backend, "inner", self.backend)
        if not isinstance(inner, HttpBackend):
            return None
        tried = {"list": ("list", self.store.prefix)} | ({"read": ("get", key)} if key else {})
        found = []
        for name, (primitive, argument) in tried.items():
            answer = anonymous(inner, primitive, argument)
            if answer is None:
                return None
            if answer:
                found.append(name)
        return tuple(found)

    def speed(self) -> Speed:
        """The median of small requests, and 8 MiB each way."""
        self.notice("latency")
        key, large = self.key("small"), self.key("large")
        try:
            puts = list(self._timed(lambda: self.backend.put(key, BytesBody(_CONTENT))))
            gets = list(self._timed(lambda: self._open(key)))
            self.notice("throughput")
            data = os.urandom(_LARGE)
            began = time.perf_counter()
            self.backend.put(large, BytesBody(data))
            upload = time.perf_counter() - began
            began = time.perf_counter()
            with self.backend.get(large).reader as reader:
                size = sum(len(piece) for piece in reader.chunks())
            download = time.perf_counter() - began
        except CloudberthError:
            return Speed()
        return Speed(statistics.median(puts), statistics.median(gets), _LARGE / upload, size / download)

    def _timed(self, act: Callable[[], object]) -> Iterator[float]:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            act()
            yield time.perf_counter() - began

    def clean_up(self) -> tuple[str, ...]:
        """Remove all that was written. What could not be removed."""
        self.notice("cleaning up")
        left = []
        for key, upload in self.uploads:
            try:
                self.backend.abort_upload(key, upload)
            except CloudberthError:
                left.append(f"{key} (upload {upload})")
        try:
            refused = [failure.key for failure in self.backend.delete(self.written)] if self.written else []
        except CloudberthError:
            refused = self.written
        left += [key for key in refused if self._is_there(key)]
        return tuple(left)

    def _is_there(self, key: str) -> bool:
        try:
            self.backend.head(key)
        except NotFound:
            return False
        except CloudberthError:
            return not any(attempt.name == "put" and attempt.outcome == "failed" for attempt in self.attempts)
        return True


def anonymous(backend: HttpBackend, primitive: str, argument: str) -> bool | None:
    """Whether the first request of a primitive works without credentials; None when that cannot be tried."""
    steps = flow_of(backend, primitive, argument)
    if steps is None:
        return None
    try:
        request = next(steps)
        request.signed = False
        outcome = backend.exchange(request)
        if isinstance(outcome, BackendError):
            return None if outcome.kind is Kind.UNAVAILABLE else False
        outcome.reader.close()
        return True
    except (CloudberthError, StopIteration):
        return None
    finally:
        steps.close()


def plain_request(method: str, url: str, headers: object) -> Request:
    """A request for a signed URL, whose path and query go out exactly as they are written."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    pairs = {str(name).lower(): str(value) for name, value in dict(headers).items()}  # type: ignore[call-overload]
    return Request(
        method, Origin.parse(f"{scheme}://{authority}"), slash + target, headers=pairs, signed=False
    )


@contextmanager
def probing(store: Storage, notice: Notice) -> Iterator[tuple[Probe, list[str]]]:
    """A probe that cleans up whatever happens; the list holds afterwards what could not be removed."""
    probe = Probe(store, notice)
    left: list[str] = []
    try:
        yield probe, left
    finally:
        left.extend(probe.clean_up())
