"""Every rig there is: the RIGS of each module in rigs/, found by looking, not by a list."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from rig import Proof, Rig, Running

FOLDER = Path(__file__).parent / "rigs"


@cache
def all_rigs() -> tuple[Rig, ...]:
    """By type and id. A module that cannot be imported is a rig whose every test fails with the reason."""
    found = [rig for path in sorted(FOLDER.glob("*.py")) for rig in rigs_of(path.stem)]
    return tuple(sorted(found, key=lambda rig: (rig.type, rig.id)))


def rigs_of(module: str) -> tuple[Rig, ...]:
    """The RIGS of one module."""
    try:
        rigs: tuple[Rig, ...] = importlib.import_module(f"rigs.{module}").RIGS
    except Exception as error:
        return (broken(module, error),)
    return rigs


def broken(module: str, error: Exception) -> Rig:
    """What stands for a module that cannot be imported."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        raise RuntimeError(f"rigs/{module}.py cannot be imported: {error!r}") from error
        yield

    name = module.replace("_", "-")
    return Rig(f"{name}@broken", name, Proof.EMULATOR, start)
