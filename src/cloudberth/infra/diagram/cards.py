"""A node as a card: icon on the left, title and facts beside it."""

from __future__ import annotations

from math import ceil

from cloudberth.infra.diagram import text
from cloudberth.infra.diagram.geometry import GRID, Card, Ink, Rect, Text
from cloudberth.infra.diagram.model import Node

TITLE_SIZE = 13.5
CAPTION_SIZE = 12
_TITLE_HEIGHT = 18
_CAPTION_HEIGHT = 15
_ICON = 32
_SMALL_ICON = 24
_MARGIN = 12
_MOST_CAPTIONS = 3


def line(words: str, x: float, y: float, limit: float, size: float, ink: Ink, *, bold: bool = False) -> Text:
    """One line of text at x, y (upper left), cut to limit pixels."""
    whole = text.clean(words)
    shown = text.fit(whole, size, limit, bold=bold)
    rect = Rect(x, y, text.width(shown, size, bold=bold), size * 1.2)
    return Text(rect, shown, size, ink, bold, whole if shown != whole else "")


def card_height(node: Node, width: float) -> float:
    """Height of the card at this width: a multiple of two lattice steps, so that its middle is on one."""
    captions = len(_captions(node, width))
    need = _TITLE_HEIGHT + captions * _CAPTION_HEIGHT + 14
    step = 2 * GRID
    return max(2 * step, ceil(need / step) * step)


def make_card(node: Node, x: float, y: float, width: float, height: float) -> Card:
    """The node's card in this rectangle."""
    rect = Rect(x, y, width, height)
    side = _icon_side(width)
    left = x + _margin(width)
    icon = Rect(left, y + (height - side) / 2, side, side)
    text_x = icon.right + _margin(width) - 2
    captions = _captions(node, width)[: max(0, int((height - _TITLE_HEIGHT - 8) // _CAPTION_HEIGHT))]
    used = _TITLE_HEIGHT + len(captions) * _CAPTION_HEIGHT
    top = y + (height - used) / 2 + 1
    limit = _text_room(width)
    lines = [line(node.title, text_x, top, limit, TITLE_SIZE, Ink.STRONG, bold=True)]
    for index, caption in enumerate(captions):
        at = top + _TITLE_HEIGHT + index * _CAPTION_HEIGHT
        lines.append(line(caption, text_x, at, limit, CAPTION_SIZE, Ink.PLAIN))
    return Card(node, rect, icon, tuple(one for one in lines if one.text))


def _margin(width: float) -> float:
    return _MARGIN if width >= 180 else 8


def _icon_side(width: float) -> float:
    return _ICON if width >= 180 else _SMALL_ICON


def _text_room(width: float) -> float:
    return width - 3 * _margin(width) + 2 - _icon_side(width)


def _captions(node: Node, width: float) -> tuple[str, ...]:
    most = 2 if width >= 400 else _MOST_CAPTIONS
    return text.flow((text.clean(one) for one in node.captions), CAPTION_SIZE, _text_room(width), most)
