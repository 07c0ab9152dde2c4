"""The smallest parts that chunks are made of: paragraphs, sentences, rows, lines, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cloudberth.knowledge.documents.model import GAP, Block, BlockKind, Document
from cloudberth.knowledge.documents.pieces import Span, fitting, lines
from cloudberth.knowledge.documents.sentences import sentences
from cloudberth.knowledge.documents.tokens import CountTokens

_BY_LINE = {BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE}


@dataclass(frozen=True, slots=True)
class Atom:
    """A part of a document's text that a chunk holds whole.

    start, end: without spaces at either end. tokens: of it, its share of a head not included. breaks: a chunk
    begins here. heads: it is a title, and stays with what follows. flows: running text, of which the next
    chunk may repeat the end. head: the lines of a table's head, to stand in front of a chunk that begins
    here. whole: of the first of a paragraph, the
    tokens of all of it: one that does not fit in what is left of a chunk, but does in the next, begins there;
    0 for the others.
    """

    start: int
    end: int
    tokens: int
    breaks: bool = False
    heads: bool = False
    flows: bool = True
    head: str = ""
    whole: int = 0
    headings: tuple[str, ...] = ()
    page: int = 0
    sheet: str = ""


def atoms_of(
    document: Document, most: int, count: CountTokens, separators: Sequence[str], *, whole_paragraphs: bool
) -> list[Atom]:
    """All atoms of a document, none of more than `most` tokens, in its order."""
    found: list[Atom] = []
    at = 0
    after_heading = False
    for block in document.blocks:
        is_heading = block.kind is BlockKind.HEADING
        atoms = list(_of_block(document.text, block, at, most, count, whole_paragraphs))
        if atoms and is_heading and not after_heading:
            atoms[0] = replace(atoms[0], breaks=True)
        found += atoms
        after_heading = is_heading
        at += len(block.text) + len(GAP)
    return _separated(document.text, found, separators, count) if separators else found


def _of_block(
    text: str, block: Block, at: int, most: int, count: CountTokens, whole_paragraphs: bool
) -> Iterator[Atom]:
    end = at + len(block.text)
    place = Atom(
        start=at,
        end=end,
        tokens=0,
        heads=block.kind is BlockKind.HEADING,
        flows=block.kind in (BlockKind.PARAGRAPH, BlockKind.LIST),
        headings=block.headings,
        page=block.page,
        sheet=block.sheet,
    )
    if block.kind is BlockKind.TABLE:
        yield from _of_table(text, block, place, most, count)
        return
    if block.kind in (BlockKind.CODE, BlockKind.HEADING) and count(block.text) <= most:
        spans: list[Span] = [(at, end)]
    else:
        spans = list(_small(text, block.kind, at, end, most, count))
    atoms = [
        replace(place, start=start, end=stop, tokens=count(text[start:stop]))
        for start, stop in (without_spaces(text, *span) for span in spans)
        if start < stop
    ]
    if atoms and whole_paragraphs:
        atoms[0] = replace(atoms[0], whole=sum(atom.tokens for atom in atoms))
    yield from atoms


def _small(text: str, kind: BlockKind, at: int, end: int, most: int, count: CountTokens) -> Iterator[Span]:
    """Sentences or lines; what is longer than a chunk in parts."""
    by_line = kind in _BY_LINE
    for start, stop in (lines if by_line else sentences)(text, at, end):
        yield from fitting(text, start, stop, most, count, by_line=by_line)


def _of_table(text: str, block: Block, place: Atom, most: int, count: CountTokens) -> Iterator[Atom]:
    """A table that fits is one atom; else each row is one, with the head to stand above a chunk."""
    size = count(block.text)
    if size <= most:
        yield replace(place, tokens=size, whole=size)
        return
    end = place.end
    rows = list(lines(text, place.start, end))
    head = "".join(text[start:stop] for start, stop in rows[: block.header_lines])
    head_tokens = count(head)
    if not head or head_tokens > most // 2:  # a head that leaves no room is a row like the others
        head, head_tokens, first = "", 0, 0
    else:
        first = block.header_lines
    if first:
        # The head is read with the first row, where it stands anyway.
        rows[: first + 1] = [(rows[0][0], rows[min(first, len(rows) - 1)][1])]
    is_first = True
    for start, stop in rows:
        room = most if is_first and not first else most - head_tokens
        for piece_start, piece_end in fitting(text, start, stop, room, count, by_line=True):
            piece_start, piece_end = without_spaces(text, piece_start, piece_end)
            if piece_start == piece_end:
                continue
            above = "" if piece_start == place.start else head
            tokens = count(text[piece_start:piece_end])
            yield replace(place, start=piece_start, end=piece_end, tokens=tokens, head=above, breaks=is_first)
            is_first = False


def without_spaces(text: str, start: int, end: int) -> Span:
    """The span without the spaces at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _separated(text: str, atoms: Sequence[Atom], separators: Sequence[str], count: CountTokens) -> list[Atom]:
    """The atoms cut at separators, which are left out; what follows one begins a chunk."""
    pattern = re.compile("|".join(re.escape(each) for each in sorted(separators, key=len, reverse=True)))
    cuts = [match.span() for match in pattern.finditer(text)]
    found: list[Atom] = []
    at = 0
    pending = False
    for atom in atoms:
        start = atom.start
        while at < len(cuts) and cuts[at][0] < atom.end:
            cut_start, cut_end = cuts[at]
            if cut_start > start:
                found += _part(text, atom, start, cut_start, count, breaks=pending)
                pending = False
            pending = True
            start = max(start, cut_end)
            if cut_end > atom.end:
                break
            at += 1
        if start < atom.end:
            is_whole = start == atom.start and not pending
            found += [atom] if is_whole else _part(text, atom, start, atom.end, count, breaks=pending)
            pending = False
    return found


def _part(text: str, atom: Atom, start: int, end: int, count: CountTokens, *, breaks: bool) -> list[Atom]:
    start, end = without_spaces(text, start, end)
    if start >= end:
        return []
    tokens = count(text[start:end])
    breaks = breaks or (atom.breaks and start == atom.start)
    return [replace(atom, start=start, end=end, tokens=tokens, whole=0, breaks=breaks)]
