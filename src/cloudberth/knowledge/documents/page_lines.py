"""Lines of pages to paragraphs: a PDF knows neither. Pure.

Lines at the top and the bottom that come back on most pages (running heads, page numbers) are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from cloudberth.knowledge.documents.tokens import is_cjk

_EDGE = 3  # lines at either end of a page that can be a running head
_FEWEST_PAGES = 3
_SHARE = 0.6
_NUMBER = re.compile(r"\d+|(?<![a-z])[ivxlc]+(?![a-z])", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"[\s\-–—·|/]*(?:page|第|p\.?|seite)?\s*\d{1,5}\s*(?:页|頁)?(?:\s*(?:/|of|共)\s*\d{1,5}\s*(?:页|頁)?)?[\s\-–—·|]*",
    re.I,
)
_ITEM = re.compile(
    r"\s*(?:[•‣▪●○◦·–—*-]|\(?\d{1,3}[.)、]|[a-zA-Z][.)]|[（(]?[一二三四五六七八九十]{1,3}[）)、.])\s*\S"
)
_STOP = re.compile(r"[.!?:。！？：；…][\"'”’」』）)\]]*\s*$")


def without_running_lines(pages: Sequence[Sequence[str]]) -> list[list[str]]:
    """The pages without what stands at the edge of most of them, numbers in it aside."""
    kept = [[line.rstrip() for line in page] for page in pages]
    if len(kept) < _FEWEST_PAGES:
        return kept
    seen: Counter[str] = Counter()
    for page in kept:
        seen.update({_shape(page[at]) for at in _edges(page)})
    filled = sum(1 for page in kept if any(line.strip() for line in page))
    running = {
        shape for shape, times in seen.items() if shape and times >= max(_FEWEST_PAGES, _SHARE * filled)
    }
    return [_trimmed(page, running) for page in kept]


def _edges(page: Sequence[str]) -> set[int]:
    filled = [at for at, line in enumerate(page) if line.strip()]
    return {*filled[:_EDGE], *filled[-_EDGE:]}


def _trimmed(page: list[str], running: set[str]) -> list[str]:
    """A page without its running lines: from its ends inwards, so that nothing in the middle is taken."""
    filled = [at for at, line in enumerate(page) if line.strip()]
    dropped: set[int] = set()
    for order in (filled[:_EDGE], filled[::-1][:_EDGE]):
        for at in order:
            if _shape(page[at]) not in running:
                break
            dropped.add(at)
    kept = [line for at, line in enumerate(page) if at not in dropped]
    # A page with nothing else on it (a form, the same on every page) keeps what it has.
    return kept if any(line.strip() for line in kept) else page


def _shape(line: str) -> str:
    """A line with its numbers taken out, so that page numbers are the same on all pages."""
    text = " ".join(line.split()).lower()
    if _PAGE_NUMBER.fullmatch(text):
        return "#"
    return _NUMBER.sub("#", text)


def paragraphs_of(page: Sequence[str]) -> list[list[str]]:
    """Groups of lines: a paragraph ends at a blank line, before an item of a list, and after a line that
    stops a sentence well before the right edge.
    """
    widest = max((_width(line) for line in page), default=0)
    found: list[list[str]] = [[]]
    for line in page:
        if not line.strip():
            found.append([])
            continue
        if _ITEM.match(line):
            found.append([])
        found[-1].append(line.strip())
        if _STOP.search(line) and _width(line) < 0.85 * widest:
            found.append([])
    return [group for group in found if group]


def _width(line: str) -> int:
    """About how wide a line is: a CJK character is as wide as two letters."""
    return sum(2 if is_cjk(letter) else 1 for letter in line.rstrip())


def joined(lines: Sequence[str]) -> str:
    """The lines of a paragraph as one: with a space between words, with none between CJK characters, and a
    word that was cut at the end of a line whole again.
    """
    text = ""
    for line in lines:
        if not text:
            text = line
        elif re.search(r"[a-zà-ÿ][-\u2010\u00ad]$", text) and line[:1].islower():
            text = text[:-1] + line
        elif _is_dense(text[-1]) and _is_dense(line[0]):
            text += line
        else:
            text += " " + line
    return text


def _is_dense(letter: str) -> bool:
    return is_cjk(letter) or "\u3000" < letter <= "\u303f" or "\uff01" <= letter <= "\uff65"
