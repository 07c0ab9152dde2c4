"""Lines between cards: right-angled, around cards and headings, parallel ones merged into trees.

Each bundle of edges grows as a tree on the lattice with A*: a step costs one, a bend and a crossing more.
Two bundles may cross at right angles but never share a stretch or a corner, so that a reader can follow each
line. Where that leaves no way (a very dense picture), sharing is allowed rather than an edge dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloudberth.infra.diagram.geometry import GRID, Box, Card, Frame, Leg, Point, Rect, Route
from cloudberth.infra.diagram.labels import place_labels
from cloudberth.infra.diagram.model import Edge, Traffic

_BEND = 5.0
_CROSSING = 3.0
_CLOSE = 1.0
"""Extra for a step right beside a card, so that lines keep to the middle of a gap."""
_BESIDE = 1.0
"""Extra for a step along the border of a frame."""
_AWAY = 2.0
"""Extra for a step outside the smallest frame that holds both ends."""
_SHARED = 25.0
_PORT_DRIFT = 0.35
_PORT_DRIFT_MOST = 4.0
_PORT_CROWDED = 3.0
_ORDER = (Traffic.USER, Traffic.COPY, Traffic.DATA, Traffic.EGRESS, Traffic.MANAGEMENT)
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Directions by number: right, down, left, up; even ones are horizontal."""
_ANY = 4

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Edges of one kind and label where every source talks to every target."""

    edges: tuple[Edge, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def both(self) -> bool:
        return self.edges[0].both


@dataclass(frozen=True, slots=True)
class _Port:
    """Where a line meets a card: the cell on its border, the free cell before it, the way out, its cost."""

    node: str
    border: Cell
    outside: Cell
    outward: int
    cost: float


@dataclass(slots=True)
class _Field:
    """The lattice: what is in the way, and what lines already run where (cell → bundle → directions used).

    home: the smallest frame that holds all ends of the bundle on its way; a line should not leave it.
    close: cells beside a card. beside: cells along a horizontal and along a vertical border of a frame.
    """

    columns: int
    rows: int
    blocked: set[Cell] = field(default_factory=set)
    close: set[Cell] = field(default_factory=set)
    beside: tuple[set[Cell], set[Cell]] = field(default_factory=lambda: (set(), set()))
    lines: dict[Cell, dict[int, str]] = field(default_factory=dict)
    ports: dict[Cell, int] = field(default_factory=dict)
    home: Rect | None = None

    def free(self, cell: Cell) -> bool:
        return 0 < cell[0] < self.columns and 0 < cell[1] < self.rows and cell not in self.blocked


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
    lattice = _field(rects.values(), texts, [box.rect for box in boxes], bounds)
    bundles = sorted(bundle_edges(edges), key=lambda one: _urgency(one, rects))
    frames = [box.rect for box in boxes]
    routes = []
    for number, bundle in enumerate(bundles):
        lattice.home = _home(bundle, rects, [*frames, *_all_zones(boxes)])
        routes.append(_route(lattice, number, bundle, rects))
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


def _cells(rect: Rect) -> Iterator[Cell]:
    """Lattice points in a rectangle, border included."""
    for x in range(-int(-rect.x // GRID), int(rect.right // GRID) + 1):
        for y in range(-int(-rect.y // GRID), int(rect.bottom // GRID) + 1):
            yield x, y


def _field(rects: Iterable[Rect], texts: Iterable[Rect], frames: Iterable[Rect], bounds: Rect) -> _Field:
    lattice = _Field(int(bounds.right // GRID), int(bounds.bottom // GRID))
    for rect in frames:
        for y in (rect.y, rect.bottom):
            lattice.beside[0].update(_cells(Rect(rect.x, y, rect.w, 0).grown(GRID / 2)))
        for x in (rect.x, rect.right):
            lattice.beside[1].update(_cells(Rect(x, rect.y, 0, rect.h).grown(GRID / 2)))
    for rect in rects:
        lattice.close.update(_cells(rect.grown(GRID)))
        lattice.blocked.update(_cells(rect))
    for rect in texts:
        lattice.blocked.update(_cells(rect.grown(5)))
    for y in range(int(bounds.y // GRID)):
        lattice.blocked.update((x, y) for x in range(lattice.columns + 1))
    return lattice


def _route(lattice: _Field, number: int, bundle: Bundle, rects: Mapping[str, Rect]) -> Route:
    """The bundle's tree: first the nearest source and target, then each other end joined to what is there."""
    sources, targets = list(bundle.sources), list(bundle.targets)
    tree: set[Cell] = set()
    legs: list[Leg] = []
    starts = [port for name in sources for port in _ports(lattice, name, rects[name], number)]
    goals = [port for name in targets for port in _ports(lattice, name, rects[name], number)]
    first = _search(lattice, number, starts, goals, tree)
    if first is None:
        return Route(bundle.edges, ())
    source, target, cells = first
    legs.append(_leg(lattice, number, cells, tree, bundle.both, True))
    rest = [name for name in (*sources, *targets) if name not in (source, target)]
    for name in sorted(rest, key=lambda one: (_reach(rects[one], tree), one)):
        ports = _ports(lattice, name, rects[name], number)
        found = _search(lattice, number, [], ports, tree)
        if found is None:
            continue
        is_target = name in targets
        cells = found[2] if is_target else found[2][::-1]
        legs.append(_leg(lattice, number, cells, tree, bundle.both and not is_target, is_target))
    return Route(bundle.edges, tuple(legs))


