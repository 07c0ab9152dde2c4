"""Take what the Google Cloud Pricing Cost Calculator knows into the facts of the price book.

    python tools/google_calculator.py pricing.yml      then: python tools/build_prices.py

`pricing.yml` is the price file of Cyclenerd/google-cloud-pricing-cost-calculator (Apache-2.0), which it makes
from Google's price list. Written are ``facts/calculator-google.csv`` and its citation: machines of the series
that a deployment can use, disks, snapshots, buckets, addresses, NAT and data out, in every region. Prices of
machines are by the hour, before the sustained-use discount that n2 and n2d get by themselves.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from build_prices import FOLDER, Fact, as_csv, plain, write

SERIES = {"e2", "n2", "n2d", "n4", "c3", "c3d", "c4a", "t2a", "t2d"}
MOST_CPUS = {"standard": 32, "highmem": 8}
DISCOUNTED = {"n2", "n2d"}
DISKS = {
    "balanced": "pd-balanced", "balanced-replicated": "pd-balanced-regional", "ssd": "pd-ssd",
    "ssd-replicated": "pd-ssd-regional", "hdd": "pd-standard", "hdd-replicated": "pd-standard-regional",
    "snapshot": "snapshot",
}  # fmt: skip
CLASSES = {"standard": "standard", "nearline": "nearline", "coldline": "coldline", "archiv": "archive"}
EGRESS = {"0-1": 0, "1-10": 1024, "10n": 10240}
"""Data out in TiB, as the file names its steps → GiB at which a step begins."""
MACHINES_OF_A_GATEWAY = 32
SOURCE = "google-calculator"


def wanted(machine: str) -> bool:
    """Whether a deployment could use a machine: a common series, not too large, no local disks."""
    series, _, rest = machine.partition("-")
    if machine in ("e2-micro", "e2-small", "e2-medium"):
        return True
    found = re.fullmatch(r"(standard|highmem)-(\d+)", rest)
    return series in SERIES and found is not None and int(found[2]) <= MOST_CPUS[found[1]]


def facts(document: dict[str, Any]) -> Iterator[Fact]:
    made = datetime.strptime(document["about"]["generated"], "%a %b %d %H:%M:%S %Y").date()
    compute, storage = document["compute"], document["storage"]
    for name, machine in compute["instance"].items():
        if wanted(name):
            yield from machine_facts(name, machine["cost"], made)
    for kind, sku in DISKS.items():
        yield from priced(
            "persistent-disk", sku, "GiB-month", compute["storage"][kind]["cost"], "month", made
        )
    for kind, sku in CLASSES.items():
        yield from priced("cloud-storage", sku, "GiB-month", storage["bucket"][kind]["cost"], "month", made)
    network = compute["network"]
    yield from priced("public-ipv4", "machine", "hour", network["ip"]["vm"]["cost"], "hour", made)
    yield from priced("public-ipv4", "idle", "hour", network["ip"]["unused"]["cost"], "hour", made)
    yield from priced("cloud-nat", "data-processed", "GiB", network["nat"]["data"]["cost"], "month", made)
    note = f"the hour of a full gateway over its {MACHINES_OF_A_GATEWAY} machines"
    for region, cost in network["nat"]["gateway"]["cost"].items():
        hour = repr(round(cost["hour"] / MACHINES_OF_A_GATEWAY, 10))
        yield fact(region, "cloud-nat", "machine", "VM-hour", hour, made, note=note)
    for step, regions in network["traffic"]["egress"]["internet"]["cost"].items():
        for region, cost in regions.items():
            start, usd = EGRESS[step], repr(cost["month"])
            yield fact(region, "data-transfer", "internet-out", "GiB", usd, made, start=start)


def machine_facts(name: str, cost: dict[str, Any], made: date) -> Iterator[Fact]:
    note = "before the sustained-use discount" if name.split("-")[0] in DISCOUNTED else ""
    for region, prices in cost.items():
        if prices.get("hour"):
            yield fact(region, "compute-engine", name, "hour", repr(prices["hour"]), made, note=note)
        if prices.get("hour_spot"):
            usd, spot = repr(prices["hour_spot"]), "spot prices move"
            yield fact(region, "compute-engine-spot", name, "hour", usd, made, "medium", note=spot)


def priced(service: str, sku: str, unit: str, cost: dict[str, Any], per: str, made: date) -> Iterator[Fact]:
    for region, prices in cost.items():
        yield fact(region, service, sku, unit, repr(prices[per]), made)


def fact(
    region: str, service: str, sku: str, unit: str, usd: str, made: date, confidence: str = "high",
    *, start: int = 0, note: str = "",
) -> Fact:  # fmt: skip
    return Fact(
        "google",
        region,
        service,
        sku,
        unit,
        str(start),
        plain(usd),
        made.isoformat(),
        SOURCE,
        confidence,
        note,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the calculator's price file into the facts.")
    parser.add_argument("file", type=Path, help="pricing.yml")
    document = yaml.load(parser.parse_args().file.read_text("utf-8"), Loader=yaml.CSafeLoader)
    found = sorted(set(facts(document)), key=lambda f: f.order)
    about = document["about"]
    citation = f"Cyclenerd/google-cloud-pricing-cost-calculator pricing.yml, generated {about['generated']}"
    write(FOLDER / "facts" / "calculator-google.csv", as_csv(found))
    write(FOLDER / "facts" / "calculator-google.json", json.dumps({SOURCE: citation}, indent=1) + "\n")
    print(f"{len(found)} facts taken in")


if __name__ == "__main__":
    main()
