"""What Azure Blob Storage says in XML, and in multipart/mixed: lists, block lists, keys, errors, batches."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cloudberth.storage.contract import Attributes, Checksum, ObjectInfo, Prefix
from cloudberth.storage.http.failures import unexpected
from cloudberth.storage.http.headers import decode_value, http_date
from cloudberth.storage.http.message import Response
from cloudberth.storage.signing.azure_shared_key import DelegationKey

# XML 1.0 cannot hold these, keys can, and a server that writes them all the same must not hide the other
# keys.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile("&#(x?)([0-9a-fA-F]{1,4});")
_SHIFT = 0xF0000
_SHIFTED = re.compile(f"[{chr(_SHIFT)}-{chr(_SHIFT + 0xFFFF)}]")


@dataclass(frozen=True, slots=True)
class BlobList:
    """One page. uncommitted: names that have no blob yet, only blocks."""

    entries: tuple[ObjectInfo | Prefix, ...]
    next: str | None
    uncommitted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was uploaded and is not part of a blob yet. name: decoded from base64."""

    name: str
    size: int


def parsed(body: bytes) -> ElementTree.Element:
    """The document; raises BackendError (unexpected) when it is none. Entities are not expanded by anybody:
    a document with a DOCTYPE is refused.
    """
    if b"<!DOCTYPE" in body[:1024]:
        raise unexpected("the server answered with an XML document that declares entities")
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - no DOCTYPE, no entities
    except ElementTree.ParseError:
        pass
    text = _REFERENCE.sub(_shift_reference, body.decode("utf-8", "replace").lstrip("\ufeff"))
    try:
        return ElementTree.fromstring(_CONTROL.sub(lambda found: chr(_SHIFT + ord(found[0])), text))  # noqa: S314
    except ElementTree.ParseError as error:
        raise unexpected(f"the server answered with XML that cannot be read: {error}") from None


def _shift_reference(found: re.Match[str]) -> str:
    code = int(found[2], 16 if found[1] else 10)
    return chr(_SHIFT + code) if _CONTROL.match(chr(code)) else found[0]


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path) or ""
    return found if found.isascii() else _SHIFTED.sub(lambda match: chr(ord(match[0]) - _SHIFT), found)


def _name(element: ElementTree.Element) -> str:
    found = element.find("Name")
    name = _text(element, "Name")
    return unquote(name) if found is not None and found.get("Encoded") == "true" else name


def blob_list(body: bytes) -> BlobList:
    """A page of List Blobs. Folders of accounts with a hierarchical namespace are no objects and left out."""
    root = parsed(body)
    entries: list[ObjectInfo | Prefix] = []
    uncommitted: list[str] = []
    for element in root.iterfind("Blobs/*"):
        if element.tag == "BlobPrefix":
            entries.append(Prefix(_name(element)))
            continue
        found = element.find("Properties")
        properties = {said.tag: said.text for said in found if said.text} if found is not None else {}
        if properties.get("ResourceType") == "directory":
            continue
        if properties.get("Etag") and properties.get("Last-Modified"):
            entries.append(_entry(_name(element), properties))
        else:
            uncommitted.append(_name(element))
    # Prefixes may stand before or behind the blobs; a page is in order all the same.
    entries.sort(key=lambda entry: entry.key.encode())
    return BlobList(tuple(entries), _text(root, "NextMarker") or None, tuple(uncommitted))


def _entry(name: str, properties: Mapping[str, str]) -> ObjectInfo:
    said = properties.get
    size = said("Content-Length") or "0"
    return ObjectInfo(
        name,
        size=int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else -1,
        modified=http_date(properties["Last-Modified"]),
        etag=properties["Etag"].strip('"') or None,
        checksums=md5(said("Content-MD5")),
        attributes=Attributes(
            content_type=said("Content-Type"),
            cache_control=_decoded(said("Cache-Control")),
            content_disposition=_decoded(said("Content-Disposition")),
            content_encoding=said("Content-Encoding"),
            content_language=said("Content-Language"),
            storage_class=said("AccessTier"),
        ),
    )


def _decoded(value: str | None) -> str | None:
    return decode_value(value) if value else None


def md5(value: str | None) -> dict[Checksum, str]:
    """The checksums that a Content-MD5 of Azure is."""
    try:
        digest = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        return {}
    return {"md5": digest.hex()} if len(digest) == 16 else {}


def block_list(names: Iterable[str]) -> bytes:
    """The body of Put Block List. names: as they were before base64."""
    blocks = "".join(
        f"<Uncommitted>{base64.b64encode(name.encode()).decode()}</Uncommitted>" for name in names
    )
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode()


def blocks_of(body: bytes, kind: Literal["Uncommitted", "Committed"]) -> Iterator[Block]:
    """The blocks of Get Block List that have a name of ASCII; others are not ours."""
    for element in parsed(body).iterfind(f"{kind}Blocks/Block"):
        try:
            name = base64.b64decode(_text(element, "Name")).decode("ascii")
        except (binascii.Error, ValueError):
            continue
        yield Block(name, int(_text(element, "Size") or 0))


def key_request(start: str, expiry: str) -> bytes:
    """The body of Get User Delegation Key."""
    return f"<KeyInfo><Start>{escape(start)}</Start><Expiry>{escape(expiry)}</Expiry></KeyInfo>".encode()


def delegation_key(body: bytes) -> DelegationKey:
    """The answer of Get User Delegation Key."""
    root = parsed(body)
    fields = ("Oid", "Tid", "Start", "Expiry", "Service", "Version", "Value")
    values = [_text(root, f"Signed{name}" if name != "Value" else name) for name in fields]
    if not all(values):
        raise unexpected("the server answered with a user delegation key that lacks something")
    return DelegationKey(*values)


def error_words(response: Response) -> tuple[str, str]:
    """Code and message of an error. Answers of HEAD have no body: the code stands in a header."""
    code = response.header("x-ms-error-code")
    if not response.body.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<"):
        return code, ""
    try:
        root = parsed(response.body)
    except Exception:
        return code, ""
    if root.tag != "Error":
        return code, ""
    detail = _text(root, "AuthenticationErrorDetail")
    message = _text(root, "Message").partition("\nRequestId:")[0]
    return code or _text(root, "Code"), f"{message} {detail}".strip()


def batch_answers(response: Response, count: int) -> Sequence[Response | None]:
    """The answers of a batch by Content-ID; None where there is none.

    Raises BackendError (unexpected) when the body is no multipart/mixed.
    """
    boundary = re.search(r'boundary="?([^";]+)', response.header("content-type"))
    if not boundary:
        raise unexpected("the server answered a batch with something else")
    answers: list[Response | None] = [None] * count
    for piece in response.body.split(b"--" + boundary[1].encode())[1:]:
        outer, _, rest = piece.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
        number = re.search(rb"(?i)content-id:\s*<?(\d+)", outer)
        head, _, body = rest.partition(b"\n\n")
        status = re.match(rb"HTTP/1\.1 (\d{3})", head.lstrip(b"\n"))
        if not status:
            continue
        headers: dict[str, str] = {}
        for line in head.decode("latin-1").split("\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        # A batch that is refused as a whole is one answer without a Content-ID.
        for at in range(count) if number is None else [int(number[1])]:
            if at < count:
                answers[at] = Response(int(status[1]), headers, body)
    return answers
