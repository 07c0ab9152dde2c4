"""`/livez`, `/readyz`, `/metrics`, and the line of log with the same numbers."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from cloudberth.errors import Unavailable
from cloudberth.server.genai_metrics import ModelMetrics
from cloudberth.server.minute_log import counters_line, write_counters
from cloudberth.server.protection import HEADERS
from doubles.rag_spans import rag_trace


def numbers(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels, as Prometheus' own reader sees them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_server_that_works_says_so_to_anybody(visitor) -> None:
    assert (visitor.get("/livez"), visitor.client.get("/readyz").json()["ready"]) == ("ok\n", True)


def test_without_its_database_a_server_is_alive_and_not_ready(visitor, monkeypatch) -> None:
    def away() -> None:
        raise Unavailable("PostgreSQL is away", where="db.internal")

    monkeypatch.setattr(visitor.services.store.database, "_take", away)
    answer = visitor.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"console": "ok", "traces": "PostgreSQL is away"}}
    assert visitor.client.get("/livez").status_code == 200
    assert numbers(visitor.get("/metrics"))[("trace_store_up", ())] == 0


def test_a_provider_that_is_away_does_not_make_it_unready(console) -> None:
    from cloudberth.tracing.destinations import Draft

    settings = {"endpoint": "http://127.0.0.1:9", "api_key": "k" * 20, "project": "p"}
    console.services.destinations.create(Draft("phoenix", settings=settings))
    with console.services.store.database.transaction() as connection:
        connection.run("UPDATE trace_cursors SET state = 'waiting', last_error = 'refused'")
    assert console.client.get("/readyz").status_code == 200


def test_requests_are_counted_by_route(filled) -> None:
    for number in range(3):
        filled.client.get(f"/traces/{rag_trace(number)[0].trace_id.hex()}")
    filled.client.get("/no/such/page")
    found = numbers(filled.get("/metrics"))
    labels = (
        ("http_request_method", "GET"),
        ("http_response_status_code", "200"),
        ("http_route", "/traces/{trace_id}"),
    )
    assert found[("http_server_request_duration_seconds_count", labels)] == 3
    assert not [name for name, given in found if "/no/such/page" in str(given)]


def test_what_models_did_is_told_as_opentelemetry_names_it(filled) -> None:
    found = numbers(filled.get("/metrics"))
    for model in ("gpt-4.1-mini", "qwen-max", "claude-sonnet-4-5"):
        rows = [row for n in range(30) for row in rag_trace(n) if row.model == model]
        label = ("gen_ai_request_model", model)
        name = "gen_ai_client_operation_duration_seconds"
        assert found[(f"{name}_count", (label,))] == len(rows) == 10
        seconds = sum(row.duration_ns for row in rows) / 1e9
        assert found[(f"{name}_sum", (label,))] == pytest.approx(seconds, rel=0.05)
        below = sum(1 for row in rows if row.duration_ns <= 2.56e9)
        counted = found[(f"{name}_bucket", (label, ("le", "2.56")))]
        assert abs(counted - below) <= 1, "a value near the bound may be on its other side"
        assert found[(f"{name}_bucket", (label, ("le", "+Inf")))] == 10
        tokens = found[("gen_ai_client_tokens_total", (label, ("gen_ai_token_type", "input")))]
        assert tokens == sum(row.input_tokens or 0 for row in rows)
        cost = found[("gen_ai_client_cost_usd_total", (label,))]
        assert cost == pytest.approx(sum(row.cost or 0 for row in rows))
    assert found[("trace_spans_recorded_total", ())] == 180
    assert found[("trace_spool_bytes", ())] > 10_000


def test_counters_never_go_back_when_hours_close(services) -> None:
    """What moves from the open hours to the closed ones is counted once, before and after."""
    begun = 1_764_000_000
    for number in range(60):
        services.store.append(rag_trace(number, start_ns=(begun + number * 3600 * 3) * 1_000_000_000))
    now = begun + 60 * 3600 * 3
    metrics = ModelMetrics(services.store.database, clock=lambda: now)

    def calls() -> float:
        return sum(
            sample.value
            for family in metrics.collect()
            for sample in family.samples
            if sample.name == "gen_ai_client_operation_duration_seconds_count"
        )

    first = calls()
    assert first == 120
    for _ in range(4):
        now += 20 * 3600
        assert calls() == first
    services.store.append(rag_trace(99, start_ns=now * 1_000_000_000))
    assert calls() == first + 2


def test_received_and_refused_spans_are_counted(visitor) -> None:
    from cloudberth.tracing import wire

    key = visitor.services.keys.create("acme", "bot")
    rows = rag_trace(1)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
    body = wire.resource_spans(b"", [row.data for row in rows])
    assert visitor.client.post("/v1/traces", content=body, headers=headers).status_code == 200
    assert visitor.client.post("/v1/traces", content=b"\xff", headers=headers).status_code == 400
    found = numbers(visitor.get("/metrics"))
    assert found[("otlp_spans_received_total", (("result", "accepted"),))] == 6
    assert found[("otlp_requests_refused_total", (("http_response_status_code", "400"),))] == 1


@pytest.mark.parametrize(
    ("client", "token", "shown", "status"),
    [
        ("127.0.0.1", "", "", 200),
        ("10.1.2.3", "", "", 200),
        ("8.8.8.8", "", "", 403),
        ("127.0.0.1", "let-me-in", "", 403),
        ("8.8.8.8", "let-me-in", "Bearer let-me-in", 200),
        ("8.8.8.8", "let-me-in", "Bearer let-me", 403),
    ],
)
def test_metrics_are_for_the_own_network_or_a_token(
    visitor, client: str, token: str, shown: str, status: int
) -> None:
    from dataclasses import replace

    services = visitor.services
    visitor.app.state.services = replace(services, settings=replace(services.settings, metrics_token=token))
    asking = TestClient(visitor.app, client=(client, 1))
    assert asking.get("/metrics", headers={"authorization": shown}).status_code == status


def test_the_line_of_log_is_json_with_the_same_numbers(filled) -> None:
    filled.get("/traces")
    line = counters_line(filled.services.metrics, datetime(2026, 11, 26, 21, 0, 0, 5000, UTC))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["timestamp"], told["severity"]) == ("2026-11-26T21:00:00.005Z", "INFO")
    assert told["counters"]["trace_spans_recorded_total"] == 180
    page = numbers(filled.get("/metrics"))
    counted = 0
    for (name, labels), value in page.items():
        if name.startswith("trace_spans"):
            inside = ",".join(f'{label}="{text}"' for label, text in labels)
            assert told["counters"][f"{name}{{{inside}}}" if inside else name] == value
            counted += 1
    assert counted >= 1
    assert not [name for name in told["counters"] if "_bucket" in name]


def test_a_line_comes_at_every_interval(services) -> None:
    stream = io.StringIO()

    async def wait() -> None:
        with anyio.move_on_after(0.5):
            await write_counters(services.metrics, stream, seconds=0.05)

    anyio.run(wait)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 3
    assert all(json.loads(line)["message"] == "server counters" for line in lines)


def test_every_answer_carries_the_headers_that_protect(console) -> None:
    for path in (
        "/",
        "/sign-in",
        "/livez",
        "/static/console.css",
        "/nothing",
        "/traces/x",
        "/metrics",
        "/v1/traces",
    ):
        answer = console.client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers.get(name) == value, (path, name)
    assert console.client.get("/").headers["cache-control"] == "no-store"


def test_no_page_breaks_its_own_content_policy(filled) -> None:
    """No inline script, style or handler: the policy would have browsers ignore them."""
    trace = f"/traces/{rag_trace(1)[0].trace_id.hex()}"
    pages = (
        "/sign-in",
        "/",
        "/traces",
        trace,
        "/sessions",
        "/providers",
        "/providers/new/otlp",
        "/keys",
        "/nothing",
    )
    for path in pages:
        text = filled.client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), path
        assert not re.search(r"""(?:src|href)=["']https?://""", text), path


def test_static_files_are_kept_by_browsers_until_they_change(visitor) -> None:
    page = visitor.get("/sign-in")
    address = re.search(r'href="(/static/console.css\?v=[0-9a-f]+)"', page)
    assert address
    kept = visitor.client.get(address[1])
    assert kept.status_code == 200 and "immutable" in kept.headers["cache-control"]
    assert "immutable" not in visitor.client.get("/static/console.css").headers["cache-control"]
    assert visitor.client.get("/static/../sections.py").status_code == 404
    assert visitor.client.get("/static/%2e%2e/sections.py").status_code == 404


def test_the_interface_is_described(visitor) -> None:
    document = visitor.client.get("/openapi.json").json()
    others = {path for path in document["paths"] if not path.startswith("/v1/knowledge/")}
    assert others == {"/livez", "/readyz", "/metrics", "/v1/traces", "/retrieval"}
    assert len(document["paths"]) > len(others)
    assert "413" in document["paths"]["/v1/traces"]["post"]["responses"]
