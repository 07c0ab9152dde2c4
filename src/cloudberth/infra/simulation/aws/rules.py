"""Rules for arguments of AWS resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloudberth.infra.simulation.rules import AnyRule, Complaint
from cloudberth.infra.simulation.values import Value

RESOURCE_RULES: Final[Mapping[str, Sequence[AnyRule]]] = {}
DATA_RULES: Final[Mapping[str, Sequence[AnyRule]]] = {}


def provider_complaints(config: Mapping[str, Value]) -> Sequence[Complaint]:
    return ()
