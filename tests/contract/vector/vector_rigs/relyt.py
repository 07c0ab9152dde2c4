"""Rigs of `relyt`: PostgreSQL with pgvector. Not proved here: the statement of its own index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with postgres.server().database(*postgres.SQUARED) as database:
        yield Running(location=postgres.location("relyt", database, vendor_ddl=False))


RIGS = (
    Rig("relyt@postgres18", "relyt", Proof.STAND_IN, _start, postgres.missing, like="pgvector@postgres18"),
)
