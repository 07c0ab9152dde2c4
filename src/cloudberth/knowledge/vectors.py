"""The vectors of datasets in a vector store: what is written there, and how it is taken away again.

A collection for each dataset, named as Dify names it; records carry Dify's fields (``doc_id``, which the
store's facade adds, ``dataset_id``, ``document_id``, ``doc_hash``), the number of the indexing they are of,
and the document's metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudberth.errors import NotFound
from cloudberth.knowledge.model import Chunk, Metadata
from cloudberth.knowledge.state.datasets import Vectors

if TYPE_CHECKING:
    from cloudberth.knowledge.embedding.contract import Vectors as Rows
    from cloudberth.vector import VectorStore
    from cloudberth.vector.filters import Filter


def collection_name(dataset_id: str, rebuild: str = "") -> str:
    """As Dify names it. rebuild: a few letters that tell a later collection of the same dataset apart."""
    ending = f"_{rebuild}" if rebuild else ""
    return f"Vector_index_{dataset_id.replace('-', '_')}_Node{ending}"


class VectorIndex:
    """The collections of all datasets. Thread-safe."""

    def __init__(self, store: VectorStore) -> None:
        self.store = store

    def make(self, vectors: Vectors) -> None:
        """The collection, if it is not there yet. Raises Mismatch when it is one of another model."""
        from cloudberth.vector import FieldType

        self.store.create(
            vectors.collection,
            vectors.dimension,
            fields={"document_id": FieldType.KEYWORD, "generation": FieldType.INTEGER},
            model=vectors.fingerprint,
            exist_ok=True,
        )

    def put(
        self, vectors: Vectors, dataset_id: str, generation: int, chunks: Sequence[Chunk],
        texts: Sequence[str], rows: Rows, metadata: Metadata,
    ) -> None:  # fmt: skip
        """Write the vectors of chunks. texts, rows: in the order of the chunks."""
        from cloudberth.vector import Record

        self.store.upsert(
            vectors.collection,
            [
                Record(
                    chunk.id, row, text,
                    {**metadata, **_fields(dataset_id, chunk.document_id, text, generation)},
                )
                for chunk, text, row in zip(chunks, texts, rows, strict=True)
            ],
            model=vectors.fingerprint,
        )  # fmt: skip

    def hashes(self, vectors: Vectors, ids: Sequence[str]) -> Mapping[str, str]:
        """Of those records that are there, the hash of the text."""
        return {
            each.id: each.metadata.get("doc_hash", "") for each in self.store.get(vectors.collection, ids)
        }

    def describe(self, vectors: Vectors, ids: Sequence[str], metadata: Metadata) -> int:
        """Give records other metadata; their vectors stay. How many there were."""
        from dataclasses import replace

        found = self.store.get(vectors.collection, ids, vectors=True)
        own = ("dataset_id", "document_id", "doc_hash", "generation")
        return self.store.upsert(
            vectors.collection,
            [
                replace(each, metadata={**metadata, **{name: each.metadata.get(name) for name in own}})
                for each in found
            ],
            model=vectors.fingerprint,
        )

    def count(self, vectors: Vectors, document_id: str, generation: int) -> int:
        return self.store.count(vectors.collection, _of_generation(document_id, generation))

    def drop_document(self, collection: str, document_id: str) -> int:
        """Remove all of a document; how many there were."""
        from cloudberth.vector.filters import equals

        return self._drop(collection, equals("document_id", document_id))

    def drop_generation(self, collection: str, document_id: str, generation: int) -> int:
        """Remove those of one indexing."""
        return self._drop(collection, _of_generation(document_id, generation))

    def drop_others(self, collection: str, document_id: str, generation: int) -> int:
        """Remove those of every other indexing."""
        from cloudberth.vector.filters import And, Compare, Operator, equals

        others = Compare("generation", Operator.NE, generation)
        return self._drop(collection, And((equals("document_id", document_id), others)))

    def drop(self, collection: str) -> None:
        """Remove a collection; one that is not there is no error."""
        with suppress(NotFound):
            self.store.drop(collection)

    def ids(self, collection: str) -> Iterator[str]:
        """The ids of all records."""
        for record in self.store.scan(collection, vectors=False):
            yield record.id

    def _drop(self, collection: str, filter: Filter) -> int:
        try:
            return self.store.delete_where(collection, filter)
        except NotFound:
            return 0


def text_hash(text: str) -> str:
    """What tells whether a record's text is still that of its chunk."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _fields(dataset_id: str, document_id: str, text: str, generation: int) -> dict[str, Any]:
    return {
        "dataset_id": dataset_id,
        "document_id": document_id,
        "doc_hash": text_hash(text),
        "generation": generation,
    }


def _of_generation(document_id: str, generation: int) -> Filter:
    from cloudberth.vector.filters import And, equals

    return And((equals("document_id", document_id), equals("generation", generation)))
