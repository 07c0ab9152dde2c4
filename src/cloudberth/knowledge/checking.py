"""Whether the vector store and the tables say the same, and how to make them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloudberth.errors import NotFound
from cloudberth.knowledge.model import Dataset, DocumentStatus
from cloudberth.knowledge.parts import Parts

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """orphans: vectors that belong to nothing searchable. missing: searchable chunks without a vector."""

    orphans: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        return not self.orphans and not self.missing


def compare(parts: Parts, dataset: Dataset) -> Difference:
    """Look at every vector of a dataset. What is being indexed just now is no difference.

    Reads all ids of the collection: for a large one that takes a while. Raises Unsupported for a store that
    does not give them back.
    """
    before = _known(parts, dataset)
    try:
        there = frozenset(parts.vectors.ids(dataset.collection))
    except NotFound:
        there = frozenset()
    # Once more: what was switched or deleted while the store was read is right in one of the two.
    after = _known(parts, dataset)
    missing = (before.current & after.current) - there
    return Difference(tuple(sorted(there - before.allowed - after.allowed)), tuple(sorted(missing)))


def repair(parts: Parts, dataset: Dataset) -> Difference:
    """Remove orphans, queue documents with missing vectors to be indexed again; what was found."""
    found = compare(parts, dataset)
    for some in _batches(found.orphans):
        parts.vectors.store.delete(dataset.collection, some)
    from cloudberth.knowledge.catalog import Catalog

    with parts.database.connection() as connection:
        documents = {
            row[0]
            for some in _batches(found.missing)
            for row in connection.rows(
                f"SELECT document_id FROM knowledge_chunks WHERE id IN ({', '.join('?' * len(some))})", some
            )
        }
    for document_id in sorted(documents):
        Catalog(parts).reindex(dataset.id, document_id, None)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    current: frozenset[str]
    allowed: frozenset[str]


def _known(parts: Parts, dataset: Dataset) -> _Known:
    """What has to be there, and what may be: chunks of indexings under way."""
    current = parts.chunks.current_ids(dataset.id)
    with parts.database.connection() as connection:
        rows = connection.rows(
            "SELECT c.id FROM knowledge_chunks c JOIN knowledge_documents d ON d.id = c.document_id"
            " WHERE c.dataset_id = ? AND (d.status NOT IN (?, ?) OR d.deleted IS NOT NULL)",
            (dataset.id, str(DocumentStatus.READY), str(DocumentStatus.FAILED)),
        )
    return _Known(current, current | {row[0] for row in rows})


def _batches(ids: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    return (ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH))
