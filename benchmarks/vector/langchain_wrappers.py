"""The same stores behind LangChain's wrappers, where these are installed (langchain-chroma, -postgres, …)."""

from __future__ import annotations

from typing import Any

from vector.raw_clients import Rows


class Ready:
    """An embedding model that is asked for nothing: vectors are given."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        return [1.0] * self.dimension


class Wrapped:
    """A wrapper of LangChain, with the index and the metric that the others have.

    kind: chroma, pgvector, qdrant or milvus.
    """

    def __init__(self, kind: str, place: str) -> None:
        self.kind = kind
        self.place = place
        self.store: Any = None

    def load(self, rows: Rows, dimension: int) -> None:
        self.ready = _Given(dimension)
        self.store = getattr(self, f"_{self.kind}")(dimension)
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            self.ready.rows = [row[1].tolist() for row in part]
            self.store.add_texts([row[2] for row in part], [dict(row[3], id=row[0]) for row in part])
        self._finish(dimension)

    def search(self, vector: Any, k: int) -> list[str]:
        return [one.metadata["id"] for one in self.store.similarity_search_by_vector(vector.tolist(), k=k)]

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        found = self.store.similarity_search_by_vector(vector.tolist(), k=k, **self._filter(value))
        return [one.metadata["id"] for one in found]

    def close(self) -> None:
        self.store = None

    def _filter(self, value: int) -> dict[str, Any]:
        if self.kind == "qdrant":
            from qdrant_client import models

            match = models.FieldCondition(key="metadata.tens", match=models.MatchValue(value=value))
            return {"filter": models.Filter(must=[match])}
        if self.kind == "milvus":
            return {"expr": f"tens == {value}"}
        return {"filter": {"tens": value}}

    def _finish(self, dimension: int) -> None:
        """What a careful user does after loading, and the wrapper does not."""
        if self.kind == "milvus":
            self.store.client.flush(self.store.collection_name)
        if self.kind == "pgvector":
            import psycopg

            table = "langchain_pg_embedding"
            with psycopg.connect(self.place, autocommit=True) as connection:
                connection.execute(
                    f"CREATE INDEX ON {table} USING hnsw (embedding vector_cosine_ops) "
                    "WITH (m = 16, ef_construction = 100)"
                )
                connection.execute(f"ANALYZE {table}")

    def _chroma(self, dimension: int) -> Any:
        from langchain_chroma import Chroma

        graph = {"space": "cosine", "ef_construction": 100, "ef_search": 100}
        return Chroma(
            "wrapped", self.ready, persist_directory=f"{self.place}-langchain",
            collection_configuration={"hnsw": graph},
        )  # fmt: skip

    def _pgvector(self, dimension: int) -> Any:
        from langchain_postgres import PGVector
        from sqlalchemy import create_engine

        engine = create_engine("postgresql+psycopg://", connect_args=self._connection())
        return PGVector(self.ready, connection=engine, collection_name="wrapped", embedding_length=dimension)

    def _connection(self) -> dict[str, Any]:
        from psycopg.conninfo import conninfo_to_dict

        options = "-c hnsw.ef_search=100 -c hnsw.iterative_scan=strict_order"
        return {**conninfo_to_dict(self.place), "options": options}

    def _qdrant(self, dimension: int) -> Any:
        from langchain_qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=f"{self.place}-langchain")
        size = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        client.create_collection("wrapped", vectors_config=size)
        return QdrantVectorStore(
            client, "wrapped", self.ready, validate_embeddings=False, validate_collection_config=False
        )

    def _milvus(self, dimension: int) -> Any:
        from langchain_milvus import Milvus

        graph = {"M": 16, "efConstruction": 100}
        return Milvus(
            self.ready, connection_args={"uri": f"{self.place}-langchain.db"}, auto_id=True,
            index_params={"index_type": "HNSW", "metric_type": "COSINE", "params": graph},
            search_params={"metric_type": "COSINE", "params": {"ef": 100}},
        )  # fmt: skip


class _Given(Ready):
    """Gives the vectors of the rows being written, in their order: wrappers ask for a few at a time."""

    rows: list[list[float]]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        given, self.rows = self.rows[: len(texts)], self.rows[len(texts) :]
        return given
