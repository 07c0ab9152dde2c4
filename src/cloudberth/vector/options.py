"""How a vector client behaves, the same for every backend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds. timeout: for one request; backends give it to their drivers. deadline: for one
    operation with all its retries. retries: further attempts after the first. connections: kept open at once.
    """

    timeout: float = 30.0
    deadline: float = 120.0
    retries: int = 4
    connections: int = 8
