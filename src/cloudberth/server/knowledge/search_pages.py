"""The playground: a search, why each passage is where it is, and an answer with its sources."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloudberth.errors import BackendError, CloudberthError, InvalidInput, NotFound
from cloudberth.knowledge.model import Answer, Dataset, Found, Mode, Passage, RetrievalSettings
from cloudberth.server.knowledge import highlighting, page_forms
from cloudberth.server.knowledge.pages_shared import HERE, Chosen, shown
from cloudberth.server.services import Here, Services
from cloudberth.server.viewer.waterfall import Waterfall, waterfall
from cloudberth.tracing.reading import read_trace

router = APIRouter()
_FIELDS = ("mode", "k", "threshold", "filter", "rerank")
_MOST_QUERY = 8_000
_MOST_STEPS = 40


@router.get(f"{HERE}/search")
def search(request: Request, here: Here, dataset: Chosen) -> Response:
    """A search, when the address has one; with ``do=answer`` an answer as well."""
    asked = request.query_params
    query = asked.get("q", "").strip()[:_MOST_QUERY]
    fields = {name: asked[name] for name in _FIELDS if name in asked}
    settings, found, answer = dataset.retrieval, None, None
    problem: CloudberthError | None = None
    try:
        settings = page_forms.retrieval(fields, dataset.retrieval)
        if query and asked.get("do") == "answer":
            answer = here.knowledge.service.answer(dataset.id, query, settings)
            found = answer.found
        elif query:
            found = here.knowledge.service.search(dataset.id, query, settings)
    except (InvalidInput, BackendError) as error:
        problem = error
    return _page(request, here, dataset, query, settings, found, answer, problem)


@router.get(f"{HERE}/steps/{{trace_id}}")
def steps(request: Request, here: Here, dataset: Chosen, trace_id: str) -> Response:
    """How long each step of a search took; 204 while its spans are on their way."""
    fall = _steps(here, trace_id)
    if fall is None:
        return Response(status_code=204)
    return shown(request, here, "steps.html", dataset, "search", fall=fall, trace_id=trace_id)


def _steps(here: Services, trace_id: str) -> Waterfall | None:
    try:
        trace = read_trace(here.store.database, trace_id)
    except (NotFound, InvalidInput):
        return None
    return None if trace is None or not trace.roots else waterfall(trace, _MOST_STEPS)


def _page(
    request: Request,
    here: Services,
    dataset: Dataset,
    query: str,
    settings: RetrievalSettings,
    found: Found | None,
    answer: Answer | None,
    problem: CloudberthError | None,
) -> Response:
    reranker = here.knowledge.service.parts.reranker
    return shown(
        request,
        here,
        "search.html",
        dataset,
        "search",
        status=400 if isinstance(problem, InvalidInput) else 503 if problem else 200,
        query=query,
        settings=settings,
        filter_text=_filter_text(settings),
        modes=tuple(str(mode) for mode in Mode),
        rerankers=("",) if reranker is None else ("", reranker.name),
        found=found,
        results=[_result(one, query) for one in found.passages] if found else [],
        answer=answer,
        pieces=highlighting.cited(answer) if answer else (),
        fall=_steps(here, found.trace_id) if found and found.trace_id else None,
        problem=problem,
    )


def _filter_text(settings: RetrievalSettings) -> str:
    import json

    if not settings.filter:
        return ""
    is_text = isinstance(settings.filter, str)
    return str(settings.filter) if is_text else json.dumps(settings.filter, ensure_ascii=False)


def _result(passage: Passage, query: str) -> dict[str, Any]:
    scores = passage.scores
    bars = (
        ("final", scores.final, "s1"),
        ("dense", scores.dense, "s3"),
        ("text", scores.text, "s2"),
        ("rerank", scores.rerank, "s5"),
    )
    return {
        "passage": passage,
        "parts": highlighting.parts_of(passage, query),
        "bars": [
            (name, value, max(0.0, min(1.0, value)), colour)
            for name, value, colour in bars
            if value is not None
        ],
    }
