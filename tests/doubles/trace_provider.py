"""A provider of traces on the loopback: it checks what a provider documents, records what it takes, and
misbehaves.

Spans are read with OpenTelemetry's own generated classes, so what our encoder writes is held to theirs.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

# What a request is answered with: status, headers, body.
Reply = tuple[int, Mapping[str, str], bytes]


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes  # without compression
    at: float

    @property
    def export(self) -> ExportTraceServiceRequest:
        return ExportTraceServiceRequest.FromString(self.body)


@dataclass
class Provider:
    """mode: ok, hang, 503, reset, slow (a byte a second), drip. judge: what the provider itself says to a
    request.
    """

    judge: Callable[[Request], Reply | None] = lambda request: None
    mode: str = "ok"
    requests: list[Request] = field(default_factory=list)
    taken: dict[bytes, int] = field(default_factory=dict)  # span id → how often
    spans: dict[bytes, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        provider = self
        self.lock = threading.Lock()
        self.healed = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider.handle(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_arguments: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.healed.set()
        self.server.shutdown()
        self.server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        mode = self.mode
        if mode == "hang":
            self.healed.wait(60)
            handler.close_connection = True
            return
        if mode == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        if mode == "503":
            self._answer(handler, (503, {"Retry-After": "1"}, b"overloaded"))
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        request = Request(handler.command, handler.path, headers, plain, time.time())
        if mode == "slow":
            time.sleep(1.0)
        reply = self.judge(request)
        with self.lock:
            self.requests.append(request)
            if handler.command == "POST" and (reply is None or reply[0] == 200) and _is_otlp(request):
                for span in _spans(request):
                    self.taken[span.span_id] = self.taken.get(span.span_id, 0) + 1
                    self.spans[span.span_id] = span
        self._answer(handler, reply or (200, {"Content-Type": "application/x-protobuf"}, b""))

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        status, headers, body = reply
        with contextlib.suppress(OSError):
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

    def wait_for(self, spans: int, seconds: float = 20.0) -> int:
        """Wait until so many different spans are here; how many are."""
        deadline = time.monotonic() + seconds
        while len(self.taken) < spans and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(self.taken)


def values(attributes: Any) -> dict[str, Any]:
    """KeyValues as a plain dictionary; of a name that stands twice, the last one."""
    found: dict[str, Any] = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind) if kind else None
        if kind == "array_value":
            value = [getattr(one, one.WhichOneof("value")) for one in value.values]
        found[each.key] = value
    return found


def partial(rejected: int, said: str) -> Reply:
    """The answer of a provider that left spans out."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = said
    return 200, {"Content-Type": "application/x-protobuf"}, answer.SerializeToString()


def json_reply(status: int, document: Any) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@contextlib.contextmanager
def provider(
    judge: Callable[[Request], Reply | None] = lambda request: None, mode: str = "ok"
) -> Iterator[Provider]:
    found = Provider(judge, mode)
    try:
        yield found
    finally:
        found.close()


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def _is_otlp(request: Request) -> bool:
    return request.headers.get("content-type") == "application/x-protobuf"


def _spans(request: Request) -> Iterator[Any]:
    for resource in request.export.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans
