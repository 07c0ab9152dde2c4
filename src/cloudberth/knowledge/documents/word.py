"""DOCX, by python-docx: titles by their styles, lists, tables, text boxes; tracked deletions are left out.

The body is walked here, element by element: python-docx's own lists of paragraphs leave out what stands in
content controls (tables of contents, forms) and in tracked insertions.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from cloudberth.extras import late_import
from cloudberth.knowledge.documents.gathering import Gathering, one_line
from cloudberth.knowledge.documents.office_archive import check_archive

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LEFT_OUT = {f"{_WORD}del", f"{_WORD}moveFrom", f"{_WORD}instrText", _FALLBACK}
_BREAKS = {f"{_WORD}br", f"{_WORD}cr"}
_THROUGH = {
    f"{_WORD}sdt",
    f"{_WORD}sdtContent",
    f"{_WORD}customXml",
    f"{_WORD}ins",
    f"{_WORD}moveTo",
    f"{_WORD}smartTag",
}
_HEADING = re.compile(r"(?:heading|标题|titre|überschrift)\s*([1-9])", re.IGNORECASE)
_CODE = re.compile(r"code|preformatted|macro text", re.IGNORECASE)
_LIST = re.compile(r"^list\b", re.IGNORECASE)


def read_word(data: bytes, into: Gathering) -> None:
    docx: Any = late_import("docx", extra="documents", needed_for="reading DOCX")
    check_archive(data, into)
    document = docx.Document(io.BytesIO(data))
    into.title = one_line(document.core_properties.title or "")
    styles = _styles(document)
    items: list[str] = []
    for element in _blocks(document.element.body):
        into.clock.check()
        if element.tag == f"{_WORD}p":
            _paragraph(element, styles, items, into)
        else:
            _flush(items, into)
            into.table(_rows(element))
    _flush(items, into)


def _styles(document: Any) -> dict[str, str]:
    """Style id → the name of the style, or of the first above it that says what it is."""
    found: dict[str, str] = {}
    for style in document.styles:
        names: list[str] = []
        each = style
        while each is not None and len(names) < 20:
            names.append(each.name or "")
            each = getattr(each, "base_style", None)
        telling = (name for name in names if _HEADING.search(name) or _LIST.search(name) or name == "Title")
        found[style.style_id] = next(telling, names[0])
    return found


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, also those inside of content controls and tracked insertions."""
    for element in parent:
        if element.tag in (f"{_WORD}p", f"{_WORD}tbl"):
            yield element
        elif element.tag in _THROUGH:
            yield from _blocks(element)


def _paragraph(element: Any, styles: dict[str, str], items: list[str], into: Gathering) -> None:
    text = _text(element)
    style = styles.get(_value(element, "pStyle"), "")
    level = _level(element, style)
    depth = _depth(element, style)
    if level and text.strip():
        _flush(items, into)
        into.heading(text, level)
        into.title = into.title or (one_line(text) if level == 1 else "")
    elif depth is not None and text.strip():
        items.append(f"{'  ' * depth}- {one_line(text)}")
    else:
        _flush(items, into)
        if _CODE.search(style):
            into.code(text)
        else:
            into.paragraph(text)


def _level(element: Any, style: str) -> int:
    """The level of a title; 0 for running text."""
    if style == "Title":
        return 1
    match = _HEADING.search(style)
    if match:
        return int(match.group(1)) + 1  # under the document's title
    outline = _value(element, "outlineLvl")
    return int(outline) + 2 if outline.isdecimal() and int(outline) < 9 else 0


def _depth(element: Any, style: str) -> int | None:
    """How deep in a list a paragraph stands, from 0; None when it is in none."""
    if element.find(f"{_WORD}pPr/{_WORD}numPr") is not None:
        depth = _value(element, "numPr/ilvl")
        return min(int(depth), 8) if depth.isdecimal() else 0
    return 0 if _LIST.search(style) else None


def _value(element: Any, path: str) -> str:
    """The value of a property of a paragraph; empty when it has none."""
    full = "/".join(f"{_WORD}{part}" for part in f"pPr/{path}".split("/"))
    found = element.find(full)
    return (found.get(f"{_WORD}val") or "") if found is not None else ""


def _text(element: Any) -> str:
    """All text of a paragraph, of links, text boxes and insertions too."""
    pieces: list[str] = []
    waiting = [element]
    while waiting:
        each = waiting.pop()
        if each.tag in _LEFT_OUT:
            continue
        if each.tag == f"{_WORD}t":
            pieces.append(each.text or "")
        elif each.tag == f"{_WORD}tab":
            pieces.append("\t")
        elif each.tag == f"{_WORD}noBreakHyphen":
            pieces.append("-")
        elif each.tag in _BREAKS or (each.tag == f"{_WORD}p" and pieces):
            pieces.append("\n")
        if each.tag not in (f"{_WORD}pPr", f"{_WORD}rPr"):
            waiting.extend(reversed(each))
    return "".join(pieces)


def _rows(table: Any) -> list[list[str]]:
    """The cells of a table; a table inside of a cell is its text."""
    found = []
    for row in _through(table, f"{_WORD}tr"):
        found.append([" ".join(_text(cell).split()) for cell in _through(row, f"{_WORD}tc")])
    return found


def _through(parent: Any, tag: str) -> Iterator[Any]:
    for element in parent:
        if element.tag == tag:
            yield element
        elif element.tag in _THROUGH:
            yield from _through(element, tag)


def _flush(items: list[str], into: Gathering) -> None:
    if items:
        into.items(items)
        items.clear()
