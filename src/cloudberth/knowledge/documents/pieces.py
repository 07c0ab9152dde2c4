"""Cutting text into parts that are small enough, at the best places there are.

Lines first, then sentences, clauses, words, and characters (as people see them) last: a word is only cut when
it is longer than a part may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cloudberth.knowledge.documents.graphemes import is_boundary, next_boundary
from cloudberth.knowledge.documents.sentences import sentences
from cloudberth.knowledge.documents.tokens import CountTokens, is_cjk

Span = tuple[int, int]
Splitter = Callable[[str, int, int], Iterator[Span]]

# Punctuation that no line begins with in Chinese and Japanese.
_STAYS_BEHIND = frozenset("。，、；：！？…—）」』】》〉”’·％")
_LINE = re.compile(r"[^\n]*\n+|[^\n]+")
_CLAUSE = re.compile(r"[^，、,;:：—\n]*[，、,;:：—\n]+\s*|[^，、,;:：—\n]+")


def fitting(
    text: str, start: int, end: int, most: int, count: CountTokens, *, by_line: bool
) -> Iterator[Span]:
    """Spans that follow each other without a gap, each of at most `most` tokens; as few as the places allow.

    by_line: lines are the first place to cut (lists, code, tables); else sentences are.
    """
    splitters: tuple[Splitter, ...] = (lines, sentences, clauses, words) if by_line else _OF_TEXT
    yield from _fitting(text, start, end, most, count, splitters)


def lines(text: str, start: int, end: int) -> Iterator[Span]:
    """Lines, with the line breaks behind them."""
    for match in _LINE.finditer(text, start, end):
        yield match.span()


def clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """Parts of a sentence that end with a comma, a colon or the like, or with the line."""
    for match in _CLAUSE.finditer(text, start, end):
        yield match.span()


def words(text: str, start: int, end: int) -> Iterator[Span]:
    """Words with the spaces behind them. Scripts without spaces are cut at every character."""
    at = start
    while at < end:
        stop = next_word(text, at, end)
        yield at, stop
        at = stop


def next_word(text: str, at: int, end: int) -> int:
    """Where the next word begins, or the end."""
    if text[at].isspace():
        while at < end and text[at].isspace():
            at += 1
        return at
    at = min(next_boundary(text, at), end)
    while at < end and not is_word_start(text, at):
        at += 1
    while at < end and text[at].isspace():
        at += 1
    return at


def is_word_start(text: str, at: int) -> bool:
    """Whether a word ends in front of this place: at a space, or beside a character that is a word of its
    own.
    """
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if after.isspace():
        return True
    if before.isspace():
        return True
    if after in _STAYS_BEHIND or not (is_cjk(before) or is_cjk(after) or before in _STAYS_BEHIND):
        return False
    return is_boundary(text, at)


_OF_TEXT: tuple[Splitter, ...] = (sentences, lines, clauses, words)


def _fitting(
    text: str, start: int, end: int, most: int, count: CountTokens, splitters: tuple[Splitter, ...]
) -> Iterator[Span]:
    if count(text[start:end]) <= most:
        if end > start:
            yield start, end
        return
    if not splitters:
        yield from _characters(text, start, end, most, count)
        return
    at = start
    total = 0
    for piece_start, piece_end in splitters[0](text, start, end):
        size = count(text[piece_start:piece_end])
        if total and total + size > most:
            yield at, piece_start
            at, total = piece_start, 0
        if size > most:
            # From `at`: spaces in front, which count nothing, go with it.
            yield from _fitting(text, at, piece_end, most, count, splitters[1:])
            at, total = piece_end, 0
        else:
            total += size
    if at < end:
        yield at, end


def _characters(text: str, start: int, end: int, most: int, count: CountTokens) -> Iterator[Span]:
    """Runs of characters that fit; one character is a part even when it counts more than a part may have."""
    at = start
    while at < end:
        size = max(1, most)
        # Grow in steps, so that a word of a million letters is not counted a million times.
        stop = _boundary_from(text, min(at + size, end), end)
        while stop > at and count(text[at:stop]) > most:
            size = size // 2
            if not size:
                stop = min(next_boundary(text, at), end)
                break
            stop = _boundary_from(text, min(at + size, end), end)
        while stop < end:
            further = _boundary_from(text, min(stop + max(1, size), end), end)
            if count(text[at:further]) > most:
                break
            stop = further
        yield at, stop
        at = stop


def _boundary_from(text: str, at: int, end: int) -> int:
    while at < end and not is_boundary(text, at):
        at += 1
    return at


def split_to_fit(text: str, most: int, count: CountTokens) -> list[str]:
    """The parts of a text, none longer than `most` tokens and none empty."""
    parts = (
        text[start:end].strip() for start, end in fitting(text, 0, len(text), most, count, by_line=False)
    )
    return [part for part in parts if part]
