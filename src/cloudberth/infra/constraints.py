"""Terraform version constraints: `~> 6.0, != 6.3.1`."""

from __future__ import annotations

import re

_CONDITION = re.compile(r"\s*(=|!=|>=|<=|>|<|~>)?\s*v?(\d+(?:\.\d+)*)\S*\s*")


def satisfied(version: str, constraint: str) -> bool:
    """Whether a version fulfils a constraint; a constraint that cannot be read is taken as fulfilled."""
    have = _numbers(version)
    for condition in filter(None, constraint.split(",")):
        match = _CONDITION.fullmatch(condition)
        if match and not _holds(have, match[1] or "=", _numbers(match[2])):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0]))


def _holds(have: tuple[int, ...], operator: str, want: tuple[int, ...]) -> bool:
    width = max(len(have), len(want))
    left = have + (0,) * (width - len(have))
    right = want + (0,) * (width - len(want))
    if operator == "~>":
        # The last number given may grow, those before it may not: ~> 6.1 is ≥ 6.1 and < 7.
        return left >= right and have[: len(want) - 1] == want[:-1]
    return {
        "=": left == right,
        "!=": left != right,
        ">": left > right,
        ">=": left >= right,
        "<": left < right,
        "<=": left <= right,
    }[operator]
