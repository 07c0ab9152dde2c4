"""Rigs of `hologres`: PostgreSQL with functions of Hologres's names. Not proved here: its two indexes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    with postgres.server().database(*postgres.FUNCTIONS) as database:
        yield Running(location=postgres.location("hologres", database, vendor_ddl=False))


RIGS = (
    Rig(
        "hologres@postgres18",
        "hologres",
        Proof.STAND_IN,
        _start,
        postgres.missing,
        like="pgvector@postgres18",
    ),
)
