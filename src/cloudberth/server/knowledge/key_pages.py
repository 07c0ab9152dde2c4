"""The keys of a dataset: make one, see it once, rotate, revoke; and how to call with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cloudberth.errors import CloudberthError, InvalidInput, NotFound
from cloudberth.knowledge.model import ApiKey, Dataset, Scope
from cloudberth.server.knowledge.pages_shared import HERE, PATH, Chosen, shown
from cloudberth.server.services import Here, Posted, Services

router = APIRouter()
_OVERLAP = timedelta(hours=24)


@router.get(f"{HERE}/keys")
def keys(request: Request, here: Here, dataset: Chosen) -> Response:
    """The keys that open this dataset only."""
    return _page(request, here, dataset)


@router.post(f"{HERE}/keys")
def create(request: Request, here: Here, dataset: Chosen, form: Posted) -> Response:
    """Make a key and show it, this once."""
    try:
        scope = Scope.WRITE if form.text("scope") == "write" else Scope.READ
        only = "" if form.text("reach") == "all" else dataset.id
        _, made = here.knowledge.service.create_key(
            form.text("label"), dataset_id=only, scope=scope, expires=_ends(form.text("days"))
        )
    except InvalidInput as error:
        return _page(request, here, dataset, problem=error)
    return _page(request, here, dataset, made=made)


@router.post(f"{HERE}/keys/{{key_id}}/rotate")
def rotate(request: Request, here: Here, dataset: Chosen, key_id: str, _form: Posted) -> Response:
    """A new key in its place; the old one works for a day longer."""
    _check(here, dataset, key_id)
    try:
        _, made = here.knowledge.service.rotate_key(key_id, overlap=_OVERLAP)
    except InvalidInput as error:
        return _page(request, here, dataset, problem=error)
    return _page(request, here, dataset, made=made)


@router.post(f"{HERE}/keys/{{key_id}}/revoke")
def revoke(here: Here, dataset: Chosen, key_id: str, _form: Posted) -> Response:
    """End a key."""
    _check(here, dataset, key_id)
    here.knowledge.service.revoke_key(key_id)
    return RedirectResponse(f"{PATH}/{dataset.id}/keys", status_code=303)


def _ends(days: str) -> datetime | None:
    if not days:
        return None
    if not days.isdecimal() or not 1 <= int(days[:6]) <= 3650:
        raise InvalidInput("it is 1 to 3650 days", where="days")
    return datetime.now(UTC) + timedelta(days=int(days))


def _check(here: Services, dataset: Dataset, key_id: str) -> None:
    if key_id not in {one.id for one in _keys(here, dataset)}:
        raise NotFound("there is no such key", where=key_id[:40])


def _keys(here: Services, dataset: Dataset) -> list[ApiKey]:
    """Those of the dataset and those for all; the newest first."""
    every = here.knowledge.service.keys()
    return [one for one in reversed(every) if one.dataset_id in ("", dataset.id)]


def _page(
    request: Request,
    here: Services,
    dataset: Dataset,
    *,
    made: str = "",
    problem: CloudberthError | None = None,
) -> Response:
    return shown(
        request,
        here,
        "keys.html",
        dataset,
        "keys",
        status=400 if problem else 200,
        keys=_keys(here, dataset),
        now=datetime.now(UTC),
        made=made,
        problem=problem,
        endpoint=f"{request.url.scheme}://{request.url.netloc}",
    )
