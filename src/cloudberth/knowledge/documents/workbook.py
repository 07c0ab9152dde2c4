"""XLSX, by openpyxl: each sheet is a title, each block of rows between empty rows a table."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from cloudberth.extras import late_import
from cloudberth.knowledge.documents.gathering import Gathering, one_line
from cloudberth.knowledge.documents.limits import too_large
from cloudberth.knowledge.documents.office_archive import check_archive

_CHECK_EVERY = 500


def read_workbook(data: bytes, into: Gathering) -> None:
    openpyxl: Any = late_import("openpyxl", extra="documents", needed_for="reading XLSX")
    check_archive(data, into)
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        into.title = one_line(str(book.properties.title or ""))
        cells = _Cells(into)
        for sheet in book.worksheets:
            _read_sheet(sheet, cells, into)
    finally:
        book.close()


class _Cells:
    """Counts cells over all sheets."""

    def __init__(self, into: Gathering) -> None:
        self.count = 0
        self._into = into

    def add(self, count: int) -> None:
        self.count += count
        if self.count > self._into.limits.cells:
            raise too_large(f"more than {self._into.limits.cells:,} cells", self._into.filename)


def _read_sheet(sheet: Any, cells: _Cells, into: Gathering) -> None:
    # What a file says about its own size may be wrong, and rows would be cut to it.
    sheet.reset_dimensions()
    into.sheet = sheet.title
    is_titled = False
    for table in _tables(sheet, cells, into):
        if not is_titled:
            into.heading(sheet.title, 1)
            is_titled = True
        if len(table) == 1 and sum(1 for cell in table[0] if cell) == 1:
            into.paragraph(next(cell for cell in table[0] if cell))
        else:
            into.table(table)
    into.sheet = ""


def _tables(sheet: Any, cells: _Cells, into: Gathering) -> Iterator[list[list[str]]]:
    """Blocks of rows that follow each other without an empty one."""
    rows: list[list[str]] = []
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number % _CHECK_EVERY == 0:
            into.clock.check()
        cells.add(max(1, len(row)))
        texts = [cell_text(value) for value in row]
        if any(texts):
            rows.append(texts)
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def cell_text(value: object) -> str:
    """A cell as a person reads it: whole numbers without a point, dates as 2026-11-26."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return value.date().isoformat() if is_day else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).strip()
