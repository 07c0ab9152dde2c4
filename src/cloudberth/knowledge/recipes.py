"""From an original to chunks, by the settings of a document: read, clean, cut.

The settings are plain values: those of `documents.Chunking` by name, and under ``cleaning`` the rules of
`documents.Rules`: ``{"mode": "sentences", "max_tokens": 300, "cleaning": {"remove_urls_emails": true}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.model import Chunk
from cloudberth.knowledge.state.chunks import chunk_id

if TYPE_CHECKING:
    from cloudberth.knowledge import documents

_PLAIN = {"csv", "md", "tsv", "txt"}
_BETWEEN = " › "


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a document is cleaned and cut."""

    chunking: documents.Chunking
    rules: documents.Rules

    @classmethod
    def of(cls, *values: Mapping[str, Any] | None) -> Recipe:
        """Later values stand above earlier ones. Raises InvalidInput for what is unknown or of no use."""
        from cloudberth.knowledge.documents import Chunking, Rules

        merged: dict[str, Any] = {}
        cleaning: dict[str, Any] = {}
        for each in values:
            given = dict(each or {})
            rules = given.pop("cleaning", {})
            if not isinstance(rules, Mapping):
                raise InvalidInput("the rules are an object of names and booleans", where="chunking.cleaning")
            merged.update(given)
            cleaning.update(rules)
        return cls(Chunking.of(merged), Rules.of(cleaning))


@dataclass(frozen=True, slots=True)
class Cut:
    """A document that was cut. chunks: parents included. texts: what is embedded, for those that are no
    parents, in their order.
    """

    characters: int
    text: str
    chunks: tuple[Chunk, ...]
    texts: tuple[str, ...]


def read_original(data: bytes | Path, name: str, content_type: str) -> documents.Document:
    """Read in a process of its own, so that a file that kills its reader harms nobody else. Plain text, which
    needs no parser, is read here.
    """
    from cloudberth.knowledge.documents import read, read_apart
    from cloudberth.knowledge.documents.formats import format_of

    start = data if isinstance(data, bytes) else data.read_bytes()
    kind = format_of(start, name, content_type)
    return (read if kind in _PLAIN else read_apart)(start, filename=name, content_type=content_type)


def cut(
    document: documents.Document, recipe: Recipe, document_id: str, generation: int,
    count: Callable[[str], int] | None = None,
) -> Cut:  # fmt: skip
    """Clean it and cut it. count: tokens, as the embedder counts them."""
    from cloudberth.knowledge.documents import chunk, clean, estimate_tokens

    cleaned = clean(document, recipe.rules)
    parts = chunk(cleaned, recipe.chunking, count or estimate_tokens)
    if not parts:
        raise InvalidInput(
            "nothing is left of it after cleaning", where=document.filename, hint="use fewer rules"
        )
    ids = [chunk_id(document_id, generation, part.ordinal) for part in parts]
    chunks = tuple(
        Chunk(
            id=ids[part.ordinal], document_id=document_id, ordinal=part.ordinal, text=part.text,
            start=part.start, end=part.end, page=part.pages[0] if part.pages else None,
            heading=_BETWEEN.join(part.headings), tokens=part.tokens,
            parent=None if part.parent is None else ids[part.parent], is_parent=part.is_parent,
        )
        for part in parts
    )  # fmt: skip
    texts = tuple(part.indexed_text for part in parts if not part.is_parent)
    return Cut(len(cleaned.text), cleaned.text, chunks, texts)


def indexed_text(chunk: Chunk) -> str:
    """What is embedded of a chunk that was kept: its text under the titles above it."""
    from cloudberth.knowledge import documents

    titles = tuple(chunk.heading.split(_BETWEEN)) if chunk.heading else ()
    part = documents.Chunk(chunk.text, chunk.ordinal, chunk.start, chunk.end, chunk.tokens, titles)
    return part.indexed_text
