"""Multipart uploads of a folder: parts are files of ``.berth/uploads/<id>/`` until they are joined.

A part is as durable as an object, so an upload can go on after kill -9, as on any cloud.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from secrets import token_hex

from cloudberth.errors import BackendError, Kind, NotFound
from cloudberth.storage import local_attributes
from cloudberth.storage.body import Body, BytesBody
from cloudberth.storage.contract import Attributes, Condition, Part, PendingUpload, Span, Written
from cloudberth.storage.local_draft import Draft
from cloudberth.storage.local_failures import failure
from cloudberth.storage.local_names import AREA, Names
from cloudberth.storage.local_tree import Blocked, Tree, etag, names_in

UPLOADS = (AREA, b"uploads")
_ABOUT = b"about"
_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(rb"[0-9]{5,}")


class Uploads:
    """The uploads of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def start(self, key: str, attributes: Attributes) -> str:
        upload = token_hex(16)
        about = {
            "key": key,
            "started": datetime.now(UTC).isoformat(),
            "attributes": local_attributes.encoded(attributes).decode("utf-8", "surrogatepass"),
        }
        with Draft(self._tree, self._tree.where(key)) as draft:
            draft.fill(BytesBody(json.dumps(about).encode()))
            try:
                os.close(self._tree.open_folder(draft.root, (*UPLOADS, upload.encode()), create=True))
                draft.place_at((*UPLOADS, upload.encode(), _ABOUT))
            except OSError as error:
                raise failure(error, self._tree.where(key)) from None
        return upload

    def put_part(self, key: str, upload: str, number: int, body: Body) -> Part:
        self._about(key, upload)
        with Draft(self._tree, self._tree.where(key)) as draft:
            draft.fill(body)
            return self._place(draft, key, upload, number)

    def copy_part(
        self, key: str, upload: str, number: int, source: tuple[int, os.stat_result], span: Span, name: str
    ) -> Part:
        """A part of a range of an open file, whose bounds were checked."""
        self._about(key, upload)
        left = source[1].st_size - span.start
        with Draft(self._tree, self._tree.where(key)) as draft:
            draft.append(
                source[0], span.start, min(left, span.length if span.length is not None else left), name
            )
            return self._place(draft, key, upload, number)

    def _place(self, draft: Draft, key: str, upload: str, number: int) -> Part:
        try:
            facts = draft.place_at((*self._folder(upload, key), b"%05d" % number))
        except FileNotFoundError:
            raise self._unknown(key) from None
        except OSError as error:
            raise failure(error, self._tree.where(key)) from None
        return Part(number, etag(facts), facts.st_size)

    def finish(self, key: str, upload: str, parts: Sequence[Part], condition: Condition) -> Written:
        attributes = self._about(key, upload)
        if not parts:
            raise self._invalid(key, "an upload needs at least one part")
        with Draft(self._tree, self._tree.where(key)) as draft:
            for part in sorted(parts, key=lambda part: part.number):
                self._append(draft, key, upload, part)
            written = Written(etag=draft.place(key, attributes, condition))
        self.abort(key, upload)
        return written

    def _append(self, draft: Draft, key: str, upload: str, part: Part) -> None:
        found = self._tree.open_file(draft.root, (*self._folder(upload, key), b"%05d" % part.number))
        if found is None:
            raise self._invalid(key, f"part {part.number} was never uploaded")
        try:
            if etag(found[1]) != part.etag:
                raise self._invalid(key, f"part {part.number} is another one by now")
            draft.append(found[0], 0, found[1].st_size, f"part {part.number}")
        finally:
            os.close(found[0])

    def abort(self, key: str, upload: str) -> None:
        if not _ID.fullmatch(upload):
            return
        names = (*UPLOADS, upload.encode())
        root = self._tree.open_root()
        try:
            folder = self._tree.open_folder(root, names)
        except (FileNotFoundError, Blocked):
            os.close(root)
            return
        try:
            # `about` last, so that a half-removed upload can still be listed and removed.
            for name in names_in(folder):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
            self._tree.prune(root, names)
        except OSError as error:
            raise failure(error, self._tree.where(key)) from None
        finally:
            os.close(folder)
            os.close(root)

    def parts(self, key: str, upload: str) -> Iterator[Part]:
        self._about(key, upload)
        names = self._folder(upload, key)
        root = self._tree.open_root()
        try:
            folder = self._tree.open_folder(root, names)
        except (FileNotFoundError, Blocked):
            raise self._unknown(key) from None
        finally:
            os.close(root)
        found = []
        try:
            for name in names_in(folder):
                if _PART.fullmatch(os.fsencode(name)):
                    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    found.append(Part(int(name), etag(facts), facts.st_size))
        except OSError as error:
            raise failure(error, self._tree.where(key)) from None
        finally:
            os.close(folder)
        yield from sorted(found, key=lambda part: part.number)

    def all(self, prefix: str) -> Iterator[PendingUpload]:
        root = self._tree.open_root()
        try:
            try:
                folder = self._tree.open_folder(root, UPLOADS)
            except (FileNotFoundError, Blocked):
                return
            try:
                names = names_in(folder)
            finally:
                os.close(folder)
            pending = [self._pending(root, name) for name in names if _ID.fullmatch(name)]
        finally:
            os.close(root)
        found = [one for one in pending if one is not None and one.key.startswith(prefix)]
        yield from sorted(found, key=lambda one: (one.key.encode(), one.upload))

    def _pending(self, root: int, upload: str) -> PendingUpload | None:
        about = self._read(root, upload)
        if about is None:
            return None
        return PendingUpload(about["key"], upload, datetime.fromisoformat(about["started"]))

    def _about(self, key: str, upload: str) -> Attributes:
        """The attributes that the object will have. Raises NotFound unless it is an upload of this key."""
        self._folder(upload, key)
        root = self._tree.open_root()
        try:
            about = self._read(root, upload)
        finally:
            os.close(root)
        if about is None or about["key"] != key:
            raise self._unknown(key)
        return local_attributes.decoded(about["attributes"].encode("utf-8", "surrogatepass"))

    def _read(self, root: int, upload: str) -> dict[str, str] | None:
        found = self._tree.open_file(root, (*UPLOADS, upload.encode(), _ABOUT))
        if found is None:
            return None
        with os.fdopen(found[0], "rb") as file:
            about: dict[str, str] = json.load(file)
        return about

    def _folder(self, upload: str, key: str) -> Names:
        if not _ID.fullmatch(upload):
            raise self._unknown(key)
        return (*UPLOADS, upload.encode())

    def _unknown(self, key: str) -> NotFound:
        return NotFound("there is no such upload; it was finished or aborted", where=self._tree.where(key))

    def _invalid(self, key: str, what: str) -> BackendError:
        return BackendError(what, kind=Kind.INVALID, where=self._tree.where(key))
