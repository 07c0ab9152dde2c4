"""Layout → SVG: one self-contained file that scales and prints; no font, script or picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from cloudberth.infra.diagram import text
from cloudberth.infra.diagram.geometry import (
    Box,
    Card,
    Frame,
    Ink,
    Layout,
    Leg,
    Point,
    Rect,
    Route,
    Sample,
    Text,
)
from cloudberth.infra.diagram.icons import icon_hue, icon_path
from cloudberth.infra.diagram.labels import label_box
from cloudberth.infra.diagram.model import Role, Traffic

_FONT = "Helvetica, Arial, 'Liberation Sans', Arimo, sans-serif"
_INKS = {Ink.TITLE: "#0f172a", Ink.STRONG: "#1e293b", Ink.PLAIN: "#475569", Ink.FRAME: "#475569"}
_LINES = {
    Traffic.USER: ("#1d4ed8", "2.4", ""),
    Traffic.DATA: ("#0f766e", "1.8", ""),
    Traffic.COPY: ("#0f766e", "1.8", "7 4"),
    Traffic.EGRESS: ("#b45309", "1.8", "2 4"),
    Traffic.MANAGEMENT: ("#526072", "1.5", "5 4"),
}
"""Colour, width and dash of each kind; the dash also tells them apart for those who do not see the colour."""
_FRAMES = {
    Frame.ACCOUNT: ("#ffffff", "#94a3b8", "1.5", "", 12),
    Frame.REGION: ("#f8fafc", "#94a3b8", "1.2", "6 4", 10),
    Frame.NETWORK: ("#ffffff", "#6d3fc0", "1.6", "", 10),
    Frame.ZONE: ("#f8fafc", "#94a3b8", "1.1", "3 4", 8),
    Frame.PUBLIC: ("#e8f5ea", "#a8d3ae", "1", "", 6),
    Frame.PRIVATE: ("#e6f0fc", "#a9c8ee", "1", "", 6),
    Frame.DATA: ("#efeafb", "#c6b6ec", "1", "", 6),
    Frame.PANEL: ("#ffffff", "#cbd5e1", "1.2", "", 10),
}
"""Fill, border, border width, dash and corner radius of each kind of frame."""
_FRAME_INKS = {
    Frame.NETWORK: "#5b32a8",
    Frame.PUBLIC: "#23602b",
    Frame.PRIVATE: "#1c4a86",
    Frame.DATA: "#4c2f91",
}
_CORNER = 6.0
_ARROW = 8.0


def write_svg(layout: Layout) -> str:
    """The picture as text of one SVG file. Same layout, same bytes."""
    width, height = _number(layout.width), _number(layout.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="berth-title berth-desc" '
        f'font-family="{escape(_FONT)}">',
        f'<title id="berth-title">{escape(layout.title)}</title>',
        f'<desc id="berth-desc">{escape(layout.description)}</desc>',
        *_style(layout),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_frame(box) for box in layout.boxes),
        *(_heading(one, box) for box in layout.boxes for one in box.texts),
        *(one for route in layout.routes for one in _route(route)),
        *(one for card in layout.cards for one in _card(card)),
        *(one for route in layout.routes for one in _label(route)),
        *(_text(one) for one in layout.texts),
        *(one for sample in layout.legend for one in _sample(sample)),
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _style(layout: Layout) -> Iterator[str]:
    """Classes for what repeats, and the icons that are used."""
    yield "<style>"
    for traffic, (colour, thick, dash) in _LINES.items():
        dashed = f";stroke-dasharray:{dash}" if dash else ""
        look = f"fill:none;stroke:{colour};stroke-width:{thick};stroke-linecap:round{dashed}"
        yield f".berth-{traffic}{{{look}}}"
        yield f".berth-{traffic}-tip{{fill:{colour}}}"
    for ink, colour in _INKS.items():
        yield f".berth-{ink}{{fill:{colour}}}"
    yield ".berth-card{fill:#ffffff;stroke:#94a3b8;stroke-width:1.2}"
    yield ".berth-icon{fill:none;stroke:#ffffff;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}"
    yield "</style>"
    yield "<defs>"
    for role in Role:
        if any(card.node.role is role for card in layout.cards):
            yield f'<path id="berth-icon-{role}" class="berth-icon" d="{icon_path(role)}"/>'
    yield "</defs>"


def _rect(rect: Rect) -> str:
    return f'x="{_number(rect.x)}" y="{_number(rect.y)}" width="{_number(rect.w)}" height="{_number(rect.h)}"'


def _frame(box: Box) -> str:
    fill, border, thick, dash, radius = _FRAMES[box.frame]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    paint = f'fill="{fill}" stroke="{border}" stroke-width="{thick}"'
    return f'<rect {_rect(box.rect)} rx="{radius}" {paint}{dashed}/>'


def _heading(words: Text, box: Box) -> str:
    return _text(words, _FRAME_INKS.get(box.frame, ""))


def _text(words: Text, colour: str = "") -> str:
    weight = ' font-weight="bold"' if words.bold else ""
    paint = f'fill="{colour}"' if colour else f'class="berth-{words.ink}"'
    whole = f"<title>{escape(words.full)}</title>" if words.full else ""
    return (
        f'<text x="{_number(words.rect.x)}" y="{_number(words.baseline)}" font-size="{_number(words.size)}"'
        f'{weight} {paint} textLength="{_number(words.rect.w)}" lengthAdjust="spacingAndGlyphs">'
        f"{whole}{escape(words.text)}</text>"
    )


def _card(card: Card) -> Iterator[str]:
    facts = "\n".join(
        (card.node.title, *card.node.captions, *([card.node.detail] if card.node.detail else []))
    )
    tooltip = "\n".join(text.clean(one) for one in facts.splitlines())
    dashed = ' stroke-dasharray="5 3"' if card.node.role is Role.STANDBY else ""
    scale = _number_fine(card.icon.w * 0.72 / 24)
    inset = card.icon.w * 0.14
    yield f'<g><title>{escape(tooltip)}</title><rect class="berth-card" {_rect(card.rect)} rx="8"{dashed}/>'
    yield f'<rect {_rect(card.icon)} rx="7" fill="{icon_hue(card.node.role)}"/>'
    yield (
        f'<use href="#berth-icon-{card.node.role}" transform="translate({_number_fine(card.icon.x + inset)} '
        f'{_number_fine(card.icon.y + inset)}) scale({scale})"/>'
    )
    yield from (_text(one) for one in card.texts)
    yield "</g>"


def _number_fine(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _route(route: Route) -> Iterator[str]:
    first = route.edges[0]
    words = first.label or str(first.traffic)
    yield f"<g><title>{escape(text.clean(words))}</title>"
    for leg in route.legs:
        yield f'<path class="berth-{route.traffic}" d="{_path(leg)}"/>'
        if leg.arrow_last:
            yield _tip(route.traffic, leg.points[-2], leg.points[-1])
        if leg.arrow_first:
            yield _tip(route.traffic, leg.points[1], leg.points[0])
    yield "</g>"


def _path(leg: Leg) -> str:
    """Straight stretches with rounded bends; the line ends inside its arrowheads."""
    points = list(leg.points)
    if leg.arrow_last:
        points[-1] = _towards(points[-1], points[-2], _ARROW - 1)
    if leg.arrow_first:
        points[0] = _towards(points[0], points[1], _ARROW - 1)
    parts = [f"M{_pair(points[0])}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_CORNER, _apart(before, at) / 2, _apart(at, after) / 2)
        parts.append(
            f"L{_pair(_towards(at, before, radius))}Q{_pair(at)} {_pair(_towards(at, after, radius))}"
        )
    parts.append(f"L{_pair(points[-1])}")
    return "".join(parts)


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _apart(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, end: Point, by: float) -> Point:
    """The point so many pixels from start towards end (on a horizontal or vertical line)."""
    whole = _apart(start, end) or 1.0
    return (start[0] + (end[0] - start[0]) * by / whole, start[1] + (end[1] - start[1]) * by / whole)


def _tip(traffic: Traffic, before: Point, at: Point) -> str:
    """An arrowhead whose point is at the given place."""
    back = _towards(at, before, _ARROW)
    half = _ARROW / 2
    if before[1] == at[1]:
        sides = ((back[0], back[1] - half), (back[0], back[1] + half))
    else:
        sides = ((back[0] - half, back[1]), (back[0] + half, back[1]))
    corners = "L".join(_pair(point) for point in (at, *sides))
    return f'<path class="berth-{traffic}-tip" d="M{corners}z"/>'


def _label(route: Route) -> Iterator[str]:
    if route.label is None:
        return
    patch = label_box(route.label)
    yield f'<rect {_rect(patch)} rx="4" fill="#ffffff" stroke="#e2e8f0" stroke-width="0.8"/>'
    yield _text(route.label, _LINES[route.traffic][0])


def _sample(sample: Sample) -> Iterator[str]:
    yield f'<path class="berth-{sample.traffic}" d="{_path(Leg((sample.start, sample.end), False, True))}"/>'
    yield _tip(sample.traffic, sample.start, sample.end)
    yield _text(sample.text)
