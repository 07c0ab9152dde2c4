"""The provider of chance: nothing but ephemeral values, which stay in the account's memory."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import Final

from cloudberth.infra.simulation.behaviour import Behaviour
from cloudberth.infra.simulation.values import Value

KINDS: Final[Mapping[str, str]] = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
}
"""Argument → characters, all of them on by default (random provider, documentation of random_password)."""


class Random(Behaviour):
    """hashicorp/random, as far as ephemeral passwords go."""

    def opened(self, name: str, config: Mapping[str, Value]) -> Mapping[str, Value]:
        return _password(config) if name == "random_password" else {}


def _password(config: Mapping[str, Value]) -> Mapping[str, Value]:
    """A password of the given length, with as many characters of each kind as are asked for."""
    pools = {kind: pool for kind, pool in KINDS.items() if config.get(kind) is not False}
    if "special" in pools and config.get("override_special"):
        pools["special"] = str(config["override_special"])
    everything = "".join(pools.values())
    if not everything:
        raise LookupError("no characters are left to make a password of")
    length = int(config.get("length") or 0)
    chosen = [
        secrets.choice(pool)
        for kind, pool in pools.items()
        for _ in range(int(config.get(f"min_{kind}") or 0))
    ]
    if len(chosen) > length:
        raise LookupError(f"length {length} is less than the characters that the min_ arguments ask for")
    chosen += [secrets.choice(everything) for _ in range(length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return {
        "result": "".join(chosen),
        **{kind: kind in pools for kind in KINDS},
        **{f"min_{kind}": int(config.get(f"min_{kind}") or 0) for kind in KINDS},
    }
