"""Search and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from cloudberth.knowledge.model import AnswerPart
from cloudberth.server.knowledge.access import DatasetId, Part, Reader
from cloudberth.server.knowledge.problems import PREFIX, KnowledgeRoute, documented
from cloudberth.server.knowledge.shapes import AnswerIn, AnswerOut, FoundOut, SearchIn
from cloudberth.server.knowledge.streams import TYPE, event, in_threads, streamed

router = APIRouter(prefix=PREFIX, route_class=KnowledgeRoute, tags=["search"])


@router.post("/datasets/{dataset_id}/search", responses=documented(404, 409))
def search(part: Part, _access: Reader, dataset_id: DatasetId, given: SearchIn) -> FoundOut:
    """Passages for a query, the best first, with their scores and sources."""
    settings = given.settings.settings() if given.settings else None
    return FoundOut.model_validate(part.service.search(dataset_id, given.query, settings))


@router.post(
    "/datasets/{dataset_id}/answer",
    response_model=AnswerOut,
    responses={
        **documented(404, 409),
        200: {
            "description": "The answer; with stream, events named found, text and answer (or error).",
            "content": {TYPE: {"schema": {"type": "string"}}},
        },
    },
)
def answer(part: Part, _access: Reader, dataset_id: DatasetId, given: AnswerIn) -> Any:
    """An answer with citations: by the language model that is set, else the best sentences found."""
    settings = given.settings.settings() if given.settings else None
    if not given.stream:
        return AnswerOut.model_validate(part.service.answer(dataset_id, given.question, settings))
    parts = part.service.answer_stream(dataset_id, given.question, settings)
    return answer_events(parts)


def answer_events(parts: Iterator[AnswerPart]) -> Response:
    """The parts of an answer as events. What fails before the first part is raised here."""
    first = next(parts, None)
    return streamed(in_threads(_events(first, parts)))


def _events(first: AnswerPart | None, rest: Iterator[AnswerPart]) -> Iterator[bytes]:
    try:
        if first is not None:
            yield _event(first)
        for one in rest:
            yield _event(one)
    finally:
        close = getattr(rest, "close", None)
        if close is not None:
            close()


def _event(part: AnswerPart) -> bytes:
    if part.found is not None:
        return event("found", FoundOut.model_validate(part.found).model_dump(mode="json"))
    if part.answer is not None:
        return event("answer", AnswerOut.model_validate(part.answer).model_dump(mode="json"))
    return event("text", {"text": part.text})
