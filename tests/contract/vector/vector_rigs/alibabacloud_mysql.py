"""Rigs of `alibabacloud_mysql`: MariaDB, which runs Dify's own statements of this type."""

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
            {"ALIBABACLOUD_MYSQL_PASSWORD": server.password},
            f"alibabacloud-mysql://{server.user}@{server.host}:{server.port}/{database}?engine=mariadb",
        )


RIGS = (
    Rig(
        "alibabacloud_mysql@mariadb11.8",
        "alibabacloud_mysql",
        Proof.STAND_IN,
        _start,
        mariadb.missing,
        like="mariadb@11.8",
    ),
)
