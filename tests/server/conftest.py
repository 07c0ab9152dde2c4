"""The server in one process, with a folder of its own, and a client that is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.server.application import create_application
from cloudberth.server.building import build_services, close_services
from cloudberth.server.sections import load_sections
from cloudberth.server.services import Services
from cloudberth.server.settings import ServerSettings
from doubles.console import Console
from doubles.rag_spans import rag_trace


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    # The doubles of providers are on this machine.
    monkeypatch.setenv("BERTH_TRACES_ALLOW", "private")
    built = build_services(ServerSettings(tmp_path / "data"), load_sections())
    yield built
    close_services(built)


@pytest.fixture
def visitor(services: Services) -> Console:
    """Somebody who is not signed in."""
    return Console(create_application(services, load_sections()), services)


@pytest.fixture
def console(visitor: Console) -> Console:
    """The administrator."""
    answer = visitor.sign_in(visitor.services.admin.renew())
    assert answer.status_code == 303, answer.text
    return visitor


@pytest.fixture
def filled(console: Console) -> Console:
    """The administrator of a server with thirty traces, three of which failed."""
    for number in range(30):
        console.services.store.append(rag_trace(number, failed=number % 10 == 0))
    return console
