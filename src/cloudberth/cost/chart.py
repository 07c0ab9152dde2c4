"""Costs as a picture: one stacked bar for each cloud, by component. A self-contained SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 960
_LEFT, _RIGHT, _TOP = 190, 130, 76
_BAR, _GAP = 44, 26
_LEGEND_ROW, _LEGEND_COLUMNS = 24, 4
_COLOURS: Final = (
    "#2f5fb3", "#c2571a", "#3b7d3c", "#8a4bb8", "#b3312e", "#2b8a94", "#a07d00",
    "#5b6b7f", "#c04a86", "#6d8f2b", "#7a5230", "#4b4fb8", "#999999",
)  # fmt: skip
_FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. amounts: component → US dollars a month; unknown: lines that have no price."""

    title: str
    amounts: Sequence[tuple[str, Decimal]]
    unknown: int = 0

    @property
    def total(self) -> Decimal:
        return sum((amount for _, amount in self.amounts), Decimal(0))


def stacked_bars(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal stacked bars to one scale; a bar with unknown prices says so beside its total."""
    used = list(dict.fromkeys(name for bar in bars for name, amount in bar.amounts if amount))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(used)}
    scale = Decimal(WIDTH - _LEFT - _RIGHT) / max([bar.total for bar in bars] + [Decimal(1)])
    rows = -(-len(used) // _LEGEND_COLUMNS)
    height = _TOP + len(bars) * (_BAR + _GAP) + 16 + rows * _LEGEND_ROW + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" font-family="{_FONT}" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="24" y="38" font-size="20" font-weight="700" fill="#111827">{escape(title)}</text>',
        '<text x="24" y="58" font-size="12" fill="#4b5563">US dollars a month, list prices</text>',
    ]
    for index, bar in enumerate(bars):
        parts += _bar(bar, _TOP + index * (_BAR + _GAP), scale, colours)
    parts += _legend(colours, _TOP + len(bars) * (_BAR + _GAP) + 16)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(bar: Bar, top: int, scale: Decimal, colours: dict[str, str]) -> list[str]:
    middle = top + _BAR // 2 + 5
    parts = [
        f'<text x="{_LEFT - 12}" y="{middle}" text-anchor="end" font-weight="600" fill="#111827">'
        f"{escape(bar.title)}</text>"
    ]
    left = Decimal(_LEFT)
    for name, amount in bar.amounts:
        if not amount:
            continue
        width = amount * scale
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colours[name]}">'
            f"<title>{escape(name)}: ${amount:,.2f}</title></rect>"
        )
        left += width
    note = f" + {bar.unknown} unknown" if bar.unknown else ""
    parts.append(
        f'<text x="{left + 8:.1f}" y="{middle - (8 if note else 0)}" font-weight="700" fill="#111827">'
        f"${bar.total:,.0f}</text>"
    )
    if note:
        parts.append(
            f'<text x="{left + 8:.1f}" y="{middle + 10}" font-size="11" fill="#92400e">'
            f"{escape(note.strip())}</text>"
        )
    return parts


def _legend(colours: dict[str, str], top: int) -> list[str]:
    parts = []
    column = (WIDTH - 48) // _LEGEND_COLUMNS
    for index, (name, colour) in enumerate(colours.items()):
        x, y = 24 + index % _LEGEND_COLUMNS * column, top + index // _LEGEND_COLUMNS * _LEGEND_ROW
        parts.append(f'<rect x="{x}" y="{y}" width="14" height="14" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + 22}" y="{y + 12}" fill="#374151">{escape(name)}</text>')
    return parts
