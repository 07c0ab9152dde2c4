"""One trace: its waterfall, one of its spans in full, and both as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloudberth.errors import InvalidInput, NotFound
from cloudberth.server import formats
from cloudberth.server.services import Here
from cloudberth.server.viewer.content import content
from cloudberth.server.viewer.waterfall import colour, waterfall
from cloudberth.tracing.database import Database
from cloudberth.tracing.reading import StoredSpan, Trace, content_size, read_content, read_trace

router = APIRouter()
# More lines than this are shown only when they are asked for.
MOST_LINES = 1000
ALL_LINES = 10_000
MOST_JSON = 64 << 20  # bytes of spans in one document


@router.get("/traces/{trace_id}.json")
def trace_json(request: Request, here: Here, trace_id: str) -> Response:
    """The trace with everything in it; refused when that is more than a page should hold."""
    trace = _outline(here.store.database, request, trace_id)
    size = content_size(here.store.database, trace)
    if size > MOST_JSON:
        raise InvalidInput(
            f"this trace has {formats.size(size)}, at most {formats.size(MOST_JSON)} are given at once",
            hint="each of its spans has a JSON of its own",
        )
    trace = read_trace(here.store.database, trace_id, trace.tenant) or trace
    spans = [_plain(span) for span in trace.walk()]
    feedback = [asdict(one) for one in trace.feedback]
    return _download(
        {"trace_id": trace.trace_id, "tenant": trace.tenant, "spans": spans, "feedback": feedback},
        f"trace-{trace_id}.json",
    )


@router.get("/traces/{trace_id}/spans/{span_id}.json")
def span_json(request: Request, here: Here, trace_id: str, span_id: str) -> Response:
    """One span with everything in it."""
    trace = _outline(here.store.database, request, trace_id)
    return _download(_plain(_span(here.store.database, trace, span_id)), f"span-{span_id}.json")


@router.get("/traces/{trace_id}")
def trace(request: Request, here: Here, trace_id: str) -> Response:
    """The waterfall with one span beside it; only that span when a part of the page is asked for."""
    found = _outline(here.store.database, request, trace_id)
    span = _span(here.store.database, found, request.query_params.get("span") or found.roots[0].span_id)
    values: dict[str, Any] = {
        "trace": found,
        "span": span,
        "kind_colour": colour(span.kind),
        "content": content(span),
        "feedback": [one for one in found.feedback if one.span_id in (None, span.span_id)],
        "tenant": found.tenant,
    }
    if request.headers.get("x-part"):
        return here.pages.page(request, "viewer/span.html", **values)
    most = ALL_LINES if request.query_params.get("all") else MOST_LINES
    return here.pages.page(
        request, "viewer/trace.html", fall=waterfall(found, most), sums=_sums(found), **values
    )


def _outline(database: Database, request: Request, trace_id: str) -> Trace:
    """The trace without contents: it may be of thousands of spans of megabytes."""
    trace = read_trace(database, trace_id, request.query_params.get("tenant"), content=False)
    if trace is None:
        raise NotFound("there is no trace of this id", hint="it may be older than what is kept")
    return trace


def _span(database: Database, trace: Trace, span_id: str) -> StoredSpan:
    try:
        found = read_content(database, trace, span_id)
    except InvalidInput:
        found = None
    if found is None:
        raise NotFound("this trace has no such span")
    return found


def _sums(trace: Trace) -> dict[str, Any]:
    """Tokens and cost of the models' own spans: those above them repeat their sums."""
    spending = [
        span for span in trace.walk() if colour(span.kind) in {"llm", "embedding", "reranker", "other"}
    ]
    costs = [span.cost for span in spending if span.cost is not None]
    return {
        "spans": sum(1 for _ in trace.walk()),
        "errors": sum(1 for span in trace.walk() if span.status == "error"),
        "input": sum(span.input_tokens or 0 for span in spending),
        "output": sum(span.output_tokens or 0 for span in spending),
        "cost": sum(costs) if costs else None,
    }


def _plain(span: StoredSpan) -> dict[str, Any]:
    """A span as JSON, without its children (their `parent_id` says whose they are)."""
    fields = {
        name: getattr(span, name) for name in StoredSpan.__slots__ if name not in ("children", "depth", "seq")
    }
    fields["events"] = [asdict(event) for event in span.events]
    fields["links"] = [asdict(link) for link in span.links]
    return fields


def _json_value(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)


def _download(value: Any, name: str) -> Response:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_json_value)
    return Response(
        text, media_type="application/json", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )
