"""What is asked for in the address of a list, as a `TraceFilter`, and back as an address."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, tzinfo
from urllib.parse import urlencode

from cloudberth.errors import InvalidInput
from cloudberth.tracing.reading import TraceFilter

MINUTE, HOUR, DAY = 60, 3600, 86_400
# What the page calls a time range → its seconds; "all" and "custom" are no lengths.
RANGES = {"15m": 15 * MINUTE, "1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
DEFAULT_RANGE = "24h"
TEXT_FIELDS = ("tenant", "app", "session", "user", "status", "model", "text")
NUMBER_FIELDS = ("min_ms", "max_ms", "min_tokens", "min_cost")
FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS, "range", "since", "until")
LONGEST = 300
PAGE_SIZE = 50


def trace_filter(query: Mapping[str, str], zone: tzinfo, now: float | None = None) -> TraceFilter:
    """The filter of a query string. Raises InvalidInput for a number or time that is none."""
    since, until = time_range(query, zone, now)
    text = {name: _text(query, name) for name in TEXT_FIELDS}
    numbers = {name: _number(query, name) for name in NUMBER_FIELDS}
    tokens = numbers["min_tokens"]
    return TraceFilter(
        **text,
        since_ns=since,
        until_ns=until,
        min_duration_ns=_milliseconds(numbers["min_ms"]),
        max_duration_ns=_milliseconds(numbers["max_ms"]),
        min_tokens=None if tokens is None else int(tokens),
        min_cost=numbers["min_cost"],
        limit=PAGE_SIZE,
        before=query.get("before") or None,
    )


def time_range(
    query: Mapping[str, str], zone: tzinfo, now: float | None = None
) -> tuple[int | None, int | None]:
    """From and until in nanoseconds since 1970; None is open. Times are the reader's (`zone`)."""
    wanted = query.get("range") or ("custom" if query.get("since") or query.get("until") else DEFAULT_RANGE)
    if wanted == "all":
        return None, None
    if wanted == "custom":
        return _moment(query, "since", zone), _moment(query, "until", zone)
    if wanted not in RANGES:
        raise InvalidInput(f"there is no time range {wanted!r}", hint=", ".join((*RANGES, "all", "custom")))
    return int(((time.time() if now is None else now) - RANGES[wanted]) * 1e9), None


def address(path: str, query: Mapping[str, str], **changes: str | None) -> str:
    """The same list with some fields changed; the place in the list is forgotten."""
    kept = {name: query[name] for name in FIELDS if query.get(name)}
    for name, value in changes.items():
        kept.pop(name, None)
        if value:
            kept[name] = value
    return f"{path}?{urlencode(kept)}" if kept else path


def is_narrow(query: Mapping[str, str]) -> bool:
    """Whether anything but the time range is asked for."""
    return any(query.get(name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS))


def _text(query: Mapping[str, str], name: str) -> str | None:
    value = query.get(name, "").strip()
    if len(value) > LONGEST:
        raise InvalidInput(f"{name} has at most {LONGEST} characters")
    return value or None


def _number(query: Mapping[str, str], name: str) -> float | None:
    value = query.get(name, "").strip()
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 <= number < 1e12:
        raise InvalidInput(f"{value[:40]!r} is no number", where=name)
    return number


def _milliseconds(value: float | None) -> int | None:
    return None if value is None else int(value * 1e6)


def _moment(query: Mapping[str, str], name: str, zone: tzinfo) -> int | None:
    value = query.get(name, "").strip()
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=zone)
        return int(parsed.timestamp() * 1e9)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{value[:40]!r} is no time", where=name, hint="2026-11-26T21:30") from None
