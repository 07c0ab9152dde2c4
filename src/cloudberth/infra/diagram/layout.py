"""Picture → Layout: where everything stands.

Columns are zones, rows are tiers; people and the Internet stand above, services of the region beside the
network, legend and notes below. Distances are fixed, nothing is solved or random: the same picture always
gives the same layout. All places of cards are multiples of `GRID`, all frames lie half a step off it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from cloudberth.infra.diagram import text
from cloudberth.infra.diagram.cards import card_height, line, make_card
from cloudberth.infra.diagram.geometry import (
    GRID,
    Box,
    Card,
    Frame,
    Ink,
    Layout,
    Part,
    Rect,
    Route,
    Sample,
    Text,
)
from cloudberth.infra.diagram.model import Node, Picture, Place, Role, Traffic
from cloudberth.infra.diagram.network import HALF, NetworkPart, endpoint_card, lay_out_network
from cloudberth.infra.diagram.routing import route_edges

_MARGIN = 30
_FRAME_GAP = 24
_ORIGIN = _MARGIN + _FRAME_GAP + 18
"""x where the contents of the region start."""
_CARD = 216
_GAP = 36
_HEADING = 30
_SPINE_CLEAR = 48
"""From the line on which user traffic comes down to the next card."""
_PANEL_GAP = 36
_ENDPOINT_GAP = 108
_PANEL_PAD = 18
_PANEL_GAP_LEAST = 24
_PANEL_GAP_MOST = 84
_PANEL_LEAST = 540
"""Height that a panel may have at least."""
_TOP = 84
_NOTE_SHARE = 0.94
"""Notes wrap before the edge: some viewers do not squeeze text of another font to its width."""
_ASIDE = frozenset({Role.BUDGET, Role.ALARMS, Role.MAIL, Role.OTHER, Role.LOGS, Role.BACKUP})
"""Roles in the account's row that no user traffic goes through: they stand at its right end."""
_RIGHT = frozenset({Role.CDN})
"""Roles that stand on the right of the spine, for what comes before them on its left."""
LEGEND = {
    Traffic.USER: "User traffic",
    Traffic.DATA: "Application data",
    Traffic.COPY: "Replication",
    Traffic.EGRESS: "Outbound traffic",
    Traffic.MANAGEMENT: "Secrets, logs and operations",
}


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Room for the rows above the network: left and right edges of cards, and the spine."""

    left: float
    right: float
    spine: float


def lay_out(picture: Picture) -> Layout:
    """Every box, card, line and text of the picture with its place."""
    network = lay_out_network(picture)
    region_part, spine = _region_contents(picture, network)
    bounds = _bounds(picture, region_part, spine)
    outside, y = _rows(picture.at(Place.OUTSIDE), bounds, _TOP, centred=True)
    account_top = y + (42 if outside else 6)
    account, y = _rows(picture.at(Place.ACCOUNT), bounds, account_top + _HEADING, centred=False)
    region_top = y + 30 if account else account_top + 36
    entry, y = _rows(picture.at(Place.ENTRY), bounds, region_top + _HEADING, centred=True)
    part = region_part.moved(_ORIGIN, y + _GAP if entry else region_top + _HEADING)
    frames = _frames(picture, bounds, account_top, region_top, part)
    cards = (*outside, *account, *entry, *part.cards)
    boxes = tuple(_without_empty_headings(box) for box in (*frames, *part.boxes))
    return _finish(picture, boxes, cards, frames[0].rect)


def _region_contents(picture: Picture, network: NetworkPart | None) -> tuple[Part, float]:
    """The network with the panel of regional services beside it, from (0, 0), and x of the spine."""
    services = picture.at(Place.REGION)
    if network is None:
        return _panel(services, HALF, HALF, 0), 144
    part = network.part
    endpoints = picture.at(Place.ENDPOINT)
    border = network.border
    gap = _ENDPOINT_GAP if endpoints else _PANEL_GAP
    panel = _panel(services, border.right + gap, border.y, border.h)
    pills = _endpoints(picture, border, panel)
    width = max(part.width, panel.width, max((pill.rect.right for pill in pills), default=0))
    lowest = max((pill.rect.bottom for pill in pills), default=0)
    boxes = (*part.boxes, *panel.boxes)
    height = max(part.height, panel.height, lowest)
    return Part(width, height, boxes, (*part.cards, *pills, *panel.cards)), network.spine


def _panel(services: Sequence[Node], x: float, y: float, height: float) -> Part:
    """Services in columns inside a frame at x, y that is at least so high; nothing for no services."""
    if not services:
        return Part(0, 0)
    columns = _columns(services, height - _HEADING - _PANEL_PAD)
    cards: list[Card] = []
    for index, column in enumerate(columns):
        gap = _panel_gap(columns[0], height)
        top = y + _HEADING
        for node in column:
            left = x + _PANEL_PAD + index * (_CARD + _GAP)
            cards.append(make_card(node, left, top, _CARD, card_height(node, _CARD)))
            top = cards[-1].rect.bottom + gap
    lowest = max(card.rect.bottom for card in cards)
    rect = Rect(x, y, cards[-1].rect.right + _PANEL_PAD - x, max(height, lowest + _PANEL_PAD - y))
    heading = line("Regional services", x + 12, y + 8, rect.w - 24, 12, Ink.FRAME, bold=True)
    return Part(rect.right + HALF, rect.bottom + HALF, (Box(Frame.PANEL, rect, (heading,)),), tuple(cards))


def _columns(services: Sequence[Node], height: float) -> list[list[Node]]:
    """As few columns as fit the height (of which there may be little), each with about as many cards."""
    need = sum(card_height(node, _CARD) + _PANEL_GAP_LEAST for node in services) - _PANEL_GAP_LEAST
    count = ceil(need / max(height, _PANEL_LEAST))
    most = ceil(len(services) / count)
    return [list(services[start : start + most]) for start in range(0, len(services), most)]


def _panel_gap(services: Sequence[Node], height: float) -> float:
    """Between the cards of a column, so that they spread over the panel's height: whole lattice steps."""
    free = height - _HEADING - _PANEL_PAD - sum(card_height(node, _CARD) for node in services)
    spread = free / max(1, len(services) - 1) // GRID * GRID
    return min(max(spread, _PANEL_GAP_LEAST), _PANEL_GAP_MOST)


