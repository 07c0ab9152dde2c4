"""HTML, by lxml: titles, paragraphs, lists, tables and code as a reader sees them, without what is not shown.

Left out: scripts, styles, forms' controls, navigation, and everything hidden by its own attributes, which is
also where instructions to language models hide. Nothing a page points at is fetched.
"""

from __future__ import annotations

import re
from typing import Any

from cloudberth.errors import InvalidInput
from cloudberth.extras import late_import
from cloudberth.knowledge.documents.decoding import decode
from cloudberth.knowledge.documents.gathering import Gathering, one_line

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_NOT_SHOWN = """
    script style noscript template svg nav head iframe object embed canvas select button input textarea audio
    video
"""
_WITHIN_LINES = """
    a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label map mark math meter output
    progress q rp rt ruby s samp small span strike strong sub sup time tt u var wbr
"""
_SKIPPED = frozenset(_NOT_SHOWN.split())
_INLINE = frozenset(_WITHIN_LINES.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DEEP = "RESOURCE_LIMIT"


def read_web_page(data: bytes, into: Gathering) -> None:
    match = _CHARSET.search(data[:4096])
    declared = into.charset or (match.group(1).decode("ascii") if match else "")
    write_page(decode(data, into.filename, declared), into)


def write_page(markup: str, into: Gathering) -> None:
    """The blocks of a page, or of a piece of one."""
    html: Any = late_import("lxml.html", extra="documents", needed_for="reading HTML")
    etree: Any = late_import("lxml.etree", extra="documents", needed_for="reading HTML")
    if not markup.strip():
        return
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    content = markup.replace("\0", "").encode("utf-8", "replace")
    try:
        root = html.document_fromstring(content, parser=parser)
    except etree.ParserError:  # nothing but comments
        return
    if any(_DEEP in entry.type_name for entry in parser.error_log):
        raise InvalidInput("its elements are nested too deep", where=into.filename)
    title = root.find(".//title")
    if title is not None and not into.title:
        into.title = one_line(title.text_content())
    _Walk(into).over(root, etree)


class _Walk:
    """One pass over the elements of a page, without recursion: pages nest as deep as they like."""

    def __init__(self, into: Gathering) -> None:
        self._into = into
        self._text: list[str] = []
        self._items: list[str] = []
        self._lists: list[int] = []  # of every open list: the number of the next item, 0 for bullets
        self._mark = ""

    def over(self, root: Any, etree: Any) -> None:
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            if event == "start":
                if self._start(element):
                    self._add(element.text)
                else:
                    element.set("skipped", "")
                    walk.skip_subtree()
            else:
                self._end(element)
                self._add(element.tail)
        self._flush()
        self._end_list()

    def _start(self, element: Any) -> bool:
        """Whether to go on into the element."""
        self._into.clock.check()
        tag = element.tag
        if tag in _SKIPPED or _is_hidden(element):
            return False
        if tag == "br":
            self._text.append("\n")
        if tag in _INLINE or tag == "br":
            return True
        self._flush()
        if tag in _HEADINGS:
            self._end_list()
            self._into.heading(_shown(element), _HEADINGS[tag])
            return False
        if tag == "pre":
            self._end_list()
            self._into.code(element.text_content())
            return False
        if tag == "table" and _is_data(element):
            self._end_list()
            caption = element.find("caption")
            self._into.paragraph(one_line(_shown(caption)) if caption is not None else "")
            self._into.table(_rows(element))
            return False
        if tag in ("ul", "ol"):
            self._lists.append(_first_number(element) if tag == "ol" else 0)
        elif tag == "li" and self._lists:
            self._mark = self._next_mark()
        return True

    def _end(self, element: Any) -> None:
        tag = element.tag
        if tag in _INLINE or tag == "br":
            return
        if "skipped" in element.attrib:
            return
        self._flush()
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            if not self._lists:
                self._end_list()

    def _next_mark(self) -> str:
        number = self._lists[-1]
        if not number:
            return "- "
        self._lists[-1] += 1
        return f"{number}. "

    def _add(self, text: str | None) -> None:
        if text:
            self._text.append(re.sub(r"\s+", " ", text))

    def _flush(self) -> None:
        """What was gathered is a paragraph, or a line of a list."""
        text = re.sub(r" ?\n ?", "\n", re.sub(r" {2,}", " ", "".join(self._text))).strip()
        self._text.clear()
        if not text:
            return
        if self._lists:
            indent = "  " * (min(len(self._lists), 9) - 1)
            self._items.append(f"{indent}{self._mark or '  '}{one_line(text)}")
            self._mark = ""
        else:
            self._into.paragraph(text)

    def _end_list(self) -> None:
        if self._items:
            self._into.items(self._items)
            self._items = []


def _is_hidden(element: Any) -> bool:
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or _HIDDEN_STYLE.search(element.get("style") or "") is not None
    )


def _first_number(element: Any) -> int:
    start = element.get("start") or "1"
    return int(start) if start.isdecimal() and len(start) < 7 and int(start) else 1


def _is_data(table: Any) -> bool:
    """Whether a table holds data, and not the layout of a page."""
    if (
        table.find(".//table") is not None
        or table.find(".//h1") is not None
        or table.find(".//ul") is not None
    ):
        return False
    rows = [sum(1 for cell in row if cell.tag in ("td", "th")) for row in table.iter("tr")]
    return len(rows) > 1 and max(rows, default=0) > 1


def _rows(table: Any) -> list[list[str]]:
    return [[_shown(cell) for cell in row if cell.tag in ("td", "th")] for row in table.iter("tr")]


def _shown(element: Any) -> str:
    """The text of an element, without what is skipped in it."""
    pieces: list[str] = []
    waiting: list[Any] = [element]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            pieces.append(each)
            continue
        if each is not element and each.tail:
            waiting.append(each.tail)
        if each.tag in _SKIPPED or _is_hidden(each):
            continue
        if each.tag == "br" or (each.tag not in _INLINE and each is not element):
            pieces.append(" ")
        waiting.extend(reversed(each))
        if each.text:
            pieces.append(each.text)
    return "".join(pieces)
