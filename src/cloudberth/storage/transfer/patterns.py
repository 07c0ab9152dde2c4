"""Patterns of keys: ``*`` and ``?`` stay within one level, ``**`` goes over many, ``[a-z]`` is a set.

A pattern without ``/`` is compared with the last level of a key (``*.tmp``), one that ends in ``/`` means all
that is under it (``cache/``), and every other the whole key (``2024/**/*.log``). Case counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cloudberth.errors import InvalidInput

Filter = Callable[[str], bool]


def key_filter(include: Sequence[str], exclude: Sequence[str]) -> Filter | None:
    """Whether a key takes part; None when every key does. Raises InvalidInput for a pattern that is none.

    A key takes part when a pattern of `include` fits it (or there are none) and none of `exclude` does.
    """
    wanted = _any_of(include)
    unwanted = _any_of(exclude)
    if wanted is None and unwanted is None:
        return None

    def takes_part(key: str) -> bool:
        return (wanted is None or wanted(key) is not None) and (unwanted is None or unwanted(key) is None)

    return takes_part


def _any_of(patterns: Sequence[str]) -> Callable[[str], re.Match[str] | None] | None:
    if not patterns:
        return None
    return re.compile("|".join(f"(?:{expression(pattern)})" for pattern in patterns), re.DOTALL).fullmatch


def expression(pattern: str) -> str:
    """The regular expression of a pattern."""
    if not pattern:
        raise InvalidInput("a pattern of keys is empty", hint="** fits every key")
    if "/" not in pattern:
        return "(?:.*/)?" + _body(pattern)
    return _body(pattern) + (".*" if pattern.endswith("/") else "")


def _body(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif pattern[at] == "*":
            parts.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            parts.append("[^/]")
            at += 1
        elif pattern[at] == "[":
            text, at = _set(pattern, at)
            parts.append(text)
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            parts.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            parts.append(re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _set(pattern: str, start: int) -> tuple[str, int]:
    end = pattern.find("]", start + 2)
    if end < 0:
        raise InvalidInput(
            f"the pattern {pattern!r} has a [ without a ]", hint="write \\[ for the character itself"
        )
    inside = pattern[start + 1 : end]
    negated = inside[0] in "!^"
    members = (
        (inside[1:] if negated else inside).replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    )
    text = f"[^/{members}]" if negated else f"[{members}]"
    try:
        re.compile(text)
    except re.error:
        raise InvalidInput(f"the pattern {pattern!r} has a set that makes no sense: [{inside}]") from None
    return text, end + 1
