"""Markdown (CommonMark with tables), by markdown-it-py: the text without its marks; HTML in it as HTML.

Web addresses of links stay beside their text, since answers point at them; pictures are their description.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cloudberth.errors import InvalidInput
from cloudberth.extras import late_import
from cloudberth.knowledge.documents.decoding import decode
from cloudberth.knowledge.documents.gathering import Gathering, one_line
from cloudberth.knowledge.documents.web_page import write_page

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT = re.compile(r"\A---[ \t]*\n(?P<body>.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title[ \t]*:[ \t]*(?P<title>.+)$", re.MULTILINE)
_DEEPEST = 100


def read_markdown(data: bytes, into: Gathering) -> None:
    module: Any = late_import("markdown_it", extra="documents", needed_for="reading Markdown")
    text = decode(data, into.filename, into.charset).replace("\0", "")
    front = _FRONT.match(text)
    if front:
        title = _TITLE.search(front.group("body"))
        into.title = title.group("title").strip().strip("\"'") if title else ""
        into.paragraph(front.group("body"))
        text = text[front.end() :]
    parser = module.MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    tokens: list[Token] = parser.parse(text)
    if any(token.level >= _DEEPEST - 2 for token in tokens):
        raise InvalidInput("its blocks are nested too deep", where=into.filename)
    _Writer(tokens, into).write()


class _Writer:
    """The tokens of a document, one after the other."""

    def __init__(self, tokens: Sequence[Token], into: Gathering) -> None:
        self._tokens = tokens
        self._into = into
        self._at = 0

    def write(self) -> None:
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            self._into.clock.check()
            if token.type == "heading_open":
                self._into.heading(self._inline(), int(token.tag[1:]))
            elif token.type == "paragraph_open":
                self._into.paragraph(self._inline())
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                self._at -= 1
                self._list()
            elif token.type == "table_open":
                self._table()
            elif token.type in ("fence", "code_block"):
                self._into.code(token.content)
            elif token.type == "html_block":
                write_page(token.content, self._into)

    def _inline(self) -> str:
        """The text of the inline token that comes next."""
        token = self._tokens[self._at]
        self._at += 1
        return inline_text(token.children or [])

    def _list(self) -> None:
        """A list with all lists in it, as lines; code and HTML in it are lines too."""
        lines: list[str] = []
        numbers: list[int] = []
        mark = ""
        while True:
            token = self._tokens[self._at]
            self._at += 1
            if token.type == "bullet_list_open":
                numbers.append(-1)
            elif token.type == "ordered_list_open":
                start = token.attrGet("start")
                numbers.append(1 if start is None else int(start))
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                numbers.pop()
                if not numbers:
                    break
            elif token.type == "list_item_open":
                mark = "- " if numbers[-1] < 0 else f"{numbers[-1]}. "
                numbers[-1] += numbers[-1] >= 0
            elif token.type in ("inline", "fence", "code_block", "html_block"):
                text = inline_text(token.children) if token.children is not None else token.content
                for line in filter(str.strip, text.split("\n")):
                    lines.append(f"{'  ' * (min(len(numbers), 9) - 1)}{mark or '  '}{line.rstrip()}")
                    mark = ""
        self._into.items(lines)

    def _table(self) -> None:
        rows: list[list[str]] = []
        while True:
            token = self._tokens[self._at]
            self._at += 1
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(one_line(inline_text(token.children or [])))
            elif token.type == "table_close":
                break
        self._into.table(rows)


def inline_text(tokens: Sequence[Token]) -> str:
    """The text of inline tokens, without their marks."""
    pieces: list[str] = []
    links: list[tuple[str, int]] = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            pieces.append("\n")
        elif token.type == "image":
            pieces.append(inline_text(token.children or []))
        elif token.type == "link_open":
            links.append((str(token.attrGet("href") or ""), len(pieces)))
        elif token.type == "link_close" and links:
            address, start = links.pop()
            is_shown = "".join(pieces[start:]).strip() == address
            if address.startswith(("http://", "https://", "mailto:")) and not is_shown:
                pieces.append(f" ({address})")
        elif token.type == "html_inline":
            pieces.append("\n" if token.content.lower().startswith("<br") else "")
        else:
            pieces.append(token.content)
    return "".join(pieces)
