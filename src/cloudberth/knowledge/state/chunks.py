"""The table of chunks: the pieces of documents as they are read back, parents included.

A chunk's id follows from the document, the indexing and its place, so indexing once more after a crash writes
the same rows and the same vectors.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudberth.database import Connection, Database, Row
from cloudberth.knowledge.model import Chunk, Metadata, Page
from cloudberth.knowledge.state.values import metadata_of, storable

_COLUMNS = (
    "id", "document_id", "ordinal", "text", "first_character", "last_character", "page", "heading", "tokens",
    "parent", "is_parent",
)  # fmt: skip
_NAMES = ", ".join(_COLUMNS)
_MOST = 500  # values in one statement


def chunk_id(document_id: str, generation: int, ordinal: int) -> str:
    """The id of a chunk."""
    return str(uuid.uuid5(uuid.UUID(document_id), f"{generation}:{ordinal}"))


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk with what a reader wants to know of its document."""

    chunk: Chunk
    dataset_id: str
    document_name: str
    metadata: Metadata


class Chunks:
    """The table of chunks. Calls that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(
        self, connection: Connection, dataset_id: str, document_id: str, generation: int,
        chunks: Sequence[Chunk],
    ) -> None:  # fmt: skip
        """Write those of one indexing; what an earlier attempt at it left behind is gone."""
        connection.run(
            "DELETE FROM knowledge_chunks WHERE document_id = ? AND generation = ?", (document_id, generation)
        )
        connection.copy(
            "knowledge_chunks",
            (*_COLUMNS, "dataset_id", "generation"),
            [
                (
                    chunk.id, chunk.document_id, chunk.ordinal, storable(chunk.text), chunk.start, chunk.end,
                    chunk.page, storable(chunk.heading), chunk.tokens, chunk.parent, int(chunk.is_parent),
                    dataset_id, generation,
                )
                for chunk in chunks
            ],
        )  # fmt: skip

    def drop_others(self, connection: Connection, document_id: str, generation: int) -> None:
        """Delete those of every other indexing."""
        connection.run(
            "DELETE FROM knowledge_chunks WHERE document_id = ? AND generation <> ?",
            (document_id, generation),
        )

    def drop(self, connection: Connection, document_id: str, generation: int) -> None:
        """Delete those of one indexing."""
        connection.run(
            "DELETE FROM knowledge_chunks WHERE document_id = ? AND generation = ?", (document_id, generation)
        )

    def of_generation(self, connection: Connection, document_id: str, generation: int) -> tuple[Chunk, ...]:
        """All of one indexing, in the order of the document."""
        rows = connection.rows(
            f"SELECT {_NAMES} FROM knowledge_chunks WHERE document_id = ? AND generation = ?"
            " ORDER BY ordinal",
            (document_id, generation),
        )
        return tuple(_chunk(row) for row in rows)

    def list(self, document_id: str, generation: int, page: int, size: int) -> Page[Chunk]:
        with self._database.connection() as connection:
            total = connection.rows(
                "SELECT COUNT(*) FROM knowledge_chunks WHERE document_id = ? AND generation = ?",
                (document_id, generation),
            )
            rows = connection.rows(
                f"SELECT {_NAMES} FROM knowledge_chunks WHERE document_id = ? AND generation = ?"
                " ORDER BY ordinal LIMIT ? OFFSET ?",
                (document_id, generation, size, (page - 1) * size),
            )
        return Page(tuple(_chunk(row) for row in rows), int(total[0][0]), page, size)

    def locate(self, dataset_id: str, ids: Iterable[str]) -> Mapping[str, Located]:
        """Those of these chunks that are searchable now, by id: of the generation that counts, of documents
        that are not deleted. Parents are found by their ids as well.
        """
        wanted, found = list(dict.fromkeys(ids)), dict[str, Located]()
        names = ", ".join(f"c.{name}" for name in _COLUMNS)
        with self._database.connection() as connection:
            for at in range(0, len(wanted), _MOST):
                some = wanted[at : at + _MOST]
                rows = connection.rows(
                    f"SELECT {names}, d.dataset_id, d.name, d.metadata FROM knowledge_chunks c"
                    " JOIN knowledge_documents d ON d.id = c.document_id AND d.generation = c.generation"
                    f" WHERE c.id IN ({', '.join('?' * len(some))}) AND d.dataset_id = ?"
                    " AND d.deleted IS NULL",
                    (*some, dataset_id),
                )
                for row in rows:
                    width = len(_COLUMNS)
                    found[row[0]] = Located(
                        _chunk(row[:width]), row[width], row[width + 1], metadata_of(row[width + 2])
                    )
        return found

    def current_ids(self, dataset_id: str) -> frozenset[str]:
        """The ids of everything that has a vector, to compare a store with."""
        with self._database.connection() as connection:
            rows = connection.rows(
                "SELECT c.id FROM knowledge_chunks c JOIN knowledge_documents d ON d.id = c.document_id"
                " AND d.generation = c.generation WHERE c.dataset_id = ? AND c.is_parent = 0"
                " AND d.deleted IS NULL",
                (dataset_id,),
            )
        return frozenset(row[0] for row in rows)


def _chunk(row: Row) -> Chunk:
    return Chunk(
        id=row[0], document_id=row[1], ordinal=int(row[2]), text=row[3], start=int(row[4]), end=int(row[5]),
        page=row[6], heading=row[7], tokens=int(row[8]), parent=row[9], is_parent=bool(row[10]),
    )  # fmt: skip
