"""Dify's own record of where a dataset's vectors are, and its change to another store.

In Dify's database ``datasets.index_struct`` names the type and the collection of every dataset, and wins over
VECTOR_STORE: ``{"type": "weaviate", "vector_store": {"class_prefix": "Vector_index_…_Node"}}`` (Dify 1.15,
``core/rag/datasource/vdb/vector_factory.py``). All datasets change in one transaction, or none does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudberth.errors import PreconditionFailed
from cloudberth.storage.dify.connection import DatabaseSettings, connect, translated

if TYPE_CHECKING:
    import psycopg

_READ = """
SELECT d.id::text, d.name, d.index_struct, b.collection_name
  FROM datasets d LEFT JOIN dataset_collection_bindings b ON b.id = d.collection_binding_id
 WHERE d.index_struct IS NOT NULL AND d.indexing_technique = 'high_quality'
 ORDER BY d.created_at, d.id
"""


@dataclass(frozen=True, slots=True)
class DifyDataset:
    """type, collection: where its vectors are. index_struct: as it stands in the database.

    shared: the collection that Dify keeps it in together with others (Qdrant); empty elsewhere.
    """

    id: str
    name: str
    type: str
    collection: str
    index_struct: str
    shared: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A dataset, and where its vectors are from now on."""

    dataset: DifyDataset
    type: str
    collection: str

    @property
    def index_struct(self) -> str:
        """The new value, written as Dify writes it."""
        return json.dumps({"type": self.type, "vector_store": {"class_prefix": self.collection}})


def datasets_of(environment: Mapping[str, str]) -> tuple[DifyDataset, ...]:
    """Every dataset with vectors, from the database of the DB_* variables.

    Raises InvalidInput, PermissionDenied, Unavailable.
    """
    settings = DatabaseSettings.from_environment(environment)
    with connect(settings) as connection, translated(settings):
        rows = connection.execute(_READ).fetchall()
    found = [_dataset(*row) for row in rows]
    return tuple(dataset for dataset in found if dataset is not None)


def _dataset(id: str, name: str, index_struct: str, shared: str | None) -> DifyDataset | None:
    try:
        known: dict[str, Any] = json.loads(index_struct)
        return DifyDataset(
            id,
            name,
            str(known["type"]),
            str(known["vector_store"]["class_prefix"]),
            index_struct,
            shared or "",
        )
    except (ValueError, KeyError, TypeError):
        return None  # it has no vectors yet


def switch(environment: Mapping[str, str], moves: Sequence[Move]) -> int:
    """Tell Dify where the vectors are now, all in one transaction; how many datasets.

    Raises PreconditionFailed when one was changed or removed since it was read; then nothing is changed.
    """
    settings = DatabaseSettings.from_environment(environment)
    with connect(settings) as connection, translated(settings), connection.transaction():
        for move in moves:
            _switch_one(connection, settings, move)
    return len(moves)


def _switch_one(
    connection: psycopg.Connection[tuple[Any, ...]], settings: DatabaseSettings, move: Move
) -> None:
    done = connection.execute(
        "UPDATE datasets SET index_struct = %s WHERE id = %s::uuid AND index_struct = %s",
        (move.index_struct, move.dataset.id, move.dataset.index_struct),
    )
    if done.rowcount != 1:
        raise PreconditionFailed(
            f"the dataset {move.dataset.name!r} was changed meanwhile",
            where=settings.place,
            hint="nothing was switched; run the migration again",
        )
