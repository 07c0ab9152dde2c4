"""The price book: tiers, regions, layers, files, and what it does not know."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.cost.model import Price, PriceKey
from cloudberth.cost.pricebook import (
    PriceBook,
    Unpriced,
    is_old,
    read_book,
    shipped_book,
    standard_book,
    tiered_cost,
)
from cloudberth.errors import InvalidInput

HEADER = "provider,region,service,sku,unit,tier_start,usd,as_of,source,confidence,note\n"
KEY = PriceKey("aws", "us-east-1", "ec2", "t4g.large", "hour")


def price(key: PriceKey, usd: str, start: str = "0", as_of: date = date(2026, 9, 1)) -> Price:
    return Price(key, Decimal(usd), as_of, "a source", "high", Decimal(start))


def tiers(*pairs: tuple[str, str]) -> tuple[Price, ...]:
    return tuple(price(KEY, usd, start) for start, usd in pairs)


def test_a_price_is_found_with_its_date_and_source() -> None:
    found = shipped_book().lookup(KEY)
    assert not isinstance(found, Unpriced)
    assert [(p.usd, p.tier_start) for p in found] == [(Decimal("0.0672"), 0)]
    assert found[0].as_of == date(2026, 2, 27)
    assert "cloudwright" in found[0].source


def test_an_unknown_price_names_other_regions_and_uses_none() -> None:
    key = PriceKey("aws", "sa-east-1", "nat-gateway", "hour", "hour")
    found = shipped_book().lookup(key)
    assert isinstance(found, Unpriced)
    assert found.reason.startswith(
        "no dated price for nat-gateway hour per hour in sa-east-1 (known elsewhere"
    )
    assert "eu-central-1 0.052" in found.reason


def test_an_unheard_of_thing_is_unknown_without_regions() -> None:
    found = shipped_book().lookup(PriceKey("aws", "us-east-1", "teleporter", "small", "hour"))
    assert found == Unpriced("no dated price for teleporter small per hour in us-east-1")


def test_without_a_region_nothing_is_priced() -> None:
    found = shipped_book().lookup(PriceKey("aws", "", "ec2", "t4g.large", "hour"))
    assert found == Unpriced("the plan does not say which region this is in")


@pytest.mark.parametrize(
    ("region", "known"),
    [("ap-south-2", True), ("mx-central-1", True), ("cn-north-1", False), ("us-gov-west-1", False)],
)
def test_a_price_for_every_commercial_region_covers_those_only(region: str, known: bool) -> None:
    found = shipped_book().lookup(PriceKey("aws", region, "public-ipv4", "address", "hour"))
    assert isinstance(found, Unpriced) is not known


def test_a_book_that_lacks_the_first_tier_does_not_price() -> None:
    found = PriceBook([price(KEY, "0.07", "100")]).lookup(KEY)
    assert found == Unpriced("the price of the first 100 hour is not known")


def test_each_tier_applies_to_the_volume_above_its_start() -> None:
    ladder = tiers(("0", "0.09"), ("10240", "0.085"), ("51200", "0.07"))
    assert tiered_cost(Decimal(10240), ladder) == Decimal("921.6")
    assert tiered_cost(Decimal(20480), ladder) == Decimal("921.6") + Decimal("870.4")
    assert tiered_cost(Decimal(1), ladder, already=Decimal(60000)) == Decimal("0.07")


amounts = st.decimals(min_value=0, max_value=10**9, places=3)
ladders = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(0, 10**4)), max_size=5, unique_by=lambda t: t[0]
).map(
    lambda rest: tiers(
        ("0", "0.5"), *((str(start), str(Decimal(cents) / 1000)) for start, cents in sorted(rest))
    )
)


@given(ladders, amounts, amounts)
def test_a_volume_costs_the_same_in_one_piece_or_two(
    ladder: tuple[Price, ...], first: Decimal, second: Decimal
) -> None:
    whole = tiered_cost(first + second, ladder)
    assert whole == tiered_cost(first, ladder) + tiered_cost(second, ladder, already=first)
    assert whole >= tiered_cost(first, ladder)


def test_a_users_price_hides_all_tiers_of_that_key_below_it(tmp_path: Path) -> None:
    own = tmp_path / "ours.csv"
    egress = PriceKey("aws", "us-east-1", "data-transfer", "internet-out", "GB")
    own.write_text(
        HEADER + "aws,us-east-1,data-transfer,internet-out,GB,0,0.04,2026-11-01,our contract,high,\n"
    )
    found = standard_book(own=own).lookup(egress)
    assert not isinstance(found, Unpriced)
    assert [(p.usd, p.source) for p in found] == [(Decimal("0.04"), "our contract")]
    assert not isinstance(standard_book(own=own).lookup(KEY), Unpriced)


def test_layers_go_own_file_then_refreshed_then_shipped(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    row = "aws,us-east-1,ec2,{sku},hour,0,{usd},2026-11-01,{name},high,\n"
    (cache / "aws-us-east-1.csv").write_text(
        HEADER
        + row.format(sku="t4g.large", usd="0.06", name="cache")
        + row.format(sku="m7g.large", usd="0.08", name="cache")
    )
    own = tmp_path / "own.csv"
    own.write_text(HEADER + row.format(sku="t4g.large", usd="0.05", name="own"))
    book = standard_book(own=own, refreshed=cache)
    usd = {}
    for sku in ("t4g.large", "m7g.large", "t4g.medium"):
        found = book.lookup(PriceKey("aws", "us-east-1", "ec2", sku, "hour"))
        assert not isinstance(found, Unpriced)
        usd[sku] = str(found[0].usd)
    assert usd == {"t4g.large": "0.05", "m7g.large": "0.08", "t4g.medium": "0.0336"}
    assert book.grants == shipped_book().grants


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns are missing: provider, region, service"),
        ("region,price\nus-east-1,3\n", "columns are missing: provider, service"),
        (HEADER + "aws,us-east-1,ec2,x,hour,0,cheap,2026-11-01,me,high,\n", ":2: not a price row"),
        (HEADER + "aws,us-east-1,ec2,x,hour,0,1,November,me,high,\n", ":2: not a price row"),
        (HEADER + "aws,us-east-1,ec2,x,hour,0,-1,2026-11-01,me,high,\n", "cannot be negative or infinite"),
        (
            HEADER + "aws,us-east-1,ec2,x,hour,0,Infinity,2026-11-01,me,high,\n",
            "cannot be negative or infinite",
        ),
        (HEADER + "aws\n", ":2: not a price row"),
    ],
)
def test_a_bad_price_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r".+") as caught:
        read_book(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_price_file_that_is_not_there_or_not_text_is_an_error(tmp_path: Path) -> None:
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00garbage")
    for path in (tmp_path / "none.csv", binary):
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_book(path)


@pytest.mark.parametrize(
    ("as_of", "old"), [((2025, 11, 30), False), ((2025, 10, 31), True), ((2026, 11, 1), False)]
)
def test_facts_are_old_after_twelve_months(as_of: tuple[int, int, int], old: bool) -> None:
    assert is_old(price(KEY, "1", as_of=date(*as_of)), today=date(2026, 11, 23)) is old


def test_every_shipped_row_is_a_plausible_fact() -> None:
    book = shipped_book()
    assert len(book) > 1000
    for row in book.prices:
        assert row.usd >= 0, row
        assert row.source, row
        assert row.source not in ("", row.key.service), row
        assert row.confidence in ("high", "medium"), row
        assert date(2023, 1, 1) <= row.as_of <= date(2026, 12, 31), row
        assert isinstance(row.usd, Decimal), row
    for grant in book.grants:
        assert grant.amount > 0
        for sku in grant.skus:
            assert any(f"{p.key.service}/{p.key.sku}" == sku for p in book.prices), sku


def test_spot_facts_are_marked_as_moving() -> None:
    spots = [p for p in shipped_book().prices if p.key.service == "ec2-spot"]
    assert spots
    assert all("moving" in p.note for p in spots)


@pytest.mark.parametrize("provider", ["aws", "azure", "google"])
def test_one_providers_book_is_its_part_of_the_whole(provider: str) -> None:
    own = shipped_book(provider).prices
    assert own == tuple(p for p in shipped_book().prices if p.key.provider == provider)
    assert own
