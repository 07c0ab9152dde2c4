"""`berth storage du --svg`: the same bars as a self-contained picture, in the style of the cost chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from cloudberth.cli.storage.units import objects_text, shown, size_text
from cloudberth.cli.storage.usage import TITLES, Amount, Usage

WIDTH: Final = 960
_LEFT, _RIGHT, _TOP = 250, 250, 76
_ROW, _BAR, _TITLE, _SPACE = 28, 18, 34, 20
_COLOURS: Final = {"prefix": "#2f5fb3", "class": "#3b7d3c", "age": "#c2571a"}
_FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_NAME_LENGTH = 30
_TITLE_LENGTH = 80


def picture(title: str, usage: Usage, views: Sequence[str], top: int) -> str:
    """Horizontal bars, a section for each view; every section to its own scale, with shares of the whole."""
    sections = [(view, usage.rows(view, top)) for view in views]
    height = _TOP + sum(_TITLE + len(rows) * _ROW + _SPACE for _, rows in sections) + 8
    total = usage.total
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" font-family="{_FONT}" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="24" y="38" font-size="20" font-weight="700" fill="#111827">'
        f"{escape(_short(title, _TITLE_LENGTH))}</text>",
        f'<text x="24" y="58" font-size="12" fill="#4b5563">{objects_text(total.objects)}, '
        f"{size_text(total.bytes)}, {usage.now:%Y-%m-%d %H:%M} UTC</text>",
    ]
    top_edge = _TOP
    for view, rows in sections:
        parts += _section(view, rows, top_edge, total)
        top_edge += _TITLE + len(rows) * _ROW + _SPACE
    return "\n".join([*parts, "</svg>"]) + "\n"


def _section(view: str, rows: Sequence[tuple[str, Amount]], top: int, total: Amount) -> list[str]:
    parts = [
        f'<text x="24" y="{top + 20}" font-size="15" font-weight="700" fill="#111827">{TITLES[view]}</text>'
    ]
    most = max((amount.bytes for _, amount in rows), default=0)
    for index, (name, amount) in enumerate(rows):
        y = top + _TITLE + index * _ROW
        width = (WIDTH - _LEFT - _RIGHT) * amount.bytes / most if most else 0.0
        share = f"{100 * amount.bytes / total.bytes:.1f} %" if total.bytes else ""
        label = escape(shown(name))
        middle = y + _BAR // 2 + 5
        parts += [
            f'<text x="{_LEFT - 12}" y="{middle}" text-anchor="end" fill="#111827">'
            f"{escape(_short(shown(name), _NAME_LENGTH))}</text>",
            f'<rect x="{_LEFT}" y="{y}" width="{max(width, 1):.1f}" height="{_BAR}" rx="2" '
            f'fill="{_COLOURS[view]}"><title>{label}: {size_text(amount.bytes)}, '
            f"{objects_text(amount.objects)}</title></rect>",
            f'<text x="{_LEFT + max(width, 1) + 8:.1f}" y="{middle}" fill="#111827">'
            f'<tspan font-weight="700">{size_text(amount.bytes)}</tspan>'
            f'<tspan font-size="12" fill="#4b5563" dx="6">{share} · '
            f"{objects_text(amount.objects)}</tspan></text>",
        ]
    return parts


def _short(text: str, length: int) -> str:
    """The end of a path says more than its start."""
    return text if len(text) <= length else "…" + text[-length + 1 :]
