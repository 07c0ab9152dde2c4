"""Lists in the XML of S3. Objects are cut out of the bytes, without a tree of all their elements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from cloudberth.errors import CorruptData
from cloudberth.storage import xml_text
from cloudberth.storage._s3_dialect import Dialect
from cloudberth.storage.contract import Attributes, ObjectInfo, Page, Prefix
from cloudberth.storage.http.headers import iso_date

_LISTED = re.compile(rb"<(Key|LastModified|ETag|Size|StorageClass)>([^<]*)</")


def page_of(body: bytes, dialect: Dialect) -> Page:
    """A page of a list. Its objects are read without an XML tree."""
    outside, blocks = _cut_out_contents(body)
    root = xml_text.parse(outside)
    if root.tag != "ListBucketResult":
        raise CorruptData(f"a list of objects was asked for, a {root.tag} came")
    encoded = xml_text.text_of(root, "EncodingType") == "url"
    objects = [_listed(block, encoded, dialect.default_class) for block in blocks]
    prefixes = [
        Prefix(decoded(xml_text.text_of(entry, "Prefix"), encoded))
        for entry in root.iterfind("CommonPrefixes")
    ]
    entries: tuple[ObjectInfo | Prefix, ...] = (*objects, *prefixes)
    if prefixes and objects:
        entries = tuple(sorted(entries, key=lambda entry: entry.key.encode()))
    if xml_text.text_of(root, "IsTruncated") != "true":
        return Page(entries)
    return Page(entries, _next(root, entries, encoded, dialect))


def _next(root: Element, entries: Sequence[ObjectInfo | Prefix], encoded: bool, dialect: Dialect) -> str:
    if dialect.list_version == 2:
        token = xml_text.text_of(root, "NextContinuationToken")
    else:
        # NextMarker says the same, but not every server that encodes keys encodes it too (Ceph 16).
        token = entries[-1].key if entries else decoded(xml_text.text_of(root, "NextMarker"), encoded)
    if not token:
        raise CorruptData("the list has more pages, and does not say where")
    return token


def _listed(block: bytes, encoded: bool, default_class: str | None) -> ObjectInfo:
    found = dict(_LISTED.findall(block))
    try:
        key = decoded(_unescaped(found[b"Key"]), encoded)
        size = int(found[b"Size"])
    except (KeyError, ValueError):
        raise CorruptData("an entry of the list has no key, or no size") from None
    if not key or size < 0:
        raise CorruptData("an entry of the list has no key, or no size")
    etag = found.get(b"ETag", b"").replace(b"&quot;", b'"').replace(b"&#34;", b'"').strip(b'"')
    name = found.get(b"StorageClass", b"").decode("latin-1") or default_class
    return ObjectInfo(
        key,
        size,
        iso_date(found.get(b"LastModified", b"").decode("latin-1")),
        etag.decode("latin-1") or None,
        {},
        _class_only(name),
    )


def _cut_out_contents(body: bytes) -> tuple[bytes, list[bytes]]:
    """The answer without its objects, and the objects, each as the bytes between its tags."""
    pieces = body.split(b"<Contents>")
    outside, blocks = [pieces[0]], []
    for piece in pieces[1:]:
        block, end, rest = piece.partition(b"</Contents>")
        if not end:
            raise CorruptData("the list breaks off")
        blocks.append(block)
        if rest:
            outside.append(rest)
    return b"".join(outside), blocks


def _unescaped(text: bytes) -> str:
    if b"&" not in text:
        return text.decode()
    return xml_text.parse(b"<t>" + text + b"</t>").text or ""


def decoded(text: str, encoded: bool) -> str:
    return unquote_plus(text) if encoded and ("%" in text or "+" in text) else text


_CLASSES: dict[str | None, Attributes] = {}


def _class_only(name: str | None) -> Attributes:
    """Attributes with a class and nothing else; the same object every time, for lists of millions."""
    known = _CLASSES.get(name)
    if known is None:
        known = _CLASSES[name] = Attributes(storage_class=name)
    return known
