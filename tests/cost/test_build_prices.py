"""The tool that makes the price book: its rules, and that the shipped book is what it makes."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "cloudberth" / "cost" / "prices"
FACTS = "provider,region,service,sku,unit,price_usd,date_of_price,source,confidence,price_native,note\n"
ADDED = "provider,region,service,sku,unit,tier_start,usd,as_of,source,confidence,note\n"
REJECTED = "provider,region,service,sku,unit,usd,reason\n"
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
    for name in ("aws.csv", "sources.json"):
        assert (copy / name).read_text() == (SHIPPED / name).read_text(), (
            f"run python tools/build_prices.py ({name})"
        )


def test_every_fact_and_allowance_cites_a_source_that_is_there() -> None:
    for sources, files in (
        ("facts/imported.json", ["facts/imported.csv"]),
        ("facts/additions.json", ["facts/additions.csv"]),
        ("sources.json", ["aws.csv", "grants.csv"]),
    ):
        known = json.loads((SHIPPED / sources).read_text())
        cited = set()
        for name in files:
            with (SHIPPED / name).open(newline="") as stream:
                cited |= {row["source"] for row in csv.DictReader(stream)}
        assert cited <= known.keys(), files
        if sources == "sources.json":
            assert cited == known.keys()


def test_additions_are_sorted_and_never_repeat_a_fact() -> None:
    with (SHIPPED / "facts" / "additions.csv").open(newline="") as stream:
        rows = [tuple(row.values()) for row in csv.DictReader(stream)]
    assert len(rows) == len(set(rows))
    assert rows == sorted(rows, key=lambda r: (r[2], r[3], r[1], r[4], float(r[5]), r[7]))
