"""Rigs of `opengauss`: PostgreSQL with pgvector, whose types, operators and index openGauss took over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with postgres.server().database(postgres.VECTOR) as database:
        yield Running(location=postgres.location("opengauss", database, vendor_ddl=True))


RIGS = (
    Rig(
        "opengauss@postgres18",
        "opengauss",
        Proof.STAND_IN,
        _start,
        postgres.missing,
        like="pgvector@postgres18",
    ),
)
