"""Lines between cards: right-angled, around cards and headings, parallel ones merged into trees.

Each bundle of edges grows as a tree over the lattice, one end after the other. Two bundles may cross at right
angles but never share a stretch or a corner, so that a reader can follow each line. Where that leaves no way
(a very dense picture), sharing is allowed rather than an edge dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudberth.infra.diagram.geometry import GRID, Box, Card, Frame, Leg, Point, Rect, Route
from cloudberth.infra.diagram.labels import place_labels
from cloudberth.infra.diagram.lattice import Cell, Lattice, make_lattice, ports_of
from cloudberth.infra.diagram.model import Edge, Traffic
from cloudberth.infra.diagram.search import Search, Way

_ORDER = (Traffic.USER, Traffic.COPY, Traffic.DATA, Traffic.EGRESS, Traffic.MANAGEMENT)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Edges of one kind and label where every source talks to every target."""

    edges: tuple[Edge, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def both(self) -> bool:
        return self.edges[0].both


def bundle_edges(edges: Iterable[Edge]) -> tuple[Bundle, ...]:
    """Edges merged where a shared line stays unambiguous, in the order in which they are drawn."""
    by_target: dict[tuple[Traffic, str, bool, str], list[Edge]] = {}
    for edge in edges:
        by_target.setdefault((edge.traffic, edge.label, edge.both, edge.target), []).append(edge)
    merged: dict[tuple[Traffic, str, bool, tuple[str, ...]], list[list[Edge]]] = {}
    for (traffic, label, both, _), same in by_target.items():
        sources = tuple(sorted({edge.source for edge in same}))
        merged.setdefault((traffic, label, both, sources), []).append(same)
    return tuple(
        Bundle(
            tuple(edge for same in group for edge in same), key[3], tuple(same[0].target for same in group)
        )
        for key, group in merged.items()
    )


def route_edges(
    edges: Sequence[Edge], cards: Sequence[Card], boxes: Sequence[Box], bounds: Rect
) -> tuple[Route, ...]:
    """A route for every edge, with labels; those that matter least first, so that they are drawn beneath."""
    rects = {card.node.id: card.rect for card in cards}
    texts = [text.rect for box in boxes for text in box.texts]
    lattice = make_lattice(rects.values(), texts, [box.rect for box in boxes], bounds)
    bundles = sorted(bundle_edges(edges), key=lambda one: _urgency(one, rects))
    frames = [box.rect for box in boxes]
    routes = []
    for number, bundle in enumerate(bundles):
        lattice.home = _home(bundle, rects, [*frames, *_all_zones(boxes)])
        routes.append(_Tree(lattice, number, rects).grow(bundle))
    labelled = place_labels(routes, rects.values(), texts, frames, bounds)
    return tuple(reversed(labelled))


def _urgency(bundle: Bundle, rects: Mapping[str, Rect]) -> tuple[int, float]:
    """Kinds in order of importance, short ones first."""
    length = min(
        _distance(rects[source], rects[target]) for source in bundle.sources for target in bundle.targets
    )
    return _ORDER.index(bundle.edges[0].traffic), length


def _all_zones(boxes: Sequence[Box]) -> list[Rect]:
    """One rectangle around all zones: lines between zones go through the gaps rather than around."""
    zones = [box.rect for box in boxes if box.frame is Frame.ZONE]
    if not zones:
        return []
    x, y = min(zone.x for zone in zones), min(zone.y for zone in zones)
    return [Rect(x, y, max(zone.right for zone in zones) - x, max(zone.bottom for zone in zones) - y)]


def _home(bundle: Bundle, rects: Mapping[str, Rect], frames: Sequence[Rect]) -> Rect | None:
    ends = [rects[name] for name in (*bundle.sources, *bundle.targets)]
    around = [frame for frame in frames if all(frame.holds(end) for end in ends)]
    return min(around, key=lambda one: one.w * one.h, default=None)


def _distance(one: Rect, other: Rect) -> float:
    """Shortest right-angled way between two rectangles."""
    across = max(one.x - other.right, other.x - one.right, 0)
    down = max(one.y - other.bottom, other.y - one.bottom, 0)
    return across + down


class _Tree:
    """One bundle on its way over the lattice."""

    def __init__(self, lattice: Lattice, number: int, rects: Mapping[str, Rect]) -> None:
        self._lattice = lattice
        self._number = number
        self._rects = rects
        self._cells: set[Cell] = set()

    def grow(self, bundle: Bundle) -> Route:
        """First the nearest source and target, then each other end joined to what is there."""
        first = self._find(bundle.sources, bundle.targets)
        if first is None:
            return Route(bundle.edges, ())
        legs = [self._leg(first.cells, bundle.both, True)]
        rest = [name for name in (*bundle.sources, *bundle.targets) if name not in (first.start, first.goal)]
        for name in sorted(rest, key=lambda one: (self._reach(one), one)):
            found = self._find((), (name,))
            if found is not None:
                target = name in bundle.targets
                cells = found.cells if target else found.cells[::-1]
                legs.append(self._leg(cells, bundle.both and not target, target))
        return Route(bundle.edges, tuple(legs))

    def _find(self, starts: Iterable[str], goals: Iterable[str]) -> Way | None:
        """The cheapest way: without sharing anything with other bundles, where that fails with."""
        for strict in (True, False):
            first, last = (
                [
                    port
                    for name in names
                    for port in ports_of(self._lattice, name, self._rects[name], self._number, strict=strict)
                ]
                for names in (starts, goals)
            )
            way = Search(self._lattice, self._number, last, strict=strict).run(first, self._cells)
            if way is not None:
                return way
        return None

    def _reach(self, name: str) -> float:
        rect = self._rects[name]
        return min(_distance(rect, Rect(x * GRID, y * GRID, 0, 0)) for x, y in self._cells)

    def _leg(self, cells: list[Cell], first: bool, last: bool) -> Leg:
        self._lattice.occupy(cells, self._cells, self._number)
        return Leg(_corners(cells), first, last)


def _corners(cells: Sequence[Cell]) -> tuple[Point, ...]:
    """Only the ends and bends, in pixels."""
    kept = [
        cell
        for index, cell in enumerate(cells)
        if index in (0, len(cells) - 1)
        or not (
            cells[index - 1][0] == cell[0] == cells[index + 1][0]
            or cells[index - 1][1] == cell[1] == cells[index + 1][1]
        )
    ]
    return tuple((float(x * GRID), float(y * GRID)) for x, y in kept)
