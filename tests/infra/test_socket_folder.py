"""Sockets of simulated providers, where the temporary folder has a long path."""

from __future__ import annotations

import json
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from cloudberth.errors import EngineError
from cloudberth.infra.simulation import sockets
from cloudberth.infra.simulation.server import serve


@pytest.fixture
def long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder in whose path alone no socket fits."""
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_socket_fits_where_the_temporary_folder_is_too_deep(long_path: Path) -> None:
    with sockets.socket_folder("berth-s") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "google-beta-100.sock"))
        assert len(str(folder / "google-beta-100.sock")) <= sockets.LONGEST_SOCKET_PATH
    assert not folder.exists()
    assert list(long_path.iterdir()) == []


def test_the_usual_folder_is_used_when_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as usual:
        monkeypatch.setattr(tempfile, "tempdir", usual)
        with sockets.socket_folder("berth-s") as folder:
            assert folder.parent == Path(usual)


def test_providers_are_served_from_there(long_path: Path) -> None:
    with serve(["aws"]) as serving:
        for server in json.loads(serving.reattach).values():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(server["Addr"]["String"])


def test_without_a_short_folder_the_error_says_what_to_do(
    long_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SHORT_FOLDERS", ("/no/such/folder",))
    with pytest.raises(EngineError, match="too long for sockets") as raised, sockets.socket_folder("berth-s"):
        pass
    assert "TMPDIR=/tmp" in raised.value.hint
