"""Pages of the reference: ``python -m cloudberth.cost.reference prices`` (or ``usage``) prints them."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal

from cloudberth.cost.model import Price
from cloudberth.cost.pricebook import EVERYWHERE, GLOBAL, Grant, PriceBook, shipped_book
from cloudberth.cost.quantities.registry import free, priced
from cloudberth.cost.report import plain
from cloudberth.cost.usage import PROFILES, Usage, default_of, follows_from

_ANYWHERE = (GLOBAL, EVERYWHERE)
_PRICES = """# Prices

<!-- Made by `python -m cloudberth.cost.reference prices`; a test keeps it fresh. -->

Every price in an estimate is a fact with a date and a source: list prices, US dollars, without taxes and
discounts. There is no price here that nobody can cite. What the book does not know is printed as unknown
and counted, with the regions where it is known; those are named and never used. `*` is a price that its
source states for every commercial region; `global` marks services without regions.

Your own prices (a contract, a region that is missing) come first: a CSV file with the columns
`provider,region,service,sku,unit,tier_start,usd,as_of,source,confidence,note`.
"""
_USAGE = """# Usage assumptions

<!-- Made by `python -m cloudberth.cost.reference usage`; a test keeps it fresh. -->

What a month costs depends on what people do in it, and no plan can say that. The `usage` section of the
deployment file can; what it leaves out is assumed, and an estimate lists every figure that a price rests
on, with its origin.

*Drivers* describe the application; the size of the deployment gives their defaults. *Figures* are the
meters of the cloud; each follows from drivers (and from the plan: machines, zones, endpoints) unless it is
given.
"""


def prices_page(book: PriceBook) -> str:
    """docs/reference/prices.md: what is known where, how old it is, who says so."""
    return "\n".join(
        (_PRICES, *_where(book), *_services(book), *_allowances(book.grants), *_sources(book), *_types())
    )


def usage_page() -> str:
    """docs/reference/usage.md: every driver with its defaults, every figure with what it follows from."""
    drivers = [key for key in Usage.model_fields if default_of(key, "small") is not None]
    figures = [key for key in Usage.model_fields if key not in (*drivers, "profile", "free_allowances")]
    lines = ["## Drivers", "", f"| | unit | {' | '.join(PROFILES)} | |", "|---|---|" + "---:|" * 3 + "---|"]
    for key in drivers:
        defaults = " | ".join(plain(default_of(key, size) or Decimal(0)) for size in PROFILES)
        lines.append(f"| `{key}` | {_unit(key)} | {defaults} | {_text(key)} |")
    lines += ["", "## Figures", "", "| | unit | follows from | |", "|---|---|---|---|"]
    for key in figures:
        origins = ", ".join(f"`{name}`" for name in follows_from(key)) or "the plan"
        lines.append(f"| `{key}` | {_unit(key)} | {origins} | {_text(key)} |")
    switches = ["", "## Switches", "", "| | default | |", "|---|---|---|"]
    for key in ("profile", "free_allowances"):
        default = str(Usage.model_fields[key].default).lower()
        switches.append(f"| `{key}` | `{default}` | {_text(key)} |")
    return "\n".join((_USAGE, *lines, *switches, ""))


def _unit(key: str) -> str:
    extra = Usage.model_fields[key].json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) else ""


def _text(key: str) -> str:
    return " ".join((Usage.model_fields[key].description or "").split())


def _where(book: PriceBook) -> Iterator[str]:
    """A part per provider: what is known everywhere, then regions down and services across."""
    yield "## What is known where\n"
    for provider in sorted({p.key.provider for p in book.prices}):
        keys = [p.key for p in book.prices if p.key.provider == provider]
        yield f"### {provider}\n"
        everywhere = sorted({f"{key.service} {key.sku}" for key in keys if key.region in _ANYWHERE})
        yield f"Known for every commercial region, or without one: {', '.join(everywhere)}.\n"
        yield from _regions({(k.region, k.service, k.sku) for k in keys if k.region not in _ANYWHERE})
        yield ""


def _regions(known: set[tuple[str, str, str]]) -> Iterator[str]:
    """Rows of one provider's table: how many things of a service have a price in a region."""
    counts = Counter((region, service) for region, service, _ in known)
    spread = Counter(service for _, service in counts)
    services = sorted(service for service, regions in spread.items() if regions > 1)
    totals = Counter(region for region, _, _ in known)
    yield f"| region | {' | '.join(services)} |"
    yield "|---|" + "---:|" * len(services)
    for region in sorted(totals, key=lambda r: (-totals[r], r)):
        cells = (str(counts[region, service] or "–") for service in services)
        yield f"| {region} | {' | '.join(cells)} |"


def _services(book: PriceBook) -> Iterator[str]:
    groups: dict[str, list[Price]] = defaultdict(list)
    for price in book.prices:
        groups[f"{price.key.provider} {price.key.service}"].append(price)
    yield "## How old\n"
    yield "| service | rows | oldest | newest | of medium confidence |"
    yield "|---|---:|---|---|---:|"
    for service, prices in sorted(groups.items()):
        days = [p.as_of for p in prices]
        medium = sum(p.confidence == "medium" for p in prices)
        yield f"| {service} | {len(prices)} | {min(days)} | {max(days)} | {medium or '–'} |"
    yield ""


def _allowances(grants: Iterable[Grant]) -> Iterator[str]:
    yield "## Free allowances\n"
    yield "What an account gets every month, once over all resources. An estimate takes it as unused;"
    yield "`usage.free_allowances: false` leaves it out.\n"
    yield "| cloud | allowance | amount | unit | as of | |"
    yield "|---|---|---:|---|---|---|"
    for grant in grants:
        amount = f"{plain(grant.amount)} | {grant.unit} | {grant.as_of}"
        yield f"| {grant.provider} | {grant.name} | {amount} | {grant.note} |"
    yield ""


def _sources(book: PriceBook) -> Iterator[str]:
    rows = Counter(p.source for p in book.prices)
    newest = {source: max(p.as_of for p in book.prices if p.source == source) for source in rows}
    yield "## Sources\n"
    yield "| rows | newest | source |"
    yield "|---:|---|---|"
    for source, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])):
        yield f"| {count} | {newest[source]} | {source} |"
    yield ""


def _types() -> Iterator[str]:
    yield "## Resource types\n"
    yield f"Priced: {', '.join(f'`{name}`' for name in sorted(priced()))}.\n"
    yield "Known to cost nothing by themselves:\n"
    for name, reason in sorted(free().items()):
        yield f"- `{name}`: {reason}"
    yield "\nAny other type in a plan is listed under the estimate as not priced.\n"


def main() -> None:
    pages = {"prices": lambda: prices_page(shipped_book()), "usage": usage_page}
    wanted = sys.argv[1:] or ["prices"]
    if wanted[0] not in pages or len(wanted) > 1:
        sys.exit(f"usage: python -m cloudberth.cost.reference {'|'.join(pages)}")
    sys.stdout.write(pages[wanted[0]]())


if __name__ == "__main__":
    main()
