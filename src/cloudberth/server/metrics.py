"""Numbers of the server for Prometheus, under the names of OpenTelemetry's semantic conventions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST
# The buckets that the conventions recommend for http.server.request.duration, seconds.
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class ServerMetrics:
    """What this process counts itself; collectors add what is read from elsewhere when somebody asks."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Time until an answer was sent, seconds.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=REQUEST_BUCKETS,
            registry=self._registry,
        )
        self.received = Counter(
            "otlp_spans_received", "Spans that came over OTLP.", ("result",), registry=self._registry
        )
        self.refused = Counter(
            "otlp_requests_refused",
            "OTLP requests that were refused whole.",
            ("http_response_status_code",),
            registry=self._registry,
        )

    def add(self, collector: Collector) -> None:
        self._registry.register(collector)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def values(self) -> dict[str, float]:
        """Every sample that is no bucket, as ``name{label="value"}``: for a line of log."""
        found: dict[str, float] = {}
        for metric in self._registry.collect():
            for sample in metric.samples:
                if not sample.name.endswith(("_bucket", "_created")):
                    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
                    found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found


class FunctionCollector(Collector):
    """Metrics that a function reads whenever somebody asks."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when the collector is added."""
        return []


class RequestTimes:
    """Measures every request by its route (not its path, of which there are endlessly many)."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "_OTHER"
            route = getattr(scope.get("route"), "path", "")
            if not route and scope["path"].startswith("/static/"):
                route = "/static/{file}"
            seconds = time.perf_counter() - began
            self._metrics.requests.labels(method, route, str(status)).observe(seconds)
