"""Rig of `lancedb`: the real engine, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from vector_rig import Proof, Rig, Running


def _missing() -> str:
    return "" if find_spec("lancedb") else "the library lancedb is not installed"


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    yield Running(location=f"lancedb://{folder}/lance")


RIGS = (Rig("lancedb@embedded", "lancedb", Proof.REAL, _start, _missing),)
