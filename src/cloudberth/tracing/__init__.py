"""Traces of LLM applications: recorded once, kept in one table, delivered to many providers.

`open_tracer` is for applications. Its spans go through a bounded queue into a table (`store`: SQLite or
PostgreSQL); a process of its own, ``berth traces export``, sends them from there to every destination.
`ingest` takes the spans of others (OTLP), `reading` and `charts` answer the viewer's questions.
"""

from cloudberth.tracing.attributes import Kind
from cloudberth.tracing.propagation import RemoteParent
from cloudberth.tracing.redaction import Redaction
from cloudberth.tracing.span import Span, current_span
from cloudberth.tracing.tracer import Tracer, open_tracer
from cloudberth.tracing.writer import QueueLimits, QueueState

__all__ = [
    "Kind",
    "QueueLimits",
    "QueueState",
    "Redaction",
    "RemoteParent",
    "Span",
    "Tracer",
    "current_span",
    "open_tracer",
]
