"""What a vector rig is: a store that a backend can be held to, and how far that proves anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Proof(StrEnum):
    """The maturity word of a backend: what its rig really ran against, best first."""

    REAL = "against the real engine"
    STAND_IN = "against another engine with the same protocol"
    EMULATOR = "against an emulator"
    DOUBLE_WITH_SDK = "against a protocol double that the vendor's SDK accepts"
    DOUBLE = "against a protocol double of ours"
    RECORDED = "by the statements it sends"


@dataclass(frozen=True, slots=True)
class Running:
    """A store that is up, opened by Dify's variables (VECTOR_STORE included), or by a location."""

    environment: Mapping[str, str] = field(default_factory=dict)
    location: str = ""


def nothing_missing() -> str:
    """Of rigs that run wherever the tests do."""
    return ""


@dataclass(frozen=True, slots=True)
class Rig:
    """How to prove one type. missing: why it cannot run on this machine, empty when it can.

    exceptions: check → reason why this engine (not the backend) fails it; a strict xfail. A rig with a
    `missing` of its own gets the marker `server`. like: a rig with the same adapter that runs everything; by
    default this one runs a sample of the checks, another one on each rig (all in a thorough run).
    """

    id: str
    type: str
    proved: Proof
    start: Callable[[Path], AbstractContextManager[Running]]
    missing: Callable[[], str] = nothing_missing
    exceptions: Mapping[str, str] = field(default_factory=dict)
    like: str = ""
