"""What a quantity function may ask: the plan, the usage figures, the region, and who refers to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from cloudberth.cost.model import PriceKey, Quantity
from cloudberth.cost.usage import Figures
from cloudberth.infra.plan import Plan, Resource

UNKNOWN_SKU = "?"
FRACTION = Decimal("0.000001")
"""Usage quantities are kept to a millionth of their unit."""


def without_key(address: str) -> str:
    """An address without its last instance key: ``aws_subnet.a["x"]`` → ``aws_subnet.a``."""
    return address[: address.rindex("[")] if address.endswith("]") else address


def number(value: Any) -> Decimal | None:
    """A Terraform number (or a number in a string) as Decimal; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = Decimal(str(value))
    except ArithmeticError:
        return None
    return result if result.is_finite() else None


def counted(count: Decimal | int | None, what: str) -> str:
    """``1 node``, ``3 nodes``, ``? nodes``."""
    return f"{'?' if count is None else count} {what}{'' if count == 1 else 's'}"


@dataclass
class Context:
    """Immutable in effect: only the figures remember what was asked. provider: the cloud's name in price
    keys."""

    plan: Plan
    figures: Figures
    region: str
    provider: str
    _managed: tuple[Resource, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._managed = tuple(self.plan.managed())

    @cached_property
    def _by_name(self) -> dict[str, tuple[Resource, ...]]:
        names: dict[str, list[Resource]] = {}
        for resource in self._managed:
            names.setdefault(without_key(resource.address), []).append(resource)
            if resource.address != without_key(resource.address):
                names.setdefault(resource.address, []).append(resource)
        return {name: tuple(found) for name, found in names.items()}

    def of_type(self, *types: str) -> tuple[Resource, ...]:
        return tuple(r for r in self._managed if r.type in types)

    def referenced(self, resource: Resource, *types: str) -> tuple[Resource, ...]:
        """Managed resources of these types that the resource's configuration names, each once."""
        found: dict[str, Resource] = {}
        for address in resource.references:
            for target in self._by_name.get(address, ()):
                if target.type in types:
                    found[target.address] = target
        return tuple(found.values())

    def one_referenced(self, resource: Resource, kind: str) -> Resource | None:
        """The one resource of a type that the configuration names.

        Where it names several instances of one resource, the one whose key is the resource's own key, or else
        its name; None when that does not decide it either.
        """
        found = self.referenced(resource, kind)
        for own in (resource.key, resource.name):
            if len(found) > 1:
                same = tuple(r for r in found if r.key is not None and r.key == own)
                found = same if len(same) == 1 else found
        return found[0] if len(found) == 1 else None

    def referring(self, resource: Resource, *types: str) -> tuple[Resource, ...]:
        """Managed resources of these types whose configuration names the resource."""
        names = {resource.address, without_key(resource.address)}
        return tuple(r for r in self.of_type(*types) if names.intersection(r.references))

    def counterparts(self, resource: Resource, *types: str) -> tuple[Resource, ...]:
        """The referring resources that mean this instance: of those made with keys, where a configuration
        names all instances, the ones with the resource's own key."""
        found = self.referring(resource, *types)
        same = tuple(r for r in found if r.key == resource.key)
        return same if resource.key is not None and same else found

    def count(self, resource: Resource, attribute: str, *types: str) -> int | None:
        """Items of a list attribute: its length where known, else the instances of the types it refers to."""
        value = resource.values.get(attribute)
        if isinstance(value, list | tuple) and value:
            return len(value)
        unknown = resource.unknown.get(attribute)
        if isinstance(unknown, list | tuple) and unknown:
            return len(unknown)
        return len(self.referenced(resource, *types)) or None

    def key(self, service: str, sku: str, unit: str, region: str | None = None) -> PriceKey:
        return PriceKey(self.provider, self.region if region is None else region, service, sku, unit)


@dataclass(frozen=True)
class Meter:
    """Makes the quantities of one resource (None: of the deployment), so that its address, component and
    region
    are said once. The region is the resource's own where it has one (firewalls of a CDN), else the plan's."""

    context: Context
    resource: Resource | None
    component: str

    @property
    def address(self) -> str:
        return self.resource.address if self.resource else ""

    def _key(self, service: str, sku: str, unit: str, region: str | None) -> PriceKey:
        own = self.resource.get("region") if self.resource else None
        return self.context.key(service, sku, unit, region if region is not None else own)

    def fixed(
        self, label: str, service: str, sku: str | None, unit: str, amount: Decimal | int | None,
        region: str | None = None, why: str = "",
    ) -> Quantity:  # fmt: skip
        """A quantity that follows from the plan; unknown when the plan does not say sku or amount."""
        missing = "" if sku and amount is not None else (why or "only known after apply")
        key = self._key(service, sku or UNKNOWN_SKU, unit, region)
        return Quantity(self.address, self.component, label, key, Decimal(amount or 0), missing=missing)

    def usage(
        self, label: str, service: str, sku: str, unit: str, amount: Decimal, figures: Iterable[str],
        region: str | None = None,
    ) -> Quantity:  # fmt: skip
        """A quantity that rests on usage figures."""
        key = self._key(service, sku, unit, region)
        return Quantity(
            self.address, self.component, label, key, amount.quantize(FRACTION), False, tuple(figures)
        )
