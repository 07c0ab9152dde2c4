"""Make the shipped price book from dated facts.

    python tools/build_prices.py               from the facts in the repository
    python tools/build_prices.py FACTS.csv     take the facts of a file in first

Facts are kept in ``cost/prices/facts/``: ``imported.csv`` (taken from a facts file with the columns
``provider,region,service,sku,unit,price_usd,date_of_price,source,confidence,…,note``), any number of other
files in the book's own columns (``additions*.csv``: found since), beside each a JSON file with its citations
by id, and ``rejected.csv`` with a reason for each fact that is known to be wrong. Written are
``cost/prices/<cloud>.csv``, one row per price and tier, and ``sources.json``, the citations that their rows
and the allowances (``grants.csv``) use.

Rules: a fact of low confidence is left out; a rejected one is left out; of several facts about the same
thing the most trusted and then the newest is taken; two equally good facts that differ stop the build; a
spot price that is more than a year older than its cloud's newest fact is left out, because spot moves.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from price_names import NAMES

FOLDER = Path(__file__).resolve().parent.parent / "src" / "cloudberth" / "cost" / "prices"
TRUST = {"high": 0, "medium": 1}


@dataclass(frozen=True)
class Fact:
    provider: str
    region: str
    service: str
    sku: str
    unit: str
    tier_start: str
    usd: str
    as_of: str
    source: str
    confidence: str
    note: str

    @property
    def key(self) -> tuple[str, ...]:
        return (self.provider, self.service, self.sku, self.region, self.unit, self.tier_start)

    @property
    def order(self) -> tuple[object, ...]:
        return (self.provider, self.service, self.sku, self.region, self.unit, Decimal(self.tier_start))


def plain(text: str) -> str:
    """A decimal without exponent or trailing zeros: 0.30 → 0.3, 1E+2 → 100."""
    value = Decimal(text).normalize()
    return f"{value:f}"


def day(text: str) -> str:
    """An ISO date; a month alone means its first day (the fact is at least that old)."""
    return date.fromisoformat(text if len(text) > 7 else f"{text}-01").isoformat()


def source_id(citation: str) -> str:
    """A short, stable id: the golden's test name, or words of the citation."""
    golden = re.search(r"(aws|azure|google)/testdata/(\w+?)_test", citation)
    if golden:
        cloud = "" if golden[1] == "aws" else f"{golden[1]}-"
        return f"infracost-{cloud}{golden[2].replace('_', '-')}"
    if "api-evangelist" in citation:
        return "api-evangelist-elb"
    words = re.sub(r"\(.*?\)", " ", citation.lower())
    words = re.sub(r"@\w+|pypi|github file|data/\S+|mysql/\S+|gh-pages", " ", words)
    return "-".join(re.findall(r"[a-z0-9.]+", words))[:48].strip("-.")


def read_facts(path: Path, sources: dict[str, str]) -> Iterator[Fact]:
    """The facts of a file under the book's names, with their citations put into sources."""
    for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
        provider, words = NAMES.get(row["provider"], ("", None))
        if words is None or row["confidence"] not in TRUST:
            continue
        named = words(row)
        if named is None:
            continue
        source = source_id(row["source"])
        if not row["source"].startswith("same "):
            # A number in somebody's file index tells a reader nothing: say what kind of place it is.
            sources.setdefault(
                source, re.sub(r"GitHub file index ids? [\d, ]+\d", "a public GitHub file", row["source"])
            )
        note = "" if row["note"] in ("derived cost/qty", "exact rate") else row["note"]
        yield Fact(
            provider, named.region, named.service, named.sku, named.unit, str(named.tier_start),
            plain(row["price_usd"]), day(row["date_of_price"]), source, row["confidence"], note,
        )  # fmt: skip


def read_book(path: Path) -> Iterator[Fact]:
    for row in csv.DictReader(path.open(encoding="utf-8", newline="")):
        yield Fact(**{**{f.name: row[f.name] for f in fields(Fact)}, "usd": plain(row["usd"])})


