"""The table of datasets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudberth.database import Connection, Database, Row
from cloudberth.errors import NotFound, PreconditionFailed
from cloudberth.knowledge.model import Dataset, Page, RetrievalSettings
from cloudberth.knowledge.state.values import (
    checked_name,
    clock,
    like,
    moment,
    retrieval_of,
    retrieval_to_json,
    storable,
    to_json,
)

_COUNTED = "FROM knowledge_documents c WHERE c.dataset_id = d.id AND c.deleted IS NULL"
_PLAIN = """d.id, d.name, d.description, d.embedding, d.fingerprint, d.dimension, d.collection,
d.retrieval, d.chunking, d.version, d.created, d.updated, d.reembedding, d.error"""
_COLUMNS = f"""{_PLAIN},
(SELECT COUNT(*) {_COUNTED}), (SELECT COALESCE(SUM(c.chunks), 0) {_COUNTED}),
(SELECT COUNT(*) {_COUNTED} AND c.status NOT IN ('ready', 'failed')),
(SELECT COUNT(*) {_COUNTED} AND c.status = 'failed')"""


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a dataset's vectors are made with, and where they are."""

    embedding: str
    fingerprint: str
    dimension: int
    collection: str


class Datasets:
    """The table of datasets. Calls that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, connection: Connection, name: str, description: str, vectors: Vectors,
        retrieval: RetrievalSettings, chunking: Mapping[str, Any], dataset_id: str = "",
    ) -> Dataset:  # fmt: skip
        name = checked_name(name, "dataset")
        self._refuse_taken(connection, name)
        dataset_id, now = dataset_id or str(uuid.uuid4()), clock(connection)
        connection.run(
            "INSERT INTO knowledge_datasets (id, name, description, embedding, fingerprint, dimension,"
            " collection, retrieval, chunking, version, reembedding, error, created, updated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', ?, ?)",
            (
                dataset_id, name, storable(description), vectors.embedding, vectors.fingerprint,
                vectors.dimension, vectors.collection, retrieval_to_json(retrieval), to_json(dict(chunking)),
                now, now,
            ),
        )  # fmt: skip
        return self.get(connection, dataset_id)

    def list(self, search: str, page: int, size: int) -> Page[Dataset]:
        where, values = "d.deleted IS NULL", list[Any]()
        if search.strip():
            where, values = f"{where} AND LOWER(d.name) LIKE ? ESCAPE '!'", [like(search.strip())]
        with self._database.connection() as connection:
            total = connection.rows(f"SELECT COUNT(*) FROM knowledge_datasets d WHERE {where}", values)
            rows = connection.rows(
                f"SELECT {_COLUMNS} FROM knowledge_datasets d WHERE {where}"
                " ORDER BY LOWER(d.name), d.id LIMIT ? OFFSET ?",
                (*values, size, (page - 1) * size),
            )
        return Page(tuple(_dataset(row) for row in rows), int(total[0][0]), page, size)

    def read(self, dataset_id: str) -> Dataset:
        with self._database.connection() as connection:
            return self.get(connection, dataset_id)

    def read_plain(self, dataset_id: str) -> Dataset:
        """Without counting its documents, which takes a while when there are many: the counts are 0."""
        with self._database.connection() as connection:
            return self.get(connection, dataset_id, f"{_PLAIN}, 0, 0, 0, 0")

    def get(self, connection: Connection, dataset_id: str, columns: str = _COLUMNS) -> Dataset:
        """Raises NotFound, also when it is being deleted."""
        rows = connection.rows(
            f"SELECT {columns} FROM knowledge_datasets d WHERE d.id = ? AND d.deleted IS NULL", (dataset_id,)
        )
        if not rows:
            raise NotFound("there is no such dataset", where=dataset_id[:64])
        return _dataset(rows[0])

    def update(
        self, connection: Connection, dataset_id: str, *, name: str | None, description: str | None,
        retrieval: RetrievalSettings | None, chunking: Mapping[str, Any] | None,
    ) -> Dataset:  # fmt: skip
        found = self.get(connection, dataset_id)
        if name is not None and (name := checked_name(name, "dataset")) != found.name:
            self._refuse_taken(connection, name)
        connection.run(
            "UPDATE knowledge_datasets SET name = ?, description = ?, retrieval = ?, chunking = ?,"
            " updated = ? WHERE id = ?",
            (
                found.name if name is None else name,
                found.description if description is None else storable(description),
                retrieval_to_json(found.retrieval if retrieval is None else retrieval),
                to_json(dict(found.chunking if chunking is None else chunking)),
                clock(connection), dataset_id,
            ),
        )  # fmt: skip
        return self.get(connection, dataset_id)

    def touch(self, connection: Connection, dataset_id: str) -> None:
        """What can be found in it has changed: answers that were kept for the version before are stale."""
        connection.run("UPDATE knowledge_datasets SET version = version + 1 WHERE id = ?", (dataset_id,))

    def set_rebuild(self, connection: Connection, dataset_id: str, embedding: str, error: str = "") -> None:
        """A rebuild with this embedder begins; empty: it ended, with this error."""
        connection.run(
            "UPDATE knowledge_datasets SET reembedding = ?, error = ?, updated = ? WHERE id = ?",
            (embedding, storable(error), clock(connection), dataset_id),
        )

    def switch(self, connection: Connection, dataset_id: str, vectors: Vectors) -> None:
        """From now on it is searched in these vectors."""
        connection.run(
            "UPDATE knowledge_datasets SET embedding = ?, fingerprint = ?, dimension = ?, collection = ?,"
            " reembedding = '', error = '', version = version + 1, updated = ? WHERE id = ?",
            (
                vectors.embedding, vectors.fingerprint, vectors.dimension, vectors.collection,
                clock(connection), dataset_id,
            ),
        )  # fmt: skip

    def mark_deleted(self, connection: Connection, dataset_id: str) -> None:
        connection.run(
            "UPDATE knowledge_datasets SET deleted = ?, version = version + 1 WHERE id = ?",
            (clock(connection), dataset_id),
        )

    def erase(self, connection: Connection, dataset_id: str) -> None:
        """Forget it and everything in it, at the end of its deletion."""
        for table in ("chunks", "documents", "uploads"):
            connection.run(f"DELETE FROM knowledge_{table} WHERE dataset_id = ?", (dataset_id,))
        connection.run("DELETE FROM knowledge_datasets WHERE id = ?", (dataset_id,))

    def _refuse_taken(self, connection: Connection, name: str) -> None:
        if connection.rows("SELECT 1 FROM knowledge_datasets WHERE name = ? AND deleted IS NULL", (name,)):
            raise PreconditionFailed("there is a dataset of this name already", where=name)


def _dataset(row: Row) -> Dataset:
    return Dataset(
        id=row[0], name=row[1], description=row[2], embedding=row[3], fingerprint=row[4],
        dimension=int(row[5]), collection=row[6], retrieval=retrieval_of(row[7]),
        chunking=json.loads(row[8]), version=int(row[9]), created=moment(row[10]), updated=moment(row[11]),
        reembedding=row[12], error=row[13], documents=int(row[14]), chunks=int(row[15]), waiting=int(row[16]),
        failed=int(row[17]),
    )  # fmt: skip
