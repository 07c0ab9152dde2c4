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
    name: i for i, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_WEEKDAYS = {name: i for i, name in enumerate("sun mon tue wed thu fri sat".split())}
_NO_NAMES: Mapping[str, int] = MappingProxyType({})
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, _NO_NAMES),
    ("hour", 0, 23, _NO_NAMES),
    ("day of month", 1, 31, _NO_NAMES),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?\Z")


def _number(text: str, names: Mapping[str, int]) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    return names.get(text.lower())


def _mistake(part: str, lowest: int, highest: int, names: Mapping[str, int]) -> str:
    """What is wrong with one comma-separated part of a field, empty when it is right."""
    match = _PART.match(part)
    if not match:
        return f"{shown(part)} is neither *, a number nor a range"
    numbers: list[int] = []
    for text in (match["first"], match["last"]):
        if text is None:
            continue
        number = _number(text, names)
        if number is None or not lowest <= number <= highest:
            return f"{shown(text)} is not between {lowest} and {highest}"
        numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"{shown(part)} ends before it starts"
    if match["step"] is not None and not 1 <= int(match["step"][:4]) <= highest:
        return f"the step of {shown(part)} is not between 1 and {highest}"
    return ""


def check_cron(value: str) -> str:
    """The expression itself; raises with the field that is wrong."""
    hint = 'five fields: minute hour day month weekday, like "0 20 * * MON-FRI"'
    fields = value.split()
    if len(fields) != 5:
        raise wrong(f"{shown(value)} has {len(fields)} fields instead of 5", hint)
    for text, (title, lowest, highest, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if mistake := _mistake(part, lowest, highest, names):
                raise wrong(f"{title}: {mistake}", hint)
    return value


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
