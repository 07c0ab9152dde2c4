"""The application's OpenTelemetry, for spans of what the runtime roles do."""

from __future__ import annotations

import sys
from typing import Any


def tracer(name: str) -> Any:
    """A tracer once the application has set OpenTelemetry up, else None. Costs a look-up, imports nothing.

    Some clients (chromadb) load OpenTelemetry themselves; until it is set up, a span goes nowhere, and costs.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    return trace.get_tracer(name)
