"""Stand-ins for wrong values: in place, or gone with what cannot be without them."""

from __future__ import annotations

from typing import Any

import pytest

from cloudberth.deployment.document import Path
from cloudberth.deployment.repair import GONE, repaired

VALUES = {"a": {"b": 1, "c": ({"d": 2}, {"e": 3})}, "f": 4}


@pytest.mark.parametrize(
    ("path", "stand_in", "result"),
    [
        (("f",), 5, {**VALUES, "f": 5}),
        (("f",), GONE, {"a": VALUES["a"]}),
        (("g",), 6, {**VALUES, "g": 6}),
        (("a", "b"), GONE, {"a": {"c": ({"d": 2}, {"e": 3})}, "f": 4}),
        (("a", "c", 1, "e"), 7, {"a": {"b": 1, "c": ({"d": 2}, {"e": 7})}, "f": 4}),
        (("a", "c", 0), 8, {"a": {"b": 1, "c": (8, {"e": 3})}, "f": 4}),
        # A required key that is missing, and of which no example is known, takes its parent with it …
        (("a", "x"), GONE, {"f": 4}),
        # … up to the list that it stands in.
        (("a", "c", 0, "x"), GONE, {"a": {"b": 1}, "f": 4}),
        (("a", "c", 0), GONE, {"a": {"b": 1}, "f": 4}),
        # Nothing to repair: a size preset's value, a place that is none.
        (("z", "y"), GONE, VALUES),
        (("z",), GONE, VALUES),
        ((), GONE, VALUES),
    ],
)
def test_repaired(path: Path, stand_in: Any, result: dict[str, Any]) -> None:
    assert repaired(VALUES, path, stand_in) == result
    assert VALUES["f"] == 4
