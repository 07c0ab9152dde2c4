"""Each store by its own client, as a careful user would write it: the peers that an adapter is held to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy

Rows = Sequence[tuple[str, Any, str, dict[str, Any]]]  # id, vector, text, metadata
NAME = "raw_collection"


class Client(Protocol):
    """What is measured of a peer. A search gives ids, and fetches text and metadata."""

    def load(self, rows: Rows, dimension: int) -> None: ...

    def search(self, vector: Any, k: int) -> list[str]: ...

    def filtered(self, vector: Any, k: int, value: int) -> list[str]: ...

    def close(self) -> None: ...


class SqliteNumpy:
    """The least that an exact search over SQLite and NumPy needs."""

    def __init__(self, place: str) -> None:
        self.database = sqlite3.connect(f"{place}-raw.db", check_same_thread=False, isolation_level=None)

    def load(self, rows: Rows, dimension: int) -> None:
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("CREATE TABLE r (key INTEGER PRIMARY KEY, id TEXT, v BLOB, t TEXT, m TEXT)")
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT INTO r (id, v, t, m) VALUES (?, ?, ?, ?)",
            [(id, vector.tobytes(), text, json.dumps(metadata)) for id, vector, text, metadata in rows],
        )
        self.database.execute("COMMIT")
        matrix = numpy.stack([row[1] for row in rows])
        self.matrix = matrix / numpy.linalg.norm(matrix, axis=1, keepdims=True)
        self.tens = numpy.array([row[3]["tens"] for row in rows])

    def search(self, vector: Any, k: int) -> list[str]:
        return self._best(self.matrix @ (vector / numpy.linalg.norm(vector)), k)

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        near = self.matrix @ (vector / numpy.linalg.norm(vector))
        near[self.tens != value] = -2
        return self._best(near, k)

    def _best(self, near: Any, k: int) -> list[str]:
        top = numpy.argpartition(-near, k)[:k]
        keys = [int(at) + 1 for at in top[numpy.argsort(-near[top])]]
        marks = ",".join("?" * len(keys))
        found = {
            key: (id, text, json.loads(metadata))
            for key, id, text, metadata in self.database.execute(
                f"SELECT key, id, t, m FROM r WHERE key IN ({marks})", keys
            )
        }
        return [found[key][0] for key in keys]

    def close(self) -> None:
        self.database.close()


class Psycopg:
    """COPY, then the index, then prepared statements, a connection for each thread."""

    def __init__(self, place: str) -> None:
        import threading

        import psycopg
        from pgvector.psycopg import register_vector

        self.place = place
        self.local = threading.local()
        self.connect = psycopg.connect
        self.register = register_vector
        self.opened: list[Any] = []

    @property
    def connection(self) -> Any:
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect(self.place, autocommit=True)
            self.local.connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            self.register(self.local.connection)
            self.local.connection.execute("SET hnsw.ef_search = 100")
            self.local.connection.execute("SET hnsw.iterative_scan = strict_order")
            self.opened.append(self.local.connection)
        return self.local.connection

    def load(self, rows: Rows, dimension: int) -> None:
        self.connection.execute(f"DROP TABLE IF EXISTS {NAME}")
        self.connection.execute(
            f"CREATE TABLE {NAME} (id text PRIMARY KEY, t text, m jsonb, v vector({dimension}))"
        )
        with self.connection.cursor().copy(f"COPY {NAME} FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["text", "text", "jsonb", "vector"])
            from psycopg.types.json import Jsonb

            for id, vector, text, metadata in rows:
                copy.write_row((id, text, Jsonb(metadata), vector))
        self.connection.execute(
            f"CREATE INDEX ON {NAME} USING hnsw (v vector_cosine_ops) WITH (m = 16, ef_construction = 100)"
        )
        self.connection.execute(f"CREATE INDEX ON {NAME} (((m->>'tens')::int))")
        self.connection.execute(f"ANALYZE {NAME}")

    def search(self, vector: Any, k: int) -> list[str]:
        found = self.connection.execute(
            f"SELECT id, t, m, v <=> %s AS d FROM {NAME} ORDER BY d LIMIT %s", (vector, k)
        ).fetchall()
        return [row[0] for row in found]

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        found = self.connection.execute(
            f"SELECT id, t, m, v <=> %s AS d FROM {NAME} WHERE (m->>'tens')::int = %s ORDER BY d LIMIT %s",
            (vector, value, k),
        ).fetchall()
        return [row[0] for row in found]

    def close(self) -> None:
        for connection in self.opened:
            connection.close()


class Chroma:
    """chromadb in this process."""

    def __init__(self, place: str) -> None:
        import chromadb
        from chromadb.config import Settings

        quiet = Settings(anonymized_telemetry=False)
        self.client = chromadb.PersistentClient(f"{place}-raw", settings=quiet)

    def load(self, rows: Rows, dimension: int) -> None:
        self.collection = self.client.create_collection(
            NAME, configuration={"hnsw": {"space": "cosine", "ef_construction": 100, "ef_search": 100}}
        )
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            self.collection.add(
                ids=[row[0] for row in part], embeddings=numpy.stack([row[1] for row in part]),
                documents=[row[2] for row in part], metadatas=[row[3] for row in part],
            )  # fmt: skip

    def search(self, vector: Any, k: int) -> list[str]:
        found = self.collection.query(
            query_embeddings=[vector], n_results=k, include=["documents", "metadatas", "distances"]
        )
        return list(found["ids"][0])

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        found = self.collection.query(
            query_embeddings=[vector], n_results=k, where={"tens": value},
            include=["documents", "metadatas", "distances"],
        )  # fmt: skip
        return list(found["ids"][0])

    def close(self) -> None:
        """Nothing to give back."""


class Qdrant:
    """qdrant-client in local mode."""

    def __init__(self, place: str) -> None:
        from qdrant_client import QdrantClient

        self.client = QdrantClient(path=f"{place}-raw")

    def load(self, rows: Rows, dimension: int) -> None:
        import uuid

        from qdrant_client import models

        size = models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        self.client.create_collection(NAME, vectors_config=size)
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            self.client.upsert(
                NAME,
                [
                    models.PointStruct(
                        id=str(uuid.uuid5(uuid.NAMESPACE_OID, id)), vector=vector.tolist(),
                        payload={"id": id, "text": text, **metadata},
                    )
                    for id, vector, text, metadata in part
                ],
            )  # fmt: skip

    def search(self, vector: Any, k: int, only: Any = None) -> list[str]:
        found = self.client.query_points(NAME, query=vector, limit=k, query_filter=only, with_payload=True)
        return [point.payload["id"] for point in found.points if point.payload]

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        from qdrant_client import models

        match = models.FieldCondition(key="tens", match=models.MatchValue(value=value))
        return self.search(vector, k, models.Filter(must=[match]))

    def close(self) -> None:
        self.client.close()


class Milvus:
    """pymilvus with Milvus Lite."""

    def __init__(self, place: str) -> None:
        from pymilvus import MilvusClient

        self.client = MilvusClient(f"{place}-raw.db")

    def load(self, rows: Rows, dimension: int) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema()
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("text", DataType.VARCHAR, max_length=65_535)
        schema.add_field("metadata", DataType.JSON)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        index = MilvusClient.prepare_index_params()
        index.add_index(
            "vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 100}
        )
        self.client.create_collection(NAME, schema=schema, index_params=index)
        for start in range(0, len(rows), 1000):
            self.client.insert(
                NAME,
                [
                    {"id": id, "text": text, "metadata": metadata, "vector": vector}
                    for id, vector, text, metadata in rows[start : start + 1000]
                ],
            )
        self.client.flush(NAME)

    def search(self, vector: Any, k: int, only: str = "") -> list[str]:
        found = self.client.search(
            NAME, [vector], filter=only, limit=k, output_fields=["text", "metadata"],
            search_params={"params": {"ef": 100}},
        )  # fmt: skip
        return [hit["id"] for hit in found[0]]

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        return self.search(vector, k, f'metadata["tens"] == {int(value)}')

    def close(self) -> None:
        self.client.close()


class Lance:
    """lancedb with its default index, made after loading."""

    def __init__(self, place: str) -> None:
        import lancedb

        Path(f"{place}-raw").mkdir(parents=True, exist_ok=True)
        self.database = lancedb.connect(f"{place}-raw")

    def load(self, rows: Rows, dimension: int) -> None:
        import pyarrow

        vectors = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(numpy.stack([row[1] for row in rows]).ravel()), dimension
        )
        table = pyarrow.table(
            {
                "id": [row[0] for row in rows], "text": [row[2] for row in rows],
                "metadata": [json.dumps(row[3]) for row in rows], "tens": [row[3]["tens"] for row in rows],
                "vector": vectors,
            }
        )  # fmt: skip
        self.table = self.database.create_table(NAME, table)

    def search(self, vector: Any, k: int) -> list[str]:
        found = self.table.search(vector).distance_type("cosine").limit(k)
        return [row["id"] for row in found.select(["id", "text", "metadata", "_distance"]).to_list()]

    def filtered(self, vector: Any, k: int, value: int) -> list[str]:
        found = (
            self.table.search(vector).distance_type("cosine").where(f"tens = {int(value)}", prefilter=True)
        )
        rows = found.limit(k).select(["id", "text", "metadata", "_distance"]).to_list()
        return [row["id"] for row in rows]

    def close(self) -> None:
        """Nothing to give back."""
