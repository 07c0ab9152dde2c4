"""Keys of a JSON line with which clouds show a log line beside its trace.

`trace_id` and `span_id` in W3C's spelling are what OpenTelemetry writes and what CloudWatch Application
Signals reads (with `trace_flags`):
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Application-Signals-TraceLogCorrelation.html.
X-Ray writes the same 128 bits as ``1-<8>-<24>``:
https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html. Google lifts
``logging.googleapis.com/trace``, ``…/spanId`` and ``…/trace_sampled`` into the entry:
https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields. Application
Insights calls them ``operation_Id`` and ``operation_ParentId``:
https://learn.microsoft.com/azure/azure-monitor/app/distributed-trace-data. ARMS looks for ``traceId`` and
``spanId`` in a log store of SLS: https://www.alibabacloud.com/help/en/doc-detail/158582.htm. That the
consoles draw the link has not been proved here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Cloud = Literal["aws", "azure", "google", "aliyun"]


@dataclass(frozen=True, slots=True)
class Trace:
    """The span that a line belongs to. trace: 32 hexadecimal digits; span: 16."""

    trace: str
    span: str
    sampled: bool = True


TraceSource = Callable[[], Trace | None]
"""The span that is running on this thread or task, if there is one."""


def current_trace() -> Trace | None:
    """The span of OpenTelemetry, when the application uses it. Imports nothing."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context: Any = api.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags & 1))


def links(trace: Trace, cloud: Cloud | None, project: str = "") -> dict[str, Any]:
    """The keys for one cloud, or for all of them when it is not known; Google's need the project."""
    found: dict[str, Any] = {"trace_id": trace.trace, "span_id": trace.span, "trace_sampled": trace.sampled}
    if cloud in (None, "aws"):
        found["trace_flags"] = "01" if trace.sampled else "00"
        found["xray_trace_id"] = f"1-{trace.trace[:8]}-{trace.trace[8:]}"
    if cloud in (None, "azure"):
        found["operation_Id"] = trace.trace
        found["operation_ParentId"] = trace.span
    if cloud in (None, "google") and project:
        found["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace.trace}"
        found["logging.googleapis.com/spanId"] = trace.span
        found["logging.googleapis.com/trace_sampled"] = trace.sampled
    if cloud in (None, "aliyun"):
        found["traceId"] = trace.trace
        found["spanId"] = trace.span
    return found
