"""The table of documents.

`wanted` is the number of the newest indexing that was asked for, `generation` that of the one that is
searchable: they differ while a document is indexed, and what is searchable changes in one statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.database import Connection, Database, Row
from cloudberth.errors import NotFound
from cloudberth.knowledge.model import Document, DocumentStatus, Metadata, Page
from cloudberth.knowledge.state.values import (
    checked_metadata,
    clock,
    like,
    maybe_moment,
    metadata_of,
    moment,
    storable,
    to_json,
)

_COLUMNS = """id, dataset_id, name, content_type, size, content_hash, metadata, chunking, status, progress,
error, hint, attempts, generation, chunks, characters, created, updated, indexed"""


@dataclass(frozen=True, slots=True)
class Content:
    """The original of a document. key: in the object store."""

    key: str
    size: int
    digest: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Indexing:
    """What a worker needs to know of a document. metadata_version: of the metadata here."""

    id: str
    dataset_id: str
    name: str
    content: Content
    metadata: Metadata
    metadata_version: int
    chunking: Mapping[str, Any]
    wanted: int
    generation: int
    is_deleted: bool


class Documents:
    """The table of documents. Calls that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what users see --------------------------------------------------------------------------------------

    def list(
        self, dataset_id: str, status: DocumentStatus | None, search: str, page: int, size: int
    ) -> Page[Document]:
        where, values = "dataset_id = ? AND deleted IS NULL", list[Any]([dataset_id])
        if status is not None:
            where, values = f"{where} AND status = ?", [*values, str(status)]
        if search.strip():
            where, values = f"{where} AND LOWER(name) LIKE ? ESCAPE '!'", [*values, like(search.strip())]
        with self._database.connection() as connection:
            total = connection.rows(f"SELECT COUNT(*) FROM knowledge_documents WHERE {where}", values)
            rows = connection.rows(
                f"SELECT {_COLUMNS} FROM knowledge_documents WHERE {where}"
                " ORDER BY created DESC, id LIMIT ? OFFSET ?",
                (*values, size, (page - 1) * size),
            )
        return Page(tuple(_document(row) for row in rows), int(total[0][0]), page, size)

    def read(self, dataset_id: str, document_id: str) -> Document:
        with self._database.connection() as connection:
            return self.get(connection, dataset_id, document_id)

    def get(self, connection: Connection, dataset_id: str, document_id: str) -> Document:
        """Raises NotFound, also when it is of another dataset or being deleted."""
        rows = connection.rows(
            f"SELECT {_COLUMNS} FROM knowledge_documents WHERE id = ? AND dataset_id = ? AND deleted IS NULL",
            (document_id, dataset_id),
        )
        if not rows:
            raise NotFound("there is no such document in this dataset", where=document_id[:64])
        return _document(rows[0])

    def named(self, connection: Connection, dataset_id: str, name: str) -> tuple[Document, ...]:
        """Those of this name, the newest first."""
        rows = connection.rows(
            f"SELECT {_COLUMNS} FROM knowledge_documents WHERE dataset_id = ? AND name = ?"
            " AND deleted IS NULL ORDER BY created DESC, id",
            (dataset_id, name),
        )
        return tuple(_document(row) for row in rows)

    # -- what users change -----------------------------------------------------------------------------------

    def insert(
        self, connection: Connection, document_id: str, dataset_id: str, name: str, content: Content,
        metadata: Mapping[str, Any] | None, chunking: Mapping[str, Any] | None,
    ) -> None:  # fmt: skip
        """A new document that waits for its first indexing, number 1."""
        now = clock(connection)
        connection.run(
            "INSERT INTO knowledge_documents (id, dataset_id, name, content_type, size, content_hash,"
            " content_key, metadata, metadata_version, chunking, status, progress, error, hint, attempts,"
            " wanted, generation, chunks, characters, created, updated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 'waiting', 0, '', '', 0, 1, 0, 0, 0, ?, ?)",
            (
                document_id, dataset_id, name, content.content_type, content.size, content.digest,
                content.key, checked_metadata(metadata), to_json(dict(chunking or {})), now, now,
            ),
        )  # fmt: skip

    def want(
        self, connection: Connection, document_id: str, *, content: Content | None = None,
        chunking: Mapping[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Ask for another indexing, of other content or by other rules; its number."""
        found = self.indexing(connection, document_id)
        if found is None:
            raise NotFound("there is no such document", where=document_id)
        new = content or found.content
        connection.run(
            "UPDATE knowledge_documents SET wanted = wanted + 1, status = 'waiting', progress = 0,"
            " error = '', hint = '', attempts = 0, size = ?, content_hash = ?, content_key = ?,"
            " content_type = ?, chunking = ?, updated = ? WHERE id = ?",
            (
                new.size, new.digest, new.key, new.content_type,
                to_json(dict(found.chunking if chunking is None else chunking)), clock(connection),
                document_id,
            ),
        )  # fmt: skip
        return found.wanted + 1

    def describe(
        self, connection: Connection, document_id: str, name: str | None, metadata: Mapping[str, Any] | None
    ) -> None:
        """Another name, other metadata."""
        if name is not None:
            connection.run("UPDATE knowledge_documents SET name = ? WHERE id = ?", (name, document_id))
        if metadata is not None:
            connection.run(
                "UPDATE knowledge_documents SET metadata = ?, metadata_version = metadata_version + 1"
                " WHERE id = ?",
                (checked_metadata(metadata), document_id),
            )
        connection.run(
            "UPDATE knowledge_documents SET updated = ? WHERE id = ?", (clock(connection), document_id)
        )

    def mark_deleted(self, connection: Connection, document_id: str) -> None:
        connection.run(
            "UPDATE knowledge_documents SET deleted = ? WHERE id = ?", (clock(connection), document_id)
        )

    # -- what workers do -------------------------------------------------------------------------------------

    def indexing(self, connection: Connection, document_id: str) -> Indexing | None:
        """What a worker needs; None when the document is gone."""
        rows = connection.rows(
            "SELECT id, dataset_id, name, content_key, size, content_hash, content_type, metadata,"
            " metadata_version, chunking, wanted, generation, deleted FROM knowledge_documents WHERE id = ?",
            (document_id,),
        )
        if not rows:
            return None
        row = rows[0]
        return Indexing(
            row[0], row[1], row[2], Content(row[3], int(row[4]), row[5], row[6]), metadata_of(row[7]),
            int(row[8]), json.loads(row[9]), int(row[10]), int(row[11]), row[12] is not None,
        )  # fmt: skip

    def searchable(self, connection: Connection, dataset_id: str) -> tuple[tuple[str, int], ...]:
        """Documents that have something to be found, with its generation."""
        rows = connection.rows(
            "SELECT id, generation FROM knowledge_documents WHERE dataset_id = ? AND generation > 0"
            " AND deleted IS NULL ORDER BY created, id",
            (dataset_id,),
        )
        return tuple((row[0], int(row[1])) for row in rows)

    def progress(
        self, connection: Connection, document_id: str, wanted: int, status: DocumentStatus,
        progress: float, attempts: int,
    ) -> bool:  # fmt: skip
        """Where an indexing is. False: it is not wanted any more."""
        return bool(
            connection.run(
                "UPDATE knowledge_documents SET status = ?, progress = ?, attempts = ?, updated = ?"
                " WHERE id = ? AND wanted = ? AND deleted IS NULL",
                (str(status), progress, attempts, clock(connection), document_id, wanted),
            )
        )

    def went_wrong(
        self, connection: Connection, document_id: str, wanted: int, status: DocumentStatus, attempts: int,
        error: str, hint: str,
    ) -> bool:  # fmt: skip
        """Note an error; status: waiting when it is tried again, else failed."""
        return bool(
            connection.run(
                "UPDATE knowledge_documents SET status = ?, progress = 0, error = ?, hint = ?, attempts = ?,"
                " updated = ? WHERE id = ? AND wanted = ? AND deleted IS NULL",
                (
                    str(status), storable(error), storable(hint), attempts, clock(connection), document_id,
                    wanted,
                ),
            )
        )  # fmt: skip

    def switch(
        self, connection: Connection, document_id: str, wanted: int, chunks: int, characters: int
    ) -> bool:
        """Make an indexing the searchable one. False: it is not wanted any more."""
        now = clock(connection)
        return bool(
            connection.run(
                "UPDATE knowledge_documents SET generation = wanted, status = 'ready', progress = 1,"
                " error = '', hint = '', chunks = ?, characters = ?, indexed = ?, updated = ?"
                " WHERE id = ? AND wanted = ? AND deleted IS NULL",
                (chunks, characters, now, now, document_id, wanted),
            )
        )

    def erase(self, connection: Connection, document_id: str) -> None:
        """Forget it, at the end of its deletion."""
        connection.run("DELETE FROM knowledge_chunks WHERE document_id = ?", (document_id,))
        connection.run("DELETE FROM knowledge_documents WHERE id = ?", (document_id,))


def _document(row: Row) -> Document:
    return Document(
        id=row[0], dataset_id=row[1], name=row[2], content_type=row[3], size=int(row[4]), content_hash=row[5],
        metadata=metadata_of(row[6]), chunking=json.loads(row[7]), status=DocumentStatus(row[8]),
        progress=float(row[9]), error=row[10], hint=row[11], attempts=int(row[12]), generation=int(row[13]),
        chunks=int(row[14]), characters=int(row[15]), created=moment(row[16]), updated=moment(row[17]),
        indexed=maybe_moment(row[18]),
    )  # fmt: skip
