"""Size presets: partial deployment files that lie under the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from cloudberth.deployment.facts import read_data

SIZES = ("small", "medium", "large")


@cache
def _presets(cloud: str) -> Mapping[str, Mapping[str, Any]]:
    presets: Mapping[str, Mapping[str, Any]] = read_data(__name__, f"{cloud}.yaml")
    return presets


def preset(cloud: str, size: str) -> dict[str, Any]:
    """The preset of a size as a partial deployment file (a copy)."""
    return deepcopy(dict(_presets(cloud)[size]))


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two partial files as one: mappings are merged key by key, everything else of *over* replaces what was
    there."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result
