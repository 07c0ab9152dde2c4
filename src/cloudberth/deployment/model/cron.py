"""When schedules take effect: five-field cron in an IANA time zone."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator

from cloudberth.deployment.model.base import shown, wrong

_MONTHS = {
    name: i
    for i, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_WEEKDAYS = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_NO_NAMES: Mapping[str, int] = MappingProxyType({})
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, _NO_NAMES),
    ("hour", 0, 23, _NO_NAMES),
    ("day of month", 1, 31, _NO_NAMES),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_PART = re.compile(r"(?P<range>\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?\Z")
_HINT = 'five fields: minute hour day month weekday, like "0 20 * * MON-FRI"'


class _Mistake(ValueError):
    """What is wrong with one part of a field."""


def _number(text: str, lowest: int, highest: int, names: Mapping[str, int]) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else names.get(text.lower())
    if number is None or not lowest <= number <= highest:
        raise _Mistake(f"{shown(text)} is not between {lowest} and {highest}")
    return number


def _part(part: str, lowest: int, highest: int, names: Mapping[str, int]) -> str:
    """One comma-separated part of a field with numbers instead of names: not every cron takes ranges of
    names."""
    match = _PART.match(part)
    if not match:
        raise _Mistake(f"{shown(part)} is neither *, a number nor a range")
    result = match["range"]
    if match["first"] is not None:
        first = _number(match["first"], lowest, highest, names)
        result = str(first)
        if match["last"] is not None:
            last = _number(match["last"], lowest, highest, names)
            last = 7 if names is _WEEKDAYS and last == 0 and first > 0 else last  # a week ends on Sunday
            if last < first:
                raise _Mistake(f"{shown(part)} ends before it starts")
            result += f"-{last}"
        elif match["step"] is not None:
            raise _Mistake(f"the step of {shown(part)} needs * or a range")
    if match["step"] is None:
        return result
    if not 1 <= int(match["step"][:4]) <= highest:
        raise _Mistake(f"the step of {shown(part)} is not between 1 and {highest}")
    return f"{result}/{int(match['step'])}"


def check_cron(value: str) -> str:
    """The expression in its plainest form (numbers, single spaces); raises with the field that is wrong."""
    fields = value.split()
    if len(fields) != 5:
        raise wrong(f"{shown(value)} has {len(fields)} fields instead of 5", _HINT)
    plain = []
    for text, (title, lowest, highest, names) in zip(fields, _FIELDS, strict=True):
        try:
            plain.append(",".join(_part(part, lowest, highest, names) for part in text.split(",")))
        except _Mistake as mistake:
            raise wrong(f"{title}: {mistake}", _HINT) from None
    return " ".join(plain)


@cache
def time_zones() -> frozenset[str]:
    """All IANA names this machine knows; empty where no time zone data are installed."""
    return frozenset(zoneinfo.available_timezones())


_ZONE_SHAPE = re.compile(r"(UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2})\Z")


def check_time_zone(value: str) -> str:
    """The name itself; raises when no such zone exists. Without zone data only its shape is checked."""
    known = time_zones()
    if value in known or (not known and _ZONE_SHAPE.match(value)):
        return value
    near = difflib.get_close_matches(value, known, n=1)
    raise wrong(
        f"there is no time zone {shown(value)}",
        f"did you mean {near[0]}?" if near else "use an IANA name like Europe/Berlin, or UTC",
    )


Cron = Annotated[str, AfterValidator(check_cron)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
