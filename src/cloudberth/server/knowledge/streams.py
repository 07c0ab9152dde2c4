"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import anyio
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from cloudberth.errors import CloudberthError
from cloudberth.knowledge.model import Event
from cloudberth.server.knowledge.part import KnowledgePart
from cloudberth.server.knowledge.problems import answer_of

TYPE = "text/event-stream"
# Seconds between two looks, between two signs of life, and of a whole stream (the browser comes back).
_LOOK, _ALIVE, _LONGEST = 0.5, 15.0, 600.0
_DONE = object()


def event(name: str, data: Any, number: int | None = None) -> bytes:
    """One event. data: JSON."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def streamed(pieces: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(pieces, media_type=TYPE, headers=headers)


async def in_threads(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What a generator gives, made in threads; an error while it is read becomes the last event."""
    try:
        while (piece := await run_in_threadpool(next, parts, _DONE)) is not _DONE:
            assert isinstance(piece, bytes)  # noqa: S101 (what an iterator of bytes gives)
            yield piece
    except CloudberthError as error:
        yield event("error", json.loads(bytes(answer_of(error).body)))
    finally:
        if isinstance(parts, Generator):
            # It may be at work in its thread still; then it ends with that.
            with contextlib.suppress(ValueError):
                parts.close()


async def happenings(
    request: Request, part: KnowledgePart, dataset_id: str, after: int | None
) -> AsyncIterator[bytes]:
    """What happens to a dataset and its documents, until the reader or the server goes."""
    began = quiet = time.monotonic()
    yield b"retry: 2000\n\n"
    while not part.stopping.is_set() and time.monotonic() - began < _LONGEST:
        if await request.is_disconnected():
            return
        try:
            found = await run_in_threadpool(part.service.events, dataset_id=dataset_id, after=after)
        except CloudberthError as error:
            yield event("error", json.loads(bytes(answer_of(error).body)))
            return
        for one in found:
            if after is not None:
                yield event("change", event_values(one), one.sequence)
            after, quiet = one.sequence, time.monotonic()
        if after is None:
            after = 0
        if time.monotonic() - quiet > _ALIVE:
            quiet = time.monotonic()
            yield b": still here\n\n"
        await anyio.sleep(_LOOK)


def event_values(one: Event) -> dict[str, Any]:
    """An event as JSON has it."""
    return {
        "sequence": one.sequence, "at": one.at.isoformat(), "document_id": one.document_id,
        "status": one.status, "progress": one.progress, "error": one.error,
    }  # fmt: skip
