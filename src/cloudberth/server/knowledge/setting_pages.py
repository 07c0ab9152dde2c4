"""The settings of a dataset, another embedder, and its end."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cloudberth.errors import CloudberthError, InvalidInput, Mismatch, PreconditionFailed, Refused
from cloudberth.knowledge.model import Dataset, Mode
from cloudberth.server.knowledge import page_forms
from cloudberth.server.knowledge.pages_shared import HERE, PATH, Chosen, shown
from cloudberth.server.services import Here, Posted, Services

MENDABLE = (InvalidInput, PreconditionFailed, Refused, Mismatch)
router = APIRouter()


@router.get(f"{HERE}/settings")
def settings(request: Request, here: Here, dataset: Chosen) -> Response:
    """How it is called, cut and searched."""
    return _page(request, here, dataset)


@router.post(f"{HERE}/settings")
def change(request: Request, here: Here, dataset: Chosen, form: Posted) -> Response:
    """Keep the settings."""
    fields = page_forms.fields_of(form)
    try:
        here.knowledge.service.update_dataset(
            dataset.id,
            name=form.text("name"),
            description=form.text("description"),
            retrieval=page_forms.retrieval(fields, dataset.retrieval),
            chunking=page_forms.chunking(fields),
        )
    except MENDABLE as error:
        return _page(request, here, dataset, problem=error)
    return RedirectResponse(f"{PATH}/{dataset.id}/settings?saved=1", status_code=303)


@router.post(f"{HERE}/reembed")
def reembed(request: Request, here: Here, dataset: Chosen, form: Posted) -> Response:
    """Make the vectors anew with another embedder."""
    try:
        here.knowledge.service.reembed(dataset.id, form.text("embedding"))
    except MENDABLE as error:
        return _page(request, here, dataset, problem=error)
    return RedirectResponse(f"{PATH}/{dataset.id}/settings?saved=1", status_code=303)


@router.post(f"{HERE}/delete")
def delete(here: Here, dataset: Chosen, _form: Posted) -> Response:
    """Delete the dataset and everything in it."""
    here.knowledge.service.delete_dataset(dataset.id)
    return RedirectResponse(PATH, status_code=303)


def _page(
    request: Request, here: Services, dataset: Dataset, *, problem: CloudberthError | None = None
) -> Response:
    reranker = here.knowledge.service.parts.reranker
    return shown(
        request,
        here,
        "settings.html",
        dataset,
        "settings",
        status=400 if problem else 200,
        chunking=page_forms.shown_chunking(dataset.chunking),
        chunking_modes=page_forms.CHUNKING_MODES,
        parent_modes=page_forms.PARENT_MODES,
        rules=page_forms.RULES,
        modes=tuple(str(mode) for mode in Mode),
        rerankers=("",) if reranker is None else ("", reranker.name),
        embeddings=here.knowledge.service.embeddings(),
        problem=problem,
        saved="saved" in request.query_params,
    )
