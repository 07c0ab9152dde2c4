"""A folder of this machine (or of a network file system) as a bucket: the type ``local``.

Dify's own layout: the key ``upload_files/t/x.txt`` is the file ``<root>/upload_files/t/x.txt``. What has no
place in that layout (odd keys, multipart uploads, drafts) lives in ``<root>/.berth``, which no list shows.
The rest is told where it is done: local_names (keys), local_tree (no way out of the root), local_draft
(whole files only), local_attributes, local_listing, local_uploads.

Needs POSIX (openat and its kin) and a file system that tells upper from lower case and does not change
names; macOS' default one does neither.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field

from cloudberth.errors import BackendError, InvalidRange, NotFound, PermissionDenied, PreconditionFailed
from cloudberth.storage import local_attributes
from cloudberth.storage.body import Body, FileReader
from cloudberth.storage.contract import (
    TIB,
    Attributes,
    Backend,
    Capabilities,
    Condition,
    DeleteFailure,
    ObjectInfo,
    Opened,
    Page,
    Part,
    PendingUpload,
    Prefix,
    Span,
    Written,
)
from cloudberth.storage.local_draft import TEMPORARY, Draft, fcntl_lock, sweep
from cloudberth.storage.local_failures import failure
from cloudberth.storage.local_listing import File, Fold, Listing
from cloudberth.storage.local_names import ODD, odd, plain, raw, successor
from cloudberth.storage.local_tree import Blocked, Tree, etag
from cloudberth.storage.local_uploads import Uploads
from cloudberth.storage.opening import OpenableBackend
from cloudberth.storage.options import Options
from cloudberth.storage.settings import Settings

# A list that goes on within this time goes on where it stands; later it looks at the folders anew.
_LISTING_RESTS = 30.0
_LISTINGS = 16


class LocalSettings(Settings):
    """Settings of ``local``. bucket: the folder, relative to where the process stands, as in Dify."""

    schemes: ClassVar[tuple[str, ...]] = ("file",)

    bucket: str = Field(default="storage", alias="STORAGE_LOCAL_PATH", description="the folder")
    fsync: bool = Field(
        default=True,
        alias="STORAGE_LOCAL_FSYNC",
        description="put every object on the disk before a call returns; without, a power cut may lose the "
        "last seconds (a killed process still loses nothing)",
    )


class Local(OpenableBackend):
    """The primitives on a folder. Files and folders get the rights that the umask leaves."""

    id = "local"
    settings: ClassVar[type[Settings]] = LocalSettings
    capabilities = Capabilities(
        max_put=16 * TIB,
        part_min=1,
        part_max=16 * TIB,
        copy_max=16 * TIB,
        conditional=frozenset({"absent", "match"}),
    )

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        self.tree = Tree(str(root.absolute()), sync)
        self.prompt = frozenset({"get", "head"} if sync else {"get", "head", "put"})
        self.place = self.tree.place
        self._uploads = Uploads(self.tree)
        self._swept = False
        self._lock = threading.Lock()
        self._listings: OrderedDict[tuple[str, ...], tuple[float, Listing]] = OrderedDict()

    @classmethod
    def open(cls, settings: Settings, options: Options) -> Self:  # noqa: ARG003
        given = LocalSettings.checked(settings.model_dump())
        return cls(Path(given.bucket), sync=given.fsync)

    # -- objects ---------------------------------------------------------------------------------------------

    def put(
        self, key: str, body: Body, attributes: Attributes = Attributes(), condition: Condition = Condition()
    ) -> Written:
        raw(key)
        self._sweep_once()
        with Draft(self.tree, self.tree.where(key)) as draft:
            draft.fill(body)
            return Written(etag=draft.place(key, attributes, condition))

    def get(self, key: str, span: Span | None = None, match: str | None = None) -> Opened:
        descriptor, info = self._opened(key)
        try:
            if match is not None and match != info.etag:
                raise PreconditionFailed("the object was changed", where=self.tree.where(key))
            length = info.size
            if span is not None:
                length = self._length(span, info)
                os.lseek(descriptor, span.start, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        return Opened(info, FileReader(descriptor, length))

    def _length(self, span: Span, info: ObjectInfo) -> int:
        if span.start >= info.size or span.start < 0:
            raise InvalidRange(
                f"byte {span.start} is behind the end, at {info.size}", where=self.tree.where(info.key)
            )
        left = info.size - span.start
        return left if span.length is None else min(left, span.length)

    def head(self, key: str) -> ObjectInfo:
        descriptor, info = self._opened(key)
        os.close(descriptor)
        return info

    def _opened(self, key: str) -> tuple[int, ObjectInfo]:
        """A descriptor of an object's file, and what is known of the object."""
        root = self.tree.open_root()
        descriptor = -1
        try:
            found = self.tree.locate(root, raw(key))
            if found is None:
                raise NotFound("there is no such object", where=self.tree.where(key))
            descriptor, facts = found
            attributes = local_attributes.read(self.tree, root, descriptor, facts)
            return descriptor, _info(key, facts, local_attributes.guessed(key, attributes))
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            if isinstance(error, BackendError):
                raise
            raise failure(error, self.tree.where(key)) from None
        finally:
            os.close(root)

    def list(
        self, prefix: str = "", *, delimiter: str = "", after: str = "", cursor: str | None = None,
        limit: int = 1000,
    ) -> Page:  # fmt: skip
        listing = self._resumed(prefix, delimiter, after, cursor)
        try:
            found, more = listing.page(limit)
            entries = tuple(self._entry(entry) for entry in found)
        except Blocked:
            raise NotFound("a file is in the way of the folder", where=self.tree.where(prefix)) from None
        except OSError as error:
            if isinstance(error, BackendError):
                raise
            raise failure(error, self.tree.where(prefix)) from None
        if not more:
            return Page(entries)
        last = entries[-1]
        following = ("p" if isinstance(last, Prefix) else "k") + last.key
        self._rest((prefix, delimiter, after, following), listing)
        return Page(entries, following)

    def _resumed(self, prefix: str, delimiter: str, after: str, cursor: str | None) -> Listing:
        """The listing that stopped at this cursor, or one that begins there."""
        floor = max(raw(prefix), raw(after) + b"\0" if after else b"")
        if cursor is not None:
            with self._lock:
                resting = self._listings.pop((prefix, delimiter, after, cursor), None)
            if resting is not None and resting[0] > time.monotonic():
                return resting[1]
            last = raw(cursor[1:])
            floor = max(floor, successor(last) if cursor[:1] == "p" else last + b"\0")
        return Listing(self.tree, raw(prefix), raw(delimiter), floor)

    def _rest(self, name: tuple[str, ...], listing: Listing) -> None:
        with self._lock:
            self._listings[name] = (time.monotonic() + _LISTING_RESTS, listing)
            if len(self._listings) > _LISTINGS:
                self._listings.popitem(last=False)

    def _entry(self, entry: File | Fold) -> ObjectInfo | Prefix:
        try:
            key = entry.key.decode()
        except UnicodeDecodeError:
            what = f"the name of the file {entry.key!r} is no UTF-8"
            raise failure(OSError(errno.EILSEQ, what), self.place) from None
        return Prefix(key) if isinstance(entry, Fold) else _info(key, entry.facts)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        failures: list[DeleteFailure] = []
        root = self.tree.open_root()
        lock = -1
        try:
            beside = local_attributes.in_use(root)
            try:
                lock = self.tree.open_folder(root, TEMPORARY)
                fcntl_lock(lock, exclusive=False)
            except (FileNotFoundError, Blocked):
                pass
            for key in keys:
                try:
                    self._delete(root, key, beside)
                except BackendError as error:
                    failures.append(DeleteFailure(key, error))
                except OSError as error:
                    failures.append(DeleteFailure(key, failure(error, self.tree.where(key))))
        finally:
            if lock >= 0:
                os.close(lock)
            os.close(root)
        return failures

    def _delete(self, root: int, key: str, beside: bool) -> None:
        data = raw(key)
        names = plain(data)
        for place in (names, ODD + odd(data)):
            facts = self.tree.remove(root, place) if place else None
            if facts is not None and beside:
                local_attributes.drop(self.tree, root, facts)

    def copy(self, source: str, key: str, attributes: Attributes | None = None) -> Written:
        return self.copy_from(self, source, key, attributes)

    def copy_from(
        self, other: Backend, source: str, key: str, attributes: Attributes | None = None
    ) -> Written:
        if not isinstance(other, Local):
            raise self.unsupported(f"copy on the server from {other.place}")
        raw(key)
        descriptor, info = other._opened(source)
        try:
            # What was only guessed of the source's name is not kept.
            kept = other._stored(descriptor) if attributes is None else attributes
            with Draft(self.tree, self.tree.where(key)) as draft:
                draft.append(descriptor, 0, info.size, other.tree.where(source))
                return Written(etag=draft.place(key, kept))
        finally:
            os.close(descriptor)

    def _stored(self, descriptor: int) -> Attributes:
        root = self.tree.open_root()
        try:
            return local_attributes.read(self.tree, root, descriptor, os.fstat(descriptor))
        except OSError as error:
            raise failure(error, self.place) from None
        finally:
            os.close(root)

    # -- multipart -------------------------------------------------------------------------------------------

    def start_upload(self, key: str, attributes: Attributes = Attributes()) -> str:
        raw(key)
        self._sweep_once()
        return self._uploads.start(key, attributes)

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        return self._uploads.put_part(key, upload, number, body)

    def copy_part(
        self, key: str, upload: str, number: int, source: str, span: Span, other: Backend | None = None
    ) -> Part:
        origin = self if other is None else other
        if not isinstance(origin, Local):
            raise self.unsupported(f"copy of a part from {origin.place}")
        descriptor, info = origin._opened(source)
        try:
            origin._length(span, info)
            opened = (descriptor, os.fstat(descriptor))
            return self._uploads.copy_part(key, upload, number, opened, span, origin.tree.where(source))
        finally:
            os.close(descriptor)

    def finish_upload(
        self, key: str, upload: str, parts: Sequence[Part], attributes: Attributes = Attributes(),
        condition: Condition = Condition(),
    ) -> Written:  # fmt: skip
        return self._uploads.finish(key, upload, parts, condition)

    def abort_upload(self, key: str, upload: str) -> None:
        self._uploads.abort(key, upload)

    def list_parts(self, key: str, upload: str) -> Iterator[Part]:
        return self._uploads.parts(key, upload)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        return self._uploads.all(prefix)

    # -- the rest --------------------------------------------------------------------------------------------

    def check_bucket(self) -> None:
        os.close(self.tree.open_root())
        if not os.access(self.tree.root, os.R_OK | os.X_OK):
            raise PermissionDenied("this user may not read the folder", where=self.place)

    def create_bucket(self) -> None:
        """Make the folder, for this user alone (0700): the tenants' private keys lie in it as they are."""
        try:
            root = Path(self.tree.root)
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise failure(error, self.place) from None

    def _sweep_once(self) -> None:
        if not self._swept:
            self._swept = True
            sweep(self.tree)


def _info(key: str, facts: os.stat_result, attributes: Attributes = Attributes()) -> ObjectInfo:
    modified = datetime.fromtimestamp(facts.st_mtime_ns / 1e9, UTC)
    return ObjectInfo(key, facts.st_size, modified, etag(facts), attributes=attributes)
