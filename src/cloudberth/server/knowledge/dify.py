"""Dify's External Knowledge API: ``POST /retrieval``, so that a dataset here is a knowledge base there.

In Dify: Knowledge, External Knowledge API, the address of this server and a key of it; then a knowledge base
with the identifier of a dataset. The interface is that of docs.dify.ai, "External Knowledge API" (read
2026-11-26), and how Dify calls it is its ``services/external_knowledge_service.py``: it tries the address
with an empty body first and takes 403 for a wrong key, 404 and 502 for a wrong address; a threshold that is
switched off is 0.0; ``metadata_condition`` may be null; ``metadata`` of a record must not be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from cloudberth.cache.rate_limits import headers as limit_headers
from cloudberth.errors import InvalidInput, NotFound
from cloudberth.knowledge.model import Access, Passage, RetrievalSettings, Scope
from cloudberth.server.knowledge.access import Part, part_of
from cloudberth.server.knowledge.conditions import MOST_IDS, MetadataCondition, matching
from cloudberth.server.knowledge.part import KnowledgePart
from cloudberth.server.knowledge.problems import answer_of, bounded
from cloudberth.server.knowledge.shapes import MOST_QUESTION, Text

PATH = "/retrieval"
BAD_HEADER, BAD_KEY, NO_DATASET = 1001, 1002, 2001
# Without a number in Dify's description; its own are for what it describes.
BAD_REQUEST, FAILED = 4000, 5000


class DifyError(BaseModel):
    """An error as Dify wants it: 1001 and 1002 about the key, 2001 about the knowledge base."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"error_code": 1002, "error_msg": "Authorization failed"}}
    )
    error_code: int
    error_msg: str


class RetrievalSetting(BaseModel):
    """top_k: passages wanted. score_threshold: 0.0 is none."""

    top_k: Annotated[int, Field(ge=1, le=100)]
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class RetrievalRequest(BaseModel):
    """What Dify asks. knowledge_id: the identifier of a dataset."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "knowledge_id": "0197a3f2-5c1e-7f00-8a4b-3d1f6f2f9c11",
                "query": "How long is parental leave?",
                "retrieval_setting": {"top_k": 3, "score_threshold": 0.5},
                "metadata_condition": {
                    "logical_operator": "and",
                    "conditions": [{"name": "year", "comparison_operator": "≥", "value": 2024}],
                },
            }
        }
    )
    knowledge_id: Annotated[Text, Field(min_length=1, max_length=255)]
    query: Annotated[Text, Field(min_length=1, max_length=MOST_QUESTION)]
    retrieval_setting: RetrievalSetting
    metadata_condition: MetadataCondition | None = None


class Record(BaseModel):
    """A passage. score: the likeness of meaning where there is one, so that it is what thresholds mean."""

    content: str
    score: float
    title: str
    metadata: dict[str, str | int | float | bool]


class Records(BaseModel):
    records: list[Record]


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class DifyRoute(APIRoute):
    """A route whose errors have Dify's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                # The key comes first: Dify tries it with an empty body.
                request.state.access = await run_in_threadpool(_access, request, part_of(request))
                return await handle(bounded(request))
            except _Refused as refused:
                return _answer(refused.status, refused.code, str(refused), refused.headers)
            except NotFound as error:
                return _answer(404, NO_DATASET, f"The knowledge base does not exist: {error.what}")
            except Exception as error:
                return _as_dify(error)

        return handled


def _as_dify(error: Exception) -> JSONResponse:
    ours = answer_of(error)
    said = json.loads(bytes(ours.body))
    headers = {name: value for name, value in ours.headers.items() if name == "retry-after"}
    return _answer(
        ours.status_code, BAD_REQUEST if ours.status_code < 500 else FAILED, said["message"], headers
    )


def _answer(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error_code": code, "error_msg": message}, status_code=status, headers=headers)


router = APIRouter(route_class=DifyRoute, tags=["dify"])
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": DifyError, "description": said}
    for status, said in {
        400: "The request makes no sense.",
        403: "1001: no bearer key in the header; 1002: a key that does not open this.",
        404: "2001: there is no such knowledge base.",
        409: "It does not fit: the dataset was made with another embedder.",
        413: "Too large.",
        422: "A value is missing or of the wrong kind.",
        429: "Too often.",
        503: "Something does not answer; try again.",
    }.items()
}


