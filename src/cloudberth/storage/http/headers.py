"""Attributes of objects as HTTP headers and back, the same for every vendor but for the names' prefix."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.header import decode_header
from email.utils import parsedate_to_datetime
from functools import lru_cache

from cloudberth.storage.contract import Attributes, Condition, Span
from cloudberth.storage.http.failures import invalid

STANDARD = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
}
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_WORD = re.compile(r"=\?[^?]+\?[BbQq]\?[^?]*\?=")


def encode_value(value: str) -> str:
    """A header's value for any text: as it is when it is plain ASCII, else as an encoded word of RFC 2047.

    That is also what S3 answers with when a value is not ASCII.
    """
    if _PLAIN.fullmatch(value) and not value.startswith("=?"):
        return value
    if not value:
        return ""
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def decode_value(value: str) -> str:
    """The text of a header's value: encoded words decoded, and UTF-8 that came raw repaired."""
    if value.startswith("=?") and _WORD.match(value):
        try:
            return "".join(
                piece.decode(charset or "ascii") if isinstance(piece, bytes) else piece
                for piece, charset in decode_header(value)
            )
        except (ValueError, LookupError):
            return value
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def attributes_to_headers(
    attributes: Attributes, metadata_prefix: str, class_header: str = ""
) -> dict[str, str]:
    """Headers of a write. class_header: the vendor's name for the storage class."""
    headers: dict[str, str] = {}
    for field, name in STANDARD.items():
        value = getattr(attributes, field)
        if value is not None:
            headers[name] = encode_value(value)
    for key, value in attributes.metadata.items():
        headers[f"{metadata_prefix}{key.lower()}"] = encode_value(value)
    if attributes.storage_class and class_header:
        headers[class_header] = attributes.storage_class
    return headers


def attributes_of_headers(
    headers: Mapping[str, str], metadata_prefix: str, class_header: str = "", default_class: str | None = None
) -> Attributes:
    """Attributes as an answer tells them. default_class: what no class header means."""
    metadata = {
        name[len(metadata_prefix) :]: decode_value(value)
        for name, value in headers.items()
        if name.startswith(metadata_prefix)
    }
    standard = {field: decode_value(headers[name]) for field, name in STANDARD.items() if headers.get(name)}
    return Attributes(**standard, metadata=metadata, storage_class=headers.get(class_header) or default_class)


@lru_cache(maxsize=256)
def http_date(value: str) -> datetime | None:
    """``Wed, 21 Oct 2015 07:28:00 GMT``, in UTC; None when it is no date."""
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def iso_date(value: str) -> datetime | None:
    """``2015-10-21T07:28:00.000Z``, in UTC; None when it is no date."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def whole_size(headers: Mapping[str, str]) -> int:
    """Bytes of the whole object, also when only a range of it is coming; -1 when nothing tells."""
    total = headers.get("content-range", "").rpartition("/")[2]
    declared = total if total.isdecimal() else headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() and len(declared) < 19 else -1


def hex_of_base64(value: str) -> str | None:
    """A checksum as vendors write it, as we do; None when it is not base64."""
    try:
        return base64.b64decode(value, validate=True).hex() or None
    except ValueError:
        return None


def condition_headers(condition: Condition) -> dict[str, str]:
    """If-None-Match or If-Match."""
    if condition.absent:
        return {"if-none-match": "*"}
    return {"if-match": f'"{condition.match}"'} if condition.match else {}


def range_header(span: Span) -> str:
    """``bytes=0-9``; an empty or negative span is nobody's to send."""
    if span.start < 0 or (span.length is not None and span.length < 1):
        raise invalid(f"a range of {span.length} bytes from {span.start}")
    last = "" if span.length is None else str(span.start + span.length - 1)
    return f"bytes={span.start}-{last}"


def md5_header(body: bytes) -> str:
    """The value of Content-MD5."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
