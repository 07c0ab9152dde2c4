"""Knowledge as a section of the console: the list of datasets, and a new one. The rest is in `*_pages`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from cloudberth.errors import CloudberthError, InvalidInput, PreconditionFailed, Refused
from cloudberth.server.knowledge import document_pages, key_pages, search_pages, setting_pages
from cloudberth.server.knowledge.page_forms import page_number
from cloudberth.server.knowledge.pages_shared import PATH
from cloudberth.server.sections import Entry, Section
from cloudberth.server.services import Here, Posted, Services

_SIZE = 24
router = APIRouter()


@router.get(PATH)
async def datasets(request: Request, here: Here) -> Response:
    """All datasets, and how the service is."""
    return await run_in_threadpool(_page, request, here)


@router.get(f"{PATH}/live")
def live(request: Request, here: Here) -> Response:
    """The cards alone, for the page to refresh itself."""
    return here.pages.page(request, "knowledge/cards.html", **_shown(request, here))


@router.post(PATH)
def create(request: Request, here: Here, form: Posted) -> Response:
    """A new dataset."""
    try:
        made = here.knowledge.service.create_dataset(
            form.text("name"), description=form.text("description"), embedding=form.text("embedding")
        )
    except (InvalidInput, PreconditionFailed, Refused) as error:
        return _page(request, here, problem=error, given=form.starting(""))
    return RedirectResponse(f"{PATH}/{made.id}", status_code=303)


def _shown(request: Request, here: Services) -> dict[str, Any]:
    text = request.query_params.get("q", "").replace("\0", "")[:255]
    page = here.knowledge.service.datasets(
        search=text, page=page_number(request.query_params.get("page")), size=_SIZE
    )
    return {"datasets": page, "search": text}


def _page(
    request: Request,
    here: Services,
    *,
    problem: CloudberthError | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    return here.pages.page(
        request,
        "knowledge/datasets.html",
        status=400 if problem else 200,
        **_shown(request, here),
        health=here.knowledge.service.health(),
        embeddings=here.knowledge.service.embeddings(),
        problem=problem,
        given=given or {},
        live_seconds=here.settings.live_seconds,
    )


for _part in (setting_pages.router, key_pages.router, search_pages.router, document_pages.router):
    router.include_router(_part)

SECTION = Section(
    name="knowledge",
    entries=(Entry("Knowledge", PATH, "knowledge"),),
    folder=Path(__file__).parent,
    routes=lambda: router,
)
