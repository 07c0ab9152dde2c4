"""Sizes, durations and keys as people write and read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def size_text(count: float) -> str:
    """``1.5 GiB``; bytes as a whole number."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in _UNITS:
        count /= 1024
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.1f} {unit}"
    raise AssertionError


def duration_text(seconds: float) -> str:
    """``4 s``, ``2:05``, ``1:02:05``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def objects_text(count: int) -> str:
    """``1 object``, ``1,234 objects``."""
    return f"{count:,} object{'' if count == 1 else 's'}"


def time_text(moment: datetime | None) -> str:
    """UTC to the second, as wide when it is not known."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else " " * 18 + "-"


def shown(key: str) -> str:
    """A key for a terminal: control characters, which could rewrite the screen, as ``\\x1b``."""
    if key.isprintable():
        return key
    return "".join(
        character if character.isprintable() or character == " " else _escaped(character) for character in key
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


class Size(click.ParamType):  # type: ignore[type-arg]
    """``500``, ``64K``, ``10MiB``, ``1.5G``: powers of 1,024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is no size; write 500K, 10M or 1.5G", param, ctx)
        count = int(float(found[1]) * 1024 ** " kmgtp".index(found[2].lower() or " "))
        if count < 1:
            self.fail("must be at least 1 byte", param, ctx)
        return count


class Duration(click.ParamType):  # type: ignore[type-arg]
    """``90``, ``15m``, ``1h``, ``7d``: seconds when there is no letter."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is no duration; write 90s, 15m, 1h or 7d", param, ctx)
        try:
            return timedelta(seconds=float(found[1]) * _SECONDS[(found[2] or "s").lower()])
        except OverflowError:
            self.fail(f"{value!r} is too long", param, ctx)


SIZE = Size()
DURATION = Duration()
