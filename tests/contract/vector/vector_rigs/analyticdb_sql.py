"""Rigs of `analyticdb` in SQL mode: PostgreSQL with FastANN's operators. Not proved: index, zhparser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    # The adapter makes the schema itself.
    with postgres.knowledgebase("rig"):
        yield Running(location=postgres.location("analyticdb", "rig", vendor_ddl=False))


RIGS = (
    Rig(
        "analyticdb-sql@postgres18",
        "analyticdb",
        Proof.STAND_IN,
        _start,
        postgres.missing,
        like="pgvector@postgres18",
    ),
)
