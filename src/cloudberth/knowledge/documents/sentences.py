"""Where sentences end, in Chinese, Japanese and languages written with spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Closing quotes and brackets belong to the sentence that they close.
_CLOSING = "\"'”’」』】》〉）)\\]}"
_END = re.compile(
    rf"(?P<cjk>[。！？｡；…][。！？!?…]*[{_CLOSING}]*)"
    rf"|(?P<latin>[.!?][.!?]*[{_CLOSING}]*)(?=\s|$|[\u3000-\u30ff\u4e00-\u9fff])"
    r"|(?P<blank>\n[ \t]*\n)"
)
_SPACE = re.compile(r"\s+")
_WORD_BEFORE = re.compile(r"[^\s(\[{\"'“‘（「『]+\Z")
_ABBREVIATIONS = """
    mr mrs ms dr prof st sr jr rev gen col sgt capt lt cmdr hon pres gov
    vs etc e.g i.e cf al approx ca viz resp incl excl est dept univ inc ltd co corp bros
    fig figs eq eqs no nos vol vols pp p ch chap sec ed eds op cit ibid
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
    a.m p.m u.s u.k u.n d.c ph.d m.sc b.sc
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """The sentences of ``text[start:end]`` as spans that follow each other without a gap.

    The spaces after a sentence belong to it. A blank line ends a sentence; one line break does not, since
    text may be wrapped. A full stop after an abbreviation or an initial, or before a small letter, ends
    nothing; one inside of a number has no space behind it.
    """
    end = len(text) if end is None else end
    at = start
    for match in _END.finditer(text, start, end):
        if match.group("latin") and not _ends_sentence(text, at, match, end):
            continue
        stop = match.end()
        spaces = _SPACE.match(text, stop, end)
        if spaces:
            stop = spaces.end()
        if stop > at:
            yield at, stop
            at = stop
    if at < end:
        yield at, end


def _ends_sentence(text: str, sentence: int, match: re.Match[str], end: int) -> bool:
    """Whether Latin punctuation ends a sentence. sentence: where the one that it would end begins."""
    mark = match.group("latin")
    if mark[0] != ".":
        return True
    following = _SPACE.match(text, match.end(), end)
    after = text[following.end()] if following and following.end() < end else ""
    if after.islower():
        return False
    if len(mark) > 1:
        return True
    word = _WORD_BEFORE.search(text[max(sentence, match.start() - 40) : match.start()])
    if word is None:
        return True
    before = word.group()
    if before.lower() in ABBREVIATIONS:
        return False
    # An initial (J. Smith), or the number of an item (1. First) at the start of what would be a sentence.
    if len(before) == 1 and before.isalpha() and before.isupper() and after != "":
        return before == "I"
    is_first = not text[sentence : match.start() - len(before)].strip()
    return not (is_first and before.isdecimal() and len(before) <= 3)
