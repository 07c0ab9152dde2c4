"""How wide text is, without a font at hand.

Widths are those of Helvetica (Arial, Liberation Sans and Arimo share them) in thousandths of the font size;
the picture names only fonts of that family and pins each text to its computed width, so that a viewer with
another font squeezes the letters instead of running over a box.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# Printable ASCII, from space to tilde.
_REGULAR = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip
_OTHER = {"–": 556, "·": 278, "…": 1000, "×": 584, "’": 278, "→": 1000}
_LATIN = 778  # accented Latin, Greek, Cyrillic: the wide end, so that boxes hold
_WIDE = 1000
_ELLIPSIS = "…"


def clean(text: str) -> str:
    """The text on one line, without characters that XML forbids or that turn the writing direction."""
    spaced = (" " if character.isspace() else character for character in text)
    return "".join(one for one in spaced if unicodedata.category(one)[0] != "C").strip()


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in pixels at this font size."""
    table = _BOLD if bold else _REGULAR
    return sum(_thousandths(character, table) for character in text) * size / 1000


def _thousandths(character: str, table: tuple[int, ...]) -> int:
    code = ord(character)
    if 32 <= code < 127:
        return table[code - 32]
    if character in _OTHER:
        return _OTHER[character]
    return _LATIN if code < 0x530 else _WIDE


def fit(text: str, size: float, limit: float, *, bold: bool = False) -> str:
    """The text, cut and ended with an ellipsis where it is wider than limit pixels; empty if nothing fits."""
    if width(text, size, bold=bold) <= limit:
        return text
    kept = text[: int(limit / size * 5) + 1]
    while kept and width(kept.rstrip() + _ELLIPSIS, size, bold=bold) > limit:
        kept = kept[:-1]
    return kept.rstrip() + _ELLIPSIS if kept else ""


def flow(parts: Iterable[str], size: float, limit: float, lines: int) -> tuple[str, ...]:
    """Short facts in at most so many lines, in order, with a middle dot where two share a line."""
    packed: list[str] = []
    for part in parts:
        joined = f"{packed[-1]} · {part}" if packed else part
        if packed and part and width(joined, size) <= limit:
            packed[-1] = joined
        elif part and len(packed) < lines:
            packed.append(part)
    return tuple(fit(line, size, limit) for line in packed)


def wrap(words: str, size: float, limit: float) -> tuple[str, ...]:
    """The text over as many lines as it needs; a single word wider than limit is cut."""
    lines: list[str] = []
    for word in clean(words).split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and width(joined, size) <= limit:
            lines[-1] = joined
        else:
            lines.append(fit(word, size, limit))
    return tuple(lines)
