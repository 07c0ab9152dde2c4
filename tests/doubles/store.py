"""What every object store means, in memory: the core that the vendors' doubles put their protocols around.

Keys are text and sort by their UTF-8 bytes. Refusals are raised as `Refusal` under S3's names, which most
vendors share; a double translates those that its vendor calls otherwise. Nothing here is lenient: parts under
5 MiB, parts out of order, etags that are not there are refused as the vendors refuse them.
"""

from __future__ import annotations

import hashlib
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from secrets import token_hex

MIB = 1024 * 1024
GIB = 1024 * MIB
PART_MIN = 5 * MIB
MAX_PARTS = 10_000
KEY_BYTES = 1024


class Refusal(Exception):
    """The store says no. code: S3's word for it; status: of HTTP."""

    def __init__(self, code: str, status: int, message: str = "", **detail: str) -> None:
        super().__init__(message or code)
        self.code = code
        self.status = status
        self.message = message or code
        self.detail = detail


@dataclass(frozen=True)
class User:
    """Who signs. token: of temporary keys, which hold until `expires`. rights: False: may do nothing."""

    access_key: str
    secret_key: str
    owner: str = "owner-1"
    token: str | None = None
    expires: float | None = None
    rights: bool = True


@dataclass(frozen=True)
class Stored:
    """An object. attributes: HTTP headers by lower-case name; metadata: by the name without the prefix."""

    key: str
    data: bytes
    etag: str
    modified: float
    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    parts: int = 0

    @cached_property
    def crc64(self) -> str:
        """CRC-64/XZ of the content as the vendors write it, in decimal."""
        return str(crc64(self.data))

    @property
    def md5(self) -> bytes:
        return hashlib.md5(self.data).digest()


@dataclass(frozen=True)
class StoredPart:
    """A part of an upload under way."""

    number: int
    data: bytes
    etag: str
    modified: float

    @cached_property
    def crc64(self) -> str:
        """As of an object."""
        return str(crc64(self.data))


@dataclass
class Upload:
    """A multipart upload under way. attributes, metadata, storage_class: of the object to be."""

    key: str
    id: str
    started: float
    attributes: Mapping[str, str]
    metadata: Mapping[str, str]
    storage_class: str
    parts: dict[int, StoredPart] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """A page. entries: objects, and texts for keys folded at the delimiter. last: of the last entry."""

    entries: tuple[Stored | str, ...]
    truncated: bool

    @property
    def last(self) -> str:
        entry = self.entries[-1] if self.entries else ""
        return entry if isinstance(entry, str) else entry.key

    @property
    def objects(self) -> tuple[Stored, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, Stored))

    @property
    def prefixes(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, str))


@dataclass
class Bucket:
    """A bucket. settings: whatever a double keeps for its vendor's sub-resources (``acl``, ``lifecycle``)."""

    name: str
    region: str
    owner: str
    created: float
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    sorted_keys: list[bytes] = field(default_factory=list)


