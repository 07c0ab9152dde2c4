"""Rows of ClickZetta's answers, as text: fields with commas between them, nothing escaped.

So a comma in a name is told from one between fields by what is known: a size and a time stand at the end of
a row of LIST, and the URL before them ends in the path that the row begins with.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from cloudberth.extras import late_import
from cloudberth.storage.contract import ObjectInfo
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.headers import iso_date

_ROW = re.compile(r"(?P<names>.+),(?P<size>\d+),(?P<time>[^,]*)", re.DOTALL)


class Listed:
    """Objects in memory as a source of pages."""

    def __init__(self, found: Sequence[ObjectInfo]) -> None:
        self._found = sorted(found, key=lambda info: info.key.encode())
        self._keys = [info.key.encode() for info in self._found]
        self._at = 0

    def next(self, floor: bytes) -> ObjectInfo | None:
        """The first object at or above `floor` that was not given yet."""
        self._at = bisect_left(self._keys, floor, self._at)
        if self._at == len(self._found):
            return None
        self._at += 1
        return self._found[self._at - 1]


def result_rows(answer: Mapping[str, Any], fetch: Callable[[str], bytes], where: str) -> list[str]:
    """The rows of a finished job, be they in the answer or in files that it names."""
    result = answer.get("resultSet")
    if not isinstance(result, dict):
        return []
    metadata = result.get("metadata")
    form = str(metadata.get("format", "TEXT")).upper() if isinstance(metadata, dict) else "TEXT"
    rows: list[str] = []
    for data in _pieces(result, fetch, where):
        if form == "TEXT":
            rows += [row for row in data.decode("utf-8", "replace").split("\n") if row]
        elif form == "ARROW":
            rows += _of_arrow(data, where)
        else:
            raise unexpected(f"the result is in the format {form}", where=where)
    return rows


def _of_arrow(data: bytes, where: str) -> Iterator[str]:
    """Rows as text of a stream of Arrow, for a service that answers in no other format."""
    arrow = late_import("pyarrow", extra="clickzetta", needed_for="this ClickZetta service")
    try:
        table = arrow.ipc.open_stream(data).read_all()
    except (arrow.ArrowException, OSError) as error:
        raise unexpected(f"the result is no Arrow: {error}", where=where) from None
    columns = [column.to_pylist() for column in table.columns]
    for cells in zip(*columns, strict=True):
        yield ",".join("" if cell is None else str(cell) for cell in cells)


def _pieces(result: Mapping[str, Any], fetch: Callable[[str], bytes], where: str) -> Iterator[bytes]:
    data, location = result.get("data"), result.get("location")
    if isinstance(data, dict):
        for piece in data.get("data") or ():
            try:
                yield base64.b64decode(piece)
            except (binascii.Error, TypeError, ValueError):
                raise unexpected("the result is not in base64", where=where) from None
    elif isinstance(location, dict):
        for url in location.get("presignedUrls") or ():
            yield fetch(str(url))


def listed(rows: Sequence[str], below: str, inside: str, where: str) -> Iterator[ObjectInfo]:
    """What LIST says of files whose path starts with `below`, which is written `inside` in keys."""
    for row in rows:
        match = _ROW.fullmatch(row)
        path = _path(match["names"]) if match else None
        if match is None or path is None:
            raise unexpected(f"a row of the list cannot be read: {row[:60]!r}", where=where)
        if path.startswith(below) and not path.endswith("/"):
            key = inside + path[len(below) :]
            yield ObjectInfo(key, int(match["size"]), iso_date(match["time"].strip()))


def _path(names: str) -> str | None:
    """The path of ``<path>,<url>``, where the URL ends in the path, as it is or percent-encoded."""
    at = names.find(",")
    while at >= 0:
        path, url = names[:at], names[at + 1 :]
        if url.endswith(f"/{path}") or unquote(url).endswith(f"/{path}"):
            return path
        at = names.find(",", at + 1)
    return None
