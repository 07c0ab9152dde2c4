"""Rigs of `oracle`: its statements, run on SQLite in the place of the vendor's driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from vector_rig import Proof, Rig, Running
from vector_servers.sql_doubles import OracleDriver


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    driver = OracleDriver(folder / "double.db")
    with mock.patch("cloudberth.vector.oracle.late_import", return_value=driver):
        yield Running(
            {
                "VECTOR_STORE": "oracle",
                "ORACLE_USER": "u",
                "ORACLE_PASSWORD": "p",
                "ORACLE_DSN": "h:1521/s",
            }
        )


RIGS = (Rig("oracle@statements", "oracle", Proof.RECORDED, _start),)
