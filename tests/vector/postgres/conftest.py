"""The real PostgreSQL of the contract suite, for tests of what is this family's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "contract" / "vector"))

from vector_servers import postgres


@pytest.fixture
def server() -> postgres.PostgresServer:
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server()


@pytest.fixture
def database(server: postgres.PostgresServer) -> Iterator[str]:
    """A database of its own, empty."""
    with server.database() as name:
        yield name
