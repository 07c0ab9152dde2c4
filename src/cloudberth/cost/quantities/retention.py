"""What is kept: incremental copies, and objects that move to cooler tiers as they age."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cloudberth.cost.usage import MB_PER_GB, Figures

DAYS_PER_MONTH = Decimal("30.4375")
FOREVER_MONTHS = Decimal(12)
"""What is kept without an end grows for ever; it is priced as it stands after a year."""


def incremental_copies(size_gb: Decimal, used: Decimal, change: Decimal, copies: Decimal) -> Decimal:
    """GB that `copies` daily incremental copies hold: the used part once (used: percent of the size), then
    what changed each day (change: percent of the used part)."""
    if copies < 1:
        return Decimal(0)
    return size_gb * used / 100 * (1 + change / 100 * (copies - 1))


def shares_by_age(steps: Sequence[tuple[Decimal, str]], figures: Figures, first: str) -> dict[str, Decimal]:
    """Share of the stored GB per tier in the steady state; steps: (age in days, tier), youngest first.

    Objects arrive evenly and are kept for document_months, so ages are spread evenly over that time and a
    tier holds the ages between its transition and the next one. Rules apply to lifecycle_percent of the
    data; what is young or not covered stays in the first tier.
    """
    life = figures["document_months"] * DAYS_PER_MONTH
    covered = figures["lifecycle_percent"] / 100
    shares = {first: Decimal(1)}
    if not steps or not life:
        return shares
    edges = [*(min(days, life) for days, _ in steps), life]
    for index, (_, tier) in enumerate(steps):
        part = (edges[index + 1] - edges[index]) / life * covered
        shares[tier] = shares.get(tier, Decimal(0)) + part
        shares[first] -= part
    return shares


def old_versions_gb(figures: Figures, kept_days: Decimal) -> Decimal:
    """GB of overwritten and deleted versions: noncurrent_percent of a month's writes, kept so many days."""
    written = figures["documents"] * figures["document_mb"] / MB_PER_GB
    return written * figures["noncurrent_percent"] / 100 * kept_days / DAYS_PER_MONTH
