"""Put something right in the place of a wrong value, so that the rest of the file can still be judged."""

from __future__ import annotations

from typing import Any, Final

from cloudberth.deployment.document import Path


class _Gone:
    """In place of a value: there is none."""


GONE: Final = _Gone()


def repaired(values: dict[str, Any], path: Path, stand_in: Any) -> dict[str, Any]:
    """A copy of the values with something else at a path.

    stand_in: the value to put there; `GONE` takes the key away, together with the parent when the key is not
    even there (a required key that is missing), and with the whole list when it stands in one.
    """
    result = _replaced(values, path, stand_in)
    return result if isinstance(result, dict) else values


def _replaced(value: Any, path: Path, stand_in: Any) -> Any:
    if not path:
        return stand_in
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if step not in value and (rest or stand_in is GONE):
            return GONE
        inner = _replaced(value.get(step), rest, stand_in)
        others = {key: other for key, other in value.items() if key != step}
        return others if inner is GONE else {**value, step: inner}
    if isinstance(value, tuple) and isinstance(step, int) and step < len(value):
        inner = _replaced(value[step], rest, stand_in)
        return GONE if inner is GONE else (*value[:step], inner, *value[step + 1 :])
    return GONE
