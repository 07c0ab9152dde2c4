"""The XML that object stores speak: reading answers safely, writing the two bodies that there are."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError, fromstring

from cloudberth.errors import BackendError, CorruptData

_NAMESPACE = re.compile(rb'\sxmlns="[^"]*"')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_TO_ESCAPE = re.compile("[&<>\r\n\t]")
# Characters that XML 1.0 cannot hold in any way.
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def parse(body: bytes) -> Element:
    """The root element of an answer, its names without a namespace. CorruptData when it is not XML.

    Document types are refused: no store sends one, and they are what makes XML dangerous.
    """
    if b"<!DOCTYPE" in body[:4096]:
        raise CorruptData("the answer declares a document type")
    try:
        return fromstring(_NAMESPACE.sub(b"", body, count=1))  # noqa: S314 — no entities without a document type
    except (ParseError, ValueError, LookupError) as error:
        raise CorruptData(f"the answer is no XML: {error}") from None


def text_of(element: Element, path: str) -> str:
    """The text at a path; empty when there is none."""
    return element.findtext(path) or ""


def number_of(element: Element, path: str) -> int:
    """A number at a path. Raises CorruptData when there is none."""
    value = text_of(element, path).strip()
    if not (value.isascii() and value.isdecimal()) or len(value) > 18:
        raise CorruptData(f"{path} is {value[:20]!r}, which is no number")
    return int(value)


def escape(text: str) -> str:
    """Text for an element's content; white space too, which parsers would change."""
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], text)


def fits(text: str) -> bool:
    """Whether XML can hold this text at all."""
    return _IMPOSSIBLE.search(text) is None


def error_texts(body: bytes) -> tuple[str, str, Element | None]:
    """Code and message of an error's body, and its root; empty texts when it is no such thing."""
    if not body.lstrip().startswith(b"<"):
        return "", "", None
    try:
        root = parse(body)
    except BackendError:
        return "", "", None
    return text_of(root, "Code"), text_of(root, "Message"), root
