"""Counters as one JSON line a minute, for clouds where nobody reads ``/metrics``, and what a model cost.

The line has ``event: counters`` and one field for each counter, so that a metric filter, a log-based metric
or a query can take it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

Counters = Callable[[], Mapping[str, float]]
_log = logging.getLogger("cloudberth.counters")


class CounterLines:
    """Writes the counters of a source, every `seconds` and once more when it ends. A daemon thread."""

    def __init__(self, source: Counters, *, seconds: float = 60.0, logger: logging.Logger = _log) -> None:
        self._source = source
        self._seconds = seconds
        self._log = logger
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CounterLines:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="counter-lines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The last line, then the end."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def write(self) -> None:
        """One line. A source that fails becomes a line that says so: counting never stops the service."""
        try:
            values = dict(self._source())
        except Exception as error:
            self._log.warning("the counters cannot be read: %s", type(error).__name__)
            return
        self._log.info("counters", extra={"event": "counters", **values})

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.write()
        self.write()


def log_model_call(
    logger: logging.Logger,
    *,
    app: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    cost_usd: float,
    duration_seconds: float | None = None,
) -> None:
    """The line that the saved analysis `token-cost-by-app` counts; no content of the call is in it."""
    fields: dict[str, object] = {
        "event": "model_call",
        "app_id": app,
        "model": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_usd": cost_usd,
    }
    if duration_seconds is not None:
        fields["seconds"] = duration_seconds
    logger.info("model call", extra=fields)
