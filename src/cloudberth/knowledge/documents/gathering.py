"""What readers write to: keeps the titles above a block, and the limits on text and time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cloudberth.knowledge.documents.limits import Clock, Limits, too_large
from cloudberth.knowledge.documents.model import Block, BlockKind
from cloudberth.knowledge.documents.tables import table_text

_SPACES = re.compile(r"[ \t\r\f\v\u00a0\u3000]+")
_MOST_LEVELS = 9


class Gathering:
    """The blocks of a document while it is read. page and sheet are put on what comes next.

    charset: the encoding that the sender names; empty when it names none.
    """

    def __init__(self, filename: str, limits: Limits, charset: str = "") -> None:
        self.limits = limits
        self.charset = charset
        self.clock = Clock(limits.seconds, filename)
        self.filename = filename
        self.blocks: list[Block] = []
        self.notes: list[str] = []
        self.title = ""
        self.pages = 0
        self.page = 0
        self.sheet = ""
        self._titles: list[tuple[int, str]] = []
        self._characters = 0

    def heading(self, text: str, level: int) -> None:
        """A title. level: from 1; it ends every title of its level and below."""
        text = one_line(text)
        if not text:
            return
        level = min(max(level, 1), _MOST_LEVELS)
        self._titles = [each for each in self._titles if each[0] < level]
        self._add(BlockKind.HEADING, text, level=level)
        self._titles.append((level, text))

    def paragraph(self, text: str) -> None:
        """Running text; line breaks in it are kept."""
        self._add(BlockKind.PARAGRAPH, text.strip())

    def items(self, lines: Iterable[str]) -> None:
        """A list, an item a line, marks and indentation included."""
        self._add(BlockKind.LIST, "\n".join(line.rstrip() for line in lines if line.strip()))

    def code(self, text: str) -> None:
        """Text whose spaces and lines mean something."""
        self._add(BlockKind.CODE, text.strip("\n\r").rstrip())

    def table(self, rows: Iterable[Sequence[str]], *, has_head: bool = True) -> None:
        """Rows of cells; empty rows are left out, and so are columns with nothing in them."""
        text, header_lines = table_text(rows, has_head=has_head)
        self._add(BlockKind.TABLE, text, header_lines=header_lines)

    def _add(self, kind: BlockKind, text: str, *, level: int = 0, header_lines: int = 0) -> None:
        self.clock.check()
        if not text:
            return
        self._characters += len(text)
        if self._characters > self.limits.characters:
            raise too_large(f"more than {self.limits.characters:,} characters of text", self.filename)
        headings = tuple(title for _, title in self._titles)
        self.blocks.append(
            Block(kind, text, self.page, self.sheet, headings, level=level, header_lines=header_lines)
        )


def one_line(text: str) -> str:
    """The text with every run of spaces and line breaks as one space."""
    return _SPACES.sub(" ", text.replace("\n", " ")).strip()
