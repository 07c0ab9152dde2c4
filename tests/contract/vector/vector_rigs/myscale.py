"""Rigs of `myscale`: ClickHouse, of which MyScale is a descendant, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from vector_rig import Proof, Rig, Running
from vector_servers import clickhouse

_numbers = count(1)


@contextmanager
def _start(folder: Path) -> Iterator[Running]:
    server = clickhouse.server()
    database = f"rig{next(_numbers)}"
    yield Running(
        {"MYSCALE_PASSWORD": clickhouse.PASSWORD},
        f"myscale://{clickhouse.USER}@{server.host}:{server.port}/{database}?engine=clickhouse",
    )


RIGS = (Rig("myscale@clickhouse26", "myscale", Proof.STAND_IN, _start, clickhouse.missing),)
