"""The server's cache and vector store: their numbers, and sessions that several servers share."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.server.building import build_services, close_services
from cloudberth.server.sections import load_sections
from cloudberth.server.settings import ServerSettings

REDIS = shutil.which("redis-server")


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    if REDIS is None:
        pytest.skip("NOT TESTED: redis-server is not installed (apt-get install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_searches_and_hits_are_counted(visitor) -> None:
    service = visitor.services.knowledge.service
    dataset = service.create_dataset("counted", embedding="hash")
    service.search(dataset.id, "anything")
    cache = service.parts.cache
    cache.under("mine").set("a", b"x", 60)
    cache.under("mine").get("a")
    page = visitor.get("/metrics")
    assert 'cache_hits_total{use="mine"} 1.0' in page
    assert "vector_calls_total{operation=" in page


@pytest.mark.server
def test_two_servers_know_the_same_sessions(
    redis_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setenv("REDIS_PORT", str(redis_port))
    monkeypatch.setenv("CACHE_TYPE", "redis")
    monkeypatch.setenv("BERTH_KNOWLEDGE_EMBEDDING", "hash")
    sections = load_sections()
    one = build_services(ServerSettings(tmp_path / "one"), sections)
    other = build_services(ServerSettings(tmp_path / "other"), sections)
    try:
        token = one.sessions.start()
        found = other.sessions.find(token)
        assert found is not None
        assert found == one.sessions.find(token)
        other.sessions.end(token)
        assert one.sessions.find(token) is None
    finally:
        close_services(one)
        close_services(other)
