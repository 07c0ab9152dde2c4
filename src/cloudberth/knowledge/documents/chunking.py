"""From a document to chunks: what is embedded, found and shown. Pure: the same input gives the same chunks.

Paragraphs are packed into a chunk as long as they fit and stand under the same title; a title stays with what
follows it; a table is cut between rows and every part begins with its head; code is cut between lines. A
paragraph that does not fit is cut between sentences, a sentence between clauses and words, and a word only
when it alone is longer than a chunk may be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, cast, get_args

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.atoms import Atom, atoms_of, without_spaces
from cloudberth.knowledge.documents.model import Document
from cloudberth.knowledge.documents.packing import Packed, pack
from cloudberth.knowledge.documents.tokens import CountTokens, estimate_tokens

Mode = Literal["paragraph", "parent-child", "sentences"]
ParentMode = Literal["paragraph", "full-doc"]
FULL_DOCUMENT_TOKENS = 10_000
"""A parent that is a whole document holds at most this much; a longer document has several. Dify cuts it off.
"""
_LEAST, _MOST = 16, 8_000


@dataclass(frozen=True, slots=True)
class Chunking:
    """How to cut.

    mode: ``paragraph`` keeps paragraphs whole where it can, ``sentences`` fills every chunk with whole
    sentences whatever paragraph they are from, ``parent-child`` finds small chunks and shows the larger ones
    that they are part of. max_tokens: of a chunk, or of a parent; a title or head of a table that is put in
    front is included. overlap_tokens: of text that a chunk repeats from the end of the one before, whole
    sentences if they fit, else words; None: an eighth of max_tokens; not across titles, tables, code or
    separators, and not for parents and children. separators: texts that end a chunk wherever they stand, and
    are left out of it (Dify's "segment identifier"). parent_mode: whether parents are paragraphs packed to
    max_tokens, or the whole document. child_max_tokens: of a child.
    """

    mode: Mode = "paragraph"
    max_tokens: int = 400
    overlap_tokens: int | None = None
    separators: tuple[str, ...] = ()
    parent_mode: ParentMode = "paragraph"
    child_max_tokens: int = 128

    def __post_init__(self) -> None:
        problem = ""
        if self.mode not in get_args(Mode):
            problem = f"mode is one of {', '.join(get_args(Mode))}"
        elif self.parent_mode not in get_args(ParentMode):
            problem = f"parent_mode is one of {', '.join(get_args(ParentMode))}"
        elif not _LEAST <= self.max_tokens <= _MOST:
            problem = f"max_tokens is between {_LEAST} and {_MOST:,}"
        elif not 0 <= self.overlap <= self.max_tokens // 2:
            problem = "overlap_tokens is between 0 and half of max_tokens"
        elif not _LEAST <= self.child_max_tokens <= _MOST:
            problem = f"child_max_tokens is between {_LEAST} and {_MOST:,}"
        elif not all(self.separators):
            problem = "a separator cannot be empty"
        if problem:
            raise InvalidInput(problem, where="chunking")

    @property
    def overlap(self) -> int:
        """Tokens that a chunk repeats, at most."""
        return self.max_tokens // 8 if self.overlap_tokens is None else self.overlap_tokens

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """From plain values by name, as they come from JSON; InvalidInput for what is unknown or wrong."""
        known = dict(values)
        for name in known:
            if name not in cls.__slots__:
                raise InvalidInput(f"there is no setting {name!r}", where="chunking", hint=_names(cls))
        if isinstance(known.get("separators"), list | tuple):
            known["separators"] = tuple(str(each) for each in cast(list[object], known["separators"]))
        for name in ("max_tokens", "overlap_tokens", "child_max_tokens"):
            if name == "overlap_tokens" and known.get(name) is None:
                continue
            if name in known and (not isinstance(known[name], int) or isinstance(known[name], bool)):
                raise InvalidInput(f"{name} is a whole number", where="chunking")
        return cls(**known)  # type: ignore[arg-type]


def _names(cls: type[Chunking]) -> str:
    return f"there are: {', '.join(cls.__slots__)}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document.

    ordinal: counts from 0, parents and children in one row. start, end: in `Document.text`; text is what
    stands there, with the head of its table in front when it is a later part of one. headings: the titles
    above where it begins. pages: all that it touches, empty where there are none. parent: the ordinal of its
    parent. is_parent: shown, but neither embedded nor searched.
    """

    text: str
    ordinal: int
    start: int
    end: int
    tokens: int
    headings: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    sheet: str = ""
    parent: int | None = None
    is_parent: bool = False

    @property
    def indexed_text(self) -> str:
        """What to embed and to search: the text under the titles that stand above it."""
        here = self.text.split("\n", 2 * len(self.headings))
        missing = [title for title in self.headings if title not in here]
        return "\n".join([" › ".join(missing), self.text]) if missing else self.text


def chunk(
    document: Document, how: Chunking | None = None, count: CountTokens = estimate_tokens
) -> tuple[Chunk, ...]:
    """The chunks of a document, in its order. count: of the embedder, when it has its own.

    The chunks cover all of the document's text but spaces and separators. No chunk is empty.
    """
    how = how or Chunking()
    text = document.text
    if how.mode == "parent-child":
        return _families(document, text, how, count)
    packed = pack(
        text,
        atoms_of(document, how.max_tokens, count, how.separators, whole_paragraphs=how.mode == "paragraph"),
        how.max_tokens,
        how.overlap,
        count,
    )
    return tuple(_chunk(text, each, at, count) for at, each in enumerate(packed))


def _families(document: Document, text: str, how: Chunking, count: CountTokens) -> tuple[Chunk, ...]:
    is_whole = how.parent_mode == "full-doc"
    most = FULL_DOCUMENT_TOKENS if is_whole else how.max_tokens
    atoms = atoms_of(document, most, count, () if is_whole else how.separators, whole_paragraphs=True)
    if is_whole:
        atoms = [replace(atom, breaks=False) for atom in atoms]
    child_atoms = atoms_of(document, how.child_max_tokens, count, how.separators, whole_paragraphs=True)
    ends = [atom.end for atom in child_atoms]
    found: list[Chunk] = []
    for parent in pack(text, atoms, most, 0, count):
        ordinal = len(found)
        found.append(replace(_chunk(text, parent, ordinal, count), is_parent=True))
        inside = _clipped(text, child_atoms, bisect_right(ends, parent.start), parent)
        for child in pack(text, inside, how.child_max_tokens, 0, count):
            found.append(replace(_chunk(text, child, len(found), count), parent=ordinal))
    return tuple(found)


def _clipped(text: str, atoms: Sequence[Atom], at: int, parent: Packed) -> list[Atom]:
    """The atoms, or parts of them, that lie in a parent. at: of the first that may."""
    found: list[Atom] = []
    for index in range(at, len(atoms)):
        atom = atoms[index]
        if atom.start >= parent.end:
            break
        start, end = without_spaces(text, max(atom.start, parent.start), min(atom.end, parent.end))
        if start < end:
            found.append(replace(atom, start=start, end=end))
    return found


def _chunk(text: str, packed: Packed, ordinal: int, count: CountTokens) -> Chunk:
    body = packed.head + text[packed.start : packed.end]
    return Chunk(
        text=body,
        ordinal=ordinal,
        start=packed.start,
        end=packed.end,
        tokens=count(body),
        headings=packed.headings,
        pages=packed.pages,
        sheet=packed.sheet,
    )
