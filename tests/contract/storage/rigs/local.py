"""The type ``local``: the file system that the tests run on is the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Proof, Rig, Running


@contextmanager
def start(folder: Path) -> Iterator[Running]:
    root = folder / "storage"
    root.mkdir()
    environment = {"STORAGE_TYPE": "local", "STORAGE_LOCAL_PATH": str(root)}
    missing = {**environment, "STORAGE_LOCAL_PATH": str(folder / "no-such-folder")}
    yield Running(environment, wrong={"bucket": missing})


RIGS = (Rig("local@disk", "local", Proof.REAL_SERVER, start, network=False),)
