"""Texts of documents as they flow: lines that a source broke for its own width are put together again.

Paragraphs stay apart, and so does what stands in lines on purpose: lists, headings, tables, quotations, lines
that end in Markdown's mark for a break, and everything beside code.
"""

from __future__ import annotations

import re

# One break between two texts; what is between paragraphs has more of them.
_BREAK = re.compile(r"(?<=\S)([ \t]*)\r?\n[ \t]*(?=\S)")
# How a line begins that is no continuation of the one before.
_ITEM = re.compile(
    r"(?:[-*+•·–]|\(?\d{1,3}[.)、]|\(?[a-zA-Z][.)])\s|[#>|]|(?:-{3}|={3}|_{3})|[一二三四五六七八九十]{1,3}、"
)
_HEAD = re.compile(r"[#|]")
_EAST = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


def unwrapped(text: str) -> str:
    """The text with single line breaks as spaces; as nothing between characters that have no spaces."""
    return "".join(text[begin:end] + joint for begin, end, joint in joined_lines(text))


def joined_lines(text: str) -> list[tuple[int, int, str]]:
    """Where its lines are: (begin, end, what goes behind it: nothing, a space or a break)."""
    found, begin = [], 0
    if "```" not in text:
        for each in _BREAK.finditer(text):
            found.append((begin, each.start(), _joint(text, each)))
            begin = each.end()
    return [*found, (begin, len(text), "")]


def _joint(text: str, found: re.Match[str]) -> str:
    line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()].lstrip()
    if len(found[1]) >= 2 or _ITEM.match(text, found.end()) or _HEAD.match(line):
        return "\n"
    before, after = text[found.start() - 1], text[found.end()]
    is_east = _EAST.match(before) and _EAST.match(after)
    return "" if is_east and not (_HANGUL.match(before) and _HANGUL.match(after)) else " "
