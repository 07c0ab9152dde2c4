"""Rigs of `pgvector`: the real extension on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    server = postgres.server()
    with server.database() as database:
        yield Running(
            {
                "VECTOR_STORE": "pgvector",
                "PGVECTOR_HOST": server.host,
                "PGVECTOR_PORT": "5432",
                "PGVECTOR_USER": "postgres",
                "PGVECTOR_DATABASE": database,
            }
        )


RIGS = (Rig("pgvector@postgres18", "pgvector", Proof.REAL, _start, postgres.missing),)
