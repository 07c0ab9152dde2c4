"""Rigs of `vastbase`: PostgreSQL with a type ``floatvector`` that has pgvector's functions and index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with postgres.server().database(*postgres.FLOATVECTOR) as database:
        yield Running(location=postgres.location("vastbase", database, vendor_ddl=True))


RIGS = (
    Rig(
        "vastbase@postgres18",
        "vastbase",
        Proof.STAND_IN,
        _start,
        postgres.missing,
        like="pgvector@postgres18",
    ),
)
