"""Tables as text: Markdown, a row a line, so that a model and a person read the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table_text(rows: Iterable[Sequence[str]], *, has_head: bool = True) -> tuple[str, int]:
    """The text of a table, and how many of its lines are the head (2 with the rule under it, or 0).

    Empty rows and columns are left out; short rows are filled up. Line breaks in cells become spaces, bars
    are escaped. Text that is nothing but empty cells is an empty text.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return "", 0
    width = max(len(row) for row in cells)
    kept = [at for at in range(width) if any(at < len(row) and row[at] for row in cells)]
    lines = [_line([row[at] if at < len(row) else "" for at in kept]) for row in cells]
    if not has_head or len(lines) < 2:
        return "\n".join(lines), 0
    rule = _line(["---"] * len(kept))
    return "\n".join([lines[0], rule, *lines[1:]]), 2


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
