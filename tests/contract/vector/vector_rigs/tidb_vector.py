"""Rigs of `tidb_vector`: its table on OceanBase seekdb, with seekdb's functions and indexes."""

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
            {"TIDB_VECTOR_PASSWORD": server.password},
            f"tidb-vector://{server.user}@{server.host}:{server.port}/{database}?engine=seekdb&tls=disable",
        )


RIGS = (
    Rig(
        "tidb_vector@seekdb1.4",
        "tidb_vector",
        Proof.STAND_IN,
        _start,
        seekdb.missing,
        like="oceanbase@seekdb1.4",
    ),
)