def _reach(rect: Rect, tree: set[Cell]) -> float:
    return min(_distance(rect, Rect(x * GRID, y * GRID, 0, 0)) for x, y in tree)


def _ports(lattice: _Field, name: str, rect: Rect, number: int) -> list[_Port]:
    """Every place on the card's border where a line may end, the middle of a side being cheapest."""
    left, top = round(rect.x / GRID), round(rect.y / GRID)
    right, bottom = round(rect.right / GRID), round(rect.bottom / GRID)
    sides = [
        (0, [(right, y) for y in range(top + 1, bottom)]),
        (1, [(x, bottom) for x in range(left + 1, right)]),
        (2, [(left, y) for y in range(top + 1, bottom)]),
        (3, [(x, top) for x in range(left + 1, right)]),
    ]
    ports = []
    for outward, cells in sides:
        step = _STEPS[outward]
        for place, cell in enumerate(cells):
            outside = (cell[0] + step[0], cell[1] + step[1])
            if not lattice.free(outside) or lattice.ports.get(cell, number) != number:
                continue
            drift = min(abs(place - (len(cells) - 1) / 2) * _PORT_DRIFT, _PORT_DRIFT_MOST)
            through = (
                (2 * left + (right - left) - cell[0], cell[1])
                if outward % 2 == 0
                else (cell[0], 2 * top + (bottom - top) - cell[1])
            )
            drift = 0.0 if through in lattice.ports else drift
            cost = drift + _crowding(lattice, cell, outward, number)
            ports.append(_Port(name, cell, outside, outward, cost))
    return ports


def _crowding(lattice: _Field, cell: Cell, outward: int, number: int) -> float:
    """Extra cost where the neighbouring port belongs to another bundle: arrowheads would touch."""
    beside = _STEPS[(outward + 1) % 4]
    neighbours = ((cell[0] + beside[0] * way, cell[1] + beside[1] * way) for way in (1, -1))
    return sum(_PORT_CROWDED for one in neighbours if lattice.ports.get(one, number) != number)


def _search(
    lattice: _Field, number: int, starts: Sequence[_Port], goals: Sequence[_Port], tree: set[Cell]
) -> tuple[str, str, list[Cell]] | None:
    """The cheapest way from a start (or from the tree) to a goal: start node, goal node, cells.

    First without sharing anything with other bundles, then with.
    """
    for strict in (True, False):
        found = _a_star(lattice, number, starts, goals, tree, strict)
        if found is not None:
            return found
    return None


