"""Documents: upload, look, change, delete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, BinaryIO, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter, ValidationError

from cloudberth.cache import Cache
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.knowledge.model import Access, Document, DocumentStatus
from cloudberth.server.knowledge.access import DatasetId, DocumentId, Part, Reader, Writer
from cloudberth.server.knowledge.datasets_api import PageNumber, PageSize, SearchText
from cloudberth.server.knowledge.part import KnowledgePart
from cloudberth.server.knowledge.problems import PREFIX, ApiError, KnowledgeRoute, documented
from cloudberth.server.knowledge.shapes import (
    ChunkOut,
    DocumentChange,
    DocumentOut,
    Metadata,
    PageOut,
    PreviewOut,
    ReindexIn,
    TextIn,
    page_of,
)
from cloudberth.server.knowledge.uploads import MULTIPART, file_name, json_object, received

BASE = "/datasets/{dataset_id}/documents"
router = APIRouter(prefix=PREFIX, route_class=KnowledgeRoute, tags=["documents"])
Replay = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{0,200}$",
        description="The same key within a day gives back what the first call made.",
    ),
]
_DAY = 86_400.0
_metadata = TypeAdapter(Metadata | None)


def _form(required: list[str], **fields: tuple[str, str]) -> dict[str, Any]:
    """The documentation of a form: field → format and description."""
    properties = {
        name: {"type": "string", "description": said, **({"format": kind} if kind else {})}
        for name, (kind, said) in fields.items()
    }
    schema = {"type": "object", "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {MULTIPART: {"schema": schema}}}}


_FILE = ("binary", "The file: PDF, DOCX, XLSX, PPTX, HTML, Markdown, TXT, CSV.")
_CHUNKING = ("", 'How to cut it, as JSON: {"mode": "paragraph", "max_tokens": 400}.')


@router.get(BASE, responses=documented(404))
def list_documents(
    part: Part,
    _access: Reader,
    dataset_id: DatasetId,
    status: DocumentStatus | None = None,
    search: SearchText = "",
    page: PageNumber = 1,
    size: PageSize = 50,
) -> PageOut[DocumentOut]:
    """The documents of a dataset, the newest first."""
    found = part.service.documents(
        dataset_id, status=status, search=search.replace("\0", ""), page=page, size=size
    )
    return page_of(DocumentOut, found)


@router.post(
    BASE,
    status_code=202,
    responses=documented(404, 409, 413, 415),
    openapi_extra=_form(
        ["file"],
        file=_FILE,
        metadata=("", 'What is known of it, as JSON: {"year": 2026}.'),
        chunking=_CHUNKING,
        same_name=("", "add (the default) or replace: what happens to a document of this name."),
        name=("", "Another name than the file's."),
    ),
)
async def upload(
    request: Request,
    response: Response,
    part: Part,
    access: Writer,
    dataset_id: DatasetId,
    replay: Replay = "",
) -> DocumentOut:
    """Upload a file. It is kept now and indexed by a worker; the same file again changes nothing."""
    async with received(request, part.most_upload) as form:
        file, fields = form.one(), form.fields
        given = {
            "name": fields.get("name") or file_name(file),
            "metadata": checked_metadata(fields),
            "chunking": json_object(fields, "chunking"),
            "same_name": same_name(fields.get("same_name", "")),
            "content_type": file.content_type or "",
        }
        made = await run_in_threadpool(_added, part, access, dataset_id, replay, file.file, given, response)
    return DocumentOut.model_validate(made)


@router.post(f"{BASE}/text", status_code=202, responses=documented(404, 409, 413))
def upload_text(
    response: Response, part: Part, access: Writer, dataset_id: DatasetId, given: TextIn, replay: Replay = ""
) -> DocumentOut:
    """The same with a text. Its name says what it is: leave.md, leave.txt, leave.html."""
    from io import BytesIO

    values = given.model_dump(exclude={"text"}) | {"content_type": "text/plain; charset=utf-8"}
    made = _added(part, access, dataset_id, replay, BytesIO(given.text.encode()), values, response)
    return DocumentOut.model_validate(made)


@router.post(
    "/datasets/{dataset_id}/preview",
    responses=documented(404, 413, 415),
    openapi_extra=_form(["file"], file=_FILE, chunking=_CHUNKING),
)
async def preview(request: Request, part: Part, _access: Writer, dataset_id: DatasetId) -> PreviewOut:
    """What a file would become, cut as given or as the dataset says. Nothing is kept."""
    async with received(request, part.most_upload) as form:
        file = form.one()
        dataset = await run_in_threadpool(part.service.dataset, dataset_id)
        found = await run_in_threadpool(
            part.service.preview,
            file_name(file),
            file.file,
            chunking={**dataset.chunking, **(json_object(form.fields, "chunking") or {})},
            content_type=file.content_type or "",
        )
    return PreviewOut.model_validate(found)


@router.get(f"{BASE}/{{document_id}}", responses=documented(404))
def get_document(part: Part, _access: Reader, dataset_id: DatasetId, document_id: DocumentId) -> DocumentOut:
    """One document, with where it is on its way."""
    return DocumentOut.model_validate(part.service.document(dataset_id, document_id))


@router.patch(f"{BASE}/{{document_id}}", responses=documented(404))
def change_document(
    part: Part, _access: Writer, dataset_id: DatasetId, document_id: DocumentId, given: DocumentChange
) -> DocumentOut:
    """Change the name, or all of the metadata; filters know it when a worker has been there."""
    changed = part.service.update_document(dataset_id, document_id, name=given.name, metadata=given.metadata)
    return DocumentOut.model_validate(changed)


@router.post(f"{BASE}/{{document_id}}/reindex", status_code=202, responses=documented(404))
def reindex(
    part: Part,
    _access: Writer,
    dataset_id: DatasetId,
    document_id: DocumentId,
    given: ReindexIn | None = None,
) -> DocumentOut:
    """Index it once more, also after it failed; what is searchable stays until then."""
    queued = part.service.reindex(dataset_id, document_id, chunking=given.chunking if given else None)
    return DocumentOut.model_validate(queued)


@router.delete(f"{BASE}/{{document_id}}", status_code=204, responses=documented(404))
def delete_document(part: Part, _access: Writer, dataset_id: DatasetId, document_id: DocumentId) -> None:
    """Delete it everywhere; it is not found any more from now on."""
    part.service.delete_document(dataset_id, document_id)


@router.get(f"{BASE}/{{document_id}}/chunks", responses=documented(404))
def chunks(
    part: Part,
    _access: Reader,
    dataset_id: DatasetId,
    document_id: DocumentId,
    page: PageNumber = 1,
    size: PageSize = 50,
) -> PageOut[ChunkOut]:
    """What is searchable of a document, in its order, parents included."""
    return page_of(ChunkOut, part.service.chunks(dataset_id, document_id, page=page, size=size))


@router.get(
    f"{BASE}/{{document_id}}/original",
    responses={
        **documented(404),
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=StreamingResponse,
)
def original(
    part: Part, _access: Reader, dataset_id: DatasetId, document_id: DocumentId
) -> StreamingResponse:
    """The bytes that were uploaded."""
    return original_of(part, dataset_id, document_id)


def original_of(part: KnowledgePart, dataset_id: str, document_id: str) -> StreamingResponse:
    """As a download: what it claims to be is not shown in a browser on this server's address."""
    document = part.service.document(dataset_id, document_id)
    name = quote(document.name, safe="")
    return StreamingResponse(
        part.service.original(dataset_id, document_id),
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


def checked_metadata(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """The metadata in a form. Raises InvalidInput."""
    try:
        found: dict[str, Any] | None = _metadata.validate_python(json_object(fields, "metadata"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"][:1])
        raise InvalidInput(f"{place}: {first['msg']}", where="metadata") from None
    return found


def same_name(text: str) -> Literal["add", "replace"]:
    """What a form says about a document of the same name. Raises InvalidInput."""
    if text in ("", "add"):
        return "add"
    if text == "replace":
        return "replace"
    raise InvalidInput("it is add or replace", where="same_name")


def _added(
    part: KnowledgePart,
    access: Access,
    dataset_id: str,
    replay: str,
    data: BinaryIO,
    given: dict[str, Any],
    response: Response,
) -> Document:
    """The document, made once for an idempotency key."""
    if not replay:
        return _settled(response, part.service.add_document(dataset_id, given.pop("name"), data, **given))
    name = hashlib.sha256(f"{access.key_id}\0{dataset_id}\0{replay}".encode()).hexdigest()
    print_of_it = _fingerprint(data, given)
    cache = part.replays
    # Without its cache a server does without this; the same file is one document all the same.
    nobody: int | None = 0
    if cache.attempt(lambda: cache.acquire(name, "upload", 120.0), nobody) is None:
        raise ApiError(409, "an upload under this idempotency key is under way", code="in_progress")
    try:
        known = _made_before(part, dataset_id, name, print_of_it)
        if known is not None:
            response.headers["Idempotency-Replayed"] = "true"
            return known
        made = part.service.add_document(dataset_id, given.pop("name"), data, **given)
        _remember(cache, name, print_of_it, made)
        return _settled(response, made)
    finally:
        cache.attempt(lambda: cache.release(name, "upload"), False)


def _settled(response: Response, made: Document) -> Document:
    response.headers["Location"] = f"{PREFIX}/datasets/{made.dataset_id}/documents/{made.id}"
    return made


def _made_before(part: KnowledgePart, dataset_id: str, name: str, print_of_it: str) -> Document | None:
    cache = part.replays
    kept = cache.attempt(lambda: cache.get(f"made:{name}"), None)
    if kept is None:
        return None
    document_id, before = json.loads(kept)
    if before != print_of_it:
        raise ApiError(422, "this idempotency key was used for something else", code="key_reused")
    try:
        return part.service.document(dataset_id, document_id)
    except NotFound:
        # Deleted since; then it is made again.
        return None


def _remember(cache: Cache, name: str, print_of_it: str, made: Document) -> None:
    value = json.dumps([made.id, print_of_it]).encode()
    cache.attempt(lambda: cache.set(f"made:{name}", value, _DAY), None)


def _fingerprint(data: BinaryIO, given: Mapping[str, Any]) -> str:
    """Of the content and everything said about it; the file is at its beginning again afterwards."""
    digest = hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode())
    while piece := data.read(1 << 18):
        digest.update(piece)
    data.seek(0)
    return digest.hexdigest()
