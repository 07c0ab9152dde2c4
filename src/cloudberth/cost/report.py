"""An estimate as people and programs read it: lines by component, and JSON.

JSON (``as_json``), all amounts as strings of decimals, US dollars a month:

``currency``, ``region``, ``totalMonthlyCost``, ``fixedMonthlyCost``, ``usageMonthlyCost``, ``unknownCount``;
``resources``: per resource ``name`` (Terraform address, "" for the deployment as a whole), ``monthlyCost``
(of its known lines), ``unknownCount``, ``costComponents``: ``name``, ``component``, ``unit``,
``monthlyQuantity``, ``freeQuantity``, ``price`` (of the first tier that applies; null when unknown),
``monthlyCost`` (null when unknown), ``usageBased``, ``assumptions``, ``reason`` (why unknown), ``note``,
``as_of``, ``source``, ``confidence`` and ``tiers`` (each ``from``, ``price``, ``as_of``, ``source``,
``confidence``); ``assumptions``: ``key``, ``value``, ``unit``, ``given``, ``description``, ``derivedFrom``;
``unpricedTypes``; ``freeResources``; ``notes``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cloudberth.cost.model import Assumption, Estimate, Line, Price

TITLES = {
    "compute": "Machines and disks",
    "database": "Database",
    "cache": "Cache",
    "balancer": "Load balancer",
    "firewall": "Firewall",
    "cdn": "Content delivery",
    "dns": "Names",
    "network": "Network and addresses",
    "storage": "Object storage",
    "backup": "Backups and snapshots",
    "logs": "Logs",
    "alarms": "Metrics and alarms",
    "secrets": "Secrets and keys",
}
"""Component → title, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one component. Sums are of known lines; unknown counts the others."""

    component: str
    title: str
    lines: tuple[Line, ...]

    @property
    def monthly(self) -> Decimal:
        return known_sum(self.lines)

    @property
    def fixed_monthly(self) -> Decimal:
        return known_sum(line for line in self.lines if line.quantity.fixed)

    @property
    def usage_monthly(self) -> Decimal:
        return self.monthly - self.fixed_monthly

    @property
    def unknown(self) -> int:
        return sum(1 for line in self.lines if line.monthly is None)


def known_sum(lines: Iterable[Line]) -> Decimal:
    """Sum of the lines that have a price."""
    return sum((line.monthly for line in lines if line.monthly is not None), Decimal(0))


def by_component(estimate: Estimate) -> tuple[Group, ...]:
    """Every line once, grouped in the order of TITLES; a component without a title comes last under its own
    name."""
    names = dict.fromkeys([*TITLES, *(line.quantity.component for line in estimate.lines)])
    groups = (
        Group(
            name, TITLES.get(name, name), tuple(ln for ln in estimate.lines if ln.quantity.component == name)
        )
        for name in names
    )
    return tuple(group for group in groups if group.lines)


def by_resource(lines: Iterable[Line]) -> dict[str, tuple[Line, ...]]:
    """Lines per Terraform address, in order of appearance."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.quantity.resource, []).append(line)
    return {address: tuple(own) for address, own in found.items()}


def total_in_words(estimate: Estimate) -> str:
    """``$412.07 a month`` – with ``at least`` and the count when lines are unknown."""
    total = f"{dollars(estimate.monthly)} a month"
    if not estimate.unknown and not estimate.unpriced_types:
        return total
    parts = []
    if estimate.unknown:
        count = len(estimate.unknown)
        parts.append(f"{count} line{'s' if count > 1 else ''} without a known price")
    if estimate.unpriced_types:
        parts.append(f"{len(estimate.unpriced_types)} resource types not priced")
    return f"at least {total} ({', '.join(parts)})"


def dollars(amount: Decimal) -> str:
    """``$1,234.57``: rounded to cents, halves away from zero, as bills do; a minus before the sign."""
    rounded = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,.2f}"


def as_json(estimate: Estimate) -> dict[str, Any]:
    """The estimate as JSON values (see the module's text)."""
    return {
        "currency": "USD",
        "region": estimate.region,
        "totalMonthlyCost": _money(estimate.monthly),
        "fixedMonthlyCost": _money(estimate.fixed_monthly),
        "usageMonthlyCost": _money(estimate.usage_monthly),
        "unknownCount": len(estimate.unknown),
        "resources": [_resource(name, lines) for name, lines in by_resource(estimate.lines).items()],
        "assumptions": [_assumption(assumption) for assumption in estimate.assumptions],
        "unpricedTypes": list(estimate.unpriced_types),
        "freeResources": estimate.free_resources,
        "notes": list(estimate.notes),
    }


def _resource(name: str, lines: tuple[Line, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "monthlyCost": _money(known_sum(lines)),
        "unknownCount": sum(1 for line in lines if line.monthly is None),
        "costComponents": [_component(line) for line in lines],
    }


def _component(line: Line) -> dict[str, Any]:
    quantity, first = line.quantity, line.prices[0] if line.prices else None
    return {
        "name": quantity.label,
        "component": quantity.component,
        "unit": quantity.price.unit,
        "monthlyQuantity": None if quantity.missing else plain(quantity.amount),
        "freeQuantity": plain(line.free),
        "price": plain(first.usd) if first else None,
        "monthlyCost": None if line.monthly is None else _money(line.monthly),
        "usageBased": not quantity.fixed,
        "assumptions": list(quantity.assumptions),
        "reason": line.reason,
        "note": line.note,
        "as_of": first.as_of.isoformat() if first else None,
        "source": first.source if first else None,
        "confidence": first.confidence if first else None,
        "tiers": [_tier(price) for price in line.prices],
    }


def _tier(price: Price) -> dict[str, Any]:
    return {
        "from": plain(price.tier_start),
        "price": plain(price.usd),
        "as_of": price.as_of.isoformat(),
        "source": price.source,
        "confidence": price.confidence,
    }


def _assumption(assumption: Assumption) -> dict[str, Any]:
    return {
        "key": assumption.key,
        "value": plain(assumption.value),
        "unit": assumption.unit,
        "given": assumption.given,
        "description": assumption.description,
        "derivedFrom": list(assumption.derived_from),
    }


def _money(amount: Decimal) -> str:
    """At least cents, at most the fraction that lines are kept to."""
    text = plain(amount)
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    return f"{value.normalize():f}" if value else "0"
