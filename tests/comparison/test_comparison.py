"""The same deployment on several clouds: what is carried over, what is compared, and the chart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.comparison import Side, compare
from cloudberth.cost.chart import Bar, stacked_bars
from cloudberth.cost.model import Estimate, Line, Price, PriceKey, Quantity
from cloudberth.deployment.documentation import sections
from cloudberth.deployment.elsewhere import OF_ONE_CLOUD, counterpart, on_cloud
from cloudberth.deployment.facts import clouds, facts
from cloudberth.errors import InvalidDeployment, InvalidInput
from cloudberth.infra.plan import Plan

FILES = Path(__file__).parents[2] / "src" / "cloudberth" / "deployment" / "facts"


def line(component: str, label: str, monthly: str | None) -> Line:
    key = PriceKey("x", "y", component, label, "hour")
    price = Price(key, Decimal(1), date(2026, 1, 1), "source", "high")
    amount = None if monthly is None else Decimal(monthly)
    return Line(Quantity("r", component, label, key, Decimal(1)), (price,), amount)


def side(cloud: str, *lines: Line) -> Side:
    return Side(cloud, "here", Plan(()), Estimate(tuple(lines), (), ()), ())


def test_rows_by_component_and_reasons_for_the_largest_spread() -> None:
    comparison = compare(
        (
            side("aws", line("database", "db.small", "50"), line("network", "NAT", "30")),
            side("azure", line("database", "B2s", "90"), line("network", "NAT", "32")),
            side("google", line("database", "custom", "70")),
        )
    )
    assert [(row.component, row.spread) for row in comparison.rows] == [
        ("database", Decimal(40)),
        ("network", Decimal(32)),
    ]
    first = comparison.reasons[0]
    assert (first.dearest, first.dearest_lines) == ("azure", ("B2s $90.00",))
    assert (first.cheapest, first.cheapest_lines) == ("aws", ("db.small $50.00",))


def test_an_unknown_price_is_counted_and_never_called_cheaper() -> None:
    sides = (
        side("aws", line("cache", "node", "20")),
        side("azure", line("cache", "B3", None), line("cache", "backup", "1")),
        side("google", line("cache", "M1", "35")),
    )
    comparison = compare(sides)
    assert [cell.unknown for cell in comparison.rows[0].cells] == [0, 1, 0]
    reason = comparison.reasons[0]
    assert (reason.dearest, reason.cheapest, reason.spread) == ("google", "aws", Decimal(15))
    assert compare(sides[:2]).reasons == ()


def test_every_counterpart_is_a_region_of_its_cloud() -> None:
    for places in yaml.safe_load((FILES / "counterparts.yaml").read_text()):
        assert set(places) == set(clouds())
        for cloud, region in places.items():
            assert facts(cloud).region_zones(region), f"{cloud} {region}"


def test_a_region_without_counterpart_says_how_to_name_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        counterpart("aws", "af-south-1", "azure")
    assert "--region azure=" in caught.value.hint


def write(folder: Path, text: str) -> Path:
    path = folder / "berth.yaml"
    path.write_text(text)
    return path


MINIMAL = "name: dify\napp: dify\ncloud: aws\nregion: us-east-1\n"


@pytest.mark.parametrize("cloud", clouds())
def test_a_minimal_file_is_valid_on_every_cloud(tmp_path: Path, cloud: str) -> None:
    there = on_cloud(write(tmp_path, MINIMAL), cloud, None, {})
    assert there.deployment.cloud == cloud
    assert there.replaced == ()
    assert facts(cloud).region_zones(there.deployment.region)


@pytest.mark.parametrize("cloud", [cloud for cloud in clouds() if cloud != "aws"])
def test_names_of_one_cloud_give_way_to_the_size(tmp_path: Path, cloud: str) -> None:
    text = (
        MINIMAL
        + "size: medium\ncompute:\n  app: {machine_types: [m7g.xlarge], max: 6}\n"
        + "database: {machine_type: db.m7g.large}\n"
    )
    there = on_cloud(write(tmp_path, text), cloud, None, {})
    assert there.replaced == ("compute.app.machine_types", "database.machine_type")
    assert there.deployment.compute.app.max == 6
    assert there.deployment.compute.app.machine_types != ("m7g.xlarge",)


def test_a_file_that_is_wrong_at_home_is_refused_with_its_places(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeployment, match=r"berth.yaml:4:9 region"):
        on_cloud(write(tmp_path, MINIMAL.replace("us-east-1", "mars")), "google", None, {})


def test_the_keys_that_give_way_exist() -> None:
    known = {field.path for section in sections() for field in section.fields}
    for key in OF_ONE_CLOUD:
        assert any(path == key or path.startswith(f"{key}.") for path in known), key


amounts = st.decimals(min_value=0, max_value=10**6, places=2)


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20), amounts),
        min_size=1,
        max_size=15,
        unique_by=lambda p: p[0],
    )
)
def test_the_chart_is_valid_and_to_scale(parts: list[tuple[str, Decimal]]) -> None:
    clean = [
        ("".join(c for c in name if c.isprintable() and ord(c) < 0xD800) or "x", amount)
        for name, amount in parts
    ]
    bars = [Bar("aws", clean), Bar("azure <b>", [(name, amount / 2) for name, amount in clean], unknown=2)]
    root = ElementTree.fromstring(stacked_bars("A & B", bars))
    widths = [float(rect.get("width", 0)) for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert all(width >= 0 for width in widths)
    left = [
        float(r.get("x", 0)) + float(r.get("width", 0))
        for r in root.iter("{http://www.w3.org/2000/svg}rect")
        if r.get("height") == "44"
    ]
    assert all(edge <= 960 - 130 + 1 for edge in left)
