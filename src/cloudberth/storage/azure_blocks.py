"""Names of the blocks of our multipart uploads on Azure, which knows no uploads, only blocks beside a blob.

The id of an upload is the time of its start and eight random bytes in hexadecimal; a block's name is
``cb-<upload>-<number>``, base64 on the wire, and always of one length, as Azure demands of all blocks
beside one blob. (Blocks of other programs there have another length: then the first part is refused, kind
``invalid``.)

Azure cannot throw blocks away either; they go by themselves a week after the last one came. What can be done
without ever showing a half-made object is to write one byte over every block, which frees what they took, and
one more block, the tombstone (number 0), by which everybody sees that the upload is over.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from cloudberth.storage.azure_xml import Block

TOMBSTONE = 0
_NAME = re.compile(r"cb-([0-9a-f]{8}[0-9a-f]{16})-(\d{5})\Z")
_UPLOAD = re.compile(r"[0-9a-f]{24}\Z")


def new_upload(now: float) -> str:
    """An id that nobody else has."""
    return f"{int(now):08x}{secrets.token_hex(8)}"


def is_upload(upload: str) -> bool:
    """Whether an id could be one of ours."""
    return bool(_UPLOAD.match(upload))


def started(upload: str) -> datetime:
    """When an upload began, by the clock of who began it."""
    return datetime.fromtimestamp(int(upload[:8], 16), UTC)


def block_name(upload: str, number: int) -> str:
    """The name of a part."""
    return f"cb-{upload}-{number:05d}"


def blocks_by_upload(blocks: Iterable[Block]) -> dict[str, dict[int, int]]:
    """Sizes by number, by upload; blocks of other programs are left out."""
    found: dict[str, dict[int, int]] = {}
    for block in blocks:
        if match := _NAME.match(block.name):
            found.setdefault(match[1], {})[int(match[2])] = block.size
    return found
