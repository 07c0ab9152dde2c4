"""How bad a line is, whatever word its service uses for it."""

from __future__ import annotations

from enum import IntEnum

from cloudberth.errors import InvalidInput


class Severity(IntEnum):
    """In the order of badness; the numbers are those of Python's logging."""

    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


# Python says WARNING and CRITICAL, Go (zap, slog) warn, fatal and panic, nginx notice, err, alert and emerg.
WORDS = {
    "trace": Severity.DEBUG,
    "debug": Severity.DEBUG,
    "info": Severity.INFO,
    "notice": Severity.NOTICE,
    "warn": Severity.WARNING,
    "warning": Severity.WARNING,
    "err": Severity.ERROR,
    "error": Severity.ERROR,
    "critical": Severity.CRITICAL,
    "crit": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
    "panic": Severity.CRITICAL,
    "alert": Severity.CRITICAL,
    "emergency": Severity.CRITICAL,
    "emerg": Severity.CRITICAL,
}
KEYS = ("severity", "level", "levelname")
"""Members of a JSON line that say it, the first of them that is there."""


def severity_of(word: object) -> Severity | None:
    """``Error`` → ERROR; None for anything that is no known word."""
    return WORDS.get(word.strip().lower()) if isinstance(word, str) else None


def severity_named(word: str) -> Severity:
    """What a user wrote. Raises InvalidInput."""
    found = severity_of(word)
    if found is None:
        names = ", ".join(level.name.lower() for level in Severity)
        raise InvalidInput(f"there is no level {word!r}", hint=f"levels: {names}")
    return found


def words_at_least(level: Severity) -> tuple[str, ...]:
    """The words, in lower case, for this level and everything worse, from mild to bad."""
    return tuple(word for word, found in WORDS.items() if found >= level)
