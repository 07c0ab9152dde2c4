"""What models did, for Prometheus, under OpenTelemetry's GenAI names, from the hourly sums of the traces.

``gen_ai_client_operation_duration_seconds`` is a histogram in the buckets that the conventions recommend.
Tokens are a counter (``gen_ai_client_tokens_total``): the hourly sums do not say how many tokens a single
call took, which the conventions' histogram ``gen_ai.client.token.usage`` would need.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from cloudberth.errors import CloudberthError
from cloudberth.tracing.charts import ModelHours, read_model_hours
from cloudberth.tracing.database import Database
from cloudberth.tracing.summaries import HOUR_NS, bucket_ns

# Recommended for gen_ai.client.operation.duration, seconds.
BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
# Older hours are summed once and remembered; a span that arrives later than this is counted after a restart.
OPEN_HOURS = 48


@dataclass(slots=True)
class _Sums:
    """counts: of each bucket, the last one for what is longer than all bounds. seconds: all durations
    together.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def add(self, row: ModelHours) -> None:
        seconds = bucket_ns(row.bucket) / 1e9
        self.counts[bisect_left(BOUNDS, seconds)] += row.calls
        self.seconds += seconds * row.calls
        self.input_tokens += row.input_tokens
        self.output_tokens += row.output_tokens
        self.cost += row.cost

    def joined(self, other: _Sums | None) -> _Sums:
        if other is None:
            return self
        return _Sums(
            [one + two for one, two in zip(self.counts, other.counts, strict=True)],
            self.seconds + other.seconds,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


class ModelMetrics:
    """Sums by model. Closed hours are read once, the last two days whenever somebody asks."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._closed: dict[str, _Sums] = {}
        self._until = 0

    def collect(self) -> Iterator[Metric]:
        """The metrics; nothing when the database is away."""
        try:
            with self._lock:
                sums = self._read()
        except CloudberthError:
            return iter(())
        return iter(_metrics(sums))

    def _read(self) -> dict[str, _Sums]:
        now = int(self._clock() * 1e9) // HOUR_NS
        closing = now - OPEN_HOURS
        if closing > self._until:
            _add(self._closed, read_model_hours(self._database, self._until, closing))
            self._until = closing
        found: dict[str, _Sums] = {}
        _add(found, read_model_hours(self._database, self._until, now + 2))
        models = self._closed.keys() | found.keys()
        return {model: found.get(model, _Sums()).joined(self._closed.get(model)) for model in sorted(models)}


def _add(sums: dict[str, _Sums], rows: Iterable[ModelHours]) -> None:
    for row in rows:
        sums.setdefault(row.model, _Sums()).add(row)


def _metrics(sums: dict[str, _Sums]) -> Iterable[Metric]:
    durations = HistogramMetricFamily(
        "gen_ai_client_operation_duration_seconds",
        "Duration of model calls, seconds; each is counted at the middle of a bucket that is 9 % wide.",
        labels=("gen_ai_request_model",),
    )
    tokens = CounterMetricFamily(
        "gen_ai_client_tokens", "Tokens of model calls.", labels=("gen_ai_request_model", "gen_ai_token_type")
    )
    cost = CounterMetricFamily("gen_ai_client_cost_usd", "US dollars.", labels=("gen_ai_request_model",))
    for model, one in sums.items():
        below, cumulated = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), one.counts, strict=True):
            below += count
            cumulated.append((bound, below))
        durations.add_metric([model], cumulated, one.seconds)
        tokens.add_metric([model, "input"], one.input_tokens)
        tokens.add_metric([model, "output"], one.output_tokens)
        cost.add_metric([model], one.cost)
    return durations, tokens, cost
