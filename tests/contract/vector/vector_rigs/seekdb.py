"""Rigs of `seekdb`: the engine itself."""

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
            {
                "VECTOR_STORE": "seekdb",
                "OCEANBASE_VECTOR_HOST": server.host,
                "OCEANBASE_VECTOR_PORT": str(server.port),
                "OCEANBASE_VECTOR_USER": server.user,
                "OCEANBASE_VECTOR_PASSWORD": server.password,
                "OCEANBASE_VECTOR_DATABASE": database,
            }
        )


RIGS = (Rig("seekdb@seekdb1.4", "seekdb", Proof.REAL, _start, seekdb.missing, like="oceanbase@seekdb1.4"),)
