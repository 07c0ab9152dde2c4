"""The panel as a section of the console: list, form, test, backlog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from cloudberth.errors import CloudberthError, InvalidInput, PreconditionFailed, Refused
from cloudberth.server.panel import forms
from cloudberth.server.sections import Entry, Section
from cloudberth.server.services import Here, Posted, Services
from cloudberth.tracing.charts import read_choices
from cloudberth.tracing.checks import TestResult, check_provider, project_url
from cloudberth.tracing.content import PERSONAL, POLICIES
from cloudberth.tracing.cursors import read_states, send_backlog, skip_backlog
from cloudberth.tracing.destinations import SCOPES, Destination
from cloudberth.tracing.profile import Profile
from cloudberth.tracing.providers import profile, profiles

PATH = "/providers"
BY = "console"
# What a form can be told to mend; anything else is an error of its own page.
MENDABLE = (InvalidInput, Refused, PreconditionFailed)

router = APIRouter()


@router.get(PATH)
def panel(request: Request, here: Here) -> Response:
    """Every destination with its state, and the providers that can be added."""
    return here.pages.page(
        request,
        "panel/panel.html",
        cards=_cards(here),
        profiles=profiles(),
        live_seconds=here.settings.live_seconds,
    )


@router.get(f"{PATH}/live")
def live(request: Request, here: Here) -> Response:
    """The cards alone, for the page to refresh itself."""
    return here.pages.page(request, "panel/cards.html", cards=_cards(here))


@router.get(f"{PATH}/new/{{provider}}")
def new(request: Request, here: Here, provider: str) -> Response:
    """The form for a destination at a provider."""
    known = profile(provider)
    return _form(request, here, known, forms.empty(known))


@router.post(f"{PATH}/new/{{provider}}")
def create(request: Request, here: Here, provider: str, form: Posted) -> Response:
    """Add a destination."""
    known = profile(provider)
    try:
        made = here.destinations.create(forms.draft(form, known), by=BY, backlog=form.flag("backlog"))
    except MENDABLE as error:
        return _form(request, here, known, forms.again(form, known, forms.empty(known)), problem=error)
    return RedirectResponse(f"{PATH}/{made.id}", status_code=303)


@router.post(f"{PATH}/new/{{provider}}/test")
async def test_draft(request: Request, here: Here, provider: str, form: Posted) -> Response:
    """Test what is in the form; nothing is kept."""
    return await _tested(request, here, profile(provider), form, None)


@router.get(f"{PATH}/{{destination}}")
def show(request: Request, here: Here, destination: str) -> Response:
    """One destination: its state, its form, what can be done with it."""
    found = here.destinations.get(destination)
    return _form(request, here, found.profile, forms.stored(found), found)


@router.post(f"{PATH}/{{destination}}")
def change(request: Request, here: Here, destination: str, form: Posted) -> Response:
    """Change a destination; who changed it first wins."""
    found = here.destinations.get(destination)
    version = form.text("version")
    try:
        here.destinations.update(
            destination,
            forms.draft(form, found.profile),
            by=BY,
            version=int(version) if version.isdecimal() and len(version) < 12 else None,
        )
    except MENDABLE as error:
        shown = forms.again(form, found.profile, forms.stored(found))
        return _form(request, here, found.profile, shown, found, problem=error)
    return RedirectResponse(f"{PATH}/{destination}?saved=1", status_code=303)


@router.post(f"{PATH}/{{destination}}/test")
async def test(request: Request, here: Here, destination: str, form: Posted) -> Response:
    """Test a destination as it is in the form, or as it is kept when no form came with it."""
    found = await run_in_threadpool(here.destinations.get, destination)
    if "scope" in form:
        return await _tested(request, here, found.profile, form, found)
    settings = await run_in_threadpool(here.destinations.complete_settings, destination)
    result = await check_provider(found.profile, settings, here.destinations.guard)
    if request.headers.get("x-part"):
        return here.pages.page(request, "panel/result.html", result=result)
    return await run_in_threadpool(
        _form, request, here, found.profile, forms.stored(found), found, result=result
    )


@router.post(f"{PATH}/{{destination}}/enable")
def enable(here: Here, destination: str, form: Posted) -> Response:
    """Switch on or off."""
    here.destinations.enable(destination, form.text("enabled") == "1", by=BY)
    return RedirectResponse(PATH, status_code=303)


@router.post(f"{PATH}/{{destination}}/backlog")
def backlog(here: Here, destination: str, form: Posted) -> Response:
    """Send again what is stored, or pass over what waits."""
    here.destinations.get(destination)
    if form.text("do") == "skip":
        skip_backlog(here.store.database, destination)
    elif form.text("do") == "send":
        send_backlog(here.store.database, destination)
    else:
        raise InvalidInput("a backlog is sent or skipped")
    return RedirectResponse(f"{PATH}/{destination}", status_code=303)


@router.post(f"{PATH}/{{destination}}/delete")
def delete(here: Here, destination: str, _form: Posted) -> Response:
    """Remove a destination; what is stored here stays."""
    here.destinations.delete(destination)
    return RedirectResponse(PATH, status_code=303)


async def _tested(
    request: Request, here: Services, known: Profile, form: Any, found: Destination | None
) -> Response:
    identifier = found.id if found else None
    try:
        wanted = forms.draft(form, known)
        settings = await run_in_threadpool(here.destinations.draft_settings, wanted, identifier)
        result: TestResult | None = await check_provider(known, settings, here.destinations.guard)
        problem: CloudberthError | None = None
    except MENDABLE as error:
        result, problem = None, error
    if request.headers.get("x-part"):
        return here.pages.page(request, "panel/result.html", result=result, problem=problem)
    shown = forms.again(form, known, forms.stored(found) if found else forms.empty(known))
    return await run_in_threadpool(
        _form, request, here, known, shown, found, result=result, problem=problem, is_test=True
    )


def _form(
    request: Request,
    here: Services,
    known: Profile,
    shown: forms.Shown,
    found: Destination | None = None,
    *,
    result: TestResult | None = None,
    problem: CloudberthError | None = None,
    is_test: bool = False,
) -> Response:
    states = read_states(here.store.database) if found else {}
    return here.pages.page(
        request,
        "panel/destination.html",
        status=400 if problem and not is_test else 200,
        profile=known,
        shown=shown,
        destination=found,
        state=states.get(found.id) if found else None,
        project=project_url(known, found.settings) if found else "",
        result=result,
        problem=problem,
        scopes=SCOPES,
        policies=POLICIES,
        personal=tuple(PERSONAL),
        choices=read_choices(here.store.database),
        saved="saved" in request.query_params and problem is None,
    )


def _cards(here: Services) -> list[dict[str, Any]]:
    states = read_states(here.store.database)
    return [
        {
            "destination": one,
            "profile": one.profile,
            "state": states.get(one.id),
            "project": project_url(one.profile, one.settings),
        }
        for one in here.destinations.list()
    ]


SECTION = Section(
    name="panel",
    entries=(Entry("Providers", PATH, "providers"),),
    folder=Path(__file__).parent,
    routes=lambda: router,
)
