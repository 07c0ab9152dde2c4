"""CSV and TSV: one table, the first row as its head."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from cloudberth.errors import InvalidInput
from cloudberth.knowledge.documents.decoding import decode
from cloudberth.knowledge.documents.gathering import Gathering
from cloudberth.knowledge.documents.limits import too_large

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50


def read_delimited(data: bytes, into: Gathering) -> None:
    text = decode(data, into.filename, into.charset)
    is_tabbed = into.filename.lower().endswith((".tsv", ".tab"))
    delimiter = "\t" if is_tabbed else delimiter_of(text)
    try:
        into.table(_rows(text, delimiter, into))
    except csv.Error as error:
        raise InvalidInput(f"this is no table of text: {error}", where=into.filename) from None


def _rows(text: str, delimiter: str, into: Gathering) -> Iterator[list[str]]:
    cells = 0
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
        cells += len(row)
        if cells > into.limits.cells:
            raise too_large(f"more than {into.limits.cells:,} cells", into.filename)
        if number % 1000 == 0:
            into.clock.check()
        yield row


def delimiter_of(text: str) -> str:
    """The sign that cuts the first lines into the same number of cells, more than one; else a comma."""
    lines = [line for line in text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES] if line.strip()]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        usual = max(set(widths), key=widths.count, default=0)
        score = usual * widths.count(usual) / len(widths) if usual > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
