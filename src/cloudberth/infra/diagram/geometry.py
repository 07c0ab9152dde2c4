"""Values of a finished layout: every part with its place, in pixels, y downwards.

Cards stand on a lattice of `GRID` pixels and the frames around them half a step off it, so that a line on the
lattice can touch the border of a card but never run along the border of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from cloudberth.infra.diagram.model import Edge, Node, Traffic

GRID = 12


@dataclass(frozen=True, slots=True)
class Rect:
    """x and y are the upper left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def cx(self) -> float:
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        return self.y + self.h / 2

    def moved(self, dx: float, dy: float) -> Rect:
        return replace(self, x=self.x + dx, y=self.y + dy)

    def grown(self, by: float) -> Rect:
        return Rect(self.x - by, self.y - by, self.w + 2 * by, self.h + 2 * by)

    def overlaps(self, other: Rect) -> bool:
        """Whether the two share an area (touching borders do not count)."""
        return (
            self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom
        )

    def holds(self, other: Rect) -> bool:
        """Whether the other lies inside, borders included."""
        inside = self.x <= other.x and other.right <= self.right
        return inside and self.y <= other.y and other.bottom <= self.bottom


class Ink(StrEnum):
    """Colour of a text, by what it is."""

    TITLE = "title"
    STRONG = "strong"
    PLAIN = "plain"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Text:
    """One line. rect: the room it takes; full: what it said before it was cut to fit."""

    rect: Rect
    text: str
    size: float
    ink: Ink = Ink.PLAIN
    bold: bool = False
    full: str = ""

    @property
    def baseline(self) -> float:
        return self.rect.y + self.size * 0.93

    def moved(self, dx: float, dy: float) -> Text:
        return replace(self, rect=self.rect.moved(dx, dy))


class Frame(StrEnum):
    """Kinds of boxes around things, from the outside in."""

    ACCOUNT = "account"
    REGION = "region"
    NETWORK = "network"
    ZONE = "zone"
    PUBLIC = "public"
    PRIVATE = "private"
    DATA = "data"
    PANEL = "panel"


@dataclass(frozen=True, slots=True)
class Box:
    """A frame with its heading."""

    frame: Frame
    rect: Rect
    texts: tuple[Text, ...] = ()

    def moved(self, dx: float, dy: float) -> Box:
        return replace(
            self, rect=self.rect.moved(dx, dy), texts=tuple(text.moved(dx, dy) for text in self.texts)
        )


@dataclass(frozen=True, slots=True)
class Card:
    """A node with its place. icon: the square of its icon."""

    node: Node
    rect: Rect
    icon: Rect
    texts: tuple[Text, ...]

    def moved(self, dx: float, dy: float) -> Card:
        return Card(
            self.node,
            self.rect.moved(dx, dy),
            self.icon.moved(dx, dy),
            tuple(text.moved(dx, dy) for text in self.texts),
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Some boxes and cards that belong together, and the room they take from (0, 0)."""

    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    cards: tuple[Card, ...] = ()

    def moved(self, dx: float, dy: float) -> Part:
        """The same part further right and down; its room grows by as much."""
        return Part(
            self.width + dx,
            self.height + dy,
            tuple(box.moved(dx, dy) for box in self.boxes),
            tuple(card.moved(dx, dy) for card in self.cards),
        )


Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Leg:
    """One line with right-angled bends; arrows at its first and last point."""

    points: tuple[Point, ...]
    arrow_first: bool = False
    arrow_last: bool = False

    @property
    def segments(self) -> tuple[tuple[Point, Point], ...]:
        return tuple(zip(self.points, self.points[1:], strict=False))


@dataclass(frozen=True, slots=True)
class Route:
    """Parallel edges drawn as one tree: every source of the edges talks to every target."""

    edges: tuple[Edge, ...]
    legs: tuple[Leg, ...]
    label: Text | None = None

    @property
    def traffic(self) -> Traffic:
        return self.edges[0].traffic


@dataclass(frozen=True, slots=True)
class Sample:
    """One entry of the legend: a line of this kind, and its text."""

    traffic: Traffic
    start: Point
    end: Point
    text: Text


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture with every place decided."""

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    cards: tuple[Card, ...]
    routes: tuple[Route, ...]
    texts: tuple[Text, ...]
    legend: tuple[Sample, ...]
    description: str = ""
