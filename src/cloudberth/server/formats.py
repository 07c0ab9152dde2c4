"""Numbers, times and sizes as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

SECOND = 1_000_000_000  # nanoseconds


def duration(nanoseconds: float | None) -> str:
    """``0.42 ms``, ``1.25 s``, ``3 m 05 s``, ``2 h 10 m``, ``4 d 2 h``."""
    if nanoseconds is None:
        return "–"
    seconds = nanoseconds / SECOND
    if seconds == 0:
        return "0"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else "1.00 s"
    if seconds < 60:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def number(value: float | None) -> str:
    """``1,234``; a dash for what is not known."""
    return "–" if value is None else f"{value:,.0f}"


def short_number(value: float | None) -> str:
    """``950``, ``1.2k``, ``34.5M``."""
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}{letter}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2g}"


def money(value: float | None) -> str:
    """US dollars: ``$0.0042``, ``$1.50``; a dash for what is not known."""
    if value is None:
        return "–"
    if value == 0:
        return "$0"
    if abs(value) < 0.0001:
        return f"${value:.1e}"
    return f"${value:.4f}" if abs(value) < 1 else f"${value:,.2f}"


def short_money(value: float) -> str:
    """US dollars for the axis of a chart: ``$0.15``, ``$25``."""
    if value == 0:
        return "$0"
    return f"${value:,.0f}" if value >= 100 else f"${value:.3g}"


def size(count: float | None) -> str:
    """Bytes in binary units."""
    if count is None:
        return "–"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def percent(share: float | None) -> str:
    """A share of one: ``12.5%``."""
    return "–" if share is None else f"{share * 100:.3g}%"


def moment(nanoseconds: float | None, zone: tzinfo = UTC) -> str:
    """A point in time (nanoseconds since 1970) in a time zone, to the second."""
    if not nanoseconds:
        return "–"
    return datetime.fromtimestamp(nanoseconds / SECOND, zone).strftime("%Y-%m-%d %H:%M:%S")


def zone_named(name: str | None) -> tzinfo:
    """A time zone by its name, UTC for one that is not known here."""
    if not name or len(name) > 64:
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return UTC


def pretty(value: object) -> str:
    """JSON that people can read; text that holds JSON is unfolded, other text stays as it is."""
    if isinstance(value, str):
        if value.lstrip()[:1] not in {"{", "["}:
            return value
        try:
            return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
