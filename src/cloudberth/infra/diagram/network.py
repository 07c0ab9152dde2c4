"""The network's frame: zones as columns, tiers as rows, subnets where they meet, cards in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloudberth.infra.diagram.cards import card_height, line, make_card
from cloudberth.infra.diagram.geometry import GRID, Box, Card, Frame, Ink, Part, Rect, Text
from cloudberth.infra.diagram.model import Node, Picture, Place, Subnet, Tier, Traffic

HALF = GRID / 2
PILL_WIDTH = 132
PILL_HEIGHT = 48
_GATEWAY_WIDTH = 168
_GATEWAY_HEIGHT = 36
_PAD = 18
"""Subnet frame to card: frames sit half a lattice step off, so this is a step and a half."""
_ZONE_PAD = 12
_ZONE_GAP = 60
_NETWORK_PAD = 36
_BOTTOM_PAD = 24
_ENDPOINT_PAD = 108
_ZONE_HEADING = 24
_HEADING = 30
_LINE_GAP = 48
_TIER_GAP = 36
_FRAMES = {Tier.PUBLIC: Frame.PUBLIC, Tier.PRIVATE: Frame.PRIVATE, Tier.DATA: Frame.DATA}


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """part: boxes and cards. border: the network's frame. spine: x on which user traffic comes down."""

    part: Part
    border: Rect
    spine: float


@dataclass(frozen=True, slots=True)
class _Slot:
    """A node in one line of a tier, from one column to another (inclusive)."""

    node: Node
    line: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the zones stand. lefts: left edges of the cards in each zone."""

    zones: tuple[str, ...]
    card: float
    lefts: tuple[float, ...]

    @property
    def right(self) -> float:
        """Right border of the last zone."""
        return self.lefts[-1] + self.card + _PAD + _ZONE_PAD

    def zone_box(self, column: int, top: float, height: float) -> Rect:
        edge = _PAD + _ZONE_PAD
        return Rect(self.lefts[column] - edge, top, self.card + 2 * edge, height)

    def subnet_box(self, zone: str, top: float, height: float) -> Rect:
        """The zone's box at this height; for no zone the boxes of all."""
        if zone:
            return self.zone_box(self.zones.index(zone), top, height)
        first = self.zone_box(0, top, height)
        return Rect(first.x, top, self.zone_box(len(self.zones) - 1, top, height).right - first.x, height)

    def spine(self) -> float:
        """Middle of the gap between zones that is nearest to the centre; of the zone if there is one."""
        if len(self.lefts) == 1:
            return self.lefts[0] + self.card / 2
        left = (len(self.lefts) - 1) // 2
        return (self.lefts[left] + self.card + self.lefts[left + 1]) / 2


def lay_out_network(picture: Picture) -> NetworkPart | None:
    """The network with everything in it except its endpoints; None where the picture has none."""
    nodes = picture.at(Place.ZONES)
    gateways = picture.at(Place.GATEWAY)
    if not (picture.network or nodes or gateways or picture.subnets or picture.at(Place.ENDPOINT)):
        return None
    columns = _columns(picture)
    top = HALF + (GRID if gateways else 0)
    zones_top = top + (_LINE_GAP + GRID if gateways else 36)
    y = zones_top + _ZONE_HEADING
    boxes: list[Box] = []
    cards: list[Card] = []
    copies = {edge.target: edge.source for edge in picture.edges if edge.traffic is Traffic.COPY}
    for tier in Tier:
        tier_nodes = [node for node in nodes if (node.tier or Tier.PRIVATE) is tier]
        subnets = [subnet for subnet in picture.subnets if subnet.tier is tier]
        if not tier_nodes and not subnets:
            continue
        tier_cards, height = _tier_cards(_slots(tier_nodes, columns.zones, copies), columns, y)
        cards += tier_cards
        boxes += _subnet_boxes(subnets, columns, y, height)
        y += height + _TIER_GAP
    if not cards and not boxes:
        y += _TIER_GAP
    zones_height = y - _TIER_GAP + _ZONE_PAD - zones_top
    pad = _ENDPOINT_PAD if picture.at(Place.ENDPOINT) else _NETWORK_PAD
    pills = columns.spine() - _GATEWAY_WIDTH / 2 + len(gateways) * (_GATEWAY_WIDTH + 36) + HALF
    width = max(columns.right + pad, pills if len(gateways) > 1 else 0) - HALF
    border = Rect(HALF, top, width, zones_top + zones_height + _BOTTOM_PAD - top)
    frames = (_network_box(picture, border, columns), *_zone_boxes(columns, zones_top, zones_height))
    cards += _gateways(gateways, columns.spine(), top)
    room = Part(border.right + HALF, border.bottom + HALF, (*frames, *boxes), tuple(cards))
    return NetworkPart(room, border, columns.spine())


