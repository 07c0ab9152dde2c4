"""PPTX, by python-pptx: each slide is a page and its title a title; tables, groups and speaker notes too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from cloudberth.extras import late_import
from cloudberth.knowledge.documents.gathering import Gathering, one_line
from cloudberth.knowledge.documents.limits import too_large
from cloudberth.knowledge.documents.office_archive import check_archive

_DEEPEST_GROUP = 20


def read_presentation(data: bytes, into: Gathering) -> None:
    pptx: Any = late_import("pptx", extra="documents", needed_for="reading PPTX")
    check_archive(data, into)
    presentation = pptx.Presentation(io.BytesIO(data))
    into.title = one_line(presentation.core_properties.title or "")
    slides = list(presentation.slides)
    into.pages = len(slides)
    if into.pages > into.limits.pages:
        raise too_large(f"more than {into.limits.pages:,} slides", into.filename)
    for number, slide in enumerate(slides, 1):
        into.clock.check()
        into.page = number
        _read_slide(slide, into)


def _read_slide(slide: Any, into: Gathering) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        into.heading(title.text_frame.text.replace("\v", " "), 1)
    for shape in _shapes(slide.shapes, 0):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False):
            into.table([[cell.text for cell in row.cells] for row in shape.table.rows])
        elif getattr(shape, "has_text_frame", False):
            _read_frame(shape.text_frame, into)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        into.paragraph(slide.notes_slide.notes_text_frame.text.replace("\v", "\n"))


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    """Shapes in the order of the slide, those of groups in their place."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < _DEEPEST_GROUP:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _read_frame(frame: Any, into: Gathering) -> None:
    """The text of one shape: a list when it has several paragraphs, as almost all slides do."""
    lines = [(paragraph.level, one_line(paragraph.text.replace("\v", " "))) for paragraph in frame.paragraphs]
    lines = [(level, text) for level, text in lines if text]
    if len(lines) == 1:
        into.paragraph(lines[0][1])
    elif lines:
        into.items(f"{'  ' * level}- {text}" for level, text in lines)
