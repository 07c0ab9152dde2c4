"""What of a passage the question asked for: words, and pairs of characters of languages without spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudberth.knowledge.model import Answer, Passage
from cloudberth.server.paragraphs import joined_lines, unwrapped

_LATIN = re.compile(r"[^\W\d_]+\d*|\d+", re.UNICODE)
_EAST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_MARK = re.compile(r"\[(\d{1,3})\]")
# Words that are in every text say nothing about one.
_WORDS = """a an and are as at be by can do does for from have how i if in is it its long many much of on or
our so that the their there this to was what when where which who will with you your"""
_COMMON = frozenset(_WORDS.split())
_MOST_TERMS = 60


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text. marked: the question asked for it. source: of a citation, 0 none."""

    text: str
    marked: bool = False
    source: int = 0


def terms(question: str) -> tuple[str, ...]:
    """What is looked for, longest first."""
    found: dict[str, None] = {}
    for word in _LATIN.findall(_EAST.sub(" ", question.lower())):
        if word not in _COMMON and len(word) > 1:
            found.setdefault(word)
    for run in _EAST.findall(question):
        for at in range(max(1, len(run) - 1)):
            found.setdefault(run[at : at + 2])
    return tuple(sorted(found, key=len, reverse=True)[:_MOST_TERMS])


def highlighted(text: str, question: str) -> tuple[Piece, ...]:
    """A text in pieces, those that the question asked for marked."""
    wanted = terms(question)
    if not wanted:
        return (Piece(text),)
    # A word of letters is found with its endings: leave, leaves.
    forms = [
        rf"(?<!\w){re.escape(one)}\w{{0,3}}(?!\w)" if one.isascii() else re.escape(one) for one in wanted
    ]
    marks = bytearray(len(text))
    for found in re.finditer("|".join(forms), text, re.IGNORECASE):
        marks[found.start() : found.end()] = b"\1" * (found.end() - found.start())
    # Pairs overlap: the second one of three characters is found beginning at each place.
    for one in wanted:
        if not one.isascii():
            for found in re.finditer(f"(?={re.escape(one)})", text):
                marks[found.start() : found.start() + len(one)] = b"\1" * len(one)
    return tuple(_pieces(text, marks))


def _pieces(text: str, marks: bytearray) -> list[Piece]:
    pieces, begin = [], 0
    for at in range(1, len(text) + 1):
        if at == len(text) or marks[at] != marks[begin]:
            pieces.append(Piece(text[begin:at], bool(marks[begin])))
            begin = at
    return pieces


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a passage. found: the chunk that was found is here; the rest is what surrounds it."""

    found: bool
    pieces: tuple[Piece, ...]


def parts_of(passage: Passage, question: str) -> tuple[Part, ...]:
    """A passage: where the chunks that were found are, and what is marked in them."""
    text = passage.text
    here = bytearray(len(text))
    for chunk in passage.matched:
        if chunk.id == passage.chunk_id:
            here[:] = b"\1" * len(text)
            break
        begin = text.find(chunk.text)
        if begin >= 0:
            here[begin : begin + len(chunk.text)] = b"\1" * len(chunk.text)
    if not any(here):
        here[:] = b"\1" * len(text)
    text, here = _flowing(text, here)
    return tuple(
        Part(piece.marked, highlighted(piece.text, question) if piece.marked else (Piece(piece.text),))
        for piece in _pieces(text, here)
    )


def _flowing(text: str, here: bytearray) -> tuple[str, bytearray]:
    """Both without the line breaks of the source's width; a joint belongs to what is before it."""
    words, marks = [], bytearray()
    for begin, end, joint in joined_lines(text):
        words += [text[begin:end], joint]
        marks += here[begin:end] + bytes(here[end - 1 : end]) * len(joint)
    return "".join(words), marks


def cited(answer: Answer) -> tuple[Piece, ...]:
    """The text of an answer, its marks as pieces of their own."""
    known = {citation.number for citation in answer.citations}
    text = unwrapped(answer.text)
    pieces, begin = [], 0
    for mark in _MARK.finditer(text):
        if int(mark[1]) in known:
            pieces += [Piece(text[begin : mark.start()]), Piece(mark[0], source=int(mark[1]))]
            begin = mark.end()
    return (*pieces, Piece(text[begin:]))