def rejected(path: Path) -> set[tuple[str, ...]]:
    return {
        (r["provider"], r["region"], r["service"], r["sku"], r["unit"], plain(r["usd"]))
        for r in csv.DictReader(path.open(encoding="utf-8", newline=""))
    }


def choose(facts: Iterable[Fact], refused: set[tuple[str, ...]]) -> list[Fact]:
    """One fact per key, by the rules above. Raises SystemExit on two equally good facts that differ."""
    groups: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        if (fact.provider, fact.region, fact.service, fact.sku, fact.unit, fact.usd) not in refused:
            groups[fact.key].append(fact)
    newest: dict[str, date] = {}
    for fact in (f for group in groups.values() for f in group):
        newest[fact.provider] = max(newest.get(fact.provider, date.min), date.fromisoformat(fact.as_of))
    chosen = []
    for key, group in groups.items():
        best = max(group, key=lambda f: (-TRUST[f.confidence], f.as_of))
        rivals = {f.usd for f in group if (f.confidence, f.as_of) == (best.confidence, best.as_of)}
        if len(rivals) > 1:
            sys.exit(f"facts differ for {' '.join(key)}: {', '.join(sorted(rivals))} (reject all but one)")
        age = newest[best.provider] - date.fromisoformat(best.as_of)
        if not (best.service.endswith("-spot") and age > timedelta(days=365)):
            chosen.append(best)
    return sorted(chosen, key=lambda f: f.order)


def write(path: Path, text: str) -> None:
    aside = path.with_suffix(path.suffix + ".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def as_json(sources: dict[str, str]) -> str:
    return json.dumps(sources, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def as_csv(facts: list[Fact]) -> str:
    lines = [",".join(f.name for f in fields(Fact))]
    lines += [",".join(f'"{v}"' if "," in v else v for v in astuple(fact)) for fact in facts]
    return "\n".join(lines) + "\n"


def take_in(facts_file: Path, facts: Path) -> None:
    """Replace the imported facts by those of a file."""
    sources: dict[str, str] = {}
    found = sorted(set(read_facts(facts_file, sources)), key=lambda f: (f.order, f.as_of, f.source, f.usd))
    write(facts / "imported.csv", as_csv(found))
    write(facts / "imported.json", as_json({f.source: sources[f.source] for f in found}))


def build(folder: Path = FOLDER) -> int:
    """Write the books of a folder from its facts, one per cloud; the number of rows written."""
    facts = folder / "facts"
    sources: dict[str, str] = {}
    found: list[Fact] = []
    # Of equal facts the first one is cited: those of the facts file.
    for file in sorted(facts.glob("*.csv"), key=lambda f: (f.stem != "imported", f.stem)):
        if file.stem != "rejected":
            sources |= json.loads(file.with_suffix(".json").read_text("utf-8"))
            found += read_book(file)
    grants = list(csv.DictReader((folder / "grants.csv").open(encoding="utf-8", newline="")))
    cited = {f.source for f in found} | {row["source"] for row in grants}
    unknown = sorted(cited - sources.keys())
    if unknown:
        sys.exit(f"no citation for: {', '.join(unknown)}")
    chosen = choose(found, rejected(facts / "rejected.csv"))
    used = {f.source for f in chosen} | {row["source"] for row in grants}
    for provider in sorted({f.provider for f in chosen}):
        write(folder / f"{provider}.csv", as_csv([f for f in chosen if f.provider == provider]))
    write(folder / "sources.json", as_json({name: text for name, text in sources.items() if name in used}))
    return len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the shipped price book from dated facts.")
    parser.add_argument("facts", nargs="?", type=Path, help="a facts file to take in first")
    facts = parser.parse_args().facts
    if facts is not None:
        take_in(facts, FOLDER / "facts")
    print(f"{build()} prices written to {FOLDER}")


if __name__ == "__main__":
    main()