def _endpoints(picture: Picture, border: Rect, panel: Part) -> list[Card]:
    """Pills on the network's right border, each level with the service it leads to where that is free."""
    level = {card.node.id: card.rect.y + 24 for card in panel.cards}
    aims = {edge.source: level[edge.target] for edge in reversed(picture.edges) if edge.target in level}
    cards: list[Card] = []
    free = border.y + _HEADING + 24
    for node in sorted(picture.at(Place.ENDPOINT), key=lambda one: aims.get(one.id, 0.0)):
        middle = max(free, aims.get(node.id, 0.0))
        cards.append(endpoint_card(node, border, middle))
        free = middle + 84
    return cards


def _bounds(picture: Picture, part: Part, spine: float) -> _Bounds:
    """Wide enough for the region's contents and for the rows above it."""
    middle = _ORIGIN + spine
    need = middle + _CARD / 2
    if picture.at(Place.ACCOUNT):
        need = middle + _SPINE_CLEAR + _CARD
    if len(picture.at(Place.OUTSIDE)) > 1 or len(picture.at(Place.ENTRY)) > 1:
        need = max(need, middle + _CARD * 1.5 + _GAP)
    return _Bounds(_ORIGIN, max(_ORIGIN + part.width - HALF - _PANEL_PAD, need), middle)


def _rows(
    nodes: Sequence[Node], bounds: _Bounds, top: float, *, centred: bool
) -> tuple[tuple[Card, ...], float]:
    """Cards in rows from top on, and the bottom of the last row (top where there are none).

    centred: the first card stands on the spine; otherwise the spine stays clear.
    """
    cards: list[Card] = []
    waiting = list(nodes)
    y = top
    bottom = top
    while waiting:
        placed = _one_row(waiting, bounds, centred=centred and not cards)
        height = max(card_height(node, _CARD) for node, _ in placed)
        cards += [make_card(node, x, y, _CARD, card_height(node, _CARD)) for node, x in placed]
        done = {node.id for node, _ in placed}
        waiting = [node for node in waiting if node.id not in done]
        bottom = y + height
        y = bottom + _GAP
    return tuple(cards), bottom


def _one_row(nodes: Sequence[Node], bounds: _Bounds, *, centred: bool) -> list[tuple[Node, float]]:
    """As many nodes as one row holds, with their left edges; at least one."""
    clear = _CARD / 2 + _GAP if centred else _SPINE_CLEAR
    aside = [] if centred else [node for node in nodes if node.role in _ASIDE]
    right = bounds.right
    placed: list[tuple[Node, float]] = []
    for node in aside:
        if right - _CARD < bounds.spine + clear:
            break
        placed.append((node, right - _CARD))
        right -= _CARD + _GAP
    lefts, rights = _slots(bounds, clear, right)
    if centred:
        placed.append((nodes[0], bounds.spine - _CARD / 2))
    for node in nodes[1:] if centred else [node for node in nodes if node not in aside]:
        first, second = (rights, lefts) if centred or node.role in _RIGHT else (lefts, rights)
        free = first or second
        if not free:
            break
        placed.append((node, free.pop(0)))
    return placed