@router.post(PATH, responses=_ERRORS, openapi_extra={"security": [{"key": []}]})
def retrieval(request: Request, part: Part, given: RetrievalRequest) -> Records:
    """Passages of a dataset for Dify: one of its External Knowledge APIs."""
    return _records(part, request.state.access, given)


# Dify puts /retrieval behind whatever address was typed in, also behind one that ends with a slash.
router.add_api_route(f"/{PATH}", retrieval, methods=["POST"], include_in_schema=False)


def _access(request: Request, part: KnowledgePart) -> Access:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "Invalid Authorization header format. Expected 'Bearer <api-key>' format."
        raise _Refused(403, BAD_HEADER, message)
    access = part.service.authenticate(key.strip())
    if access is None:
        raise _Refused(403, BAD_KEY, "Authorization failed")
    decision = part.calls.take(access.key_id)
    if not decision.allowed:
        message = f"Too many calls; again in {max(1, math.ceil(decision.retry_after))} s"
        raise _Refused(429, BAD_REQUEST, message, limit_headers(decision))
    return access


def _records(part: KnowledgePart, access: Access, given: RetrievalRequest) -> Records:
    dataset_id = given.knowledge_id.strip()
    if not access.allows(Scope.READ, dataset_id):
        raise _Refused(403, BAD_KEY, "Authorization failed: this key opens another knowledge base")
    dataset = part.service.dataset(dataset_id)
    settings = _settings(dataset.retrieval, given.retrieval_setting)
    condition = given.metadata_condition
    if condition is not None and condition.conditions:
        narrowed = _narrowed(part, dataset_id, settings, condition)
        if narrowed is None:
            return Records(records=[])
        settings = narrowed
    found = part.service.search(dataset_id, given.query, settings)
    return Records(records=[_record(one) for one in found.passages])


def _settings(kept: RetrievalSettings, asked: RetrievalSetting) -> RetrievalSettings:
    """The dataset's own, with what Dify says about number and threshold."""
    threshold = asked.score_threshold if asked.score_threshold > 0 else None
    return replace(kept, k=asked.top_k, score_threshold=threshold)


def _narrowed(
    part: KnowledgePart, dataset_id: str, settings: RetrievalSettings, condition: MetadataCondition
) -> RetrievalSettings | None:
    """Settings for the documents that fit; None when none does."""
    fitting, total = matching(part.service, dataset_id, condition)
    if not fitting:
        return None
    if len(fitting) == total:
        return settings
    if len(fitting) > MOST_IDS:
        raise InvalidInput(
            f"{len(fitting):,} of {total:,} documents fit the condition", where="metadata_condition",
            hint=f"{MOST_IDS:,} are the most; use a narrower condition",
        )  # fmt: skip
    return replace(settings, filter=_both(settings.filter, fitting))


def _both(own: Mapping[str, Any] | str | None, fitting: list[str]) -> Mapping[str, Any] | str:
    """The dataset's own filter, and one of these documents."""
    only = {"document_id": {"$in": fitting}}
    if not own:
        return only
    if isinstance(own, str) and not own.lstrip().startswith("{"):
        return f"({own}) and document_id in {json.dumps(fitting)}"
    return {"$and": [json.loads(own) if isinstance(own, str) else own, only]}


def _record(passage: Passage) -> Record:
    scores = passage.scores
    score = next(one for one in (scores.rerank, scores.dense, scores.text, scores.final) if one is not None)
    metadata = {
        **passage.metadata,
        "document_id": passage.document_id,
        "document_name": passage.document_name,
        "chunk_id": passage.chunk_id,
    }
    if passage.page is not None:
        metadata["page"] = passage.page
    return Record(
        content=passage.text, score=max(0.0, min(1.0, score)), title=passage.document_name, metadata=metadata
    )
