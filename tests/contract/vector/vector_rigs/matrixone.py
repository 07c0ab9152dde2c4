"""Rigs of `matrixone`: its table on OceanBase seekdb, whose distance functions have the same names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import seekdb


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    server = seekdb.server()
    with server.database() as database:
        yield Running(
            {"MATRIXONE_PASSWORD": server.password},
            f"matrixone://{server.user}@{server.host}:{server.port}/{database}?engine=seekdb",
        )


RIGS = (
    Rig(
        "matrixone@seekdb1.4", "matrixone", Proof.STAND_IN, _start, seekdb.missing, like="oceanbase@seekdb1.4"
    ),
)
