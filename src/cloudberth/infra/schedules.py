"""How long a schedule lasts before another takes over, for clouds whose schedules have an end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from cloudberth.cost.quantities.schedule import Step

YEAR_SECONDS = 365 * 24 * 3600


def lengths(schedules: Sequence[tuple[str, str]]) -> list[int | None]:
    """Seconds from each (cron, time zone) to the next occurrence of another one: the shortest of the year,
    which wraps around. None where no other schedule ever follows."""
    steps = [Step(cron, Decimal(0), zone) for cron, zone in schedules]
    times = [
        [_seconds(when - when.replace(month=1, day=1, hour=0, minute=0)) for when in step.times(True)]
        for step in steps
    ]
    return [_shortest(own, sorted(_others(times, index))) for index, own in enumerate(times)]


def _seconds(since_new_year: timedelta) -> int:
    return int(since_new_year.total_seconds())


def _others(times: list[list[int]], index: int) -> list[int]:
    return [moment for other, moments in enumerate(times) if other != index for moment in moments]


def _shortest(own: list[int], others: list[int]) -> int | None:
    if not own or not others:
        return None
    return min(_until_next(moment, others) for moment in own)


def _until_next(moment: int, others: list[int]) -> int:
    place = bisect_right(others, moment)
    return others[place] - moment if place < len(others) else others[0] + YEAR_SECONDS - moment
