"""Groups of machines whose size changes: the expected size, and lines that rest on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from cloudberth.cost.model import Quantity
from cloudberth.cost.quantities.schedule import Step, Window, average, average_of_windows

SIZE_FIGURE = "app_machines_average"


@dataclass(frozen=True, slots=True)
class Size:
    """Mean number of machines of a group; fixed when neither scaling nor schedules can change it."""

    machines: Decimal
    fixed: bool


def bounded(given: Decimal, reach: Iterable[Decimal]) -> Size:
    """A mean size that the user gives, kept between nothing and the largest size that the group can reach."""
    return Size(max(Decimal(0), min(given, max(reach, default=Decimal(0)))), fixed=False)


def scheduled(low: Decimal, steps: list[Step]) -> Decimal:
    """The minimum of a group with its schedules followed through the year; low alone where a schedule is in
    a dialect that we do not read."""
    try:
        return average(low, steps).quantize(Decimal("0.0001"))
    except ValueError:
        return low


def scheduled_windows(low: Decimal, windows: list[Window]) -> Decimal:
    """The same for schedules that raise the minimum for a while and then end."""
    try:
        return average_of_windows(low, windows).quantize(Decimal("0.0001"))
    except ValueError:
        return low


def elastic(line: Quantity) -> Quantity:
    """The line as one that rests on the mean size of the group."""
    return replace(line, fixed=False, assumptions=(SIZE_FIGURE, *line.assumptions))
