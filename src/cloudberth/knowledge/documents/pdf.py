"""PDF, by pypdf: text page by page, titles from the outline (bookmarks). Pictures are not looked at."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cloudberth.errors import InvalidInput
from cloudberth.extras import late_import
from cloudberth.knowledge.documents.gathering import Gathering, one_line
from cloudberth.knowledge.documents.limits import too_large
from cloudberth.knowledge.documents.page_lines import joined, paragraphs_of, without_running_lines

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_MOST_NOTED = 10
_MOST_OUTLINE = 10_000
_DEEPEST_OUTLINE = 8

Titles = dict[int, list[tuple[int, str]]]
"""Page → the level and text of the outline's titles that point at it."""


def read_pdf(data: bytes, into: Gathering) -> None:
    pypdf: Any = late_import("pypdf", extra="documents", needed_for="reading PDF")
    # It warns of every oddity of a file; what matters is an error.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader: PdfReader = pypdf.PdfReader(io.BytesIO(data), strict=False)
    _unlock(reader, into)
    into.pages = len(reader.pages)
    if into.pages > into.limits.pages:
        raise too_large(f"more than {into.limits.pages:,} pages", into.filename)
    into.title = one_line(str((reader.metadata and reader.metadata.title) or ""))
    titles = _outline(reader)
    pages = without_running_lines([_lines(page, into) for page in reader.pages])
    for number, page in enumerate(pages, 1):
        into.page = number
        _write(page, titles.get(number, []), into)
    _note_empty(pages, into)


def _unlock(reader: PdfReader, into: Gathering) -> None:
    """Files that only restrict printing open with the empty password."""
    if not reader.is_encrypted:
        return
    try:
        opened = reader.decrypt("")
    except Exception as error:  # an unknown cipher, a broken dictionary
        raise InvalidInput(
            f"its encryption cannot be read ({type(error).__name__})",
            where=into.filename,
            hint="save it without a password",
        ) from None
    if not opened:
        raise InvalidInput("it is protected by a password", where=into.filename, hint="save it without one")


def _lines(page: PageObject, into: Gathering) -> list[str]:
    into.clock.check()
    text = page.extract_text()
    if len(text) > into.limits.characters:
        raise too_large(f"more than {into.limits.characters:,} characters of text", into.filename)
    return text.split("\n")


def _write(page: Sequence[str], titles: list[tuple[int, str]], into: Gathering) -> None:
    """The paragraphs of a page; lines that are titles of the outline become titles."""
    waiting = list(titles)
    body: list[str] = []

    def flush() -> None:
        for group in paragraphs_of(body):
            into.paragraph(joined(group))
        body.clear()

    for line in page:
        found = next((each for each in waiting if _folded(each[1]) == _folded(line)), None)
        if found is None:
            body.append(line)
            continue
        waiting.remove(found)
        flush()
        into.heading(line, found[0])
    flush()


def _folded(text: str) -> str:
    return "".join(text.split()).lower()


def _outline(reader: PdfReader) -> Titles:
    """The outline by page. Files with a broken one are read without."""
    found: Titles = {}
    try:
        for level, entry in _entries(reader.outline, 1):
            page = reader.get_destination_page_number(entry)
            title = one_line(str(entry.title or ""))
            if page is not None and page >= 0 and title:
                found.setdefault(page + 1, []).append((level, title))
            if len(found) > _MOST_OUTLINE:
                break
    except Exception:  # parsers raise whatever they stumble over; the text does not depend on it
        return {}
    return found


def _entries(outline: list[Any], level: int) -> Iterator[tuple[int, Any]]:
    for entry in outline:
        if not isinstance(entry, list):
            yield level, entry
        elif level < _DEEPEST_OUTLINE:
            yield from _entries(entry, level + 1)


def _note_empty(pages: Sequence[Sequence[str]], into: Gathering) -> None:
    empty = [number for number, page in enumerate(pages, 1) if not any(line.strip() for line in page)]
    if empty and len(empty) < len(pages):
        named = ", ".join(str(number) for number in empty[:_MOST_NOTED])
        more = f" and {len(empty) - _MOST_NOTED} more" if len(empty) > _MOST_NOTED else ""
        into.notes.append(f"no text on page {named}{more}: scanned?")
