"""Dated price facts: look-up with tiers, free allowances, and one book laid over another.

A book never guesses. What it does not know is answered with `Unpriced` and a reason, which may name regions
where the same thing has a price, but never uses that price.

Rows of a price file (CSV): ``provider,region,service,sku,unit,tier_start,usd,as_of,source,confidence,note``.
Region ``global`` marks services that have no region, ``*`` a price that its source states for every
commercial region. ``source`` is an id of ``sources.json`` (shipped book) or the citation itself (a user's
file).
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import TextIO

from cloudberth.cost.model import Price, PriceKey
from cloudberth.errors import InvalidInput

EVERYWHERE = "*"
GLOBAL = "global"
COLUMNS = (
    "provider", "region", "service", "sku", "unit", "tier_start", "usd", "as_of",
    "source", "confidence", "note",
)  # fmt: skip
MONTHS_UNTIL_OLD = 12


@dataclass(frozen=True, slots=True)
class Unpriced:
    """The book has no price; reason says what it does know."""

    reason: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What an account gets free every month, once across all resources and regions.

    skus: ``service/sku`` names the allowance covers, in the order in which it is used up. amount: in unit.
    """

    name: str
    provider: str
    skus: tuple[str, ...]
    unit: str
    amount: Decimal
    as_of: date
    source: str
    note: str = ""


