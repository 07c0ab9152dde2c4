"""Times as people write them: ``15m``, ``10:30``, ``2026-11-26``, ``2026-11-26T10:00``, …, ``T10:00Z``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from cloudberth.errors import InvalidInput

_AGO = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)(?:\s+ago)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?")


def moment(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The aware time that a text means. now: aware. zone: of times that name none. Raises InvalidInput.

    A time of day is the last one that has been: at 09:00, ``10:30`` is yesterday's.
    """
    said = text.strip()
    try:
        if said.lower() == "now":
            return now
        if ago := _AGO.fullmatch(said):
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2].lower()])
        if clock := _CLOCK.fullmatch(said):
            hour, minute, second = (int(part or 0) for part in clock.groups())
            today = now.astimezone(zone).replace(hour=hour, minute=minute, second=second, microsecond=0)
            return today if today <= now else today - timedelta(days=1)
        found = datetime.fromisoformat(said)
        return found if found.tzinfo else found.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text[:60]!r} is no time", hint="write 15m, 2h, 3d, 10:30, 2026-11-26 or 2026-11-26T10:30Z"
        ) from None