class Store:
    """Buckets and users. clock: seconds since 1970, to be put back or forth by a test. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.users: dict[str, User] = {}
        self.buckets: dict[str, Bucket] = {}
        self.part_min = PART_MIN
        self.lock = threading.RLock()

    # -- users and buckets -----------------------------------------------------------------------------------

    def add_user(self, user: User) -> User:
        self.users[user.access_key] = user
        return user

    def user(self, access_key: str, token: str | None) -> User:
        """The user of a key. Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""
        user = self.users.get(access_key)
        if user is None:
            raise Refusal("InvalidAccessKeyId", 403, "The access key does not exist in our records.")
        if user.token != token:
            raise Refusal("InvalidToken", 403, "The provided token is malformed or otherwise invalid.")
        if user.expires is not None and user.expires <= self.clock():
            raise Refusal("ExpiredToken", 403, "The provided token has expired.")
        return user

    def create_bucket(self, name: str, region: str, owner: str) -> Bucket:
        with self.lock:
            existing = self.buckets.get(name)
            if existing is not None:
                code = "BucketAlreadyOwnedByYou" if existing.owner == owner else "BucketAlreadyExists"
                raise Refusal(code, 409)
            bucket = self.buckets[name] = Bucket(name, region, owner, self.clock())
            return bucket

    def bucket(self, name: str) -> Bucket:
        bucket = self.buckets.get(name)
        if bucket is None:
            raise Refusal("NoSuchBucket", 404, "The specified bucket does not exist.", BucketName=name)
        return bucket

    def allow(self, user: User, bucket: Bucket) -> None:
        """Raise AccessDenied when a user may not use a bucket."""
        if not user.rights or user.owner != bucket.owner:
            raise Refusal("AccessDenied", 403, "Access denied.")

    # -- objects ---------------------------------------------------------------------------------------------

    def put(
        self, bucket: Bucket, key: str, data: bytes, attributes: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None, storage_class: str = "STANDARD", *,
        absent: bool = False, match: str | None = None, etag: str = "", parts: int = 0,
    ) -> Stored:  # fmt: skip
        """Write an object. absent, match: conditions, which raise PreconditionFailed."""
        _check_key(key)
        if len(data) > 5 * GIB and not parts:
            raise Refusal("EntityTooLarge", 400)
        with self.lock:
            self._check_condition(bucket, key, absent, match)
            stored = Stored(
                key, bytes(data), etag or hashlib.md5(data).hexdigest(), self.clock(),
                dict(attributes or {}), dict(metadata or {}), storage_class, parts,
            )  # fmt: skip
            if key not in bucket.objects:
                insort(bucket.sorted_keys, key.encode("utf-8", "surrogateescape"))
            bucket.objects[key] = stored
            return stored

    def _check_condition(self, bucket: Bucket, key: str, absent: bool, match: str | None) -> None:
        existing = bucket.objects.get(key)
        if absent and existing is not None:
            raise Refusal("PreconditionFailed", 412, "At least one of the pre-conditions did not hold.")
        if match is not None and (existing is None or not etag_matches(match, existing.etag)):
            raise Refusal("PreconditionFailed", 412, "At least one of the pre-conditions did not hold.")

    def find(self, bucket: Bucket, key: str) -> Stored:
        stored = bucket.objects.get(key)
        if stored is None:
            raise Refusal("NoSuchKey", 404, "The specified key does not exist.", Key=key)
        return stored

    def delete(self, bucket: Bucket, key: str) -> bool:
        """Delete an object; whether there was one."""
        with self.lock:
            if bucket.objects.pop(key, None) is None:
                return False
            raw = key.encode("utf-8", "surrogateescape")
            del bucket.sorted_keys[bisect_left(bucket.sorted_keys, raw)]
            return True

    def copy(
        self, source: Stored, bucket: Bucket, key: str, attributes: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None, storage_class: str | None = None,
    ) -> Stored:  # fmt: skip
        """Write an object's bytes under another key. attributes, metadata: None keeps the source's."""
        return self.put(
            bucket, key, source.data, source.attributes if attributes is None else attributes,
            source.metadata if metadata is None else metadata, storage_class or "STANDARD",
        )  # fmt: skip

    def list(
        self, bucket: Bucket, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 1000,
    ) -> Listed:  # fmt: skip
        """Keys behind `after`, which may also be the text that folded keys were shown as."""
        start = prefix.encode("utf-8", "surrogateescape")
        behind = after.encode("utf-8", "surrogateescape")
        fold = delimiter.encode("utf-8", "surrogateescape")
        entries: list[Stored | str] = []
        with self.lock:
            keys = bucket.sorted_keys
            at = bisect_left(keys, max(start, behind))
            while at < len(keys) and keys[at].startswith(start):
                raw = keys[at]
                if raw <= behind:
                    at += 1
                    continue
                cut = raw.find(fold, len(start)) if fold else -1
                folded = raw[: cut + len(fold)] if cut >= 0 else None
                if folded is not None and folded == behind:
                    at = bisect_left(keys, _behind_all(folded))
                    continue
                if len(entries) >= limit:
                    return Listed(tuple(entries), True)
                if folded is None:
                    entries.append(bucket.objects[raw.decode("utf-8", "surrogateescape")])
                    at += 1
                else:
                    entries.append(folded.decode("utf-8", "surrogateescape"))
                    at = bisect_left(keys, _behind_all(folded))
        return Listed(tuple(entries), False)

    # -- multipart -------------------------------------------------------------------------------------------

    def start_upload(
        self, bucket: Bucket, key: str, attributes: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None, storage_class: str = "STANDARD",
    ) -> Upload:  # fmt: skip
        _check_key(key)
        upload = Upload(
            key,
            token_hex(16).upper(),
            self.clock(),
            dict(attributes or {}),
            dict(metadata or {}),
            storage_class,
        )
        with self.lock:
            bucket.uploads[upload.id] = upload
        return upload

    def upload(self, bucket: Bucket, key: str, upload_id: str) -> Upload:
        upload = bucket.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise Refusal(
                "NoSuchUpload", 404, "The specified upload does not exist.", UploadId=upload_id, Key=key
            )
        return upload

    def put_part(self, bucket: Bucket, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
        if not 1 <= number <= MAX_PARTS:
            raise Refusal("InvalidArgument", 400, "Part number must be an integer between 1 and 10000.")
        with self.lock:
            upload = self.upload(bucket, key, upload_id)
            part = StoredPart(number, bytes(data), hashlib.md5(data).hexdigest(), self.clock())
            upload.parts[number] = part
            return part

    def finish_upload(
        self, bucket: Bucket, key: str, upload_id: str, parts: Sequence[tuple[int, str]], *,
        absent: bool = False, match: str | None = None,
    ) -> Stored:  # fmt: skip
        """parts: numbers and etags in ascending order; every part but the last has the least size."""
        with self.lock:
            upload = self.upload(bucket, key, upload_id)
            numbers = [number for number, _ in parts]
            if not parts:
                raise Refusal("MalformedXML", 400, "The XML you provided was not well-formed.")
            if numbers != sorted(set(numbers)):
                raise Refusal("InvalidPartOrder", 400, "The list of parts was not in ascending order.")
            chosen = []
            for number, etag in parts:
                part = upload.parts.get(number)
                if part is None or not etag_matches(etag, part.etag):
                    raise Refusal(
                        "InvalidPart", 400, "One or more of the specified parts could not be found."
                    )
                chosen.append(part)
            if any(len(part.data) < self.part_min for part in chosen[:-1]):
                raise Refusal("EntityTooSmall", 400, "A part is smaller than the minimum allowed size.")
            digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen)).hexdigest()
            stored = self.put(
                bucket, key, b"".join(part.data for part in chosen), upload.attributes, upload.metadata,
                upload.storage_class, absent=absent, match=match, etag=f"{digest}-{len(chosen)}",
                parts=len(chosen),
            )  # fmt: skip
            del bucket.uploads[upload_id]
            return stored

    def abort_upload(self, bucket: Bucket, key: str, upload_id: str) -> None:
        with self.lock:
            self.upload(bucket, key, upload_id)
            del bucket.uploads[upload_id]

    def list_uploads(
        self, bucket: Bucket, prefix: str = "", after: tuple[str, str] = ("", ""), limit: int = 1000
    ) -> tuple[tuple[Upload, ...], bool]:
        """Uploads behind (key, id), by key and id; and whether there are more."""
        mark = (after[0].encode("utf-8", "surrogateescape"), after[1])
        with self.lock:
            found = sorted(
                (
                    ((upload.key.encode("utf-8", "surrogateescape"), upload.id), upload)
                    for upload in bucket.uploads.values()
                    if upload.key.startswith(prefix)
                ),
                key=lambda entry: entry[0],
            )
        # A key marker alone stands behind all the uploads of its key.
        rest = [u for place, u in found if (place > mark if after[1] else place[0] > mark[0] or not after[0])]
        return tuple(rest[:limit]), len(rest) > limit

    def list_parts(
        self, upload: Upload, after: int = 0, limit: int = 1000
    ) -> tuple[tuple[StoredPart, ...], bool]:
        """Parts behind a number, in order; and whether there are more."""
        with self.lock:
            rest = [upload.parts[number] for number in sorted(upload.parts) if number > after]
        return tuple(rest[:limit]), len(rest) > limit