def _a_star(
    lattice: _Field,
    number: int,
    starts: Sequence[_Port],
    goals: Sequence[_Port],
    tree: set[Cell],
    strict: bool,
) -> tuple[str, str, list[Cell]] | None:
    aims: dict[Cell, list[_Port]] = {}
    for goal in goals:
        aims.setdefault(goal.outside, []).append(goal)
    if not aims:
        return None
    low_x, high_x = min(x for x, _ in aims), max(x for x, _ in aims)
    low_y, high_y = min(y for _, y in aims), max(y for _, y in aims)

    def rest(cell: Cell) -> float:
        x, y = cell
        return max(low_x - x, x - high_x, 0) + max(low_y - y, y - high_y, 0)

    best: dict[tuple[int, int, int], float] = {}
    came: dict[tuple[int, int, int], tuple[int, int, int] | None] = {}
    origin: dict[Cell, list[_Port]] = {}
    heap: list[tuple[float, float, tuple[int, int, int]]] = []

    def push(state: tuple[int, int, int], cost: float, parent: tuple[int, int, int] | None) -> None:
        if cost < best.get(state, float("inf")) - 1e-9:
            best[state] = cost
            came[state] = parent
            heapq.heappush(heap, (cost + rest((state[0], state[1])), cost, state))

    for port in starts:
        enter = _entering(lattice, number, port.outside, port.outward, strict)
        if enter is not None:
            origin.setdefault(port.outside, []).append(port)
            push((*port.outside, port.outward), port.cost + 1 + enter, None)
    for cell in sorted(tree):
        if len(lattice.lines.get(cell, {})) <= 1:
            push((*cell, _ANY), 0.0, None)

    finish: tuple[float, tuple[int, int, int], _Port] | None = None
    while heap:
        estimate, cost, state = heapq.heappop(heap)
        if finish is not None and estimate >= finish[0]:
            break
        if cost > best[state] + 1e-9:
            continue
        x, y, way = state
        shared = any(one != number for one in lattice.lines.get((x, y), {}))
        for goal in aims.get((x, y), ()):
            straight = way == (goal.outward + 2) % 4
            if way == _ANY or straight or not (shared and strict):
                total = cost + 1 + goal.cost + (0 if straight else _BEND)
                if finish is None or total < finish[0] - 1e-9:
                    finish = (total, state, goal)
        for turn, (dx, dy) in enumerate(_STEPS):
            if way != _ANY and (turn == (way + 2) % 4 or (shared and strict and turn != way)):
                continue
            cell = (x + dx, y + dy)
            if cell in tree:
                continue
            enter = _entering(lattice, number, cell, turn, strict)
            if enter is not None:
                push((*cell, turn), cost + 1 + enter + (0 if turn == way else _BEND), state)
    if finish is None:
        return None
    return _walk_back(finish, came, origin)


def _entering(lattice: _Field, number: int, cell: Cell, way: int, strict: bool) -> float | None:
    """Extra cost of going into a cell in this direction; None where that is not allowed."""
    if not lattice.free(cell):
        return None
    extra = _CLOSE if cell in lattice.close else 0.0
    home = lattice.home
    if home and not (home.x < cell[0] * GRID < home.right and home.y < cell[1] * GRID < home.bottom):
        extra += _AWAY
    extra += _BESIDE if cell in lattice.beside[way % 2] else 0.0
    for other, use in lattice.lines.get(cell, {}).items():
        if other == number:
            continue
        across = use == ("v" if way % 2 == 0 else "h")
        if strict and not across:
            return None
        extra += _CROSSING if across else _SHARED
    return extra


def _walk_back(
    finish: tuple[float, tuple[int, int, int], _Port],
    came: Mapping[tuple[int, int, int], tuple[int, int, int] | None],
    origin: Mapping[Cell, Sequence[_Port]],
) -> tuple[str, str, list[Cell]]:
    _, state, goal = finish
    cells = [goal.border, (state[0], state[1])]
    parent = came[state]
    while parent is not None:
        state = parent
        cells.append((state[0], state[1]))
        parent = came[state]
    start = ""
    ports = [port for port in origin.get(cells[-1], ()) if port.outward == state[2]]
    if ports:
        port = min(ports, key=lambda one: (one.cost, one.border))
        cells.append(port.border)
        start = port.node
    return start, goal.node, cells[::-1]


def _leg(lattice: _Field, number: int, cells: list[Cell], tree: set[Cell], first: bool, last: bool) -> Leg:
    """The cells as a line; marks them as used by this bundle."""
    for index, cell in enumerate(cells):
        before = cells[index - 1] if index else None
        after = cells[index + 1] if index + 1 < len(cells) else None
        if before and after and cell not in tree:
            straight = before[0] == after[0] or before[1] == after[1]
            use = ("v" if before[0] == cell[0] else "h") if straight else "+"
        else:
            use = "+"
        lattice.lines.setdefault(cell, {})[number] = use
        if cell in lattice.blocked:
            lattice.ports[cell] = number
    tree.update(cell for cell in cells if cell not in lattice.blocked)
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
