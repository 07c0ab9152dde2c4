"""Quantities, prices and what they come to. Money is `Decimal` US dollars, never float."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PriceKey:
    """What is asked of the price book, e.g. PriceKey("aws", "eu-central-1", "ec2", "t4g.medium", "hour")."""

    provider: str
    region: str
    service: str
    sku: str
    unit: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much of one thing a resource uses in a month (730 hours).

    fixed: True when it follows from the plan alone; False when it rests on usage assumptions (named by
    assumption, keys of the usage section). upper_bound: priced in place of an unknown price, and said so (the
    on-demand price of a spot machine). missing: why the quantity itself is not known from the plan; such a
    line is unknown whatever the prices say. resource: Terraform address, ``""`` for the deployment as a
    whole.
    """

    resource: str
    component: str
    label: str
    price: PriceKey
    amount: Decimal
    fixed: bool = True
    assumptions: tuple[str, ...] = ()
    upper_bound: PriceKey | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """A dated fact. tier_start: quantity a month from which it applies; source: the citation, in words."""

    key: PriceKey
    usd: Decimal
    as_of: date
    source: str
    confidence: str
    tier_start: Decimal = Decimal(0)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A priced quantity; monthly is None when the price is unknown (reason says why).

    prices: the tiers that apply, lowest first. free: the part of the amount that the account's monthly free
    allowance covers. note: what a reader should know about a known price (an upper bound, a moving spot
    price).
    """

    quantity: Quantity
    prices: tuple[Price, ...]
    monthly: Decimal | None
    reason: str = ""
    free: Decimal = Decimal(0)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A usage figure: given in the file, or the default of the size, or worked out from other figures."""

    key: str
    value: Decimal
    unit: str
    given: bool
    description: str
    derived_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    lines: tuple[Line, ...]
    assumptions: tuple[Assumption, ...]
    unpriced_types: tuple[str, ...]
    """Resource types in the plan for which no quantity function exists (not known to be free)."""
    region: str = ""
    free_resources: int = 0
    """Resources of types that are known to cost nothing."""
    notes: tuple[str, ...] = ()
    """What a reader should know about the whole: old prices, allowances that were applied."""

    @property
    def monthly(self) -> Decimal:
        """Sum of all known lines, US dollars a month."""
        return sum((line.monthly for line in self.lines if line.monthly is not None), Decimal(0))

    @property
    def fixed_monthly(self) -> Decimal:
        return sum(
            (line.monthly for line in self.lines if line.monthly is not None and line.quantity.fixed),
            Decimal(0),
        )

    @property
    def usage_monthly(self) -> Decimal:
        return self.monthly - self.fixed_monthly

    @property
    def unknown(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.monthly is None)