def cut_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None when it is to be ignored. Raises InvalidRange."""
    unit, _, text = header.partition("=")
    first, dash, last = text.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in text or not (first or last):
        return None
    if (
        not (first or "0").isdigit()
        or not (last or "0").isdigit()
        or (first and last and int(last) < int(first))
    ):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size:
        raise Refusal("InvalidRange", 416, "The requested range cannot be satisfied.")
    return start, end


def etag_matches(header: str, etag: str) -> bool:
    """Whether an etag is among those of If-Match or If-None-Match."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or etag.lower() in [tag.lower() for tag in tags]


def with_data(stored: Stored, data: bytes) -> Stored:
    """The object with other bytes under the same etag: what a failing disk would serve."""
    return replace(stored, data=data)


def _check_key(key: str) -> None:
    if not key or len(key.encode("utf-8", "surrogateescape")) > KEY_BYTES:
        raise Refusal("InvalidObjectName", 400, "The length of the object name must be 1 to 1024 bytes.")


def _behind_all(prefix: bytes) -> bytes:
    """The least text above everything that starts with a prefix."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xC96C5795D7870F42 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def _crc64_slowly(data: bytes) -> int:
    value = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFFFFFFFFFF


def crc64(data: bytes) -> int:
    """CRC-64/XZ ("ECMA-182" to the vendors). In C when the SDKs' crcmod is compiled, else 5 MB/s."""
    return _fast(data) if _fast else _crc64_slowly(data)


def _compiled() -> Callable[[bytes], int] | None:
    try:
        import crcmod
        import crcmod._crcfunext  # type: ignore[import-not-found]  # absent where it was installed without a compiler
    except ImportError:
        return None
    function: Callable[[bytes], int] = crcmod.mkCrcFun(
        0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF
    )
    return function


_fast = _compiled()
