"""Plan + usage + prices → Estimate.

The order of work: quantities per resource, then free allowances (once per account, across all resources),
then prices with their tiers (by the account's volume, across all resources). What has no price stays a line
without a sum: it is counted as unknown and never as zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from cloudberth.cost.model import Estimate, Line, Price, PriceKey, Quantity
from cloudberth.cost.pricebook import Grant, PriceBook, Unpriced, is_old, shipped_book, tiered_cost
from cloudberth.cost.quantities.context import Context
from cloudberth.cost.quantities.registry import cloud_of, free, priced
from cloudberth.cost.usage import Figures, Usage
from cloudberth.infra.plan import Plan

CENT_FRACTION = Decimal("0.00000001")
"""Sums are kept to this fraction of a dollar; people see cents."""


NOTHING_TO_PAY = "nothing to pay at any price: no use, or within the free allowance"


def estimate(
    plan: Plan, usage: Usage | None = None, prices: PriceBook | None = None, *, today: date | None = None
) -> Estimate:
    """What the plan costs a month (730 hours), US dollars, list prices, without taxes and model providers'
    bills.

    today: only used to say which prices are old.
    """
    book = prices if prices is not None else shipped_book(cloud_of(plan).name)
    context = context_of(plan, usage if usage is not None else Usage())
    quantities = quantities_of(context)
    allowance = _allowances(quantities, book.grants) if context.figures.usage.free_allowances else {}
    lines = _price(quantities, allowance, book)
    known, gratis = priced(), free()
    types = Counter(resource.type for resource in plan.managed())
    named = {key for quantity in quantities for key in quantity.assumptions}
    return Estimate(
        lines=lines,
        assumptions=context.figures.assumptions(named),
        unpriced_types=tuple(sorted(t for t in types if t not in known and t not in gratis)),
        region=context.region,
        free_resources=sum(count for name, count in types.items() if name in gratis),
        notes=tuple(_notes(lines, today or date.today())),
    )


def context_of(plan: Plan, usage: Usage) -> Context:
    """The context of a plan: its cloud and region, and usage figures that know the plan's machines and
    zones."""
    cloud = cloud_of(plan)
    region = plan.region or str(plan.variables.get("region") or "")
    context = Context(plan, Figures(usage), region, cloud.name)
    context.figures.facts = cloud.facts(context)
    return context


def quantities_of(context: Context) -> tuple[Quantity, ...]:
    """Every quantity of the plan, resources in the plan's order, then those of the deployment as a whole."""
    functions = priced()
    found: list[Quantity] = []
    for resource in context.plan.managed():
        function = functions.get(resource.type)
        if function is not None:
            found += function(resource, context)
    for account in cloud_of(context.plan).account:
        found += account(context)
    return tuple(found)


def _allowances(quantities: tuple[Quantity, ...], grants: Iterable[Grant]) -> dict[int, Decimal]:
    """Index of a quantity → the part of it that is free; each grant is used up once."""
    free_parts: dict[int, Decimal] = defaultdict(Decimal)
    for grant in grants:
        left = grant.amount
        for sku in grant.skus:
            for index, quantity in enumerate(quantities):
                key = quantity.price
                if left <= 0:
                    continue
                if key.provider == grant.provider and f"{key.service}/{key.sku}" == sku:
                    part = min(left, quantity.amount - free_parts[index])
                    free_parts[index] += part
                    left -= part
    return dict(free_parts)


def _price(
    quantities: tuple[Quantity, ...], allowance: Mapping[int, Decimal], book: PriceBook
) -> tuple[Line, ...]:
    volume: dict[PriceKey, Decimal] = defaultdict(Decimal)
    lines = []
    for index, quantity in enumerate(quantities):
        line = price_line(quantity, book, allowance.get(index, Decimal(0)), volume[quantity.price])
        volume[quantity.price] += quantity.amount - line.free
        lines.append(line)
    return tuple(lines)


def price_line(quantity: Quantity, book: PriceBook, free_part: Decimal, already: Decimal) -> Line:
    """One line. already: volume of the same price that earlier lines of the month have used (for tiers)."""
    if quantity.missing:
        return Line(quantity, (), None, reason=quantity.missing)
    found, note = book.lookup(quantity.price), ""
    if isinstance(found, Unpriced) and quantity.upper_bound is not None:
        bound = book.lookup(quantity.upper_bound)
        if not isinstance(bound, Unpriced):
            found, note = bound, "upper bound: the on-demand price, because no dated spot price is known"
    paid = quantity.amount - free_part
    if isinstance(found, Unpriced):
        if not paid:  # nothing is left to pay, whatever the price
            return Line(quantity, (), Decimal(0), free=free_part, note=NOTHING_TO_PAY)
        return Line(quantity, (), None, reason=found.reason, free=free_part)
    monthly = tiered_cost(paid, found, already).quantize(CENT_FRACTION)
    return Line(
        quantity, _used(found, already, already + paid), monthly, free=free_part, note=note or found[0].note
    )


def _used(tiers: tuple[Price, ...], start: Decimal, end: Decimal) -> tuple[Price, ...]:
    """The tiers that a volume from start to end touches; the first of them when it is empty."""
    above = [tier for tier in tiers if tier.tier_start < end]
    last_below = max((i for i, tier in enumerate(tiers) if tier.tier_start <= start), default=0)
    return tuple(above[last_below:]) or (tiers[last_below],)


def _notes(lines: tuple[Line, ...], today: date) -> Iterable[str]:
    old = [price for line in lines for price in line.prices if is_old(price, today)]
    if old:
        count = len({price.key for price in old})
        oldest = min(price.as_of for price in old)
        yield f"{count} prices are more than 12 months old (the oldest of {oldest}): docs/reference/prices.md"
    granted = sum((line.free for line in lines), Decimal(0))
    if granted:
        yield "the account's monthly free allowances are applied (usage.free_allowances: false: without)"
    if any(line.note.startswith("upper bound") for line in lines):
        yield "spot machines without a dated spot price are shown at the on-demand price, an upper bound"
