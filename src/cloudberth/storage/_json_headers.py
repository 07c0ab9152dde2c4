"""Headers of vendors that speak S3's model: attributes, ranges, etags, and integrity of what is sent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import md5

from cloudberth.storage.body import Body
from cloudberth.storage.contract import Span
from cloudberth.storage.http.message import Response

Query = tuple[tuple[str, str], ...]

STANDARD = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
}
"""Header by field of Attributes."""


def integrity(body: Body) -> dict[str, str]:
    """Content-MD5 of a body in memory, which the server checks; nothing for a file: it is read once only."""
    view = body.view
    if view is None:
        return {}
    return {"content-md5": b64encode(md5(view, usedforsecurity=False).digest()).decode()}


def part_query(upload: str, number: int) -> Query:
    return (("partNumber", str(number)), ("uploadId", upload))


def range_of(span: Span) -> str:
    end = "" if span.length is None else str(span.start + span.length - 1)
    return f"bytes={span.start}-{end}"


def etag_of(response: Response) -> str | None:
    return response.header("etag").removeprefix("W/").strip('"') or None


def as_text(value: str) -> str:
    """A header that arrived as bytes of UTF-8 and was read as Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def kept(pairs: Iterable[tuple[str, str]]) -> Query:
    """A query without the pairs that have no value."""
    return tuple(pair for pair in pairs if pair[1])
