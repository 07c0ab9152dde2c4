"""A fresh store for each test, on SQLite; `any_store` also on a real PostgreSQL where one is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cloudberth.tracing.database import Database
from cloudberth.tracing.store import TraceStore


@pytest.fixture(autouse=True)
def _loopback_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doubles of providers are on this machine; what refuses that is tested by itself."""
    monkeypatch.setenv("BERTH_TRACES_ALLOW", "127.0.0.1/32")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'traces.db'}"


@pytest.fixture
def store(url: str) -> Iterator[TraceStore]:
    with TraceStore.open(url) as found:
        yield found


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of our own, up to the database's name."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storage" / "dify"))
    from dify_installation import PASSWORD, Postgres

    server = Postgres()
    try:
        server.start()
        yield f"postgresql://dify:{quote(PASSWORD)}@127.0.0.1:{server.port}/"
    finally:
        server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'traces.db'}"
    base: str = request.getfixturevalue("postgres")
    name = f"t{abs(hash(request.node.name)) % 10**12}"
    with Database(base + "postgres").connection() as connection:
        connection.run(f"DROP DATABASE IF EXISTS {name}")
        connection.run(f"CREATE DATABASE {name}")
    return base + name


@pytest.fixture
def any_store(any_url: str) -> Iterator[TraceStore]:
    with TraceStore.open(any_url) as found:
        yield found
