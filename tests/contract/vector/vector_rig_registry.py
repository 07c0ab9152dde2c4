"""Every vector rig: the RIGS of each module in vector_rigs/, found by looking, not by a list."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from vector_rig import Proof, Rig, Running

FOLDER = Path(__file__).parent / "vector_rigs"


@cache
def all_rigs() -> tuple[Rig, ...]:
    """By type and id. A module that cannot be imported is a rig whose every test fails with the reason."""
    found = [rig for path in sorted(FOLDER.glob("*.py")) for rig in _rigs_of(path.stem)]
    return tuple(sorted(found, key=lambda rig: (rig.type, rig.id)))


def _rigs_of(module: str) -> tuple[Rig, ...]:
    try:
        rigs: tuple[Rig, ...] = importlib.import_module(f"vector_rigs.{module}").RIGS
    except Exception as error:
        return (_broken(module, error),)
    return rigs


def _broken(module: str, error: Exception) -> Rig:
    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        raise RuntimeError(f"vector_rigs/{module}.py cannot be imported: {error!r}") from error
        yield

    return Rig(f"{module}@broken", module, Proof.RECORDED, start)
