"""`Storage`: what an application calls. One bucket, one prefix, every vendor the same.

Reading and writing of whole objects stand here in a few lines each; how large ones are cut into parts is in
uploads.py and downloads.py, how broken reads go on in reading.py. Every call raises the errors that
`Backend` names, and InvalidInput for a key that no store could take.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, TypeVar, overload

from cloudberth.errors import BackendError, InvalidInput, Kind, NotFound, Unsupported
from cloudberth.storage import deleting, downloads, reading, uploads
from cloudberth.storage.body import CHUNK, Buffer, BytesBody
from cloudberth.storage.calls import Call, Outcome
from cloudberth.storage.contract import (
    Attributes,
    Backend,
    Capabilities,
    Condition,
    ObjectInfo,
    Page,
    PendingUpload,
    Prefix,
    SignedRequest,
    Span,
    StorageClass,
    Written,
)
from cloudberth.storage.keys import checked_key, checked_prefix
from cloudberth.storage.layers import Layered, Metrics
from cloudberth.storage.options import Options

Entry = TypeVar("Entry", ObjectInfo, Prefix, ObjectInfo | Prefix)
Data = Buffer | str | Path | BinaryIO | Iterable[bytes]
Progress = Callable[[int], None]
"""Called with the number of bytes that have just gone through."""


class Storage:
    """A bucket, or the part of it under a prefix. Thread-safe; close it, or use it as a context manager.

    prefix: put in front of every key as it is; ends with ``/`` where a folder is meant.
    """

    def __init__(self, backend: Backend, options: Options = Options(), *, prefix: str = "") -> None:
        self.options = options
        self.prefix = checked_prefix(prefix)
        self.backend: Layered = backend if isinstance(backend, Layered) else Layered(backend, options)

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def type(self) -> str:
        """The storage type, as Dify names it."""
        return self.backend.id

    @property
    def place(self) -> str:
        """Bucket and prefix as a URL without secrets."""
        return f"{self.backend.place}/{self.prefix}".rstrip("/") if self.prefix else self.backend.place

    @property
    def capabilities(self) -> Capabilities:
        return self.backend.capabilities

    @property
    def metrics(self) -> Metrics:
        """Operations, errors, bytes and seconds so far."""
        return self.backend.metrics

    def under(self, prefix: str) -> Storage:
        """The same bucket under a longer prefix; it shares connections, limits and threads."""
        inner = Storage(self.backend, self.options, prefix=self.prefix + prefix)
        inner.__dict__["_threads"] = self._threads
        return inner

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="cloudberth-storage")

    # -- writing ---------------------------------------------------------------------------------------------

    def save(
        self,
        key: str,
        data: Data,
        attributes: Attributes | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: StorageClass | str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Write an object, or replace it: all of it or nothing.

        data: bytes; a text (as UTF-8); the Path of a file; a binary stream, or an iterable of bytes.
        attributes: everything kept beside the bytes; else content_type (guessed from the key when None),
        metadata and storage_class (a tier, or the vendor's own name). if_absent, if_match (an etag): raise
        PreconditionFailed instead of replacing something else.
        """
        if metadata and not self.capabilities.metadata:
            raise Unsupported(f"{self.type} keeps no metadata", where=self.place)
        chosen = attributes or Attributes(
            content_type=content_type or guessed_type(key),
            metadata=dict(metadata or {}),
            storage_class=self.class_name(storage_class),
        )
        return uploads.save(
            self.backend,
            self._key(key),
            data.encode() if isinstance(data, str) else data,
            chosen,
            Condition(absent=if_absent, match=if_match),
            part_size=self.options.part_size,
            threads=self._threads,
            progress=progress,
        )

    def copy(
        self,
        source: str,
        key: str,
        *,
        origin: Storage | None = None,
        attributes: Attributes | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Copy an object to a key here: on the server where it can, else through this machine, streamed.

        origin: where the source is, when not here. attributes: instead of the source's.
        """
        return uploads.copy(
            (origin or self).backend,
            (origin or self)._key(source),
            self.backend,
            self._key(key),
            attributes,
            part_size=self.options.part_size,
            threads=self._threads,
            progress=progress,
        )

    def move(self, source: str, key: str) -> None:
        """Copy, then delete the source."""
        if source != key:
            self.copy(source, key)
            self.delete(source)

    # -- many small ones -------------------------------------------------------------------------------------

    def save_many(
        self, items: Iterable[tuple[str, bytes]], attributes: Attributes | None = None, *, width: int = 32
    ) -> Iterator[Outcome]:
        """Write many small objects at once; `Outcome.call.tag` is the key, `.error` what went wrong.

        items: key and content, taken as there is room. attributes: of all of them; else guessed from the key.
        Contents are in memory, so nothing above a few MiB.
        """
        calls = (
            Call(
                "put",
                (
                    self._key(key),
                    BytesBody(data),
                    attributes or Attributes(content_type=guessed_type(key)),
                    Condition(),
                ),
                self.prefix + key,
                len(data),
                key,
            )
            for key, data in items
        )
        return self.backend.many(calls, width)

    def load_many(self, keys: Iterable[str], *, width: int = 32) -> Iterator[Outcome]:
        """Read many small objects at once; `Outcome.call.tag` is the key, `.value` the bytes."""
        calls = (Call("get", (self._key(key), None, None), self.prefix + key, 0, key) for key in keys)
        for outcome in self.backend.many(calls, width):
            yield reading.content_of(outcome, self.backend.place, verify=self.options.verify)

    # -- reading ---------------------------------------------------------------------------------------------

    @overload
    def load(self, key: str, span: Span | None = None, *, stream: Literal[False] = False) -> bytes: ...
    @overload
    def load(self, key: str, span: Span | None = None, *, stream: Literal[True]) -> Iterator[bytes]: ...
    def load(self, key: str, span: Span | None = None, *, stream: bool = False) -> bytes | Iterator[bytes]:
        """An object, or a range of it, in memory. Its checksum is compared when the store tells one.

        stream: what `stream` gives instead, as Dify's own `load` does.
        """
        if stream:
            return self.stream(key, span)
        return reading.load(self.backend, self._key(key), span, verify=self.options.verify)

    def stream(
        self, key: str, span: Span | None = None, *, chunk: int = CHUNK, progress: Progress | None = None
    ) -> Iterator[bytes]:
        """An object in pieces of up to `chunk` bytes; it goes on where it was when the connection breaks.

        The object is looked up at the call, not at the first piece: NotFound comes at once.
        """
        reader = reading.ResumingReader(self.backend, self._key(key), span, verify=self.options.verify)
        return reading.pieces(reader, chunk, progress)

    def download(
        self, key: str, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> ObjectInfo:
        """Write an object to a file, ranges in parallel; the file appears, or changes, when all is here."""
        return downloads.download(
            self.backend,
            self._key(key),
            Path(path),
            part_size=self.options.part_size,
            threads=self._threads,
            verify=self.options.verify,
            progress=progress,
        )

    def head(self, key: str) -> ObjectInfo:
        """Size, time, etag, checksums and attributes. Raises NotFound."""
        return self._ours(self.backend.head(self._key(key)))

    def exists(self, key: str) -> bool:
        """Whether there is an object of exactly this key. No permission is an error, not False."""
        try:
            self.backend.head(self._key(key))
        except NotFound as error:
            if error.kind is Kind.NOT_FOUND and type(error) is NotFound:
                return False
            raise
        return True

    def exists_prefix(self, prefix: str) -> bool:
        """Whether any key starts with this text."""
        return any(True for _ in islice(self.list(prefix, page_size=1), 1))

    # -- listing ---------------------------------------------------------------------------------------------

    def list(self, prefix: str = "", *, after: str = "", page_size: int = 1000) -> Iterator[ObjectInfo]:
        """Every object whose key starts with this text, by pages, in the order of the store.

        after: only keys behind this one, to go on with a list that was broken off.
        """
        for entry in self._entries(prefix, "", after, page_size):
            if isinstance(entry, ObjectInfo):
                yield entry

    def folder(
        self, prefix: str = "", *, delimiter: str = "/", after: str = "", page_size: int = 1000
    ) -> Iterator[ObjectInfo | Prefix]:
        """One level: objects, and what is deeper folded into prefixes."""
        return self._entries(prefix, delimiter, after, page_size)

    def page(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        """One page; `Page.next` is the cursor of the next one and may be kept between processes."""
        found = self.backend.list(
            self.prefix + checked_prefix(prefix),
            delimiter=delimiter,
            after=self.prefix + after if after else "",
            cursor=cursor,
            limit=limit,
        )
        return Page(tuple(self._ours(entry) for entry in found.entries), found.next)

    def _entries(
        self, prefix: str, delimiter: str, after: str, page_size: int
    ) -> Iterator[ObjectInfo | Prefix]:
        cursor: str | None = None
        while True:
            page = self.page(prefix, delimiter=delimiter, after=after, cursor=cursor, limit=page_size)
            yield from page.entries
            if page.next is None:
                return
            if page.next == cursor:
                raise BackendError(
                    "the list does not advance: the same cursor twice", kind=Kind.UNEXPECTED, where=self.place
                )
            cursor = page.next

    # -- deleting --------------------------------------------------------------------------------------------

    def delete(self, keys: str | Iterable[str]) -> None:
        """Delete one object or many. What does not exist is no error; one that cannot be deleted is."""
        wanted = [keys] if isinstance(keys, str) else keys
        deleting.delete(self.backend, (self._key(key) for key in wanted), self._threads)

    def delete_prefix(self, prefix: str) -> int:
        """Delete everything whose key starts with this text; how many objects it was."""
        keys = (self._key(info.key) for info in self.list(prefix))
        return deleting.delete(self.backend, keys, self._threads)

    # -- the rest --------------------------------------------------------------------------------------------

    def presign(
        self,
        key: str,
        method: Literal["GET", "PUT"] = "GET",
        *,
        seconds: int = 3600,
        content_type: str | None = None,
    ) -> SignedRequest:
        """A URL with which anybody can read or write one object for a while."""
        if method not in self.capabilities.presign:
            raise Unsupported(f"{self.type} has no signed URLs for {method}", where=self.place)
        if not 1 <= seconds <= 604_800:
            raise InvalidInput(f"a signed URL holds for 1 second to 7 days, not {seconds} seconds")
        return self.backend.presign(method, self._key(key), seconds, Attributes(content_type=content_type))

    def uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Multipart uploads that were never finished."""
        for pending in self.backend.list_uploads(self.prefix + checked_prefix(prefix)):
            yield replace(pending, key=pending.key.removeprefix(self.prefix))

    def abort_uploads(self, prefix: str = "", *, older_than: datetime | None = None) -> int:
        """Throw away unfinished uploads, those begun before a time only; how many it was."""
        found = [
            pending
            for pending in self.uploads(prefix)
            if older_than is None or (pending.started is not None and pending.started < older_than)
        ]
        for pending in found:
            self.backend.abort_upload(self._key(pending.key), pending.upload)
        return len(found)

    def check(self, *, create: bool = False) -> None:
        """Raise what is wrong with bucket or credentials; create: make the bucket when it is missing."""
        from cloudberth.errors import BucketNotFound

        try:
            self.backend.check_bucket()
        except BucketNotFound:
            if not create:
                raise
            self.backend.create_bucket()

    def close(self) -> None:
        """Give connections and threads back."""
        threads = self.__dict__.pop("_threads", None)
        if threads is not None:
            threads.shutdown()
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: builtins.type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Storage({self.place!r})"

    # -- Dify's names ----------------------------------------------------------------------------------------

    def load_once(self, filename: str) -> bytes:
        """Dify's name for `load`."""
        return self.load(filename)

    def load_stream(self, filename: str) -> Iterator[bytes]:
        """Dify's name for `stream`."""
        return self.stream(filename)

    def scan(self, path: str, files: bool = True, directories: bool = False) -> Sequence[str]:
        """Dify's recursive list of a folder: keys of files, and folders with a ``/`` at their end."""
        if not files and not directories:
            raise InvalidInput("scan needs files, directories or both")
        folder = path if not path or path.endswith("/") else f"{path}/"
        keys = [info.key for info in self.list(folder)]
        found = list(keys) if files else []
        if directories:
            found += sorted({key[: at + 1] for key in keys for at in _slashes(key, len(folder))})
        return found

    # -- inside ----------------------------------------------------------------------------------------------

    def _key(self, key: str) -> str:
        return checked_key(self.prefix + key if key else "")

    def _ours(self, entry: Entry) -> Entry:
        if not self.prefix:
            return entry
        return replace(entry, key=entry.key[len(self.prefix) :])

    def class_name(self, wanted: StorageClass | str | None) -> str | None:
        """The store's own name of a tier; another text is taken to be one already. Raises Unsupported."""
        if wanted is None:
            return None
        try:
            tier = StorageClass(wanted)
        except ValueError:
            return str(wanted)
        name = self.capabilities.classes.get(tier)
        if name is None:
            has = ", ".join(self.capabilities.classes) or "none"
            raise Unsupported(
                f"{self.type} has no storage class {tier}", where=self.place, hint=f"it has: {has}"
            )
        return name


def _slashes(key: str, start: int) -> Iterator[int]:
    at = key.find("/", start)
    while at >= 0:
        yield at
        at = key.find("/", at + 1)


def guessed_type(key: str) -> str | None:
    """The content type by the extension; a compressed file (``.gz``) is what its compression makes of it."""
    name, dot, extension = key.rpartition("/")[2].rpartition(".")
    return _type_of_extension(extension.lower()) if dot and name else None


@lru_cache(maxsize=256)
def _type_of_extension(extension: str) -> str | None:
    from mimetypes import guess_type

    kind, encoding = guess_type(f"x.{extension}", strict=False)
    compressed = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
    return compressed.get(encoding, kind) if encoding else kind
