"""Plain text: paragraphs between blank lines, pages between form feeds, titles of Chinese chapters."""

from __future__ import annotations

import re

from cloudberth.knowledge.documents.decoding import decode
from cloudberth.knowledge.documents.gathering import Gathering

_BLANK = re.compile(r"\n[ \t\u3000]*(?:\n[ \t\u3000]*)+")
_CHAPTER = re.compile(
    r"第\s*[零〇一二三四五六七八九十百千两0-9]{1,8}\s*(?P<kind>[编篇部卷回章节])(?:[\s\u3000：:、].{0,60})?"
)
_LEVELS = {"编": 1, "篇": 1, "部": 1, "卷": 1, "回": 2, "章": 2, "节": 3}


def read_plain_text(data: bytes, into: Gathering) -> None:
    text = decode(data, into.filename, into.charset)
    pages = text.split("\f")
    into.pages = len(pages) if len(pages) > 1 else 0
    for number, page in enumerate(pages, 1):
        into.page = number if into.pages else 0
        for part in _BLANK.split(page):
            paragraphs(part.strip("\n"), into)


def paragraphs(part: str, into: Gathering) -> None:
    """One paragraph; lines that are titles of chapters end it."""
    kept: list[str] = []
    for line in part.split("\n"):
        match = _CHAPTER.fullmatch(line.strip())
        if match is None:
            kept.append(line)
            continue
        into.paragraph("\n".join(kept))
        kept = []
        into.heading(line, _LEVELS[match.group("kind")])
    into.paragraph("\n".join(kept))
