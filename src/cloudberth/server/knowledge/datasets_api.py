"""Datasets, and what is going on in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from cloudberth.knowledge.model import JobState, Page, Scope
from cloudberth.server.knowledge.access import Caller, DatasetId, JobId, Owner, Part, Reader, Writer, check
from cloudberth.server.knowledge.problems import PREFIX, KnowledgeRoute, documented
from cloudberth.server.knowledge.shapes import (
    DatasetChange,
    DatasetIn,
    DatasetOut,
    EventOut,
    EventsOut,
    HealthOut,
    JobOut,
    PageOut,
    ReembedIn,
    page_of,
)
from cloudberth.server.knowledge.streams import TYPE, happenings, streamed

router = APIRouter(prefix=PREFIX, route_class=KnowledgeRoute, tags=["datasets"])
PageNumber = Annotated[int, Query(ge=1, le=100_000, description="Page, counted from 1.")]
PageSize = Annotated[int, Query(ge=1, le=200, description="The most on a page.")]
SearchText = Annotated[str, Query(max_length=255, description="A text in the name.")]
_MOST_WAIT = 20.0


@router.get("/datasets", responses=documented())
def list_datasets(
    part: Part, access: Caller, search: SearchText = "", page: PageNumber = 1, size: PageSize = 50
) -> PageOut[DatasetOut]:
    """All datasets by name; with a key of one dataset only that one."""
    if access.dataset_id:
        one = part.service.dataset(access.dataset_id)
        fits = search.lower() in one.name.lower()
        return page_of(DatasetOut, Page((one,) if fits and page == 1 else (), int(fits), page, size))
    return page_of(DatasetOut, part.service.datasets(search=search.replace("\0", ""), page=page, size=size))


@router.post("/datasets", status_code=201, responses=documented(409))
def create_dataset(part: Part, _access: Owner, given: DatasetIn, response: Response) -> DatasetOut:
    """A new, empty dataset. Needs a key of scope write for all datasets."""
    made = part.service.create_dataset(
        given.name,
        description=given.description,
        embedding=given.embedding,
        retrieval=given.retrieval.settings() if given.retrieval else None,
        chunking=given.chunking,
    )
    response.headers["Location"] = f"{PREFIX}/datasets/{made.id}"
    return DatasetOut.model_validate(made)


@router.get("/datasets/{dataset_id}", responses=documented(404))
def get_dataset(part: Part, _access: Reader, dataset_id: DatasetId) -> DatasetOut:
    """One dataset."""
    return DatasetOut.model_validate(part.service.dataset(dataset_id))


@router.patch("/datasets/{dataset_id}", responses=documented(404, 409))
def change_dataset(part: Part, _access: Writer, dataset_id: DatasetId, given: DatasetChange) -> DatasetOut:
    """Change what is given. Chunking holds for documents that are indexed from now on."""
    changed = part.service.update_dataset(
        dataset_id,
        name=given.name,
        description=given.description,
        retrieval=given.retrieval.settings() if given.retrieval else None,
        chunking=given.chunking,
    )
    return DatasetOut.model_validate(changed)


@router.delete("/datasets/{dataset_id}", status_code=204, responses=documented(404))
def delete_dataset(part: Part, _access: Owner, dataset_id: DatasetId) -> None:
    """Delete a dataset and everything in it. Needs a key of scope write for all datasets."""
    part.service.delete_dataset(dataset_id)


@router.post("/datasets/{dataset_id}/reembed", status_code=202, responses=documented(404, 409))
def reembed(part: Part, _access: Writer, dataset_id: DatasetId, given: ReembedIn) -> JobOut:
    """Make its vectors anew with another embedder; the old ones are searched until that is done."""
    return JobOut.model_validate(part.service.reembed(dataset_id, given.embedding))


@router.get("/embeddings", responses=documented())
def embeddings(part: Part, _access: Caller) -> list[str]:
    """The names of the embedders that can be chosen; the default first."""
    return list(part.service.embeddings())


@router.get("/datasets/{dataset_id}/events", responses=documented(404), tags=["progress"])
def events(
    part: Part,
    _access: Reader,
    dataset_id: DatasetId,
    after: Annotated[
        int | None, Query(ge=0, le=1 << 53, description="The sequence that was seen last.")
    ] = None,
    wait: Annotated[float, Query(ge=0, le=_MOST_WAIT, description="Seconds to wait for something.")] = 0.0,
) -> EventsOut:
    """What happened after an event. Without `after`: the newest event, to begin with."""
    part.service.dataset(dataset_id)
    found = part.service.events(dataset_id=dataset_id, after=after, wait=wait)
    return EventsOut(
        events=[EventOut.model_validate(one) for one in found],
        after=found[-1].sequence if found else after or 0,
    )


@router.get(
    "/datasets/{dataset_id}/events/stream",
    responses={**documented(404), 200: {"content": {TYPE: {"schema": {"type": "string"}}}}},
    response_class=StreamingResponse,
    tags=["progress"],
)
def event_stream(
    request: Request,
    part: Part,
    _access: Reader,
    dataset_id: DatasetId,
    last_event_id: Annotated[str, Header(pattern=r"^[0-9]{0,15}$", description="Sent by browsers.")] = "",
) -> StreamingResponse:
    """What happens from now on, or after Last-Event-ID, as server-sent events named change."""
    part.service.dataset(dataset_id)
    after = int(last_event_id) if last_event_id else None
    return streamed(happenings(request, part, dataset_id, after))


@router.get("/datasets/{dataset_id}/jobs", responses=documented(404), tags=["progress"])
def jobs(
    part: Part,
    _access: Reader,
    dataset_id: DatasetId,
    state: JobState | None = None,
    page: PageNumber = 1,
    size: PageSize = 50,
) -> PageOut[JobOut]:
    """Work that is queued, running or dead; the oldest first."""
    part.service.dataset(dataset_id)
    return page_of(JobOut, part.service.jobs(dataset_id=dataset_id, state=state, page=page, size=size))


@router.post("/jobs/{job_id}/retry", status_code=202, responses=documented(404, 409), tags=["progress"])
def retry_job(part: Part, _access: Owner, job_id: JobId) -> JobOut:
    """Queue a dead job again, its attempts forgotten. Needs a key of scope write for all datasets."""
    return JobOut.model_validate(part.service.retry_job(job_id))


@router.get("/health", responses=documented(), tags=["progress"])
def health(part: Part, access: Caller) -> HealthOut:
    """How everything is that the service stands on. Needs a key for all datasets."""
    check(access, Scope.READ)
    return HealthOut.model_validate(part.service.health())
