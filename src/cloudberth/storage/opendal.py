"""Any service of Apache OpenDAL behind the contract: the type ``opendal``, Dify's default with the scheme
``fs``.

OpenDAL treats keys as paths and cleans them without a word (``a//b`` becomes ``a/b``, ``/a`` and ``a ``
become ``a``). Such keys are refused here. Folders are not objects:
they are not listed, and not deleted. OpenDAL's own retries stay off, ours stand around every primitive.

Multipart uploads are OpenDAL's own business (a put has any size), so there is none in the contract's sense.
Which schemes replace an object as a whole is the service's matter: WebDAV, FTP and their like may show half
of it while it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import SecretStr

from cloudberth.errors import (
    BackendError,
    InvalidInput,
    InvalidRange,
    Kind,
    NotFound,
    PreconditionFailed,
    Unsupported,
)
from cloudberth.extras import late_import
from cloudberth.storage.body import Body, BytesReader, Reader
from cloudberth.storage.contract import (
    GIB,
    MIB,
    TIB,
    Attributes,
    Backend,
    Capabilities,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    SignedRequest,
    Span,
    Written,
)
from cloudberth.storage.http.headers import decode_value, encode_value
from cloudberth.storage.local import Local, LocalSettings
from cloudberth.storage.opendal_bounded import Bounded
from cloudberth.storage.opendal_failures import failure, is_of_opendal
from cloudberth.storage.opendal_settings import OpenDalSettings
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.paging import Pages, Source, Straight, Walk
from cloudberth.storage.settings import Settings

_AT_ONCE = 4 * MIB
# What a service takes in one piece only goes through memory as a whole.
_IN_MEMORY = GIB


class OpenDal(OpenableBackend):
    """The primitives on one operator."""

    id = "opendal"
    settings = OpenDalSettings

    def __init__(self, operator: Any, scheme: str, place: str, options: Options) -> None:
        self._operator = Bounded(operator.to_async_operator(), options)
        self._scheme = scheme
        self.place = place
        self._able = operator.capability()
        self._part_size = max(options.part_size, self._able.write_multi_min_size or 0)
        self.capabilities = capabilities_of(self._able)
        self._bucket_is_there = False
        self._pages = Pages(self._source)

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Backend:
        if not isinstance(settings, OpenDalSettings):
            raise InvalidInput(f"these are settings of {type(settings).__name__}", where=cls.id)
        if settings.scheme == "fs":
            return Folder.of(settings.arguments)
        library = late_import("opendal", extra="opendal", needed_for="the storage type opendal")
        arguments = {name: value.get_secret_value() for name, value in settings.arguments.items()}
        try:
            operator = library.Operator(settings.scheme, **arguments)
        except Exception as error:
            if not is_of_opendal(error):
                raise
            found = failure(error, settings.place)
            raise InvalidInput(
                found.what, where=settings.place, hint="see OPENDAL_… of this scheme"
            ) from None
        return cls(operator, settings.scheme, settings.place, options)

    # -- objects ---------------------------------------------------------------------------------------------

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        path = self._path(key)
        if attributes.metadata and not self.capabilities.metadata:
            raise self.unsupported(f"user metadata with the scheme {self._scheme}")
        named = self._named(attributes, condition)
        with self._failures(key, writing=True):
            self._write(path, body, named)
        return Written()

    def _write(self, path: str, body: Body, named: Mapping[str, Any]) -> None:
        view = body.view
        if view is not None or body.size <= self._part_size or not self._able.write_can_multi:
            self._operator.write(path, bytes(view) if view is not None else body.read(), **named)
            return
        file = self._operator.open(path, "wb", chunk=self._part_size, **named)
        # Not a context manager: that would make an object of the half that was written when reading fails.
        for chunk in body.chunks():
            file.write(bytes(chunk))
        file.close()

    def _named(self, attributes: Attributes, condition: Condition) -> dict[str, Any]:
        """What is sent beside the bytes: as much as the service keeps."""
        wanted = {
            "content_type": attributes.content_type,
            "cache_control": attributes.cache_control,
            "content_disposition": attributes.content_disposition,
            "content_encoding": attributes.content_encoding,
            "user_metadata": {name: encode_value(value) for name, value in attributes.metadata.items()},
        }
        named: dict[str, Any] = {
            name: value
            for name, value in wanted.items()
            if value and getattr(self._able, f"write_with_{name}")
        }
        if condition.absent:
            self._demand("absent", "condition that an object is absent")
            named["if_not_exists"] = True
        if condition.match is not None:
            self._demand("match", "condition on an etag")
            named["if_match"] = quoted(condition.match)
        return named

    def _demand(self, condition: Literal["absent", "match"], what: str) -> None:
        if condition not in self.capabilities.conditional:
            raise self.unsupported(f"{what} with the scheme {self._scheme}")

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        info = self.head(key)
        if match is not None and match != info.etag:
            raise PreconditionFailed("the object was changed", where=self._where(key))
        start, size = 0, info.size
        if span is not None:
            if span.start >= info.size:
                raise InvalidRange(
                    f"byte {span.start} is behind the end, at {info.size}", where=self._where(key)
                )
            start = span.start
            size = min(info.size - start, span.length if span.length is not None else info.size)
        if not size:
            return Opened(info, BytesReader(b""))
        with self._failures(key):
            same = {"if_match": quoted(info.etag)} if info.etag and self._able.read_with_if_match else {}
            if size <= _AT_ONCE:
                data = self._operator.read(self._path(key), offset=start, size=size, **same)
                return Opened(info, BytesReader(data))
            file = self._operator.open(self._path(key), "rb", offset=start, size=size, **same)
        return Opened(info, OpenDalReader(file, size, self._where(key)))

    def head(self, key: str) -> ObjectInfo:
        if why := self.unsupported_keys(key):
            raise NotFound(f"there is no such object; its key {why}", where=self._where(key))
        try:
            with self._failures(key):
                found = self._operator.stat(key)
        except NotFound:
            self._assure_bucket()
            raise
        if not found.is_file:
            raise NotFound("there is no such object", where=self._where(key))
        return self._info(key, found)

    def _assure_bucket(self) -> None:
        """Raise BucketNotFound unless the bucket is there; asked once, because stat tells no difference."""
        if not self._bucket_is_there:
            self.check_bucket()

    def _info(self, key: str, found: Any) -> ObjectInfo:
        modified: datetime | None = found.last_modified
        etag = str(found.etag or "").strip('"') or None
        if etag is None and modified is not None:
            etag = f"{int(modified.timestamp() * 1e6):x}-{found.content_length:x}"
        attributes = Attributes(
            content_type=found.content_type,
            content_disposition=found.content_disposition,
            content_encoding=found.content_encoding,
            metadata={
                name.lower(): decode_value(value) for name, value in (found.user_metadata or {}).items()
            },
        )
        return ObjectInfo(key, found.content_length, modified, etag, attributes=attributes)

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        if not self._able.list:
            raise self.unsupported(f"list with the scheme {self._scheme}")
        with self._failures(prefix):
            return self._pages.page(prefix, delimiter, after, cursor, limit)

    def _source(self, prefix: str, floor: bytes) -> Source:
        if self._able.list_with_start_after and self._able.list_with_recursive:
            return Straight(self._from, prefix)
        return Walk(prefix, self._children)

    def _from(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """All objects behind a key, as the service lists them, which is in the order of bytes."""
        start = {"start_after": after} if after else {}
        for entry in self._operator.list(cleaned(prefix), recursive=True, **start):
            if entry.metadata.mode.is_file() and entry.path.startswith(prefix):
                yield self._info(entry.path, entry.metadata)

    def _children(self, folder: str) -> Mapping[str, ObjectInfo | None]:
        found: dict[str, ObjectInfo | None] = {}
        if folder != cleaned(folder):
            return found
        for entry in self._operator.list(folder):
            path = entry.path
            # Some services list the folder itself, and under a file of its name something that is not below.
            inside = path[len(folder) :]
            if not path.startswith(folder) or inside in ("", "/") or "/" in inside[:-1]:
                continue
            mode = entry.metadata.mode
            if mode.is_dir() and path.endswith("/"):
                found[path] = None
            elif mode.is_file():
                found[path] = self._listed(path, entry.metadata)
        return found

    def _listed(self, path: str, known: Any) -> ObjectInfo:
        """Some services list names only."""
        if known.last_modified is None and not known.content_length:
            known = self._operator.stat(path)
        return ObjectInfo(path, known.content_length, known.last_modified, self._info(path, known).etag)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        failures: list[DeleteFailure] = []
        self._assure_bucket()
        for key in keys:
            try:
                with self._failures(key, writing=True):
                    self._delete(key)
            except NotFound as error:
                if error.code == "NoSuchBucket":
                    raise
            except BackendError as error:
                failures.append(DeleteFailure(key, error))
        return failures

    def _delete(self, key: str) -> None:
        if self.unsupported_keys(key):
            return
        path = key
        # WebDAV and its like delete a folder with all that is in it.
        if self._able.list_with_recursive or self._operator.stat(path).is_file:
            self._operator.delete(path)

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        if not self._able.copy or attributes is not None:
            raise self.unsupported(f"copy with other attributes, with the scheme {self._scheme}")
        paths = self._path(source), self._path(key)
        if source == key:
            self.head(key)
            return Written()
        with self._failures(source):
            self._operator.copy(*paths)
        return Written()

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self, method: Literal["GET", "PUT"], key: str, seconds: int, attributes: Attributes = Attributes()
    ) -> SignedRequest:
        if method not in self.capabilities.presign:
            raise self.unsupported(f"signed URLs with the scheme {self._scheme}")
        path = self._path(key)
        named = self._named(attributes, Condition()) if method == "PUT" else {}
        with self._failures(key):
            signed = self._operator.presign(method, path, seconds, **named)
        headers = {name: value for name, value in signed.headers.items() if name.lower() != "host"}
        return SignedRequest(signed.method, signed.url, headers)

    def check_bucket(self) -> None:
        with self._failures(""):
            self._operator.check()
        self._bucket_is_there = True

    def unsupported_keys(self, key: str) -> str:
        """Why OpenDAL would not keep a key; empty when it does."""
        if any(part in (".", "..") for part in key.split("/")):
            return "has a segment . or .."
        if key.startswith("/") or key.endswith("/") or "//" in key or not key:
            return "has an empty segment"
        if key != key.strip():
            return "begins or ends with white space"
        return ""

    def _path(self, key: str) -> str:
        """The key as OpenDAL takes it. Raises Unsupported when it would change it."""
        why = self.unsupported_keys(key)
        if why:
            raise Unsupported(
                f"the key {key!r} {why}, and OpenDAL would change it",
                where=self._where(key),
                hint="use the storage type of the service itself, or another key",
            )
        return key

    def _where(self, key: str) -> str:
        return f"{self.place}/{key}"

    @contextmanager
    def _failures(self, key: str, *, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError:
            raise BackendError(f"the key {key!r} is no text", kind=Kind.INVALID, where=self.place) from None
        except Exception as error:
            if not is_of_opendal(error):
                raise
            raise failure(error, self._where(key), writing=writing) from None


class Folder(Local):
    """The scheme ``fs`` without OpenDAL: the same files, and all that `Local` promises.

    OpenDAL's own shows half-written files, follows links and ``..`` out of the root, and knows no object
    beside a folder of its name. Ordinary keys are the same files in both: Dify and this can share a root.
    """

    id = "opendal"
    settings = OpenDalSettings

    @classmethod
    def of(cls, arguments: Mapping[str, SecretStr]) -> Self:
        """``root`` (``OPENDAL_FS_ROOT``), and ``fsync`` as of the type local."""
        given = {"bucket": arguments["root"].get_secret_value()}
        if "fsync" in arguments:
            given["fsync"] = arguments["fsync"].get_secret_value()
        settings = LocalSettings.checked(given)
        return cls(Path(settings.bucket), sync=settings.fsync)


class OpenDalReader(Reader):
    """A file of OpenDAL being read. size: bytes that have to come."""

    def __init__(self, file: Any, size: int, where: str) -> None:
        self._file = file
        self._left = size
        self._where = where

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        pieces: list[bytes] = []
        while wanted:
            try:
                piece: bytes = self._file.read(min(wanted, _AT_ONCE))
            except Exception as error:
                if not is_of_opendal(error):
                    raise
                raise failure(error, self._where) from None
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(min(len(buffer), _AT_ONCE))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()


def capabilities_of(able: Any) -> Capabilities:
    """What an operator says that it can do."""
    conditions: set[Literal["absent", "match"]] = set()
    if able.write_with_if_not_exists:
        conditions.add("absent")
    if able.write_with_if_match:
        conditions.add("match")
    methods: set[Literal["GET", "PUT"]] = set()
    if able.presign_read:
        methods.add("GET")
    if able.presign_write:
        methods.add("PUT")
    return Capabilities(
        max_put=able.write_total_max_size or (5 * TIB if able.write_can_multi else _IN_MEMORY),
        max_parts=0,
        copy_max=5 * GIB if able.copy else 0,
        conditional=frozenset(conditions),
        presign=frozenset(methods),
        metadata=bool(able.write_with_user_metadata),
        # It sends them where the service takes them, but does not read Cache-Control back.
        attributes=False,
    )


def cleaned(path: str) -> str:
    """A prefix as OpenDAL would make it."""
    parts = [part for part in path.strip().split("/") if part]
    return "/".join(parts) + ("/" if parts and path.strip().endswith("/") else "")


def quoted(etag: str) -> str:
    """An etag as it stands in a header."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'
