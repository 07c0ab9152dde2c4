"""Real servers of the contract suite, for tests of what is MySQL's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "contract" / "vector"))

from vector_servers import mariadb, seekdb


@pytest.fixture
def on_seekdb() -> Iterator[tuple[seekdb.SqlServer, str]]:
    """The server and a database of its own."""
    if reason := seekdb.missing():
        pytest.skip(reason)
    server = seekdb.server()
    with server.database() as database:
        yield server, database


@pytest.fixture
def on_mariadb() -> Iterator[tuple[seekdb.SqlServer, str]]:
    """The server and a database of its own."""
    if reason := mariadb.missing():
        pytest.skip(reason)
    server = mariadb.server().sql
    with server.database() as database:
        yield server, database
