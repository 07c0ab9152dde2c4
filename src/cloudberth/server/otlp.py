"""`POST /v1/traces`: OTLP over HTTP from applications, each with a key of its own.

The body is read in pieces and given up as soon as it is too large, so a sender takes no more memory than
the limits say; only a few bodies are held at once. Errors are answered as OTLP wants them: a
``google.rpc.Status`` in the format of the request. There is no CORS: browsers of other sites have no
business here.
"""

from __future__ import annotations

import asyncio
import json

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from cloudberth.errors import CloudberthError
from cloudberth.server.services import Services, services_of
from cloudberth.tracing import wire
from cloudberth.tracing.ingest import JSON, PROTOBUF, Accepted, BodyTooLarge, IngestRefused, media_type

PATH = "/v1/traces"
# Seconds for the whole body; then the sender gives its place to others.
READ_SECONDS = 30.0
# A sender that is refused is listened to for so long, or it would never read the answer (bytes, seconds).
DRAIN_BYTES, DRAIN_BYTES_UNKNOWN, DRAIN_SECONDS = 128 << 20, 1 << 20, 10.0
RETRY_SECONDS = 5
# google.rpc.Code by HTTP status.
CODES = {400: 3, 401: 16, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}

router = APIRouter(tags=["otlp"])


class _Refused(Exception):
    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


@router.post(
    PATH,
    responses={
        200: {"description": "ExportTraceServiceResponse; partial_success says what was left out."},
        **{status: {"description": "google.rpc.Status"} for status in CODES},
    },
    openapi_extra={"requestBody": {"content": {PROTOBUF: {}, JSON: {}}, "required": True}},
)
async def traces(request: Request) -> Response:
    """Take an ExportTraceServiceRequest; when this answers 200, its spans are on disk."""
    here = services_of(request)
    content_type = request.headers.get("content-type", "")
    body = _Body(request)
    try:
        tenant, app = await _sender(request, here)
        return await _take(body, here, content_type, tenant, app)
    except _Refused as refused:
        status, what = refused.status, str(refused)
    except IngestRefused as refused:
        status, what = refused.status, str(refused)
    except CloudberthError as error:
        # Ours, not the sender's: it should come again.
        status, what = 503, error.what
    await body.drain(DRAIN_BYTES_UNKNOWN if status == 401 else DRAIN_BYTES)
    here.metrics.refused.labels(str(status)).inc()
    return refusal(status, what, content_type)


def refusal(status: int, what: str, content_type: str) -> Response:
    """The error as a google.rpc.Status, in the format of the request (protobuf when that is unknown)."""
    code = CODES.get(status, 2)
    headers = {"Connection": "close"}
    if status in {429, 503}:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="otlp"'
    if media_type(content_type) == JSON:
        body, kind = json.dumps({"code": code, "message": what}, ensure_ascii=False).encode(), JSON
    else:
        body, kind = b"\x08" + wire.varint(code) + wire.block(b"\x12", wire.text(what)), PROTOBUF
    return Response(body, status_code=status, headers=headers, media_type=kind)


async def _sender(request: Request, here: Services) -> tuple[str, str]:
    """Tenant and app of the key. Every wrong key gets the same answer."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = None
    if scheme.lower() == "bearer" and token.strip():
        key = await run_in_threadpool(here.keys.sender, token.strip())
    if key is None:
        raise _Refused(401, "a key of this server is needed: Authorization: Bearer <key>")
    return key.tenant, key.app


async def _take(body: _Body, here: Services, content_type: str, tenant: str, app: str) -> Response:
    if here.otlp_places.locked():
        raise _Refused(429, "too many requests at once")
    async with here.otlp_places:
        sent = await body.read(here.ingest.limits.body)
        result = await run_in_threadpool(_ingested, here, sent, content_type, body.encoding, tenant, app)
        del sent
    if isinstance(result, CloudberthError):
        raise result
    accepted = result
    here.metrics.received.labels("accepted").inc(accepted.spans)
    here.metrics.received.labels("rejected").inc(accepted.rejected)
    answer, kind = accepted.answer(content_type)
    return Response(answer, media_type=kind)


def _ingested(
    here: Services, body: bytes, content_type: str, encoding: str, tenant: str, app: str
) -> Accepted | CloudberthError:
    """An error is returned without its traceback: that would keep the body until the garbage is collected."""
    try:
        return here.ingest.ingest(body, content_type, encoding, tenant=tenant, app=app)
    except CloudberthError as error:
        error.__context__ = error.__cause__ = None
        return error.with_traceback(None)


class _Body:
    """The body of a request, in pieces."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_read = False
        self.encoding = request.headers.get("content-encoding", "")

    async def read(self, limit: int) -> bytes:
        """All of it; BodyTooLarge as soon as it is longer than the limit."""
        told = self._request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > limit:
            raise BodyTooLarge(f"the request is larger than {limit} bytes")
        body = bytearray()
        try:
            async with asyncio.timeout(READ_SECONDS):
                while not self._is_read:
                    body += await self._piece()
                    if len(body) > limit:
                        body.clear()
                        raise BodyTooLarge(f"the request is larger than {limit} bytes")
        except TimeoutError:
            raise _Refused(408, "the body took too long to arrive") from None
        return bytes(body)

    async def drain(self, most: int) -> None:
        """Read what still comes and forget it."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._is_read and most > 0:
                    most -= len(await self._piece())
        except (TimeoutError, ClientDisconnect):
            return

    async def _piece(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._is_read = True
            raise ClientDisconnect
        self._is_read = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece
