"""The provider of time: a simulated account waits for nothing, and its clock stands at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloudberth.infra.simulation.behaviour import Behaviour, Subject
from cloudberth.infra.simulation.schema import Attribute
from cloudberth.infra.simulation.values import Value

MOMENT: Final[Mapping[str, Value]] = {
    "rfc3339": "2026-01-01T00:00:00Z",
    "id": "2026-01-01T00:00:00Z",
    "unix": 1767225600,
    "year": 2026,
    "month": 1,
    "day": 1,
    "hour": 0,
    "minute": 0,
    "second": 0,
}


class Time(Behaviour):
    """hashicorp/time: time_sleep and time_static."""

    def top_level(self, subject: Subject, attribute: Attribute) -> Value:
        return MOMENT.get(attribute.name) or super().top_level(subject, attribute)

    def force_new(self, name: str) -> frozenset[str]:  # noqa: ARG002 - the same for both types
        return frozenset({"triggers"})
