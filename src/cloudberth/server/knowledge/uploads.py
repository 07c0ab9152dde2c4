"""Files that come in: read in pieces to disk, with a limit, never whole in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from cloudberth.errors import InvalidInput
from cloudberth.server.knowledge.problems import ApiError

MULTIPART = "multipart/form-data"
MOST_FILES, MOST_FIELDS, MOST_FIELD = 50, 60, 64 << 10
# What a form takes beside its files.
_AROUND = 1 << 20
# Seconds without a single byte, after which a sender gives its place to others.
_SILENCE = 60.0


@dataclass(frozen=True, slots=True)
class Upload:
    """The files of a form, and its other fields."""

    files: tuple[UploadFile, ...]
    fields: Mapping[str, str]

    def one(self) -> UploadFile:
        """The only file. Raises ApiError."""
        if len(self.files) != 1:
            raise ApiError(
                422, f"a form with one file is needed; there are {len(self.files)}", hint="file=@…"
            )
        return self.files[0]


@asynccontextmanager
async def received(request: Request, most: int) -> AsyncIterator[Upload]:
    """The form of a request; its files are gone afterwards. most: bytes of all of it, roughly.

    Raises ApiError 415 for something else than a form with files, 413 as soon as it is too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MULTIPART:
        raise ApiError(415, f"the content is {kind or 'of no type'}", hint=f"send {MULTIPART}")
    told = request.headers.get("content-length", "")
    limit = most + _AROUND
    if told.isdecimal() and int(told) > limit:
        raise _too_large(most)
    form = await _form(request, limit, most)
    try:
        files = tuple(value for _, value in form.multi_items() if isinstance(value, UploadFile))
        if any((file.size or 0) > most for file in files):
            raise _too_large(most)
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        yield Upload(files, fields)
    finally:
        await form.close()


async def _form(request: Request, limit: int, most: int) -> FormData:
    came = 0

    async def receive() -> Message:
        nonlocal came
        async with asyncio.timeout(_SILENCE):
            message = await request.receive()
        came += len(message.get("body", b""))
        if came > limit:
            raise _too_large(most)
        return message

    try:
        return await Request(request.scope, receive).form(
            max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD
        )
    except TimeoutError:
        raise ApiError(408, "the file took too long to arrive") from None
    except HTTPException as error:
        raise ApiError(400, f"the form cannot be read: {error.detail}") from None
    except (KeyError, ValueError, UnicodeDecodeError):
        raise ApiError(400, "the form cannot be read") from None
    except ClientDisconnect:
        raise ApiError(400, "the sender went away") from None


def _too_large(most: int) -> ApiError:
    return ApiError(
        413, f"more than {most:,} bytes", hint="split it, or raise BERTH_KNOWLEDGE_MAX_BYTES",
        headers={"Connection": "close"},
    )  # fmt: skip


def file_name(file: UploadFile) -> str:
    """The name of a file without the folders that some senders put in front."""
    return (file.filename or "").replace("\\", "/").rpartition("/")[2].strip()


def json_object(fields: Mapping[str, str], name: str) -> dict[str, Any] | None:
    """A field that holds a JSON object; None when it is empty. Raises InvalidInput."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("this is no JSON", where=name, hint='{"year": 2026}') from None
    if not isinstance(found, dict):
        raise InvalidInput("this is no JSON object", where=name, hint='{"year": 2026}')
    return found
