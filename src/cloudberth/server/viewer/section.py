"""The viewer as a section of the console."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from cloudberth.server.sections import Entry, Section
from cloudberth.server.viewer import lists, overview, trace_page


def _routes() -> APIRouter:
    router = APIRouter()
    for part in (overview.router, lists.router, trace_page.router):
        router.include_router(part)
    return router


SECTION = Section(
    name="viewer",
    entries=(
        Entry("Overview", "/", "overview"),
        Entry("Traces", "/traces", "traces"),
        Entry("Sessions", "/sessions", "sessions"),
    ),
    folder=Path(__file__).parent,
    routes=_routes,
)
