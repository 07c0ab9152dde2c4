"""The cheapest way over the lattice, by A*: a step costs one, a bend more, a crossing more (`lattice.py`)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from cloudberth.infra.diagram.lattice import STEPS, Cell, Lattice, Port

BEND = 5.0
_ANY = 4
"""Direction of a start on the bundle's own tree: a line may leave it any way."""

_State = tuple[int, int, int]
"""Column, row and the direction in which the cell was entered."""


@dataclass(frozen=True, slots=True)
class Way:
    """The cells of a way, border of a card to border of a card. start: ``""`` where it begins on the tree."""

    start: str
    goal: str
    cells: list[Cell]


class Search:
    """One search, from ports or from the bundle's tree to the cheapest of several ports."""

    def __init__(self, lattice: Lattice, bundle: int, goals: Sequence[Port], *, strict: bool) -> None:
        self._lattice = lattice
        self._bundle = bundle
        self._strict = strict
        self._aims: dict[Cell, list[Port]] = {}
        for goal in goals:
            self._aims.setdefault(goal.outside, []).append(goal)
        self._columns = [x for x, _ in self._aims]
        self._lines = [y for _, y in self._aims]
        self._best: dict[_State, float] = {}
        self._came: dict[_State, _State | None] = {}
        self._origin: dict[_State, Port] = {}
        self._heap: list[tuple[float, float, _State]] = []
        self._finish: tuple[float, _State, Port] | None = None

    def run(self, starts: Sequence[Port], tree: set[Cell]) -> Way | None:
        """The cheapest way, None where there is none."""
        if not self._aims:
            return None
        self._box = (min(self._columns), max(self._columns), min(self._lines), max(self._lines))
        for port in starts:
            self._start_at(port)
        for cell in sorted(tree):
            if not self._lattice.used_by_others(cell, self._bundle):
                self._push((*cell, _ANY), 0.0, None)
        while self._heap:
            estimate, cost, state = heapq.heappop(self._heap)
            if self._finish is not None and estimate >= self._finish[0]:
                break
            if cost <= self._best[state] + 1e-9:
                self._arrive(state, cost)
                self._go_on(state, cost, tree)
        return self._way()

    def _start_at(self, port: Port) -> None:
        enter = self._lattice.entering(port.outside, port.outward, self._bundle, strict=self._strict)
        state = (*port.outside, port.outward)
        if enter is not None and self._push(state, port.cost + 1 + enter, None):
            self._origin[state] = port

    def _push(self, state: _State, cost: float, parent: _State | None) -> bool:
        if cost >= self._best.get(state, float("inf")) - 1e-9:
            return False
        self._best[state] = cost
        self._came[state] = parent
        heapq.heappush(self._heap, (cost + self._rest(state), cost, state))
        return True

    def _rest(self, state: _State) -> float:
        """Steps that are left at least."""
        x, y, _ = state
        left, right, top, bottom = self._box
        return max(left - x, x - right, 0) + max(top - y, y - bottom, 0)

    def _may_turn(self, state: _State) -> bool:
        """Not on the line of another bundle: that would look like a branch of it."""
        return not (self._strict and self._lattice.used_by_others((state[0], state[1]), self._bundle))

    def _arrive(self, state: _State, cost: float) -> None:
        """Into a goal beside this cell, where that is the best so far."""
        x, y, way = state
        for goal in self._aims.get((x, y), ()):
            straight = way == (goal.outward + 2) % 4
            if straight or way == _ANY or self._may_turn(state):
                total = cost + 1 + goal.cost + (0 if straight else BEND)
                if self._finish is None or total < self._finish[0] - 1e-9:
                    self._finish = (total, state, goal)

    def _go_on(self, state: _State, cost: float, tree: set[Cell]) -> None:
        x, y, way = state
        turns = way == _ANY or self._may_turn(state)
        for turn, (dx, dy) in enumerate(STEPS):
            cell = (x + dx, y + dy)
            backwards = way != _ANY and turn == (way + 2) % 4
            if backwards or cell in tree or (turn != way and not turns):
                continue
            enter = self._lattice.entering(cell, turn, self._bundle, strict=self._strict)
            if enter is not None:
                self._push((*cell, turn), cost + 1 + enter + (0 if turn == way else BEND), state)

    def _way(self) -> Way | None:
        if self._finish is None:
            return None
        _, state, goal = self._finish
        cells = [goal.border, (state[0], state[1])]
        while (parent := self._came[state]) is not None:
            state = parent
            cells.append((state[0], state[1]))
        start = self._origin.get(state)
        if start is not None:
            cells.append(start.border)
        return Way(start.node if start else "", goal.node, cells[::-1])
