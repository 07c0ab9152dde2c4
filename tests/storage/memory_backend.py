"""A whole object store in memory, faithful to the contract: for tests of what stands on backends.

Keys sort by their UTF-8 bytes; writes are all or nothing; parts have sizes to keep; conditions hold. Every
call is counted by name (`calls`), and `before` is asked first, so that a test can make any of them fail or
wait.
"""

from __future__ import annotations

import hashlib
import threading
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Literal

from cloudberth.errors import BackendError, BucketNotFound, InvalidRange, Kind, NotFound, PreconditionFailed
from cloudberth.storage.body import Body, BytesReader
from cloudberth.storage.checksums import hasher
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    Capabilities,
    Checksum,
    Condition,
    DeleteFailure,
    Listing,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    Prefix,
    SignedRequest,
    Span,
    StorageClass,
    Written,
)

CLASSES = {
    StorageClass.STANDARD: "STANDARD",
    StorageClass.INFREQUENT: "STANDARD_IA",
    StorageClass.COLD: "COLD",
}


@dataclass(frozen=True)
class Stored:
    """One object as it is kept."""

    data: bytes
    etag: str
    modified: datetime
    attributes: Attributes
    in_parts: bool = False


@dataclass
class UploadUnderWay:
    key: str
    attributes: Attributes
    started: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


def capabilities(**different: object) -> Capabilities:
    """Those of a small S3, with some of them different."""
    usual = Capabilities(
        part_min=1,
        conditional=frozenset(("absent", "match")),
        presign=frozenset(("GET", "PUT")),
        classes=CLASSES,
        checksum="md5",
    )
    return replace(usual, **different)  # type: ignore[arg-type]


