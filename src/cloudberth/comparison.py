"""One deployment on several clouds, side by side. Pure: plans, estimates, findings in, a comparison out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cloudberth.cost.model import Estimate, Line
from cloudberth.cost.report import TITLES, by_component, known_sum
from cloudberth.findings.model import Finding, Severity
from cloudberth.infra.plan import Plan

LARGEST = 5
"""How many differences are explained."""
REASONS = 2
"""How many lines of each side a reason names."""


@dataclass(frozen=True, slots=True)
class Side:
    """A deployment on one cloud. replaced: keys that gave way to that cloud's defaults."""

    cloud: str
    region: str
    plan: Plan
    estimate: Estimate
    findings: tuple[Finding, ...]
    replaced: tuple[str, ...] = ()

    @property
    def resources(self) -> int:
        return sum(1 for _ in self.plan.managed())

    @property
    def severities(self) -> Counter[Severity]:
        return Counter(finding.severity for finding in self.findings if finding.suppressed is None)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a component costs on one side; unknown counts its lines without a price."""

    monthly: Decimal
    unknown: int


@dataclass(frozen=True, slots=True)
class Row:
    component: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def certain(self) -> tuple[int, ...]:
        """Sides on which every price is known: only those can be called dearer or cheaper."""
        return tuple(index for index, cell in enumerate(self.cells) if not cell.unknown)

    @property
    def spread(self) -> Decimal:
        """Dearest minus cheapest of the certain sides."""
        amounts = [self.cells[index].monthly for index in self.certain] or [Decimal(0)]
        return max(amounts) - min(amounts)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a component costs more on one side: the largest lines of the dearest and of the cheapest.

    Sides with an unknown price in the component are left out."""

    title: str
    spread: Decimal
    dearest: str
    dearest_lines: tuple[str, ...]
    cheapest: str
    cheapest_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    reasons: tuple[Reason, ...]


def compare(sides: tuple[Side, ...]) -> Comparison:
    """Rows by component in the order of the cost table; reasons for the largest spreads."""
    groups = [{group.component: group for group in by_component(side.estimate)} for side in sides]
    names = [name for name in (*TITLES, *_others(groups)) if any(name in group for group in groups)]
    rows = tuple(
        Row(
            name,
            TITLES.get(name, name),
            tuple(
                Cell(group[name].monthly, group[name].unknown) if name in group else Cell(Decimal(0), 0)
                for group in groups
            ),
        )
        for name in names
    )
    largest = sorted((row for row in rows if row.spread > 0), key=lambda row: -row.spread)[:LARGEST]
    return Comparison(sides, rows, tuple(_reason(row, sides) for row in largest))


def _others(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group if name not in TITLES))


def _reason(row: Row, sides: tuple[Side, ...]) -> Reason:
    order = sorted(row.certain, key=lambda index: row.cells[index].monthly)
    cheapest, dearest = sides[order[0]], sides[order[-1]]
    return Reason(
        title=row.title,
        spread=row.spread,
        dearest=dearest.cloud,
        dearest_lines=_largest_lines(dearest.estimate, row.component),
        cheapest=cheapest.cloud,
        cheapest_lines=_largest_lines(cheapest.estimate, row.component),
    )


def _largest_lines(estimate: Estimate, component: str) -> tuple[str, ...]:
    """``t4g.large on demand $49.06`` of the dearest labels; unknown ones are named as such."""
    labels: dict[str, list[Line]] = {}
    for line in estimate.lines:
        if line.quantity.component == component:
            labels.setdefault(line.quantity.label, []).append(line)
    order = sorted(labels, key=lambda label: -known_sum(labels[label]))[:REASONS]
    return tuple(_worded(label, labels[label]) for label in order)


def _worded(label: str, lines: list[Line]) -> str:
    if any(line.monthly is None for line in lines):
        return f"{label} (price unknown)"
    return f"{label} ${known_sum(lines):,.2f}"
