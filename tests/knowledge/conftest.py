"""A fresh service for each test; `any_database` also on a real PostgreSQL where one is installed."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from knowledge_rig import opened

from cloudberth.database import Database
from cloudberth.knowledge.model import Dataset
from cloudberth.knowledge.service import Knowledge
from cloudberth.knowledge.state.schema import PURPOSE


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    with opened(tmp_path / "data") as found:
        yield found


@pytest.fixture
def dataset(knowledge: Knowledge) -> Dataset:
    return knowledge.create_dataset("handbook")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of our own, up to the database's name."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storage" / "dify"))
    from dify_installation import PASSWORD, Postgres

    server = Postgres()
    try:
        server.start()
        yield f"postgresql://dify:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/"
    finally:
        server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    base: str = request.getfixturevalue("postgres")
    name = f"k{zlib.crc32(request.node.nodeid.encode())}"
    with Database(base + "postgres", PURPOSE).connection() as connection:
        connection.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.run(f"CREATE DATABASE {name}")
    return base + name
