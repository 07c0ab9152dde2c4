"""Which tier a subnet belongs to, by what its author calls it; the box of a subnet that spans all zones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cloudberth.infra.diagram.model import Subnet, Tier

_WORDS = {
    Tier.PUBLIC: ("public", "dmz", "edge", "ingress", "gateway", "appgw", "proxy"),
    Tier.DATA: ("data", "database", "db", "rds", "cache", "intra", "isolated", "endpoints"),
    Tier.PRIVATE: ("private", "app", "compute", "web", "stateful"),
}
_SEPARATOR = re.compile(r"[-_. ]+")


def tier_said(words: Iterable[str]) -> Tier | None:
    """The tier that the first telling name tells; None where none does."""
    for said in words:
        parts = _SEPARATOR.split(said.lower())
        for tier, known in _WORDS.items():
            if any(part in known for part in parts):
                return tier
    return None


def band(tier: Tier, kind: str, subnets: Sequence[tuple[str, str]]) -> Subnet:
    """The box of a tier whose subnets span all zones. kind: the cloud's word; subnets: names and ranges."""
    names = ", ".join(name for name, _ in subnets if name)
    title = f"{kind}{'s' if len(subnets) > 1 else ''} {names}".strip()
    return Subnet(tier, "", title, ", ".join(cidr for _, cidr in subnets if cidr))
