"""What a document is once it is read: blocks in reading order, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

GAP = "\n\n"
"""What stands between two blocks in the text of a document."""


class BlockKind(StrEnum):
    """What a block is; pages are no blocks, they are numbers on blocks."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document.

    text: never empty. A table's is Markdown, a row a line (`tables.table_text`). page: counts from 1: the
    page of a PDF, the slide of a presentation; 0 where there are none. sheet: of a workbook. headings: the
    titles above the block, outermost first; those of a heading do not hold the heading itself. level: of a
    heading, from 1. header_lines: how many lines at the start of a table are its head, and stand above every
    part of it.
    """

    kind: BlockKind
    text: str
    page: int = 0
    sheet: str = ""
    headings: tuple[str, ...] = ()
    level: int = 0
    header_lines: int = 0


@dataclass(frozen=True)
class Document:
    """A document that was read. format: ``pdf``, ``docx``, … (`reading.FORMATS`). pages: 0 where there are
    none.

    title: as the file itself says, else empty. notes: what a user should know about the reading, one sentence
    each (``page 3 has no text: scanned?``).
    """

    filename: str
    format: str
    blocks: tuple[Block, ...]
    title: str = ""
    pages: int = 0
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def text(self) -> str:
        """All blocks, with `GAP` between them. The offsets of chunks count in this text."""
        return GAP.join(block.text for block in self.blocks)
