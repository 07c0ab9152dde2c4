"""The keys of applications as a section of the console: make one, see it once, revoke it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cloudberth.errors import InvalidInput
from cloudberth.server import otlp
from cloudberth.server.sections import Entry, Section
from cloudberth.server.services import Here, Posted, Services
from cloudberth.tracing.charts import read_choices

PATH = "/keys"

router = APIRouter()


@router.get(PATH)
def keys(request: Request, here: Here) -> Response:
    """All keys, and the form for a new one."""
    return _page(request, here)


@router.post(PATH)
def create(request: Request, here: Here, form: Posted) -> Response:
    """Make a key and show it, this once."""
    tenant, app = form.text("tenant"), form.text("app")
    if not tenant or not app:
        return _page(request, here, problem=InvalidInput("a key belongs to an app of a tenant: fill in both"))
    try:
        made = here.keys.create(tenant, app, form.text("label"))
    except InvalidInput as error:
        return _page(request, here, problem=error)
    return _page(request, here, made=made)


@router.post(f"{PATH}/{{key}}/revoke")
def revoke(here: Here, key: str, _form: Posted) -> Response:
    """End a key; other servers that share the database notice within seconds."""
    here.keys.revoke(key)
    return RedirectResponse(PATH, status_code=303)


def _page(
    request: Request, here: Services, *, made: str = "", problem: InvalidInput | None = None
) -> Response:
    return here.pages.page(
        request,
        "keys/keys.html",
        status=400 if problem else 200,
        keys=tuple(reversed(here.keys.list())),
        made=made,
        problem=problem,
        endpoint=f"{request.url.scheme}://{request.url.netloc}",
        endpoint_path=otlp.PATH,
        choices=read_choices(here.store.database),
    )


SECTION = Section(
    name="keys",
    entries=(Entry("Keys", PATH, "keys"),),
    folder=Path(__file__).parent,
    routes=lambda: router,
)
