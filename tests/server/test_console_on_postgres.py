"""The same console when traces are in PostgreSQL: two servers share sessions, keys and everything else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cloudberth.server.application import create_application
from cloudberth.server.building import build_services, close_services
from cloudberth.server.sections import load_sections
from cloudberth.server.settings import ServerSettings
from cloudberth.tracing import wire
from doubles.console import Console
from doubles.rag_spans import rag_trace

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storage" / "dify"))
    from dify_installation import PASSWORD, Postgres

    server = Postgres()
    try:
        server.start()
        yield f"postgresql://dify:{quote(PASSWORD)}@127.0.0.1:{server.port}/postgres"
    finally:
        server.close()


@pytest.fixture
def consoles(url: str, tmp_path: Path) -> Iterator[list[Console]]:
    """Two servers on one database, each with a folder of its own."""
    built = [
        build_services(ServerSettings(tmp_path / name, traces_url=url), load_sections())
        for name in ("a", "b")
    ]
    yield [Console(create_application(services, load_sections()), services) for services in built]
    for services in built:
        close_services(services)


def test_two_servers_are_one_console(consoles: list[Console]) -> None:
    first, second = consoles
    assert first.sign_in(first.services.admin.renew()).status_code == 303
    second.client.cookies.set("berth_session", first.client.cookies["berth_session"])
    key = first.services.keys.create("acme", "support-bot")
    for number in range(30):
        rows = rag_trace(number, failed=number % 10 == 0)
        body = wire.resource_spans(rows[0].resource, [row.data for row in rows])
        headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
        server = consoles[number % 2]
        assert server.client.post("/v1/traces", content=body, headers=headers).status_code == 200
    trace = f"/traces/{rag_trace(1)[0].trace_id.hex()}"
    for console in consoles:
        assert console.get("/traces?range=all").count('<span class="clip name">') == 30
        assert (
            console.get("/traces?range=all&user=user-6&status=error").count('<span class="clip name">') == 1
        )
        assert console.get("/traces?range=all&text=gpu").count('<span class="clip name">') == 7
        assert console.get(trace).count('data-part="#span"') == 6
        assert console.get("/sessions?range=all").count("/sessions/session-") == 10
        for query in ("", "?range=90d", "?range=90d&app=support-bot", "?tenant=acme"):
            page = console.get(f"/{query}")
            assert "<dt>Traces</dt><dd>30</dd>" in page and "qwen-max" in page
        numbers = console.get("/metrics")
        assert "trace_spans_recorded_total 180.0" in numbers and "trace_store_up 1.0" in numbers
        assert console.client.get("/readyz").json()["ready"] is True
        assert "support-bot" in console.get("/keys")
    for path in ("a", "b"):
        assert not list((first.services.settings.data.parent / path).glob("*.sqlite"))