class MemoryBackend(Backend):
    """vouches: the checksum that writes, head and lists tell of objects put in one request; None: nothing,
    and etags that are no MD5 either. name: of the bucket. before: called with (primitive, key) before each is
    done.
    """

    id = "memory"

    def __init__(
        self,
        name: str = "bucket",
        *,
        vouches: Checksum | None = "md5",
        able: Capabilities | None = None,
        before: Callable[[str, str], None] | None = None,
    ) -> None:
        self.place = f"memory://{name}"
        self.capabilities = able or capabilities(checksum=vouches)
        self.objects: dict[str, Stored] = {}
        self.uploads_under_way: dict[str, UploadUnderWay] = {}
        self.calls: Counter[str] = Counter()
        self.puts: Counter[str] = Counter()
        """How often each key was written."""
        self.exists = True
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.before = before
        self._vouches = vouches
        self._keys: list[bytes] = []
        self._lock = threading.RLock()

    def _call(self, primitive: str, key: str) -> None:
        with self._lock:
            self.calls[primitive] += 1
        if self.before is not None:
            self.before(primitive, key)
        if not self.exists:
            raise BucketNotFound("there is no such bucket", where=self.place)

    def _find(self, key: str) -> Stored:
        stored = self.objects.get(key)
        if stored is None:
            raise NotFound("there is no such object", where=f"{self.place}/{key}")
        return stored

    def _etag(self, data: bytes) -> str:
        return hashlib.md5(data).hexdigest() if self._vouches else f"v-{token_hex(6)}"

    def _checksums(self, stored: Stored) -> Mapping[Checksum, str]:
        if self._vouches is None or (stored.in_parts and self._vouches in {"md5", "sha256", "sha1"}):
            return {}
        one = hasher(self._vouches)
        assert one is not None
        one.update(stored.data)
        return {self._vouches: one.hexdigest()}

    def _info(self, key: str, stored: Stored, *, listed: bool = False) -> ObjectInfo:
        return ObjectInfo(
            key,
            len(stored.data),
            stored.modified,
            stored.etag,
            self._checksums(stored),
            Attributes() if listed else stored.attributes,
        )

    def keep(self, key: str, stored: Stored, *, counted: bool = True) -> Written:
        """Put an object there as it is; what `put` ends with."""
        with self._lock:
            if key not in self.objects:
                insort(self._keys, key.encode())
            self.objects[key] = stored
            if counted:
                self.puts[key] += 1
        return Written(stored.etag, self._checksums(stored))

    def fill(self, objects: Mapping[str, bytes], attributes: Attributes = Attributes()) -> None:
        """Objects that were there before; they are not counted as puts."""
        for key, data in objects.items():
            self.keep(key, Stored(data, self._etag(data), self.clock(), attributes), counted=False)

    def content(self) -> dict[str, bytes]:
        return {key: stored.data for key, stored in self.objects.items()}

    # -- objects ---------------------------------------------------------------------------------------------

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        self._call("put", key)
        data = body.read()
        if len(data) != body.size:
            raise BackendError("the body is not as long as it said", kind=Kind.INVALID, where=self.place)
        with self._lock:
            self._hold(key, condition)
            return self.keep(key, Stored(data, self._etag(data), self.clock(), attributes))

    def _hold(self, key: str, condition: Condition) -> None:
        existing = self.objects.get(key)
        if (condition.absent and existing) or (
            condition.match is not None and (existing is None or existing.etag != condition.match)
        ):
            raise PreconditionFailed("the condition does not hold", where=f"{self.place}/{key}")

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        self._call("get", key)
        stored = self._find(key)
        if match is not None and match != stored.etag:
            raise PreconditionFailed("it has another etag", where=f"{self.place}/{key}")
        data = stored.data
        if span is not None:
            if span.start >= len(data):
                raise InvalidRange("the range starts behind the end", where=f"{self.place}/{key}")
            data = data[span.start : None if span.length is None else span.start + span.length]
        return Opened(self._info(key, stored), BytesReader(data))

    def head(self, key: str) -> ObjectInfo:
        self._call("head", key)
        return self._info(key, self._find(key))

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        self._call("list", prefix)
        start, fold = prefix.encode(), delimiter.encode()
        behind = max(after, cursor or "").encode()
        entries: list[ObjectInfo | Prefix] = []
        last = b""
        with self._lock:
            at = bisect_left(self._keys, max(start, behind))
            for raw in self._keys[at:]:
                if not raw.startswith(start):
                    break
                cut = raw.find(fold, len(start)) if fold else -1
                name = raw if cut < 0 else raw[: cut + len(fold)]
                if name <= behind or (cut >= 0 and behind.startswith(name)) or name == last:
                    continue
                if len(entries) == limit:
                    return Page(tuple(entries), last.decode())
                last = name
                key = name.decode()
                entries.append(Prefix(key) if cut >= 0 else self._info(key, self.objects[key], listed=True))
        return Page(tuple(entries))

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        failures = []
        for key in keys:
            try:
                self._call("delete", key)
            except BackendError as error:
                failures.append(DeleteFailure(key, error))
                continue
            with self._lock:
                if self.objects.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key.encode())]
        return failures

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        self._call("copy", key)
        stored = self._find(source)
        return self.keep(
            key, replace(stored, modified=self.clock(), attributes=attributes or stored.attributes)
        )

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        if not isinstance(other, MemoryBackend):
            raise self.unsupported(f"copy on the server from {other.place}")
        self._call("copy_from", key)
        stored = other._find(source)
        return self.keep(
            key, replace(stored, modified=self.clock(), attributes=attributes or stored.attributes)
        )

    # -- multipart -------------------------------------------------------------------------------------------

    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> str:
        if not self.capabilities.multipart:
            raise self.unsupported("multipart upload")
        self._call("start_upload", key)
        upload = token_hex(8)
        self.uploads_under_way[upload] = UploadUnderWay(key, attributes, self.clock())
        return upload

    def _upload(self, key: str, upload: str) -> UploadUnderWay:
        found = self.uploads_under_way.get(upload)
        if found is None or found.key != key:
            raise NotFound("there is no such upload", where=f"{self.place}/{key}")
        return found

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        self._call("put_part", key)
        data = body.read()
        self._upload(key, upload).parts[number] = data
        return Part(number, self._part_etag(data), len(data))

    def _part_etag(self, data: bytes) -> str:
        return hashlib.md5(data).hexdigest() if self._vouches else f"p-{hashlib.sha1(data).hexdigest()[:12]}"

    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Part:
        self._call("copy_part", key)
        place = other if other is not None else self
        assert isinstance(place, MemoryBackend)
        data = place._find(source).data[span.start : span.start + (span.length or 0)]
        self._upload(key, upload).parts[number] = data
        return Part(number, self._part_etag(data), len(data))

    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Written:  # fmt: skip
        self._call("finish_upload", key)
        under_way = self._upload(key, upload)
        numbers = [part.number for part in parts]
        chosen = [under_way.parts.get(number) for number in numbers]
        wrong = numbers != sorted(set(numbers)) or not numbers
        for part, data in zip(parts, chosen, strict=True):
            wrong = wrong or data is None or self._part_etag(data) != part.etag
        if wrong or any(len(data or b"") < self.capabilities.part_min for data in chosen[:-1]):
            raise BackendError(
                "a part is missing, too small or out of order", kind=Kind.INVALID, where=self.place
            )
        data = b"".join(data or b"" for data in chosen)
        digest = hashlib.md5(b"".join(hashlib.md5(data or b"").digest() for data in chosen)).hexdigest()
        with self._lock:
            self._hold(key, condition)
            del self.uploads_under_way[upload]
            etag = f"{digest}-{len(chosen)}" if self._vouches else self._etag(data)
            return self.keep(key, Stored(data, etag, self.clock(), under_way.attributes, in_parts=True))

    def abort_upload(self, key: str, upload: str) -> None:
        self._call("abort_upload", key)
        self.uploads_under_way.pop(upload, None)

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        self._call("list_parts", key)
        for number, data in sorted(self._upload(key, upload).parts.items()):
            yield Part(number, self._part_etag(data), len(data))

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        self._call("list_uploads", prefix)
        for upload, under_way in list(self.uploads_under_way.items()):
            if under_way.key.startswith(prefix):
                yield PendingUpload(under_way.key, upload, under_way.started)

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        return SignedRequest(method, f"{self.place}/{key}?expires={int(time.time()) + seconds}")

    def check_bucket(self) -> None:
        self._call("check_bucket", "")

    def create_bucket(self) -> None:
        self.exists = True


def unordered_capabilities() -> Capabilities:
    """Of a store that lists in no order."""
    return capabilities(listing=Listing.NONE)


class UnorderedBackend(MemoryBackend):
    """Lists by the hash of keys, as stores without an order do. honest: whether its capabilities say so."""

    def __init__(self, name: str = "unordered", *, honest: bool = True) -> None:
        super().__init__(name, able=unordered_capabilities() if honest else None)

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        self._call("list", prefix)
        keys = sorted(
            (key for key in self.objects if key.startswith(prefix) and key > after),
            key=lambda key: hashlib.sha1(key.encode()).digest(),
        )
        start = int(cursor or 0)
        found = tuple(self._info(key, self.objects[key], listed=True) for key in keys[start : start + limit])
        return Page(found, str(start + limit) if start + limit < len(keys) else None)
