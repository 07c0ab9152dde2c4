"""Rigs of `mariadb`: the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import mariadb


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    server = mariadb.server().sql
    with server.database() as database:
        yield Running(
            {"MARIADB_PASSWORD": server.password},
            f"mariadb://{server.user}@{server.host}:{server.port}/{database}",
        )


RIGS = (Rig("mariadb@11.8", "mariadb", Proof.REAL, _start, mariadb.missing),)
