"""What the default run leaves out, and `./check --thorough` does: more of the same, no other kind of proof.

Left out are, for each thing that is proved, only the repetitions that are dear: a wide cross product runs
fully where the code differs and as a sample where it does not, and a property is tried on fewer examples. The
choice is the same on every machine and every run, and the end of a run says how much it left out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

VARIABLE = "CLOUDBERTH_TESTS_THOROUGH"
"""Set for a thorough run, by its option, before test modules are imported; workers inherit it."""

MARK = pytest.mark.thorough
"""For a test, or one case of it, that only a thorough run needs."""


def is_thorough() -> bool:
    """Whether everything runs."""
    return bool(os.environ.get(VARIABLE))


def examples(full: int, default: int) -> int:
    """On how many examples a property is tried."""
    return full if is_thorough() else default


def with_thorough(always: Sequence[Any], thorough: Sequence[Any]) -> list[Any]:
    """Cases for `parametrize`: those that always run, and those of a thorough run only."""
    return [*always, *(pytest.param(case, marks=MARK) for case in thorough)]


def chosen(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests that run now, and those that a thorough run would add."""
    left = {id(item) for item in items if not is_thorough() and item.get_closest_marker("thorough")}
    return [item for item in items if id(item) not in left], [item for item in items if id(item) in left]
