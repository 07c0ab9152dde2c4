"""Atoms into chunks: as much as fits, and what a chunk repeats of the one before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cloudberth.knowledge.documents.atoms import Atom
from cloudberth.knowledge.documents.pieces import words
from cloudberth.knowledge.documents.tokens import CountTokens


@dataclass(frozen=True, slots=True)
class Packed:
    """The place of a chunk: ``head + text[start:end]``, and what its atoms have in common."""

    start: int
    end: int
    head: str
    headings: tuple[str, ...]
    pages: tuple[int, ...]
    sheet: str


def pack(text: str, atoms: Sequence[Atom], most: int, overlap: int, count: CountTokens) -> list[Packed]:
    """Chunks of at most `most` tokens that hold every atom once, and up to `overlap` tokens again."""
    found: list[Packed] = []
    carried: tuple[Atom, ...] = ()
    at = 0
    while at < len(atoms):
        end = _filled(atoms, at, carried, most, count)
        members = [*carried, *atoms[at:end]]
        # Counters of real tokenizers do not quite add up: look at the whole, and take away what is too much.
        while len(members) > 1 and _size(text, members, count) > most:
            if carried:
                carried = ()
            elif end > at + 1:
                end -= 1
            else:
                break
            members = [*carried, *atoms[at:end]]
        found.append(_packed(members))
        carried = _repeated(text, members, atoms[end], overlap, most, count) if end < len(atoms) else ()
        at = end
    return found


def _filled(atoms: Sequence[Atom], at: int, carried: tuple[Atom, ...], most: int, count: CountTokens) -> int:
    """One past the last atom that the chunk takes which begins with `carried` and this one."""
    first = atoms[at]
    total = sum(atom.tokens for atom in carried) + first.tokens
    if first.head and not carried:
        total += count(first.head)
    only_titles = first.heads and not carried
    end = at + 1
    while end < len(atoms):
        atom = atoms[end]
        if total + atom.tokens > most:
            break
        if not only_titles and (atom.breaks or most - total < atom.whole <= most):
            break
        total += atom.tokens
        only_titles = only_titles and atom.heads
        end += 1
    # A title at the end belongs to what follows, if it is not all there is.
    last = end
    while last > at + 1 and atoms[last - 1].heads and end < len(atoms):
        last -= 1
    return end if atoms[last - 1].heads else last


def _size(text: str, members: Sequence[Atom], count: CountTokens) -> int:
    return count(members[0].head + text[members[0].start : members[-1].end])


def _packed(members: Sequence[Atom]) -> Packed:
    body = [atom for atom in members if not atom.heads] or list(members)
    headings = body[0].headings
    for atom in body[1:]:
        same = 0
        while same < min(len(headings), len(atom.headings)) and headings[same] == atom.headings[same]:
            same += 1
        headings = headings[:same]
    return Packed(
        start=members[0].start,
        end=members[-1].end,
        head=members[0].head,
        headings=headings,
        pages=tuple(sorted({atom.page for atom in members if atom.page})),
        sheet=body[0].sheet if all(atom.sheet == body[0].sheet for atom in body) else "",
    )


def _repeated(
    text: str, members: Sequence[Atom], following: Atom, overlap: int, most: int, count: CountTokens
) -> tuple[Atom, ...]:
    """What the next chunk repeats: whole atoms from the end if one fits, else words of the last one."""
    room = min(overlap, most - following.tokens)
    last = members[-1]
    if room <= 0 or following.breaks or not (following.flows and last.flows) or following.heads or last.heads:
        return ()
    kept: list[Atom] = []
    for atom in reversed(members[1:]):
        if not atom.flows or atom.heads or atom.head or atom.tokens > room:
            break
        room -= atom.tokens
        kept.insert(0, atom)
    if kept:
        return tuple(kept)
    starts = [start for start, _ in words(text, last.start, last.end)][1:]
    at = bisect_left(starts, True, key=lambda start: count(text[start : last.end]) <= room)
    if at == len(starts):
        return ()
    start = starts[at]
    return (replace(last, start=start, tokens=count(text[start : last.end]), breaks=False, head=""),)
