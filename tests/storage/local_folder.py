"""What the tests of the type ``local`` share: a folder, and how to look at it."""

from __future__ import annotations

from pathlib import Path

from cloudberth.storage.body import BytesBody
from cloudberth.storage.contract import Attributes, Prefix
from cloudberth.storage.local import Local

ODD = [
    "", "/", "//", "/a", "a/", "a//b", ".", "..", "../x", "a/../b", "./a", "a/.", ".berth/tmp/x", ".berth",
    "s" * 256, "d/" + "中" * 100, "k" * 1024, "up/" + "é" * 500,
]  # fmt: skip
ORDINARY = ["a-b", "a0", "x y", "new\nline", "😀", "%2F", "back\\slash", "s" * 255, "...", "tail ", "a+b"]


def root_of(local: Local) -> Path:
    return Path(local.tree.root)


def put(local: Local, key: str, data: bytes = b"x", attributes: Attributes = Attributes()) -> str | None:
    return local.put(key, BytesBody(data), attributes).etag


def content(local: Local, key: str) -> bytes:
    with local.get(key).reader as reader:
        return reader.read()


def listed(
    local: Local,
    prefix: str = "",
    delimiter: str = "",
    after: str = "",
    limit: int = 1000,
    fresh: bool = False,
) -> list[str]:
    """All entries of a list. fresh: forget between two pages where the walk stood."""
    found: list[str] = []
    cursor = None
    while True:
        page = local.list(prefix, delimiter=delimiter, after=after, cursor=cursor, limit=limit)
        found += [("P:" if isinstance(entry, Prefix) else "") + entry.key for entry in page.entries]
        if page.next is None:
            return found
        assert len(page.entries) == limit
        cursor = page.next
        if fresh:
            local._listings.clear()


def expected(keys: set[str], prefix: str = "", delimiter: str = "", after: str = "") -> list[str]:
    """What a list has to say, computed the slow way."""
    found: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or (after and key.encode() <= after.encode()):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else "P:" + key[: at + len(delimiter)]
        if not found or found[-1] != entry:
            found.append(entry)
    return found


def drafts(local: Local) -> list[str]:
    folder = root_of(local) / ".berth/tmp"
    return [path.name for path in folder.iterdir()] if folder.exists() else []
