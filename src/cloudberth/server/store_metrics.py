"""Numbers of the cache and of the vector store for Prometheus: what this process asked them for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, Metric

from cloudberth.cache import Cache
from cloudberth.vector import VectorStore


def cache_metrics(cache: Cache) -> Iterator[Metric]:
    """Hits, misses and calls that had to do without the cache, by what it is used for."""
    counted = cache.metrics
    for name, says, values in (
        ("cache_hits", "What was asked for and was there.", counted.hits),
        ("cache_misses", "What was asked for and was not there.", counted.misses),
        (
            "cache_degraded",
            "Times that the work was done without the cache, as it was away.",
            counted.degraded,
        ),
    ):
        family = CounterMetricFamily(name, says, labels=("use",))
        for use, value in sorted(values.items()):
            family.add_metric([use], value)
        yield family


def vector_metrics(store: VectorStore) -> Iterator[Metric]:
    """Calls, failures, repeats and seconds by operation."""
    counted = store.metrics
    for name, says, values in (
        ("vector_calls", "Calls of the vector store.", counted.calls),
        ("vector_failures", "Calls that failed in the end.", counted.failures),
        ("vector_retries", "Attempts that were made again.", counted.retries),
        ("vector_seconds", "Seconds in calls, repeats included.", counted.seconds),
    ):
        family = CounterMetricFamily(name, says, labels=("operation",))
        for operation, value in sorted(values.items()):
            family.add_metric([operation], value)
        yield family
