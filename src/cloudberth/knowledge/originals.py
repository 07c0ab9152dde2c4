"""The originals of documents in the object store: ``knowledge/{dataset}/{document}/{upload}``.

A key is never used twice, and it is written down before the object is: whatever a crash leaves behind is
found in the table of uploads, and removed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.database import Connection, Database
from cloudberth.errors import InvalidInput, PreconditionFailed
from cloudberth.knowledge.state.documents import Content
from cloudberth.knowledge.state.values import clock

if TYPE_CHECKING:
    from cloudberth.storage import Storage

_IN_MEMORY = 4 << 20
_PIECE = 1 << 18
ABANDONED = 6 * 3600.0  # seconds after which an upload is not waited for any more


@dataclass(frozen=True, slots=True)
class Taken:
    """What was uploaded, in memory or in a temporary file."""

    data: bytes | Path
    size: int
    digest: str


class Originals:
    """The originals of all datasets. Thread-safe. most: bytes of one."""

    def __init__(self, storage: Storage, database: Database, most: int) -> None:
        self.storage = storage
        self._database = database
        self._most = most

    @contextmanager
    def taken(self, data: Any, name: str) -> Iterator[Taken]:
        """All of an upload, with its size and digest. Raises InvalidInput when it is empty or too large."""
        digest, size = hashlib.sha256(), 0
        path: Path | None = None
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as memory:
            for piece in _pieces(data, name):
                size += len(piece)
                if size > self._most:
                    hint = "split it, or raise BERTH_KNOWLEDGE_MAX_BYTES"
                    raise InvalidInput(f"more than {self._most:,} bytes", where=name[:255], hint=hint)
                digest.update(piece)
                memory.write(piece)
            if not size:
                raise InvalidInput("there is nothing in it", where=name[:255])
            memory.seek(0)
            if size <= _IN_MEMORY:
                yield Taken(memory.read(), size, digest.hexdigest())
                return
            path = _moved(memory)
        try:
            yield Taken(path, size, digest.hexdigest())
        finally:
            with suppress(OSError):
                path.unlink()

    def keep(self, dataset_id: str, document_id: str, taken: Taken, content_type: str) -> Content:
        """Write an original. It counts when `settle` is part of a transaction; else it will be removed."""
        key = f"{_folder(dataset_id, document_id)}{uuid.uuid4().hex}"
        with self._database.transaction(alone=True) as connection:
            connection.run(
                "INSERT INTO knowledge_uploads (content_key, dataset_id, started) VALUES (?, ?, ?)",
                (key, dataset_id, clock(connection)),
            )
        self.storage.save(key, taken.data, content_type=content_type or "application/octet-stream")
        return Content(key, taken.size, taken.digest, content_type)

    def settle(self, connection: Connection, content: Content) -> None:
        """From now on the original belongs to a document."""
        found = connection.run("DELETE FROM knowledge_uploads WHERE content_key = ?", (content.key,))
        if not found:
            raise PreconditionFailed(
                "the upload took so long that it was given up", where=content.key, hint="upload it again"
            )

    def give_up(self, content: Content) -> None:
        """Remove an original that nobody will settle."""
        self._remove(content.key)

    def sweep(self) -> int:
        """Remove what uploads left behind that never ended; how many it was."""
        with self._database.transaction(alone=True) as connection:
            rows = connection.rows(
                "SELECT content_key FROM knowledge_uploads WHERE started < ? LIMIT 100",
                (clock(connection) - ABANDONED,),
            )
            # First the mark that keeps the upload from being settled, then the object.
            for row in rows:
                connection.run(
                    "UPDATE knowledge_uploads SET content_key = ? WHERE content_key = ?",
                    (_given_up(row[0]), row[0]),
                )
        with self._database.connection() as connection:
            marked = connection.rows(
                "SELECT content_key FROM knowledge_uploads WHERE content_key LIKE 'given up %' LIMIT 100"
            )
        for row in marked:
            self._remove(row[0].removeprefix("given up "), row[0])
        return len(marked)

    def stream(self, key: str) -> Iterator[bytes]:
        """Raises NotFound at once."""
        return self.storage.stream(key)

    def load(self, key: str) -> bytes:
        return self.storage.load(key)

    def drop(self, key: str) -> None:
        self.storage.delete(key)

    def drop_document(self, dataset_id: str, document_id: str) -> None:
        self.storage.delete_prefix(_folder(dataset_id, document_id))

    def drop_dataset(self, dataset_id: str) -> None:
        self.storage.delete_prefix(f"knowledge/{dataset_id}/")

    def _remove(self, key: str, marked: str | None = None) -> None:
        self.storage.delete(key)
        with self._database.transaction(alone=True) as connection:
            connection.run("DELETE FROM knowledge_uploads WHERE content_key = ?", (marked or key,))


def _folder(dataset_id: str, document_id: str) -> str:
    return f"knowledge/{dataset_id}/{document_id}/"


def _given_up(key: str) -> str:
    return key if key.startswith("given up ") else f"given up {key}"


def _moved(memory: Any) -> Path:
    """The spooled bytes in a file with a name."""
    handle, name = tempfile.mkstemp(prefix="cloudberth-")
    with os.fdopen(handle, "wb") as file:
        while piece := memory.read(_PIECE):
            file.write(piece)
    return Path(name)


def _pieces(data: Any, name: str) -> Iterator[bytes]:
    if isinstance(data, bytes | bytearray | memoryview):
        yield bytes(data)
    elif isinstance(data, Path):
        try:
            with data.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise InvalidInput(f"the file cannot be read: {error.strerror}", where=name[:255]) from None
    elif hasattr(data, "read"):
        while piece := data.read(_PIECE):
            yield piece
    else:
        yield from data
