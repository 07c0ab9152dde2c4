"""The lattice that lines run on: what is in the way, what a step costs, where a card may be met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cloudberth.infra.diagram.geometry import GRID, Rect

CROSSING = 3.0
CLOSE = 1.0
"""Extra for a step right beside a card, so that lines keep to the middle of a gap."""
BESIDE = 1.0
"""Extra for a step along the border of a frame."""
AWAY = 2.0
"""Extra for a step outside the smallest frame that holds both ends."""
SHARED = 25.0
DRIFT = 0.35
DRIFT_MOST = 4.0
"""Extra for meeting a card away from the middle of its side, for each lattice step and at most."""
CROWDED = 3.0
HEADING_CLEAR = 5
"""Pixels that lines keep from headings."""
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""Directions by number: right, down, left, up; even ones are horizontal."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Port:
    """Where a line meets a card: the cell on its border, the free cell before it, the way out, its cost."""

    node: str
    border: Cell
    outside: Cell
    outward: int
    cost: float


@dataclass(slots=True)
class Lattice:
    """What is in the way, and which lines run where: cell → bundle → ``h``, ``v`` or ``+`` (a corner).

    close: cells beside a card. beside: cells along a horizontal and along a vertical border of a frame.
    ports: cells on the borders of cards where lines end. home: the smallest frame that holds all ends of the
    bundle on its way; its line should not leave it.
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

    def used_by_others(self, cell: Cell, bundle: int) -> bool:
        return any(one != bundle for one in self.lines.get(cell, ()))

    def entering(self, cell: Cell, way: int, bundle: int, *, strict: bool) -> float | None:
        """Extra cost of going into a cell in this direction; None where that is not allowed.

        strict: other bundles may be crossed, at a right angle, and nothing else.
        """
        if not self.free(cell):
            return None
        extra = CLOSE if cell in self.close else 0.0
        extra += BESIDE if cell in self.beside[way % 2] else 0.0
        extra += 0.0 if self._at_home(cell) else AWAY
        for other, use in self.lines.get(cell, {}).items():
            if other == bundle:
                continue
            across = use == ("v" if way % 2 == 0 else "h")
            if strict and not across:
                return None
            extra += CROSSING if across else SHARED
        return extra

    def _at_home(self, cell: Cell) -> bool:
        x, y, home = cell[0] * GRID, cell[1] * GRID, self.home
        return home is None or (home.x < x < home.right and home.y < y < home.bottom)

    def occupy(self, cells: list[Cell], tree: set[Cell], bundle: int) -> None:
        """Note a new line of a bundle, which may begin or end on the bundle's tree."""
        for index, cell in enumerate(cells):
            use = "+"
            if 0 < index < len(cells) - 1 and cell not in tree:
                before, after = cells[index - 1], cells[index + 1]
                if before[0] == after[0]:
                    use = "v"
                elif before[1] == after[1]:
                    use = "h"
            self.lines.setdefault(cell, {})[bundle] = use
            if cell in self.blocked:
                self.ports[cell] = bundle
        tree.update(cell for cell in cells if cell not in self.blocked)


def make_lattice(
    cards: Iterable[Rect], headings: Iterable[Rect], frames: Iterable[Rect], bounds: Rect
) -> Lattice:
    """A lattice inside the bounds, around cards and headings."""
    lattice = Lattice(int(bounds.right // GRID), int(bounds.bottom // GRID))
    for rect in frames:
        for y in (rect.y, rect.bottom):
            lattice.beside[0].update(cells_in(Rect(rect.x, y, rect.w, 0).grown(GRID / 2)))
        for x in (rect.x, rect.right):
            lattice.beside[1].update(cells_in(Rect(x, rect.y, 0, rect.h).grown(GRID / 2)))
    for rect in cards:
        lattice.close.update(cells_in(rect.grown(GRID)))
        lattice.blocked.update(cells_in(rect))
    for rect in headings:
        lattice.blocked.update(cells_in(rect.grown(HEADING_CLEAR)))
    for y in range(int(bounds.y // GRID)):
        lattice.blocked.update((x, y) for x in range(lattice.columns + 1))
    return lattice


def cells_in(rect: Rect) -> Iterator[Cell]:
    """Lattice points in a rectangle, border included."""
    for x in range(-int(-rect.x // GRID), int(rect.right // GRID) + 1):
        for y in range(-int(-rect.y // GRID), int(rect.bottom // GRID) + 1):
            yield x, y


def ports_of(lattice: Lattice, name: str, rect: Rect, bundle: int, *, strict: bool) -> list[Port]:
    """Every place on the card's border where a line may end, the middle of a side being cheapest.

    strict: not where a line of another bundle ends.
    """
    ports = []
    for outward, cells in enumerate(_sides(rect)):
        step = STEPS[outward]
        for place, cell in enumerate(cells):
            outside = (cell[0] + step[0], cell[1] + step[1])
            if not lattice.free(outside) or (strict and lattice.ports.get(cell, bundle) != bundle):
                continue
            drift = min(abs(place - (len(cells) - 1) / 2) * DRIFT, DRIFT_MOST)
            if _opposite(cell, rect, outward) in lattice.ports:
                drift = 0.0  # straight on from the line that comes in on the other side
            cost = drift + _crowding(lattice, cell, outward, bundle)
            ports.append(Port(name, cell, outside, outward, cost))
    return ports


def _sides(rect: Rect) -> tuple[list[Cell], ...]:
    """Cells on each side of a card, corners aside, in the order of `STEPS`."""
    left, top = round(rect.x / GRID), round(rect.y / GRID)
    right, bottom = round(rect.right / GRID), round(rect.bottom / GRID)
    across, down = range(left + 1, right), range(top + 1, bottom)
    return (
        [(right, y) for y in down],
        [(x, bottom) for x in across],
        [(left, y) for y in down],
        [(x, top) for x in across],
    )


def _opposite(cell: Cell, rect: Rect, outward: int) -> Cell:
    if outward % 2 == 0:
        return round((rect.x + rect.right) / GRID) - cell[0], cell[1]
    return cell[0], round((rect.y + rect.bottom) / GRID) - cell[1]


def _crowding(lattice: Lattice, cell: Cell, outward: int, bundle: int) -> float:
    """Extra cost where the neighbouring port belongs to another bundle: arrowheads would touch."""
    x, y = STEPS[(outward + 1) % 4]
    neighbours = ((cell[0] + x * way, cell[1] + y * way) for way in (1, -1))
    return sum(CROWDED for one in neighbours if lattice.ports.get(one, bundle) != bundle)
