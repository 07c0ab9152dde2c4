"""Rig of `analyticdb` in OpenAPI mode: a double over a real PostgreSQL, which the vendor's SDK accepts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import analyticdb_api, postgres
from vector_servers.listening import serving


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    server = postgres.server()
    with (
        server.database("CREATE EXTENSION vector") as database,
        closing(analyticdb_api.AnalyticDbDouble(server.host, database)) as double,
        serving(double),
    ):
        yield Running(analyticdb_api.variables(double.port))


RIGS = (Rig("analyticdb-openapi@double", "analyticdb", Proof.DOUBLE_WITH_SDK, _start, postgres.missing),)
