"""Errors of the HTTP interface: one shape, ``{"code", "message", "hint"}``, whatever went wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.types import Message

from cloudberth.cache.http_rules import etag_of
from cloudberth.errors import (
    BackendError,
    CloudberthError,
    InvalidInput,
    InvalidRange,
    Mismatch,
    NotFound,
    PreconditionFailed,
    Refused,
    Throttled,
    Unavailable,
    Unsupported,
)

PREFIX = "/v1/knowledge"
RETRY_SECONDS = 2
# Of a body of JSON: the longest text there may be, four bytes a character.
MOST_BODY = 9 << 20
_log = logging.getLogger(__name__)

# The status and word of an error; the first class that fits.
KINDS: tuple[tuple[type[CloudberthError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (PreconditionFailed, 409, "conflict"),
    (Mismatch, 409, "mismatch"),
    (Refused, 409, "refused"),
    (InvalidRange, 400, "invalid_input"),
    (InvalidInput, 400, "invalid_input"),
    (Unsupported, 400, "unsupported"),
    (Throttled, 503, "unavailable"),
    (Unavailable, 503, "unavailable"),
)
WORDS = {
    400: "invalid_input", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "not_allowed",
    408: "too_slow", 413: "too_large", 415: "unsupported_type", 422: "invalid_input", 429: "rate_limited",
}  # fmt: skip


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"code": "not_found", "message": "there is no such dataset", "hint": ""}
        }
    )
    code: str = Field(description="A word for programs: not_found, invalid_input, forbidden, …")
    message: str = Field(description="What is wrong, for people.")
    hint: str = Field(description="What to do about it; often empty.")


class ApiError(HTTPException):
    """An error of the interface itself. (FastAPI lets its own exceptions through while it reads a body.)"""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code or WORDS.get(status, "failed")
        self.hint = hint


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors that an operation can answer, for its documentation; those that all can are added."""
    said = {
        400: "The request makes no sense.", 401: "No key, or one that has ended.",
        403: "The key does not allow this.", 404: "There is no such thing.",
        409: "It exists already, or does not fit.", 413: "Too large.", 415: "Not this kind of content.",
        422: "A value is missing or of the wrong kind.", 429: "Too often.",
        503: "Something that the service stands on does not answer; try again.",
    }  # fmt: skip
    found = sorted({400, 401, 403, 422, 429, 503, *statuses})
    return {status: {"model": Problem, "description": said[status]} for status in found}


def answer_of(error: Exception) -> JSONResponse:
    """The answer to an error; what nobody foresaw is logged, and says nothing of the inside."""
    if isinstance(error, ApiError):
        return _problem(
            error.status_code, error.code, str(error.detail), error.hint, dict(error.headers or {})
        )
    if isinstance(error, RequestValidationError):
        return _problem(422, "invalid_input", _said(error), "")
    if isinstance(error, AnyHTTPException):
        word = WORDS.get(error.status_code, "failed")
        return _problem(error.status_code, word, str(error.detail), "", dict(error.headers or {}))
    if isinstance(error, CloudberthError):
        return _of_ours(error)
    _log.error("a request failed in an unforeseen way", exc_info=error)
    return _problem(500, "unexpected", "The server failed in an unforeseen way; its log says more.", "")


def _of_ours(error: CloudberthError) -> JSONResponse:
    status, word = next(((status, word) for kind, status, word in KINDS if isinstance(error, kind)), (0, ""))
    if not status:
        _log.error("a request failed: %s", error)
        status, word = (502, "backend_failed") if isinstance(error, BackendError) else (500, "failed")
    headers = {}
    if status == 503:
        waits = error.retry_after if isinstance(error, BackendError) else None
        headers["Retry-After"] = str(math.ceil(waits or RETRY_SECONDS))
    # Where a store is, is nobody's business outside.
    message = str(error) if status < 500 else error.what
    return _problem(status, word, message, error.hint if status < 500 else "", headers)


def _problem(
    status: int, code: str, message: str, hint: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"code": code, "message": _shown(message), "hint": _shown(hint)}
    return JSONResponse(body, status_code=status, headers=headers)


def _shown(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")[:2000]


def _said(error: RequestValidationError) -> str:
    """The first three things that are wrong, each with its place."""
    said = []
    for one in error.errors()[:3]:
        place = ".".join(str(step) for step in one["loc"] if step != "body")
        said.append(f"{place}: {one['msg']}" if place else str(one["msg"]))
    return "; ".join(said)[:1000]


class KnowledgeRoute(APIRoute):
    """A route whose errors have the shape of the interface, and whose documents have an entity tag."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                answer = await handle(bounded(request))
            except Exception as error:
                return answer_of(error)
            return tagged(request, answer)

        return handled


def bounded(request: Request) -> Request:
    """The request, whose body ends with ApiError 413 when it is too large; forms have limits of their own."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        return request
    told = request.headers.get("content-length", "")
    refusal = ApiError(413, f"the request has more than {MOST_BODY:,} bytes", headers={"Connection": "close"})
    if told.isdecimal() and int(told) > MOST_BODY:
        raise refusal
    came = 0

    async def receive() -> Message:
        nonlocal came
        message = await request.receive()
        came += len(message.get("body", b""))
        if came > MOST_BODY:
            raise refusal
        return message

    return Request(request.scope, receive)


def tagged(request: Request, answer: Response) -> Response:
    """With an ETag; 304 when the one who asks has it already."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    body = getattr(answer, "body", b"")
    if request.method != "GET" or answer.status_code != 200 or not is_json or not body:
        return answer
    etag = etag_of(bytes(body))
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    wanted = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if "*" in wanted or etag.removeprefix("W/") in wanted:
        kept = {name: value for name, value in answer.headers.items() if name.startswith("ratelimit-")}
        return Response(status_code=304, headers={**headers, **kept})
    answer.headers.update(headers)
    return answer
