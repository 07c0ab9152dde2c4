"""`/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from cloudberth.errors import CloudberthError
from cloudberth.server.knowledge.shapes import HealthOut
from cloudberth.server.metrics import CONTENT_TYPE
from cloudberth.server.secrets_at_rest import same
from cloudberth.server.services import Here

router = APIRouter(tags=["health"])
# Spans that wait longer than this to be written mean that the writer does not keep up, seconds.
MOST_LAG = 5.0


class Readiness(BaseModel):
    """ready: whether requests can be served. checks: what was looked at, and what is wrong with it."""

    ready: bool
    checks: dict[str, str]


@router.get("/livez", response_class=PlainTextResponse)
def livez() -> str:
    """The process answers; nothing else is looked at, so that a sick database restarts nobody."""
    return "ok\n"


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(here: Here) -> JSONResponse:
    """Whether the server can take spans and show pages. Tracing providers are not asked."""
    checks = {"console": "ok", "traces": "ok"}
    try:
        here.sessions.find("")
    except CloudberthError as error:
        checks["console"] = error.what
    try:
        with here.store.database.connection() as connection:
            connection.rows("SELECT version FROM trace_schema")
    except CloudberthError as error:
        checks["traces"] = error.what
    ready = all(said == "ok" for said in checks.values())
    answer = Readiness(ready=ready, checks=checks)
    return JSONResponse(answer.model_dump(), status_code=200 if ready else 503)


@router.get("/status.json", include_in_schema=False)
def status(request: Request, here: Here) -> HealthOut:
    """How everything is that knowledge stands on, its queue and its workers; for whom metrics are."""
    if not may_read_metrics(request, here.settings.metrics_token):
        raise HTTPException(403, "The status is for this network only; or with BERTH_METRICS_TOKEN.")
    return HealthOut.model_validate(here.knowledge.service.health())


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, here: Here) -> Response:
    """Counters and times in Prometheus' text format.

    With a token set (BERTH_METRICS_TOKEN) whoever shows it may read them; without one, those on this
    machine and in private networks, because the numbers name models and destinations.
    """
    if not may_read_metrics(request, here.settings.metrics_token):
        raise HTTPException(
            403, "Metrics are for this network only; set BERTH_METRICS_TOKEN to read them elsewhere."
        )
    return Response(here.metrics.text(), media_type=CONTENT_TYPE)


def may_read_metrics(request: Request, token: str) -> bool:
    """Whether the one who asks has the token, or needs none."""
    if token:
        shown = request.headers.get("authorization", "")
        return same(shown, f"Bearer {token}")
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return address.is_loopback or address.is_private
