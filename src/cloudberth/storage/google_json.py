"""Objects of Cloud Storage as JSON, and what the headers of their contents say."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cloudberth.storage.contract import Attributes, Checksum, ObjectInfo, Written
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.headers import (
    attributes_of_headers,
    decode_value,
    encode_value,
    http_date,
    iso_date,
    whole_size,
)
from cloudberth.storage.http.message import Response

Json = dict[str, Any]

FIELDS = (
    "name,size,generation,updated,md5Hash,crc32c,contentType,cacheControl,contentDisposition,contentEncoding,"
    "contentLanguage,metadata,storageClass"
)
_NAMES = {
    "content_type": "contentType",
    "cache_control": "cacheControl",
    "content_disposition": "contentDisposition",
    "content_encoding": "contentEncoding",
    "content_language": "contentLanguage",
    "storage_class": "storageClass",
}


def document(response: Response) -> Json:
    """The answer's body; raises BackendError (unexpected) when it is no JSON object."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise unexpected("the server answered with something that is no JSON object")
    return found


def resource(attributes: Attributes) -> Json:
    """Attributes as the JSON that goes with a write. What is None is left out."""
    found: Json = {
        name: value for field, name in _NAMES.items() if (value := getattr(attributes, field)) is not None
    }
    if attributes.metadata:
        found["metadata"] = {name.lower(): stored(value) for name, value in attributes.metadata.items()}
    return found


def info_of(item: Json) -> ObjectInfo:
    """An object of a list, or of a read of its metadata."""
    try:
        return ObjectInfo(
            str(item["name"]),
            size=int(item.get("size") or 0),
            modified=iso_date(str(item.get("updated") or "")),
            etag=str(item["generation"]) if item.get("generation") else None,
            checksums=checksums(item.get("md5Hash"), item.get("crc32c")),
            attributes=Attributes(
                **{field: item.get(name) or None for field, name in _NAMES.items()},
                metadata=metadata_of(item),
            ),
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        raise unexpected("the server answered with an object that lacks something") from None


def metadata_of(item: Json) -> dict[str, str]:
    """User metadata, names in lower case."""
    return {name.lower(): _original(str(value)) for name, value in (item.get("metadata") or {}).items()}


def stored(value: str) -> str:
    """A value of metadata as it is kept: as it is, but for what headers would lose without a trace.

    That is blanks at the ends, line breaks, and what looks like the encoded word (RFC 2047) that is made of
    it.
    """
    return encode_value(value) if _LOST_IN_HEADERS.search(value) else value


def _original(value: str) -> str:
    return decode_value(value) if value.startswith("=?") else value


def metadata_of_headers(response: Response) -> dict[str, str] | None:
    """The metadata in the headers of the XML API; None when they cannot be trusted to have it whole."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        if name.startswith(_META):
            if not value.isascii():
                return None
            found[name.removeprefix(_META)] = _original(value)
    return found


def written(item: Json) -> Written:
    """What the answer to a write says."""
    generation = item.get("generation")
    return Written(
        str(generation) if generation else None, checksums(item.get("md5Hash"), item.get("crc32c"))
    )


def checksums(md5: object, crc32c: object) -> dict[Checksum, str]:
    """Checksums in hexadecimal from Google's base64."""
    found: dict[Checksum, str] = {}
    if (digest := _decoded(md5, 16)) is not None:
        found["md5"] = digest
    if (digest := _decoded(crc32c, 4)) is not None:
        found["crc32c"] = digest
    return found


def _decoded(text: object, size: int) -> str | None:
    try:
        digest = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == size else None


_META = "x-goog-meta-"
_LOST_IN_HEADERS = re.compile(r"^\s|\s$|[\x00-\x1f\x7f]|^=\?")


class MetadataOnDemand(Mapping[str, str]):
    """User metadata that is asked for when somebody looks at it.

    Reads of contents by the JSON API do not tell it, and headers of the XML API cannot hold letters beyond
    ASCII; the JSON of the object has it whole, but is a request of its own, which most readers do not need.
    """

    def __init__(self, ask: Callable[[], Mapping[str, str]]) -> None:
        self._ask = ask
        self._known: Mapping[str, str] | None = None

    def _metadata(self) -> Mapping[str, str]:
        if self._known is None:
            self._known = self._ask()
        return self._known

    def __getitem__(self, name: str) -> str:
        return self._metadata()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metadata())

    def __len__(self) -> int:
        return len(self._metadata())

    def __repr__(self) -> str:
        return repr(dict(self._known)) if self._known is not None else "{… not asked for yet}"


def info_of_headers(key: str, response: Response, metadata: Mapping[str, str]) -> ObjectInfo:
    """An object of the answer to a read of its contents, or a range of them."""
    hashes = dict(
        part.strip().split("=", 1) for part in response.header("x-goog-hash").split(",") if "=" in part
    )
    attributes = attributes_of_headers(response.headers, "x-goog-meta-", "x-goog-storage-class")
    stored = response.header("x-goog-stored-content-encoding")
    if stored not in ("", "identity"):
        attributes = replace(attributes, content_encoding=stored)
    length = response.header("x-goog-stored-content-length")
    return ObjectInfo(
        key,
        size=int(length) if length.isdecimal() else whole_size(response.headers),
        modified=http_date(response.header("last-modified")),
        etag=response.header("x-goog-generation") or None,
        checksums=checksums(hashes.get("md5"), hashes.get("crc32c")),
        attributes=replace(attributes, metadata=metadata),
    )
