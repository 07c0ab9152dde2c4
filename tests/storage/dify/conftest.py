"""One PostgreSQL for the tests of this folder, and a fresh Dify in it for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dify_installation import Installation, Postgres, fill, installed


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def dify(postgres: Postgres, tmp_path: Path) -> Iterator[Installation]:
    """One of everything in it."""
    with installed(postgres, tmp_path) as found:
        fill(found)
        yield found
