"""Two estimates compared: what each resource costs more or less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from cloudberth.cost.model import Estimate, Line
from cloudberth.cost.report import TITLES, known_sum


@dataclass(frozen=True, slots=True)
class Change:
    """One resource (or one component with resource ``""``) before and after, US dollars a month.

    Sums are of known lines; unknown_before and unknown_after count the others, so that a price that became
    unknown is not taken for a saving.
    """

    component: str
    resource: str
    before: Decimal
    after: Decimal
    unknown_before: int = 0
    unknown_after: int = 0

    @property
    def delta(self) -> Decimal:
        return self.after - self.before

    @property
    def certain(self) -> bool:
        """Whether the delta is the whole truth: nothing unknown on either side."""
        return not self.unknown_before and not self.unknown_after


@dataclass(frozen=True, slots=True)
class Difference:
    """changes: resources whose sum or number of unknown lines differs, the largest change first.
    components: the same per component, in the order of the cost table."""

    before: Decimal
    after: Decimal
    unknown_before: int
    unknown_after: int
    changes: tuple[Change, ...]
    components: tuple[Change, ...]

    @property
    def delta(self) -> Decimal:
        return self.after - self.before

    @property
    def percent(self) -> Decimal | None:
        """Increase in percent of before; None when before is nothing."""
        return self.delta / self.before * 100 if self.before else None


def compare(before: Estimate, after: Estimate) -> Difference:
    """What `after` costs more or less than `before`; resources are matched by component and address."""
    changes = _changes(before, after, lambda line: (line.quantity.component, line.quantity.resource))
    components = _changes(before, after, lambda line: (line.quantity.component, ""))
    order = {name: index for index, name in enumerate(TITLES)}
    return Difference(
        before=before.monthly,
        after=after.monthly,
        unknown_before=len(before.unknown),
        unknown_after=len(after.unknown),
        changes=tuple(sorted(changes, key=lambda c: (-abs(c.delta), c.component, c.resource))),
        components=tuple(sorted(components, key=lambda c: (order.get(c.component, len(order)), c.component))),
    )


def _changes(before: Estimate, after: Estimate, key: Callable[[Line], tuple[str, str]]) -> list[Change]:
    old, new = _grouped(before, key), _grouped(after, key)
    found = []
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name, []), new.get(name, [])
        change = Change(*name, known_sum(was), known_sum(now), _unknown(was), _unknown(now))
        if change.delta or change.unknown_before != change.unknown_after:
            found.append(change)
    return found


def _grouped(estimate: Estimate, key: Callable[[Line], tuple[str, str]]) -> dict[tuple[str, str], list[Line]]:
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in estimate.lines:
        groups.setdefault(key(line), []).append(line)
    return groups


def _unknown(lines: list[Line]) -> int:
    return sum(1 for line in lines if line.monthly is None)
