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
    assumption, keys of the usage section).
    """

    resource: str
    component: str
    label: str
    price: PriceKey
    amount: Decimal
    fixed: bool = True
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """A dated fact. tier_start: quantity a month from which it applies."""

    key: PriceKey
    usd: Decimal
    as_of: date
    source: str
    confidence: str
    tier_start: Decimal = Decimal(0)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A priced quantity; monthly is None when the price is unknown (reason says why)."""

    quantity: Quantity
    prices: tuple[Price, ...]
    monthly: Decimal | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A usage figure: given in the file, or the default of the size."""

    key: str
    value: Decimal
    unit: str
    given: bool
    description: str


@dataclass(frozen=True, slots=True)
class Estimate:
    lines: tuple[Line, ...]
    assumptions: tuple[Assumption, ...]
    unpriced_types: tuple[str, ...]
    """Resource types in the plan for which no quantity function exists (not known to be free)."""

    @property
    def monthly(self) -> Decimal:
        """Sum of all known lines, US dollars a month."""
        return sum((line.monthly for line in self.lines if line.monthly is not None), Decimal(0))

    @property
    def fixed_monthly(self) -> Decimal:
        return sum(
            (line.monthly for line in self.lines if line.monthly is not None and line.quantity.fixed), Decimal(0)
        )

    @property
    def unknown(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.monthly is None)
