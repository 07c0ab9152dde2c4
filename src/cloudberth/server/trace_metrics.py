"""Numbers of tracing for Prometheus, read from the database whenever somebody asks.

They are sums of the whole database, so every server that shares it says the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from cloudberth.errors import CloudberthError
from cloudberth.tracing.cursors import DestinationState
from cloudberth.tracing.destinations import Destinations
from cloudberth.tracing.health import Health, read_health
from cloudberth.tracing.store import TraceStore

LABELS = ("destination", "provider")
# Metric → what of a destination's state it is.
COUNTERS = {
    "trace_spans_exported": ("Spans that the destination took.", "sent"),
    "trace_spans_failed": ("Spans that the provider refused, set aside.", "failed"),
    "trace_spans_skipped": ("Spans that were not meant for the destination.", "skipped"),
    "trace_spans_dropped": ("Spans that retention deleted before they were sent.", "lost"),
    "trace_export_bytes": ("Bytes that the destination took.", "bytes"),
}


def trace_metrics(store: TraceStore, destinations: Destinations) -> Iterator[Metric]:
    """Counters and gauges of every destination, and of the table; only one when the database is away."""
    up = GaugeMetricFamily("trace_store_up", "Whether the database of traces answers.")
    try:
        health = read_health(store.database)
        known = {one.id: one.provider for one in destinations.list()}
    except CloudberthError:
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    yield up
    yield from _of_destinations(health.destinations, known)
    yield from _of_table(health)


def _of_destinations(states: dict[str, DestinationState], known: dict[str, str]) -> Iterator[Metric]:
    present = {name: state for name, state in states.items() if name in known}
    for metric, (says, field) in COUNTERS.items():
        counter = CounterMetricFamily(metric, says, labels=LABELS)
        for name, state in present.items():
            counter.add_metric([name, known[name]], getattr(state, field))
        yield counter
    queued = GaugeMetricFamily("trace_export_queued", "Spans ahead of the destination.", labels=LABELS)
    lag = GaugeMetricFamily(
        "trace_export_lag_seconds", "Age of the oldest span ahead of the destination.", labels=LABELS
    )
    for name, state in present.items():
        queued.add_metric([name, known[name]], state.queued)
        lag.add_metric([name, known[name]], state.lag_ns / 1e9 if state.queued else 0)
    yield queued
    yield lag


def _of_table(health: Health) -> Iterator[Metric]:
    gauges = {
        "trace_spool_bytes": ("Size of the table of spans on disk.", health.bytes),
        "trace_spool_spans": ("Spans that are kept now.", health.stored),
        "trace_exporter_up": ("Whether an exporter gave a sign of life lately.", int(health.exporter_alive)),
    }
    for name, (says, value) in gauges.items():
        gauge = GaugeMetricFamily(name, says)
        gauge.add_metric([], value)
        yield gauge
    spans = CounterMetricFamily("trace_spans_recorded", "Spans that were ever stored.")
    spans.add_metric([], health.spans)
    yield spans
    losses = CounterMetricFamily("trace_spans_lost", "Spans that were lost on the way.", labels=("reason",))
    for name, count in health.losses.items():
        losses.add_metric([name.removeprefix("lost.")], count)
    yield losses
