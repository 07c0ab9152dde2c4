"""What `cp` and `mv` do with one object: where it comes from, where it goes, and how it gets there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.cli.storage.arguments import open_store
from cloudberth.errors import InvalidInput, PreconditionFailed

if TYPE_CHECKING:
    from cloudberth.storage.contract import Attributes
    from cloudberth.storage.location import Location
    from cloudberth.storage.options import Options
    from cloudberth.storage.storage import Storage

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a copy. store: None for standard input or output. path: of a location on this machine.

    key: an object's, or the start of those of a folder: empty, or with ``/`` at its end.
    """

    text: str
    store: Storage | None
    key: str
    path: Path | None = None

    @property
    def folder(self) -> bool:
        return not self.key or self.key.endswith("/")

    @property
    def opened_store(self) -> Storage:
        """The store of a side that has one."""
        if self.store is None:
            raise InvalidInput("standard input and output are no store", where=self.text)
        return self.store

    def where(self, key: str) -> str:
        """A key of this side, for people."""
        return self.text if self.store is None else f"{self.store.place}/{key}"


@dataclass(frozen=True, slots=True)
class Job:
    """One object from here to there. size: bytes, None while nobody knows."""

    origin: Side
    source: str
    target: Side
    key: str
    size: int | None = None

    @property
    def names(self) -> tuple[str, str]:
        return self.origin.where(self.source), self.target.where(self.key)


@dataclass(frozen=True, slots=True)
class Changes:
    """What the new object gets instead of what its source has. storage_class: a tier or the vendor's name."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str | None = None

    def __bool__(self) -> bool:
        return bool(self.attributes or self.metadata or self.storage_class)

    def upon(self, known: Attributes, target: Storage) -> Attributes:
        """The attributes of the new object."""
        given: dict[str, Any] = dict(self.attributes)
        if self.metadata:
            given["metadata"] = dict(self.metadata)
        if self.storage_class:
            given["storage_class"] = target.class_name(self.storage_class)
        return replace(known, **given)


def opened(location: Location, options: Options, *, folder: bool = False, durable: bool = True) -> Side:
    """A location as a side. folder: it is meant as one, whatever is there. durable: as in LocalPath."""
    from cloudberth.storage.location import LocalPath, StandardStream

    if isinstance(location, StandardStream):
        return Side(location.text, None, "")
    if isinstance(location, LocalPath):
        location = replace(location, folder=folder or location.folder, durable=durable)
    store, key = open_store(location, options)
    if folder and key and not key.endswith("/"):
        key += "/"
    return Side(location.text, store, key, location.path if isinstance(location, LocalPath) else None)


class Copier:
    """Carries jobs out. if_absent: leave alone what is there already."""

    def __init__(self, changes: Changes, *, if_absent: bool) -> None:
        self._changes = changes
        self._if_absent = if_absent

    def copy(self, job: Job, report: Report) -> bool:
        """Copy one object; False when it was left alone because there is one already.

        report: told of bytes on their way through this machine; of a copy on the server it hears nothing.
        """
        target = job.target
        if self._if_absent and self._exists(job):
            return False
        try:
            if target.store is None:
                self._to_output(job)
            elif job.origin.store is None:
                self._from_input(job, target.store, report)
            elif target.path is not None and job.origin.path is None and not target.folder:
                self._to_file(job, target.path, report)
            elif job.origin.path is not None and target.path is None and not job.origin.folder:
                self._from_file(job, job.origin.path, target.store, report)
            else:
                self._between(job, job.origin.store, target.store, report)
        except PreconditionFailed:
            if self._if_absent:
                return False
            raise
        return True

    def _exists(self, job: Job) -> bool:
        return job.target.store is not None and job.target.store.exists(job.key)

    def _condition(self, target: Storage) -> bool:
        return self._if_absent and "absent" in target.capabilities.conditional

    def _to_output(self, job: Job) -> None:
        if job.origin.store is None:
            raise InvalidInput("standard input to standard output is what cat does")
        for piece in job.origin.store.stream(job.source):
            sys.stdout.buffer.write(piece)
            # Nothing is shown on the way: it may be the same terminal.
        sys.stdout.buffer.flush()

    def _from_input(self, job: Job, target: Storage, report: Report) -> None:
        from cloudberth.storage.contract import Attributes
        from cloudberth.storage.storage import guessed_type

        known = Attributes(content_type=guessed_type(job.key))
        target.save(
            job.key,
            sys.stdin.buffer,
            self._changes.upon(known, target),
            if_absent=self._condition(target),
            progress=report,
        )

    def _to_file(self, job: Job, path: Path, report: Report) -> None:
        info = job.origin.opened_store.download(job.source, path, progress=report)
        known = info.attributes
        if self._changes and job.target.store is not None:
            known = self._changes.upon(known, job.target.store)
        remember(path, known)

    def _from_file(self, job: Job, path: Path, target: Storage, report: Report) -> None:
        known = replace(job.origin.opened_store.head(job.source).attributes, storage_class=None)
        target.save(
            job.key,
            path,
            self._changes.upon(known, target),
            if_absent=self._condition(target),
            progress=report,
        )

    def _between(self, job: Job, origin: Storage, target: Storage, report: Report) -> None:
        attributes: Attributes | None = None
        if self._changes:
            from cloudberth.storage.uploads import portable

            known = origin.head(job.source).attributes
            kept = portable(known, origin.capabilities, target.capabilities)
            attributes = self._changes.upon(kept, target)
        target.copy(job.source, job.key, origin=origin, attributes=attributes, progress=report)


def remember(path: Path, attributes: Attributes) -> None:
    """Keep content type and metadata with a file, as the type `local` does, where the file system can."""
    from cloudberth.storage.contract import Attributes
    from cloudberth.storage.local_attributes import XATTR, encoded, guessed

    if attributes in (Attributes(), guessed(path.name, Attributes())):
        return
    with suppress(OSError, AttributeError):
        os.setxattr(path, XATTR, encoded(attributes))