class PriceBook:
    """Prices by key; each a tuple of tiers, lowest first.

    apart: per provider, beginnings of region names that a price for every commercial region does not cover.
    """

    def __init__(
        self,
        prices: Iterable[Price],
        grants: Iterable[Grant] = (),
        apart: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        tiers: dict[PriceKey, dict[Decimal, Price]] = defaultdict(dict)
        for price in prices:
            tiers[price.key][price.tier_start] = price
        self._tiers = {key: tuple(by[start] for start in sorted(by)) for key, by in tiers.items()}
        self.grants = tuple(grants)
        self.apart = apart or {}

    def __len__(self) -> int:
        return sum(len(tiers) for tiers in self._tiers.values())

    @property
    def prices(self) -> tuple[Price, ...]:
        """Every row, ordered by key and tier."""
        keys = sorted(self._tiers, key=lambda k: (k.provider, k.service, k.sku, k.region, k.unit))
        return tuple(price for key in keys for price in self._tiers[key])

    def lookup(self, key: PriceKey) -> tuple[Price, ...] | Unpriced:
        """The tiers of a key, or why there are none."""
        found = self._tiers.get(key)
        if found is None and key.region and not key.region.startswith(self.apart.get(key.provider, ())):
            found = self._tiers.get(replace(key, region=EVERYWHERE))
        if found is None:
            return Unpriced(self._why(key))
        if found[0].tier_start != 0:
            return Unpriced(f"the price of the first {found[0].tier_start} {key.unit} is not known")
        return found

    def _why(self, key: PriceKey) -> str:
        if not key.region:
            return "the plan does not say which region this is in"
        what = f"no dated price for {key.service} {key.sku} per {key.unit} in {key.region}"
        elsewhere = sorted(
            (k.region, tiers[0].usd)
            for k, tiers in self._tiers.items()
            if (k.provider, k.service, k.sku, k.unit) == (key.provider, key.service, key.sku, key.unit)
        )
        if not elsewhere:
            return what
        named = ", ".join(f"{region} {usd}" for region, usd in elsewhere[:3])
        return f"{what} (known elsewhere, not used: {named})"

    def over(self, below: PriceBook) -> PriceBook:
        """This book laid over another: a key that this one has hides all tiers of that key below."""
        kept = (price for key, tiers in below._tiers.items() if key not in self._tiers for price in tiers)
        return PriceBook((*kept, *self.prices), self.grants or below.grants, {**below.apart, **self.apart})


def tiered_cost(amount: Decimal, tiers: tuple[Price, ...], already: Decimal = Decimal(0)) -> Decimal:
    """US dollars for an amount that comes after the first `already` units of the month.

    Each tier's price applies to the part of the volume above its start, up to the next tier's start.
    """
    total = Decimal(0)
    end = already + amount
    for index, tier in enumerate(tiers):
        upper = tiers[index + 1].tier_start if index + 1 < len(tiers) else end
        part = min(end, upper) - max(already, tier.tier_start)
        if part > 0:
            total += part * tier.usd
    return total


def is_old(price: Price, today: date) -> bool:
    """Whether a fact is more than twelve months old."""
    return (today.year - price.as_of.year) * 12 + today.month - price.as_of.month > MONTHS_UNTIL_OLD


@lru_cache(maxsize=8)
def shipped_book(provider: str | None = None) -> PriceBook:
    """The price book inside the package: of one provider, or of all of them."""
    folder = files("cloudberth.cost").joinpath("prices")
    sources: dict[str, str] = json.loads(folder.joinpath("sources.json").read_text("utf-8"))
    apart: dict[str, list[str]] = json.loads(folder.joinpath("apart.json").read_text("utf-8"))
    prices: list[Price] = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        wanted = file.name == f"{provider}.csv" if provider else file.name.endswith(".csv")
        if wanted and file.name != "grants.csv":
            prices += _read_prices(StringIO(file.read_text("utf-8")), file.name, sources)
    grants = _read_grants(StringIO(folder.joinpath("grants.csv").read_text("utf-8")), sources)
    return PriceBook(prices, grants, {name: tuple(regions) for name, regions in apart.items()})


def read_book(path: Path) -> PriceBook:
    """A price file of the user's own (negotiated prices, a region we lack), in the columns above.

    Raises InvalidInput with the line on any row that is not a price.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return PriceBook(_read_prices(stream, str(path), {}))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", where=str(path)) from error


def standard_book(own: Path | None = None, refreshed: Path | None = None) -> PriceBook:
    """The user's own file over a refreshed folder of ``*.csv`` over the shipped book; absent layers are
    skipped."""
    book = shipped_book()
    if refreshed is not None and refreshed.is_dir():
        for file in sorted(refreshed.glob("*.csv")):
            book = read_book(file).over(book)
    return read_book(own).over(book) if own is not None else book


def _read_prices(stream: TextIO, name: str, sources: Mapping[str, str]) -> list[Price]:
    reader = csv.DictReader(stream)
    absent = [c for c in COLUMNS[:8] if c not in (reader.fieldnames or ())]
    if absent:
        raise InvalidInput(f"columns are missing: {', '.join(absent)}", where=name, hint=",".join(COLUMNS))
    return [_price(row, f"{name}:{reader.line_num}", sources) for row in reader]


def _price(row: Mapping[str, str], where: str, sources: Mapping[str, str]) -> Price:
    try:
        usd, start = Decimal(row["usd"]), Decimal(row["tier_start"] or "0")
        as_of = date.fromisoformat(row["as_of"])
    except (InvalidOperation, ValueError, TypeError) as error:
        raise InvalidInput(
            "not a price row", where=where, hint="usd, tier_start numbers; as_of 2026-11-23"
        ) from error
    if not (usd.is_finite() and start.is_finite()) or usd < 0 or start < 0:
        raise InvalidInput("a price and its tier start cannot be negative or infinite", where=where)
    source = row.get("source") or "own file"
    return Price(
        key=PriceKey(row["provider"], row["region"], row["service"], row["sku"], row["unit"]),
        usd=usd,
        as_of=as_of,
        source=sources.get(source, source),
        confidence=row.get("confidence") or "high",
        tier_start=start,
        note=row.get("note") or "",
    )


def _read_grants(stream: TextIO, sources: Mapping[str, str]) -> list[Grant]:
    return [
        Grant(
            name=row["grant"],
            provider=row["provider"],
            skus=tuple(row["skus"].split()),
            unit=row["unit"],
            amount=Decimal(row["amount"]),
            as_of=date.fromisoformat(row["as_of"]),
            source=sources.get(row["source"], row["source"]),
            note=row["note"],
        )
        for row in csv.DictReader(stream)
    ]
