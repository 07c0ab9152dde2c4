"""The tool that makes the price book: its rules, and that the shipped book is what it makes."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "cloudberth" / "cost" / "prices"
FACTS = "provider,region,service,sku,unit,price_usd,date_of_price,source,confidence,price_native,note\n"
ADDED = "provider,region,service,sku,unit,tier_start,usd,as_of,source,confidence,note\n"
REJECTED = "provider,region,service,sku,unit,usd,reason\n"
BOOKS = ("aws.csv", "azure.csv", "google.csv")
GRANTS = "grant,provider,skus,unit,amount,as_of,source,note\n"


def load() -> ModuleType:
    path = ROOT / "tools" / "build_prices.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("build_prices", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_prices"] = module
    spec.loader.exec_module(module)
    return module


TOOL = load()


def folder(tmp_path: Path, *, added: str = "", rejected: str = "", grants: str = "") -> Path:
    facts = tmp_path / "facts"
    facts.mkdir()
    (facts / "additions.csv").write_text(ADDED + added)
    (facts / "additions.json").write_text(json.dumps({"mine": "My citation"}))
    (facts / "rejected.csv").write_text(REJECTED + rejected)
    (tmp_path / "grants.csv").write_text(GRANTS + grants)
    return tmp_path


def fact(sku: str, usd: str, day: str = "2026-01-01", confidence: str = "high", service: str = "ec2") -> str:
    return f"aws,us-east-1,{service},{sku},hour,{usd},{day},A source ({sku}),{confidence},{usd},\n"


def built(home: Path, *facts: str) -> list[dict[str, str]]:
    source = home / "facts.csv"
    source.write_text(FACTS + "".join(facts))
    TOOL.take_in(source, home / "facts")
    TOOL.build(home)
    with (home / "aws.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_facts_become_rows_under_the_books_names(tmp_path: Path) -> None:
    rows = built(
        folder(tmp_path),
        fact("m7g.large/on-demand/linux", "0.08160"),
        fact("m7g.large/spot/linux", "0.04"),
        fact("internet (next 40tb)", "0.085", service="data-transfer"),
        fact("0-10000 GB (after 100 GB free)", "0.09", service="egress-internet"),
        fact("intra-region data transfer", "1E-2", service="data-transfer"),
        "gcp,us-central1,vm,e2,hour,1,2026-01-01,x,high,1,\n",
    )
    found = {(r["service"], r["sku"], r["tier_start"]): r["usd"] for r in rows}
    assert found == {
        ("ec2", "m7g.large", "0"): "0.0816",
        ("ec2-spot", "m7g.large", "0"): "0.04",
        ("data-transfer", "internet-out", "0"): "0.09",
        ("data-transfer", "internet-out", "10240"): "0.085",
        ("data-transfer", "inter-zone", "0"): "0.01",
    }


def test_the_most_trusted_and_then_the_newest_fact_is_taken(tmp_path: Path) -> None:
    rows = built(
        folder(tmp_path),
        fact("a/on-demand/linux", "1", "2026-01-01", "high"),
        fact("a/on-demand/linux", "2", "2026-06-01", "medium"),
        fact("b/on-demand/linux", "3", "2025-01-01"),
        fact("b/on-demand/linux", "4", "2026-02"),
    )
    assert {r["sku"]: (r["usd"], r["as_of"]) for r in rows} == {
        "a": ("1", "2026-01-01"),
        "b": ("4", "2026-02-01"),
    }


def test_facts_of_low_confidence_and_rejected_facts_are_left_out(tmp_path: Path) -> None:
    home = folder(tmp_path, rejected="aws,us-east-1,ec2,wrong,hour,0.5,another meter\n")
    rows = built(
        home,
        fact("doubtful/on-demand/linux", "1", confidence="low"),
        fact("wrong/on-demand/linux", "0.50"),
        fact("wrong/on-demand/linux", "0.7", "2020-01-01"),
        fact("right/on-demand/linux", "1"),
    )
    assert {r["sku"]: r["usd"] for r in rows} == {"right": "1", "wrong": "0.7"}


def test_two_equally_good_facts_that_differ_stop_the_build(tmp_path: Path) -> None:
    home = folder(tmp_path)
    with pytest.raises(SystemExit, match=r"facts differ for aws ec2 a us-east-1 hour 0: 1, 2"):
        built(home, fact("a/on-demand/linux", "1"), fact("a/on-demand/linux", "2"))
    assert not (home / "aws.csv").exists()


def test_equal_facts_of_two_sources_do_not_stop_it(tmp_path: Path) -> None:
    assert len(built(folder(tmp_path), fact("a/on-demand/linux", "1"), fact("a/on-demand/linux", "1.0"))) == 1


def test_an_old_spot_price_is_left_out(tmp_path: Path) -> None:
    rows = built(
        folder(tmp_path),
        fact("old/spot/linux", "0.1", "2024-08-09"),
        fact("new/spot/linux", "0.1", "2026-08-09"),
        fact("old/on-demand/linux", "1", "2023-01-01"),
    )
    assert {(r["service"], r["sku"]) for r in rows} == {("ec2-spot", "new"), ("ec2", "old")}


def test_an_addition_needs_its_citation(tmp_path: Path) -> None:
    home = folder(tmp_path, added="aws,us-east-1,ec2,x,hour,0,1,2026-01-01,nobody,high,\n")
    with pytest.raises(SystemExit, match="no citation for: nobody"):
        built(home, fact("a/on-demand/linux", "1"))


def test_sources_hold_what_is_cited_and_nothing_else(tmp_path: Path) -> None:
    home = folder(tmp_path, added="aws,us-east-1,ec2,x,hour,0,1,2026-01-01,mine,high,\n")
    built(home, fact("a/on-demand/linux", "1"), fact("a/on-demand/linux", "2", "2020-01-01"))
    sources = json.loads((home / "sources.json").read_text())
    assert sources["mine"] == "My citation"
    assert sorted(sources.values()) == ["A source (a/on-demand/linux)", "My citation"]


def test_the_shipped_book_is_what_the_tool_makes_of_its_facts(tmp_path: Path) -> None:
    copy = tmp_path / "prices"
    shutil.copytree(SHIPPED, copy)
    TOOL.build(copy)
    for name in (*BOOKS, "sources.json"):
        assert (copy / name).read_text() == (SHIPPED / name).read_text(), (
            f"run python tools/build_prices.py ({name})"
        )


def test_every_fact_and_allowance_cites_a_source_that_is_there() -> None:
    facts = [f"facts/{file.stem}" for file in (SHIPPED / "facts").glob("*.json")]
    assert {f"{name}.csv" for name in facts} == {
        f"facts/{file.name}" for file in (SHIPPED / "facts").glob("*.csv") if file.stem != "rejected"
    }
    for sources, files in (
        *((f"{name}.json", [f"{name}.csv"]) for name in facts),
        ("sources.json", [*BOOKS, "grants.csv"]),
    ):
        known = json.loads((SHIPPED / sources).read_text())
        cited = set()
        for name in files:
            with (SHIPPED / name).open(newline="") as stream:
                cited |= {row["source"] for row in csv.DictReader(stream)}
        assert cited <= known.keys(), files
        if sources == "sources.json":
            assert cited == known.keys()


@pytest.mark.parametrize("name", ["additions", "additions-azure", "additions-google", "calculator-google"])
def test_additions_are_sorted_and_never_repeat_a_fact(name: str) -> None:
    with (SHIPPED / "facts" / f"{name}.csv").open(newline="") as stream:
        rows = [tuple(row.values()) for row in csv.DictReader(stream)]
    assert len(rows) == len(set(rows))
    assert rows == sorted(rows, key=lambda r: (r[2], r[3], r[1], r[4], float(r[5]), r[7]))


def azure(service: str, sku: str, usd: str = "1", unit: str = "hour", region: str = "eastus") -> str:
    return f"azure,{region},{service},{sku},{unit},{usd},2026-01-01,A source ({sku}),high,{usd},\n"


def test_facts_of_azure_become_rows_under_the_names_of_its_resources(tmp_path: Path) -> None:
    home = folder(tmp_path)
    built(
        home,
        fact("a/on-demand/linux", "1"),
        azure("virtual-machines", "D2s_v5/linux/payg", "0.096"),
        azure("virtual-machines", "D2s_v5/linux/spot", "0.02"),
        azure("virtual-machines", "standardd2asv4/linux/payg", "0.1"),
        azure("virtual-machines", "standardodd-name/linux/payg"),
        azure("application-gateway", "waf-v2-cu", "0.0144", "CU-hour"),
        azure("egress-internet", "10000-50000 GB (after 100 GB free)", "0.083", "GB"),
        azure("container-apps", "consumption-vcpu-active"),
        azure("postgres-flexible", "B1ms", "0.017"),
        azure("postgres-flexible", "D4s_v3", "0.39"),
    )
    with (home / "azure.csv").open(newline="") as stream:
        found = {(r["service"], r["sku"], r["tier_start"]): r["usd"] for r in csv.DictReader(stream)}
    assert found == {
        ("virtual-machines", "D2s_v5", "0"): "0.096",
        ("virtual-machines-spot", "D2s_v5", "0"): "0.02",
        ("virtual-machines", "D2as_v4", "0"): "0.1",
        ("application-gateway", "waf-v2-unit", "0"): "0.0144",
        ("bandwidth", "internet-out", "10240"): "0.083",
        ("postgres-flexible", "B1ms", "0"): "0.017",
    }


def test_facts_of_google_without_a_region_of_their_own_are_global(tmp_path: Path) -> None:
    home = folder(tmp_path)
    built(
        home,
        fact("a/on-demand/linux", "1"),
        "gcp,us-central1,secret-manager,version,version-month,0.06,2026-01-01,x,high,1,\n",
        "gcp,us-central1,cloud-sql,memory-zonal,GB-month,5.11,2026-01-01,x,high,1,\n",
        "gcp,us-central1,gke,cluster,hour,0.1,2026-01-01,x,high,1,\n",
    )
    with (home / "google.csv").open(newline="") as stream:
        rows = [tuple(r.values())[:5] for r in csv.DictReader(stream)]
    assert rows == [
        ("google", "us-central1", "cloud-sql", "memory-zonal", "GiB-month"),
        ("google", "global", "secret-manager", "version", "version-month"),
    ]


CALCULATOR = """
about: {generated: Thu Jul 30 06:13:17 2026}
compute:
  instance:
    e2-standard-2: {cost: {us-central1: {hour: 0.067, hour_spot: 0.04}, nowhere: {month: 1}}}
    n2-standard-4: {cost: {us-central1: {hour: 0.19}}}
    m3-ultramem-32: {cost: {us-central1: {hour: 6}}}
  storage: {balanced: &cost {cost: {us-central1: {month: 0.1}}}, balanced-replicated: *cost, ssd: *cost,
    ssd-replicated: *cost, hdd: *cost, hdd-replicated: *cost, snapshot: *cost}
  network:
    ip: {vm: {cost: {us-central1: {hour: 0.005}}}, unused: {cost: {us-central1: {hour: 0.01}}}}
    nat: {data: *cost, gateway: {cost: {us-central1: {hour: 0.0448}}}}
    traffic: {egress: {internet: {cost: {
      0-1: {us-central1: {month: 0.12}}, 10n: {us-central1: {month: 0.08}}}}}}
storage: {bucket: {standard: *cost, nearline: *cost, coldline: *cost, archiv: *cost}}
"""


def test_the_calculators_file_gives_machines_by_the_hour_and_a_nat_price_per_machine() -> None:
    google_calculator = importlib.import_module("google_calculator")
    found = {(f.service, f.sku, f.tier_start): f for f in google_calculator.facts(yaml.safe_load(CALCULATOR))}
    assert found["compute-engine", "e2-standard-2", "0"].usd == "0.067"
    assert found["compute-engine-spot", "e2-standard-2", "0"].confidence == "medium"
    assert "discount" in found["compute-engine", "n2-standard-4", "0"].note
    assert not any("ultramem" in sku for _, sku, _ in found)
    assert found["cloud-nat", "machine", "0"].usd == "0.0014"
    assert found["data-transfer", "internet-out", "10240"].usd == "0.08"
    assert {f.as_of for f in found.values()} == {"2026-07-30"}
