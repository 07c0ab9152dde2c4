"""Rigs of `iris`: its statements, run on SQLite in the place of the vendor's driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from vector_rig import Proof, Rig, Running
from vector_servers.sql_doubles import IrisDriver


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    driver = IrisDriver(folder / "double.db")
    with mock.patch("cloudberth.vector.iris.late_import", return_value=driver):
        yield Running({"VECTOR_STORE": "iris", "IRIS_PASSWORD": "p"})


RIGS = (Rig("iris@statements", "iris", Proof.RECORDED, _start),)
