"""What a storage rig is: a server that a backend can be held to, and how far that proves anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Environment = Mapping[str, str]
Address = tuple[str, int]


class Proof(StrEnum):
    """The maturity word of a backend: what its rig really ran against, best first."""

    REAL_SERVER = "against a real server"
    VENDOR_EMULATOR = "against the vendor's emulator"
    EMULATOR = "against an emulator"
    DOUBLE_WITH_SDK = "against a protocol double that the vendor's SDK accepts"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is up. environment: Dify's variables (STORAGE_TYPE included) that open an empty bucket.

    address: where it listens; None for a rig without a network. through: the same environment, by way of a
    TCP proxy at an address. wrong: "secret", "bucket", "region", "token" → an environment that has to fail.
    """

    environment: Environment
    address: Address | None = None
    through: Callable[[Address], Environment] | None = None
    wrong: Mapping[str, Environment] = field(default_factory=dict)


def nothing_missing() -> str:
    """Of rigs that run wherever the tests do."""
    return ""


@dataclass(frozen=True, slots=True)
class Rig:
    """How to prove one storage type. missing: why it cannot run on this machine, empty when it can.

    exceptions: test function, or one of its cases (``test_a_key[newline]``) → reason why this server (not the
    backend) fails it; a strict xfail. network: whether there is a connection for the fault proxy to break.
    A rig that has a `missing` of its own gets the marker `server`.
    """

    id: str
    type: str
    proved: Proof
    start: Callable[[Path], AbstractContextManager[Running]]
    missing: Callable[[], str] = nothing_missing
    exceptions: Mapping[str, str] = field(default_factory=dict)
    network: bool = True
