"""`berth serve` as a process: its first words, real clients, floods, restarts, the end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudberth.tracing import wire
from cloudberth.tracing.cursors import read_states
from cloudberth.tracing.destinations import Destinations, Draft
from cloudberth.tracing.keys import IngestKeys
from cloudberth.tracing.reading import TraceFilter, list_traces
from cloudberth.tracing.store import TraceStore
from doubles.collector import Collector
from doubles.rag_spans import rag_trace
from doubles.served import Server

MEBIBYTE = 1 << 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "data")
    yield running
    running.stop()


def key_of(server: Server) -> str:
    with TraceStore.open(str(server.data / "traces.db")) as store:
        return IngestKeys(store.database).create("acme", "bot")


def request_of(number: int) -> bytes:
    rows = rag_trace(number)
    return wire.resource_spans(rows[0].resource, [row.data for row in rows])


def test_the_first_start_shows_a_token_and_the_second_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Server(data)
    with urllib.request.urlopen(f"{first.address}/readyz", timeout=10) as answer:
        assert json.load(answer)["ready"] is True
    said = first.stop()
    assert first.process.returncode == 0, said
    token = re.search(r"berth-admin-[\w-]+", said)
    assert token and said.rstrip().endswith("Stopped.")
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()}
    assert {"admin-token", "console.sqlite", "traces.db"} <= files.keys()
    assert all(mode & 0o077 == 0 for mode in files.values()), files
    second = Server(data).stop()
    assert "berth-admin-" not in second
    third = Server(data, "--new-token").stop()
    newer = re.search(r"berth-admin-[\w-]+", third)
    assert newer and newer[0] != token[0]


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "cloudberth.cli", "serve", "--data", str(tmp_path / "data")]
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*command, "--port", port], capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 2
    assert "cannot listen there" in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists(), "nothing was written"


def test_spans_reach_the_viewer_and_every_provider(server: Server) -> None:
    """The whole way: OTLP in, the exporter beside the server, two providers of which one is away."""
    key = key_of(server)
    secret = "k" * 24
    with Collector({"authorization": f"Bearer {secret}"}) as collector:
        with TraceStore.open(str(server.data / "traces.db")) as store:
            destinations = Destinations(store.database)
            settings = {"endpoint": collector.url, "api_key": secret, "project": "p"}
            os.environ["BERTH_TRACES_ALLOW"] = "private"
            try:
                destinations = Destinations(store.database)
                good = destinations.create(Draft("phoenix", name="good", settings=settings))
                away = {**settings, "endpoint": "http://127.0.0.1:9"}
                destinations.create(Draft("phoenix", name="away", settings=away))
            finally:
                del os.environ["BERTH_TRACES_ALLOW"]
            for number in range(20):
                assert server.send(key, request_of(number)) == 200
            ends = time.monotonic() + 120
            while read_states(store.database)[good.id].sent < 120:
                assert time.monotonic() < ends, read_states(store.database)
                time.sleep(0.1)
            assert len(list_traces(store.database, TraceFilter()).traces) == 20
        assert [one for one in collector.requests if one.path == "/v1/traces"]
    with urllib.request.urlopen(f"{server.address}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    assert f'trace_spans_exported_total{{destination="{good.id}",provider="phoenix"}} 120.0' in page
    assert "trace_exporter_up 1.0" in page
    with urllib.request.urlopen(f"{server.address}/readyz", timeout=10) as answer:
        assert answer.status == 200


FOREIGN_APPLICATION = """
import sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

address, key = sys.argv[1], sys.stdin.read()
exporter = OTLPSpanExporter(
    f"{address}/v1/traces",
    headers={"authorization": f"Bearer {key}"},
    compression=Compression.Gzip,
    timeout=60,
)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("a foreign application")
with tracer.start_as_current_span("outer") as outer:
    outer.set_attribute("input.value", "你好")
    with tracer.start_as_current_span("inner"):
        pass
provider.shutdown()
"""


def test_opentelemetrys_own_exporter_is_understood(server: Server) -> None:
    """In a process of its own, as applications are: no test before it has changed what it stands on."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    ended = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", FOREIGN_APPLICATION, server.address],
        input=key_of(server), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    # It says what it could not deliver, and ends well all the same.
    assert (ended.returncode, ended.stderr) == (0, "")
    with TraceStore.open(str(server.data / "traces.db")) as store:
        page = list_traces(store.database, TraceFilter())
    assert [(one.name, one.spans, one.input, one.tenant, one.app) for one in page.traces] == [
        ("outer", 2, "你好", "acme", "bot")
    ]


def test_floods_are_refused_and_take_no_memory(server: Server) -> None:
    """100 MB with and without a length, bombs: each a clean 413, while others are served."""
    import gzip

    key = key_of(server)
    for number in range(20):
        assert server.send(key, request_of(number)) == 200
    bomb = gzip.compress(b"\0" * (200 * MEBIBYTE), 9)
    before = server.memory()

    def chunked(headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        given = {"content-type": "application/x-protobuf", "transfer-encoding": "chunked", **headers}
        piece = b"\x0a" * MEBIBYTE
        connection.request("POST", "/v1/traces", (piece for _ in range(100)), given, encode_chunked=True)
        status = connection.getresponse().status
        connection.close()
        return status

    def round_of_floods() -> float:
        assert chunked({"authorization": f"Bearer {key}"}) == 413
        assert server.send(key, b"\0" * (100 * MEBIBYTE)) == 413
        assert server.send(key, bomb, **{"content-encoding": "gzip"}) == 413
        assert server.send(key, request_of(99)) == 200
        return server.memory() - before

    # A body up to its limit (16 MiB) and one unpacked (32 MiB) are held for a moment, copied once.
    first = round_of_floods()
    assert first < 150, f"{first:.0f} MiB more"
    later = max(round_of_floods() for _ in range(4))
    assert later < first + 40, f"it grows: {first:.0f}, then {later:.0f} MiB more"


def test_a_sender_without_a_key_is_not_listened_to(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
        sent = 0
        try:
            for _ in range(100):
                connection.sendall(b"\0" * MEBIBYTE)
                sent += 1
        except OSError:
            pass
    assert sent < 50, "the server read on for somebody whom it does not know"


def test_stopping_lets_what_is_under_way_end(server: Server) -> None:
    key = key_of(server)
    body = request_of(1)
    head = (
        f"POST /v1/traces HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/x-protobuf\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        connection.sendall(head.encode() + body[:100])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body[100:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 15
    with TraceStore.open(str(server.data / "traces.db")) as store:
        assert len(list_traces(store.database, TraceFilter()).traces) == 1


def test_nothing_secret_is_in_the_process_list_or_the_output(server: Server) -> None:
    key = key_of(server)
    server.send(key, request_of(1))
    server.send("berth_wrong", request_of(1))
    lines = [
        (pid / "cmdline").read_bytes()
        for pid in Path("/proc").iterdir()
        if pid.name.isdigit() and (pid / "cmdline").exists()
    ]
    said = server.stop()
    assert key not in said and "berth_wrong" not in said
    assert not [line for line in lines if key.encode() in line or b"berth-admin-" in line]
    assert said.count("berth-admin-") == 1, "the token is shown once"