def _columns(picture: Picture) -> _Columns:
    zones = picture.zones or ("",)
    card = 264 if len(zones) == 1 else 240 if len(zones) == 2 else 216 if len(zones) == 3 else 192
    start = HALF + _NETWORK_PAD + _ZONE_PAD + _PAD
    step = card + 2 * (_PAD + _ZONE_PAD) + _ZONE_GAP
    return _Columns(zones, card, tuple(start + index * step for index in range(len(zones))))


def _slots(nodes: list[Node], zones: tuple[str, ...], copies: Mapping[str, str]) -> list[_Slot]:
    """Each node in the first line of its tier where its columns are free; a copy beside its source if it can.

    copies: id of a copy → id of what it copies.
    """
    taken: list[set[int]] = []
    slots: dict[str, _Slot] = {}
    for node in nodes:
        at = [zones.index(zone) for zone in node.zones if zone in zones] or [0, len(zones) - 1]
        first, last = min(at), max(at)
        span = set(range(first, last + 1))
        source = slots.get(copies.get(node.id, ""))
        rows = [*([source.line] if source else []), *range(len(taken))]
        row = next((row for row in rows if not taken[row] & span), len(taken))
        if row == len(taken):
            taken.append(set())
        taken[row] |= span
        slots[node.id] = _Slot(node, row, first, last)
    return list(slots.values())


def _tier_cards(slots: list[_Slot], columns: _Columns, top: float) -> tuple[list[Card], float]:
    """Cards of a tier whose frame starts at top, and the height of the frame."""
    cards: list[Card] = []
    y = top + _HEADING
    for row in sorted({slot.line for slot in slots}):
        line_slots = [slot for slot in slots if slot.line == row]
        widths = [columns.lefts[slot.last] + columns.card - columns.lefts[slot.first] for slot in line_slots]
        height = max(card_height(slot.node, width) for slot, width in zip(line_slots, widths, strict=True))
        for slot, width in zip(line_slots, widths, strict=True):
            cards.append(make_card(slot.node, columns.lefts[slot.first], y, width, height))
        y += height + _LINE_GAP
    return cards, (y - _LINE_GAP + _PAD - top) if slots else _HEADING + _PAD


def _subnet_boxes(subnets: list[Subnet], columns: _Columns, top: float, height: float) -> list[Box]:
    boxes = []
    for subnet in subnets:
        if subnet.zone and subnet.zone not in columns.zones:
            continue
        zone = columns.subnet_box(subnet.zone, top, height)
        rect = Rect(zone.x + _ZONE_PAD, top, zone.w - 2 * _ZONE_PAD, height)
        boxes.append(Box(_FRAMES[subnet.tier], rect, _headings(subnet, rect)))
    return boxes


def _headings(subnet: Subnet, rect: Rect) -> tuple[Text, ...]:
    """Title on the left in bold, caption after it, both inside the frame's upper edge.

    Over several zones the caption stands at the right end: lines come down between the two.
    """
    left = line(subnet.title, rect.x + 12, rect.y + 8, rect.w - 24, 12, Ink.FRAME, bold=True)
    room = rect.w - 24 - left.rect.w - 8
    if not subnet.caption or room < 24:
        return (left,)
    shown = line(subnet.caption, left.rect.right + 8, rect.y + 8, room, 12, Ink.FRAME)
    if not subnet.zone:
        shown = shown.moved(rect.right - 12 - shown.rect.right, 0)
    return (left, shown) if shown.text else (left,)


def _zone_boxes(columns: _Columns, top: float, height: float) -> list[Box]:
    boxes = []
    for column, zone in enumerate(columns.zones):
        if zone:
            rect = columns.zone_box(column, top, height)
            heading = line(zone, rect.x + 12, rect.y + 6, rect.w - 24, 12, Ink.FRAME, bold=True)
            boxes.append(Box(Frame.ZONE, rect, (heading,)))
    return boxes


def _network_box(picture: Picture, border: Rect, columns: _Columns) -> Box:
    limit = (
        columns.spine() - _GATEWAY_WIDTH / 2 - border.x - 36 if picture.at(Place.GATEWAY) else border.w - 24
    )
    heading = line(
        picture.network or "Network", border.x + 14, border.y + 12, limit, 13, Ink.FRAME, bold=True
    )
    return Box(Frame.NETWORK, border, (heading,))


def _gateways(nodes: tuple[Node, ...], spine: float, border: float) -> list[Card]:
    """Pills on the upper border, the first on the spine, further ones to the right."""
    cards = []
    for index, node in enumerate(nodes):
        short = Node(node.id, node.role, node.title, node.place, (), detail=node.detail)
        x = spine - _GATEWAY_WIDTH / 2 + index * (_GATEWAY_WIDTH + 36)
        cards.append(make_card(short, x, border - _GATEWAY_HEIGHT / 2, _GATEWAY_WIDTH, _GATEWAY_HEIGHT))
    return cards


def endpoint_card(node: Node, border: Rect, middle: float) -> Card:
    """A pill on the network's right border."""
    x = border.right - PILL_WIDTH / 2
    return make_card(node, x, middle - PILL_HEIGHT / 2, PILL_WIDTH, PILL_HEIGHT)
