"""The lists of traces and of sessions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloudberth.errors import NotFound
from cloudberth.server.pages import reader_zone
from cloudberth.server.services import Here
from cloudberth.server.viewer import filters
from cloudberth.tracing.charts import list_sessions, read_choices
from cloudberth.tracing.reading import TraceFilter, list_traces

router = APIRouter()
SESSIONS_A_PAGE = 50
SESSION_TRACES = 200


@router.get("/traces")
def traces(request: Request, here: Here) -> Response:
    """Traces, newest first, that fit the filters of the address."""
    query = dict(request.query_params)
    database = here.store.database
    page = list_traces(database, filters.trace_filter(query, reader_zone(request)))
    onward = None
    if page.next:
        mark = f"before={page.next}"
        base = filters.address("/traces", query)
        onward = base + ("&" if "?" in base else "?") + mark
    return here.pages.page(
        request,
        "viewer/traces.html",
        traces=page.traces,
        onward=onward,
        is_later="before" in query,
        first=filters.address("/traces", query),
        query=query,
        ranges=(*filters.RANGES, "all", "custom"),
        chosen_range=query.get("range") or ("custom" if query.get("since") or query.get("until") else "24h"),
        choices=read_choices(database),
        narrow=filters.is_narrow(query),
        address=lambda **changes: filters.address("/traces", query, **changes),
    )


@router.get("/sessions")
def sessions(request: Request, here: Here) -> Response:
    """Sessions, the ones with the latest trace first."""
    query = dict(request.query_params)
    since, _ = filters.time_range({"range": query.get("range") or "7d"}, reader_zone(request))
    number = query.get("page", "0")
    page = int(number) if number.isdecimal() and len(number) < 6 else 0
    found = list_sessions(
        here.store.database,
        tenant=query.get("tenant") or None,
        app=query.get("app") or None,
        user=query.get("user") or None,
        since_ns=since or 0,
        limit=SESSIONS_A_PAGE + 1,
        offset=page * SESSIONS_A_PAGE,
    )
    return here.pages.page(
        request,
        "viewer/sessions.html",
        sessions=found[:SESSIONS_A_PAGE],
        query=query,
        page=page,
        has_more=len(found) > SESSIONS_A_PAGE,
        ranges=(*filters.RANGES, "all"),
        chosen_range=query.get("range") or "7d",
        choices=read_choices(here.store.database),
    )


@router.get("/sessions/{session_id:path}")
def session(request: Request, here: Here, session_id: str) -> Response:
    """The latest traces of a session as a conversation."""
    wanted = TraceFilter(
        tenant=request.query_params.get("tenant") or None, session=session_id, limit=SESSION_TRACES
    )
    page = list_traces(here.store.database, wanted)
    if not page.traces:
        raise NotFound("there is no session of this name", hint="it may be older than what is kept")
    return here.pages.page(
        request,
        "viewer/session.html",
        session_id=session_id,
        traces=page.traces,
        cut=page.next is not None,
    )
