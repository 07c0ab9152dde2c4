"""Rigs of `clickzetta`: its statements, run on SQLite in the place of the vendor's driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from vector_rig import Proof, Rig, Running
from vector_servers.sql_doubles import ClickZettaDriver


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    driver = ClickZettaDriver(folder / "double.db")
    with mock.patch("cloudberth.vector.clickzetta.late_import", return_value=driver):
        yield Running(
            {
                "VECTOR_STORE": "clickzetta",
                "CLICKZETTA_USERNAME": "u",
                "CLICKZETTA_PASSWORD": "p",
                "CLICKZETTA_INSTANCE": "i",
            }
        )


RIGS = (Rig("clickzetta@statements", "clickzetta", Proof.RECORDED, _start),)
