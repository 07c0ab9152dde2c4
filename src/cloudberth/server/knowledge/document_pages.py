"""The documents of a dataset: table, upload, preview, and one of them with its chunks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.datastructures import UploadFile

from cloudberth.errors import CloudberthError, InvalidInput
from cloudberth.knowledge.documents import formats
from cloudberth.knowledge.model import Dataset, Document, DocumentStatus, Preview
from cloudberth.server.forms import TOKEN_FIELD
from cloudberth.server.knowledge import page_forms
from cloudberth.server.knowledge.documents_api import checked_metadata, original_of, same_name
from cloudberth.server.knowledge.pages_shared import HERE, PATH, Chosen, shown
from cloudberth.server.knowledge.problems import ApiError
from cloudberth.server.knowledge.uploads import Upload, file_name, received
from cloudberth.server.secrets_at_rest import same
from cloudberth.server.services import Here, Posted, Services, signed_in
from cloudberth.server.sessions import Session

router = APIRouter()
_SIZE, _CHUNKS = 25, 20
# Seconds between two looks while something is being indexed.
_BUSY_SECONDS = 2
SignedIn = Annotated[Session, Depends(signed_in)]


@router.get(HERE)
def documents(request: Request, here: Here, dataset: Chosen) -> Response:
    """The table, and where files are dropped."""
    return _table(request, here, dataset, "documents.html")


@router.get(f"{HERE}/live")
def live(request: Request, here: Here, dataset: Chosen) -> Response:
    """The table alone, for the page to refresh itself."""
    return _table(request, here, dataset, "document_table.html")


@router.post(f"{HERE}/documents")
async def upload(request: Request, here: Here, dataset: Chosen, session: SignedIn) -> Response:
    """Take files. A script that sends them one by one is told what became of each."""
    part = here.knowledge
    is_script = bool(request.headers.get("x-part"))
    try:
        async with received(request, part.most_upload) as form:
            _check_token(form, session)
            made = await run_in_threadpool(_add_all, here, dataset, form)
    except (ApiError, CloudberthError) as error:
        if not is_script:
            return await run_in_threadpool(_table, request, here, dataset, "documents.html", error)
        return _told(request, here, error)
    if is_script:
        return JSONResponse({"documents": [one.id for one in made]})
    return RedirectResponse(f"{PATH}/{dataset.id}", status_code=303)


@router.post(f"{HERE}/preview")
async def preview(request: Request, here: Here, dataset: Chosen, session: SignedIn) -> Response:
    """What a file would become; nothing is kept."""
    problem: Exception | None = None
    found: Preview | None = None
    try:
        async with received(request, here.knowledge.most_upload) as form:
            _check_token(form, session)
            found = await run_in_threadpool(_preview, here, dataset, form)
    except (ApiError, CloudberthError) as error:
        problem = error
    template = "preview_result.html" if request.headers.get("x-part") else "preview.html"
    return await run_in_threadpool(
        shown, request, here, template, dataset, "documents", preview=found, problem=_plain(problem)
    )


@router.get(f"{HERE}/documents/{{document_id}}")
def document(request: Request, here: Here, dataset: Chosen, document_id: str) -> Response:
    """One document: where it is on its way, what is known of it, its chunks."""
    return _document(request, here, dataset, document_id)


@router.get(f"{HERE}/documents/{{document_id}}/original")
def original(here: Here, dataset: Chosen, document_id: str) -> StreamingResponse:
    """The file that was uploaded."""
    return original_of(here.knowledge, dataset.id, document_id)


@router.post(f"{HERE}/documents/{{document_id}}/metadata")
def change(request: Request, here: Here, dataset: Chosen, document_id: str, form: Posted) -> Response:
    """Keep the name and the metadata."""
    try:
        metadata = checked_metadata({"metadata": form.text("metadata")})
        here.knowledge.service.update_document(
            dataset.id, document_id, name=form.text("name"), metadata=metadata or {}
        )
    except InvalidInput as error:
        return _document(request, here, dataset, document_id, error, form.text("metadata"))
    return RedirectResponse(f"{PATH}/{dataset.id}/documents/{document_id}?saved=1", status_code=303)


@router.post(f"{HERE}/documents/{{document_id}}/reindex")
def reindex(here: Here, dataset: Chosen, document_id: str, form: Posted) -> Response:
    """Index it once more."""
    here.knowledge.service.reindex(dataset.id, document_id)
    onward = f"{PATH}/{dataset.id}" + (f"/documents/{document_id}" if form.text("stay") else "")
    return RedirectResponse(onward, status_code=303)


@router.post(f"{HERE}/documents/{{document_id}}/delete")
def delete(here: Here, dataset: Chosen, document_id: str, _form: Posted) -> Response:
    """Delete it everywhere."""
    here.knowledge.service.delete_document(dataset.id, document_id)
    return RedirectResponse(f"{PATH}/{dataset.id}", status_code=303)


def _check_token(form: Upload, session: Session) -> None:
    if not same(form.fields.get(TOKEN_FIELD, ""), session.form_token):
        raise HTTPException(403, "This form is too old or not ours. Load the page again.")


def _add_all(here: Services, dataset: Dataset, form: Upload) -> list[Document]:
    files = [file for file in form.files if file.filename]
    if not files:
        raise InvalidInput("choose a file")
    metadata = checked_metadata(form.fields)
    known = same_name(form.fields.get("same_name", ""))
    return [
        here.knowledge.service.add_document(
            dataset.id, file_name(file), file.file, metadata=metadata, content_type=file.content_type or "",
            same_name=known,
        )
        for file in files
    ]  # fmt: skip


def _preview(here: Services, dataset: Dataset, form: Upload) -> Preview:
    file: UploadFile = form.one()
    if not file.filename:
        raise InvalidInput("choose a file")
    cut: Mapping[str, Any] = dataset.chunking
    if "chunk-mode" in form.fields:
        cut = page_forms.chunking(form.fields)
    return here.knowledge.service.preview(
        file_name(file), file.file, chunking=cut, content_type=file.content_type or ""
    )


def _told(request: Request, here: Services, error: Exception) -> JSONResponse:
    words = here.pages.words(request)
    problem = _plain(error)
    assert problem is not None  # noqa: S101 (there is an error)
    status = error.status_code if isinstance(error, HTTPException) else 400
    return JSONResponse({"error": words(problem["what"]), "hint": problem["hint"]}, status_code=status)


def _plain(error: Exception | None) -> dict[str, str] | None:
    if isinstance(error, CloudberthError):
        return {"what": str(error), "hint": error.hint}
    if isinstance(error, ApiError):
        return {"what": str(error.detail), "hint": error.hint}
    return None


def _table(
    request: Request, here: Services, dataset: Dataset, template: str, problem: Exception | None = None
) -> Response:
    asked = request.query_params
    status = asked.get("status", "")
    chosen = DocumentStatus(status) if status in {str(one) for one in DocumentStatus} else None
    text = asked.get("q", "").replace("\0", "")[:255]
    page = here.knowledge.service.documents(
        dataset.id, status=chosen, search=text, page=page_number(request), size=_SIZE
    )
    busy = any(not one.is_settled for one in page.items)
    return shown(
        request,
        here,
        template,
        dataset,
        "documents",
        status=400 if problem else 200,
        page=page,
        search=text,
        chosen=status if chosen else "",
        statuses=tuple(str(one) for one in DocumentStatus),
        query=request.url.query,
        suffixes=",".join(sorted(f".{one}" for several in formats().values() for one in several)),
        live_seconds=_BUSY_SECONDS if busy else here.settings.live_seconds,
        most=here.knowledge.most_upload,
        problem=_plain(problem),
    )


def page_number(request: Request) -> int:
    return page_forms.page_number(request.query_params.get("page"))


def _document(
    request: Request,
    here: Services,
    dataset: Dataset,
    document_id: str,
    problem: CloudberthError | None = None,
    typed: str | None = None,
) -> Response:
    found = here.knowledge.service.document(dataset.id, document_id)
    metadata = json.dumps(dict(found.metadata), ensure_ascii=False, indent=2) if found.metadata else ""
    return shown(
        request,
        here,
        "document.html",
        dataset,
        "documents",
        status=400 if problem else 200,
        document=found,
        chunks=here.knowledge.service.chunks(
            dataset.id, document_id, page=page_number(request), size=_CHUNKS
        ),
        metadata=metadata if typed is None else typed,
        problem=_plain(problem),
        saved="saved" in request.query_params,
        live_seconds=_BUSY_SECONDS,
    )
