"""How many machines a scheduled group keeps on average.

Scheduled actions are five-field cron lines that set a minimum from then on. They are followed through one
whole year, so that month fields and weekdays weigh what they weigh; the year wraps around (what holds on 31
December at midnight holds on 1 January).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

YEAR = 2027
"""A year of 365 days that begins and ends on a Friday: no weekday counts more than once too often."""
_NAMES = {
    name: index
    for names in (
        ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
        ("", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    )
    for index, name in enumerate(names)
    if name
}


@dataclass(frozen=True, slots=True)
class Step:
    """From each time that cron names (in time_zone), at least `machines` run. Raises ValueError when not
    cron."""

    cron: str
    machines: Decimal
    time_zone: str = "UTC"

    def times(self, convert: bool) -> Iterator[datetime]:
        """Every time in the year; in UTC when convert is set and the zone is known."""
        minutes, hours, days, months, weekdays = _fields(self.cron)
        zone = _zone(self.time_zone) if convert else None
        day = date(YEAR, 1, 1)
        while day.year == YEAR:
            if day.month in months and _day_matches(day, days, weekdays):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        yield _in_utc(datetime.combine(day, time(hour, minute)), zone)
            day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """For so many seconds from each time that cron names (in time_zone), at least `machines` run. Raises
    ValueError when not cron."""

    cron: str
    seconds: Decimal
    machines: Decimal
    time_zone: str = "UTC"


def average_of_windows(low: Decimal, windows: list[Window]) -> Decimal:
    """Mean number of machines over the year: low, or the largest window that is open, whichever is more."""
    convert = len({window.time_zone for window in windows}) > 1
    begin, end = datetime(YEAR, 1, 1), datetime(YEAR + 1, 1, 1)
    changes: list[tuple[datetime, int, Decimal]] = []
    for window in windows:
        length = timedelta(seconds=int(window.seconds))
        for start in Step(window.cron, window.machines, window.time_zone).times(convert):
            changes += _opening(start, start + length, window.machines, end)
    total, since, open_now = Decimal(0), begin, Counter[Decimal]()
    for when, step, machines in sorted(changes):
        level = max([low, *(size for size, count in open_now.items() if count)])
        total += level * _seconds(since, when)
        since = when
        open_now[machines] += step
    total += max([low, *(size for size, count in open_now.items() if count)]) * _seconds(since, end)
    return total / _seconds(begin, end)


def _opening(
    start: datetime, stop: datetime, machines: Decimal, end: datetime
) -> Iterator[tuple[datetime, int, Decimal]]:
    """The opening and closing of one window; what reaches over the end of the year is counted at its
    beginning."""
    yield start, 1, machines
    yield min(stop, end), -1, machines
    if stop > end:
        yield datetime(YEAR, 1, 1), 1, machines
        yield min(datetime(YEAR, 1, 1) + (stop - end), end), -1, machines


def _seconds(begin: datetime, end: datetime) -> Decimal:
    return Decimal(int((end - begin).total_seconds()))


def average(start: Decimal, steps: list[Step]) -> Decimal:
    """Mean number of machines over the year; start: what holds when no step ever applies."""
    convert = len({step.time_zone for step in steps}) > 1
    events = sorted(
        ((when, order, step.machines) for order, step in enumerate(steps) for when in step.times(convert)),
        key=lambda event: event[:2],
    )
    if not events:
        return start
    begin, end = datetime(YEAR, 1, 1), datetime(YEAR + 1, 1, 1)
    total, level, since = Decimal(0), events[-1][2], begin
    for when, _, machines in events:
        total += level * _seconds(since, when)
        level, since = machines, when
    total += level * _seconds(since, end)
    return total / _seconds(begin, end)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _in_utc(local: datetime, zone: ZoneInfo | None) -> datetime:
    """The naive UTC time, kept inside the year (an event just outside it is the same one a year on)."""
    if zone is None:
        return local
    offset = local.replace(tzinfo=zone).utcoffset() or timedelta()
    return (local - offset).replace(year=YEAR)


def _fields(cron: str) -> tuple[set[int], set[int], set[int] | None, set[int], set[int] | None]:
    parts = cron.split()
    if len(parts) != 5:
        raise ValueError(f"not a five-field cron line: {cron!r}")
    minutes, hours = _values(parts[0], 0, 59), _values(parts[1], 0, 23)
    days = None if parts[2] in ("*", "?") else _values(parts[2], 1, 31)
    weekdays = None if parts[4] in ("*", "?") else {d % 7 for d in _values(parts[4], 0, 7)}
    return minutes, hours, days, _values(parts[3], 1, 12), weekdays


def _day_matches(day: date, days: set[int] | None, weekdays: set[int] | None) -> bool:
    """Cron's rule: with both a day of month and a weekday given, either is enough."""
    of_month = days is None or day.day in days
    of_week = weekdays is None or day.isoweekday() % 7 in weekdays
    return (of_month or of_week) if days is not None and weekdays is not None else (of_month and of_week)


def _values(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
        else:
            begin = _value(first)
            end = _value(last) if last else (high if step else begin)
        if not low <= begin <= high or not low <= end <= high:
            raise ValueError(f"{text!r} is outside {low}-{high}")
        stride = int(step) if step else 1
        if begin <= end:
            found.update(range(begin, end + 1, stride))
        else:  # FRI-MON: round the end of the week
            found.update(range(begin, high + 1, stride))
            found.update(range(low, end + 1, stride))
    return found


def _value(text: str) -> int:
    return _NAMES[text.upper()] if text.upper() in _NAMES else int(text)