def _slots(bounds: _Bounds, clear: float, right: float) -> tuple[list[float], list[float]]:
    """Left edges of the cards that fit on the left and on the right of the spine, nearest first."""
    step = _CARD + _GAP
    on_left = int((bounds.spine - clear + _GAP - bounds.left) // step)
    on_right = int((right + _GAP - bounds.spine - clear) // step)
    lefts = [bounds.spine - clear - _CARD - index * step for index in range(max(on_left, 0))]
    return lefts, [bounds.spine + clear + index * step for index in range(max(on_right, 0))]


def _frames(
    picture: Picture, bounds: _Bounds, account_top: float, region_top: float, part: Part
) -> tuple[Box, Box]:
    """The account's and the region's frames around everything from their tops on."""
    right = bounds.right + _PANEL_PAD + _FRAME_GAP
    bottom = max(part.height + 18, region_top + 66)
    region = Rect(_MARGIN + _FRAME_GAP, region_top, right - _MARGIN - _FRAME_GAP, bottom - region_top)
    account = Rect(_MARGIN, account_top, region.w + 2 * _FRAME_GAP, bottom + _FRAME_GAP - account_top)
    return (
        Box(Frame.ACCOUNT, account, (_heading(picture.account or "Account", account),)),
        Box(Frame.REGION, region, (_heading(picture.region or "Region", region),)),
    )


def _heading(words: str, rect: Rect) -> Text:
    return line(words, rect.x + 14, rect.y + 9, rect.w / 3, 13, Ink.FRAME, bold=True)


def _without_empty_headings(box: Box) -> Box:
    return replace(box, texts=tuple(one for one in box.texts if one.text))


def _finish(picture: Picture, boxes: tuple[Box, ...], cards: tuple[Card, ...], outer: Rect) -> Layout:
    """Lines between the cards, title above, legend and notes below."""
    width = outer.right + _MARGIN
    room = outer.w
    title = line(picture.title, outer.x, 24, room, 22, Ink.TITLE, bold=True)
    subtitle = line(picture.subtitle, outer.x, 54, room, 13, Ink.PLAIN)
    routes = route_edges(picture.edges, cards, boxes, Rect(0, _TOP - 12, width, outer.bottom - _TOP + 12))
    legend, y = _legend(routes, outer.x, outer.bottom + 28, room)
    notes = []
    for note in picture.notes:
        for words in text.wrap(note, 12, room * _NOTE_SHARE):
            notes.append(line(words, outer.x, y, room, 12, Ink.PLAIN))
            y += 17
    return Layout(
        title=text.clean(picture.title),
        width=width,
        height=y + 20,
        boxes=boxes,
        cards=cards,
        routes=routes,
        texts=tuple(one for one in (title, subtitle, *notes) if one.text),
        legend=legend,
        description=_description(picture),
    )


def _legend(routes: Sequence[Route], x: float, y: float, room: float) -> tuple[tuple[Sample, ...], float]:
    """One sample for each kind of traffic that is drawn, and y under them."""
    used = {route.traffic for route in routes}
    samples: list[Sample] = []
    left = x
    for traffic in (one for one in Traffic if one in used):
        words = line(LEGEND[traffic], 0, y, room - 60, 12, Ink.PLAIN)
        if left > x and left + 44 + words.rect.w > x + room:
            left, y = x, y + 24
        words = replace(words, rect=replace(words.rect, x=left + 44, y=y))
        samples.append(Sample(traffic, (left, y + 7), (left + 36, y + 7), words))
        left = words.rect.right + 32
    return tuple(samples), y + 28 if samples else y


def _description(picture: Picture) -> str:
    """The picture in words, for people who cannot see it."""
    titles = {node.id: text.clean(node.title) for node in picture.nodes}
    parts = [
        f"{titles[node.id]} ({', '.join(node.captions)})" if node.captions else titles[node.id]
        for node in picture.nodes
    ]
    lines = [
        f"{titles[edge.source]} to {titles[edge.target]}" + (f" ({edge.label})" if edge.label else "")
        for edge in picture.edges
    ]
    words = f"{picture.subtitle}. Parts: {'; '.join(parts)}." + (
        f" Traffic: {'; '.join(lines)}." if lines else ""
    )
    return text.clean(words.removeprefix(". "))
