"""From a plan to its price: totals, allowances, tiers across resources, and what stays unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cost_plans import group, mixed, plan, resource, template
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate, Line, Price, PriceKey
from cloudberth.cost.pricebook import Grant, PriceBook, shipped_book
from cloudberth.cost.quantities.registry import free, priced
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Action, Plan

TODAY = date(2026, 11, 23)


def line_of(found: Estimate, label: str, address: str | None = None) -> Line:
    matching = [
        line
        for line in found.lines
        if line.quantity.label.startswith(label) and address in (None, line.quantity.resource)
    ]
    assert len(matching) == 1, [(line.quantity.resource, line.quantity.label) for line in found.lines]
    return matching[0]


def small_production() -> Plan:
    """What a small deployment is made of; every number of the expected bill below is worked out by hand."""
    database = {"engine": "postgres", "instance_class": "db.t4g.medium", "multi_az": False}
    storage = {"allocated_storage": 30, "storage_type": "gp3", "backup_retention_period": 7}
    cache = {"engine": "valkey", "node_type": "cache.t4g.small", "num_cache_clusters": 1}
    alarm = {"period": 300, "namespace": "AWS/EC2"}
    return plan(
        resource("aws_vpc.main"),
        resource('aws_subnet.public["a"]', {"availability_zone": "us-east-1a"}),
        resource('aws_subnet.public["b"]', {"availability_zone": "us-east-1b"}),
        resource("aws_nat_gateway.this[0]", {}, "aws_eip.nat[0]"),
        resource("aws_eip.nat[0]"),
        resource("aws_lb.this", {}, "aws_subnet.public", unknown={"subnets": True}),
        template("app"),
        template("stateful", "t4g.large"),
        group("app", 1, 2, mixed_instances_policy=mixed(1, 100, "t4g.large")),
        group("stateful", 1, 1),
        resource("aws_ebs_volume.data", {"type": "gp3", "size": 30}),
        resource("aws_db_instance.this", {**database, **storage}),
        resource("aws_elasticache_replication_group.this", cache),
        *(resource(f'aws_secretsmanager_secret.this["{n}"]') for n in "abcdefgh"),
        *(resource(f"aws_cloudwatch_metric_alarm.a{n}", alarm) for n in range(12)),
        resource("aws_cloudwatch_dashboard.this"),
        resource("aws_budgets_budget.this"),
    )


def test_a_small_production_costs_what_the_sum_by_hand_says() -> None:
    found = estimate(
        small_production(),
        Usage(nat_gb=100, egress_gb=150, inter_zone_gb=50, app_machines_average=1),
        today=TODAY,
    )  # type: ignore[arg-type]
    expected = {
        "NAT gateway": "32.85",  # 730 * 0.045
        "NAT data": "4.50",  # 100 * 0.045
        "public IPv4 address": "3.65",  # 730 * 0.005
        "load balancer": "16.425",  # 730 * 0.0225
        "public IPv4 addresses, 2 zones": "7.30",  # 2 * 730 * 0.005
        "volume gp3": "2.40",  # 30 * 0.08
        "db.t4g.medium single-az": "47.45",  # 730 * 0.065
        "storage gp3 single-az": "3.45",  # 30 * 0.115
        "cache.t4g.small valkey, 1 node": "18.688",  # 730 * 0.0256
        "dashboard": "0",  # three are free
        "data out to the internet": "4.50",  # (150 - 100 free) * 0.09
        "data between zones": "1.00",  # 50 * 2 directions * 0.01
    }
    for label, usd in expected.items():
        assert sum(ln.monthly or 0 for ln in found.lines if ln.quantity.label == label) == Decimal(usd), label
    machines = [ln.monthly for ln in found.lines if ln.quantity.label == "t4g.large on demand"]
    assert machines == [Decimal("49.056"), Decimal("49.056")]  # 730 * 0.0672
    disks = [ln.monthly for ln in found.lines if ln.quantity.label == "disk gp3"]
    assert disks == [4, 4]  # 50 * 0.08
    assert sum(ln.monthly or 0 for ln in found.lines if ln.quantity.label == "secret") == Decimal("3.20")
    assert sum(ln.monthly or 0 for ln in found.lines if ln.quantity.label == "alarm") == Decimal(
        "0.20"
    )  # 10 free
    # the lines above without NAT data, traffic and the app group: 135.613; the stateful machine and its disk
    assert found.fixed_monthly == Decimal("135.613") + Decimal("49.056") + Decimal("4")
    assert found.unknown == ()
    assert found.unpriced_types == ()
    assert found.free_resources == 5  # the VPC, two subnets, two launch templates


def test_the_total_is_the_sum_of_its_lines_and_splits_into_fixed_and_usage() -> None:
    found = estimate(small_production(), today=TODAY)
    assert found.monthly == sum(
        (line.monthly for line in found.lines if line.monthly is not None), Decimal(0)
    )
    assert found.monthly == found.fixed_monthly + found.usage_monthly
    assert found.usage_monthly > 0


def test_every_amount_is_decimal() -> None:
    for line in estimate(small_production(), today=TODAY).lines:
        values: list[Any] = [line.monthly, line.free, line.quantity.amount, *(p.usd for p in line.prices)]
        assert all(isinstance(value, Decimal) for value in values), line
    for assumption in estimate(small_production(), today=TODAY).assumptions:
        assert isinstance(assumption.value, Decimal)


def test_an_allowance_is_used_once_over_all_resources() -> None:
    alarms = [resource(f"aws_cloudwatch_metric_alarm.a{n}", {"period": 60}) for n in range(14)]
    found = estimate(plan(*alarms), today=TODAY)
    assert [line.free for line in found.lines] == [1] * 10 + [0] * 4
    assert found.monthly == Decimal("0.40")
    assert any("free allowances" in note for note in found.notes)


def test_allowances_can_be_left_out() -> None:
    alarms = [resource(f"aws_cloudwatch_metric_alarm.a{n}", {"period": 60}) for n in range(14)]
    found = estimate(plan(*alarms), Usage(free_allowances=False), today=TODAY)
    assert found.monthly == Decimal("1.40")
    assert not any("free allowances" in note for note in found.notes)


def test_part_of_an_amount_can_be_free() -> None:
    found = estimate(
        plan(resource("aws_lb.this", {"subnets": ["a"]})),
        Usage.model_validate({"egress_gb": 130}),
        today=TODAY,
    )
    line = line_of(found, "data out to the internet")
    assert (line.free, line.monthly) == (100, Decimal("2.70"))


def test_tiers_are_climbed_by_the_account_and_not_by_each_resource() -> None:
    key = PriceKey("aws", "us-east-1", "nat-gateway", "data-processed", "GB")
    rows = [
        Price(key, Decimal(usd), TODAY, "test", "high", Decimal(start))
        for start, usd in ((0, "1"), (100, "0.1"))
    ]
    hour = Price(replace(key, sku="hour", unit="hour"), Decimal(0), TODAY, "test", "high")
    gateways = [resource(f"aws_nat_gateway.g[{n}]") for n in range(3)]
    found = estimate(
        plan(*gateways), Usage.model_validate({"nat_gb": 180}), PriceBook([*rows, hour]), today=TODAY
    )
    data = [line for line in found.lines if line.quantity.label == "NAT data"]
    assert [line.monthly for line in data] == [60, 40 + 2, 6]  # 60 + 60 + 60 GB, the first 100 at 1.00
    assert [[p.tier_start for p in line.prices] for line in data] == [[0], [0, 100], [100]]


def test_a_grant_covers_its_meters_in_its_order() -> None:
    key = PriceKey("aws", "us-east-1", "nat-gateway", "data-processed", "GB")
    price = Price(key, Decimal(1), TODAY, "test", "high")
    grant = Grant(
        "data", "aws", ("nat-gateway/hour", "nat-gateway/data-processed"), "GB", Decimal(740), TODAY, "test"
    )
    book = PriceBook(
        [price, Price(replace(key, sku="hour", unit="hour"), Decimal(1), TODAY, "test", "high")], [grant]
    )
    found = estimate(
        plan(resource("aws_nat_gateway.g")), Usage.model_validate({"nat_gb": 25}), book, today=TODAY
    )
    assert [(line.free, line.monthly) for line in found.lines] == [(730, 0), (10, 15)]


def test_an_unknown_price_is_a_line_without_a_sum_and_is_counted() -> None:
    subject = plan(resource("aws_nat_gateway.this"), resource("aws_eip.nat"), region="sa-east-1")
    found = estimate(subject, today=TODAY)
    assert {line.quantity.label for line in found.unknown} == {"NAT gateway", "NAT data"}
    assert all(line.monthly is None and line.reason.startswith("no dated price") for line in found.unknown)
    assert found.monthly == Decimal("3.65")  # only the address, which costs the same in every region


def test_an_unknown_attribute_is_unknown_and_not_nothing() -> None:
    found = estimate(
        plan(resource("aws_db_instance.this", {"engine": "postgres"}, unknown={"instance_class": True})),
        today=TODAY,
    )
    assert {line.quantity.label for line in found.unknown} >= {"instance single-az", "storage gp2 single-az"}
    assert all(line.reason for line in found.unknown)


def test_types_that_nobody_knows_are_listed() -> None:
    subject = plan(
        resource("aws_sagemaker_endpoint.x"), resource("aws_sagemaker_endpoint.y"), resource("random_id.z")
    )
    found = estimate(subject, today=TODAY)
    assert found.unpriced_types == ("aws_sagemaker_endpoint",)
    assert found.free_resources == 1


def test_deleted_resources_and_data_sources_cost_nothing() -> None:
    gone = resource("aws_nat_gateway.old", action=Action.DELETE)
    read = resource("aws_lb.other", data=True)
    found = estimate(plan(gone, read), today=TODAY)
    assert found.lines == ()


def test_an_empty_plan_costs_nothing() -> None:
    found = estimate(plan(), today=TODAY)
    assert (found.monthly, found.lines, found.unpriced_types, found.notes) == (0, (), (), ())


def test_without_a_region_every_regional_line_is_unknown() -> None:
    found = estimate(plan(resource("aws_nat_gateway.this"), region=""), today=TODAY)
    assert all(line.monthly is None for line in found.lines)
    assert found.unknown[0].reason == "the plan does not say which region this is in"


def test_the_region_of_the_variables_stands_in_for_the_providers() -> None:
    found = estimate(
        plan(resource("aws_nat_gateway.this"), region="", variables={"region": "us-east-1"}), today=TODAY
    )
    assert found.region == "us-east-1"
    assert line_of(found, "NAT gateway").monthly == Decimal("32.85")


def test_a_resources_own_region_is_the_one_that_is_priced() -> None:
    firewall = resource("aws_wafv2_web_acl.this", {"rule": [], "scope": "CLOUDFRONT", "region": "us-east-1"})
    found = estimate(plan(firewall, region="ap-south-1"), today=TODAY)
    assert line_of(found, "web ACL").monthly == 5


def test_old_prices_are_said_to_be_old() -> None:
    subject = plan(resource("aws_nat_gateway.this"), region="eu-west-1")
    assert any(
        "more than 12 months old (the oldest of 2023-02-23)" in n
        for n in estimate(subject, today=TODAY).notes
    )
    assert estimate(subject, today=date(2023, 3, 1)).notes == ()


def test_types_are_either_priced_or_free_and_never_both() -> None:
    assert not priced().keys() & free().keys()
    assert all(reason for reason in free().values())


sizes = st.integers(0, 50)


@given(
    low=sizes,
    extra=sizes,
    base=sizes,
    percent=st.integers(0, 100),
    nat=st.integers(0, 10**6),
    nodes=st.integers(1, 9),
    kind=st.sampled_from(["t4g.large", "m7g.xlarge", "x9.unknown"]),
    region=st.sampled_from(["us-east-1", "eu-central-1", "xx-1"]),
)
def test_whatever_the_plan_the_books_balance(
    low: int, extra: int, base: int, percent: int, nat: int, nodes: int, kind: str, region: str
) -> None:
    cache = {"engine": "valkey", "node_type": "cache.t4g.small"}
    subject = plan(
        group(low=low, high=low + extra, mixed_instances_policy=mixed(base, percent, kind)),
        template(),
        resource("aws_nat_gateway.this"),
        resource("aws_elasticache_replication_group.c", {**cache, "num_cache_clusters": nodes}),
        region=region,
    )
    found = estimate(subject, Usage.model_validate({"nat_gb": nat}), today=TODAY)
    assert found.monthly == sum((ln.monthly for ln in found.lines if ln.monthly is not None), Decimal(0))
    assert found.monthly == found.fixed_monthly + found.usage_monthly
    assert len(found.unknown) == sum(1 for ln in found.lines if ln.monthly is None)
    for line in found.lines:
        if line.monthly is None:
            assert line.reason
            assert line.prices == ()
        else:
            assert line.monthly >= 0
            assert line.prices or line.quantity.amount == line.free
            assert 0 <= line.free <= line.quantity.amount
    hours = [ln.quantity.amount for ln in found.lines if ln.quantity.price.service in ("ec2", "ec2-spot")]
    assert sum(hours, Decimal(0)) == low * 730
    shipped = {p.key for p in shipped_book().prices}
    assert all(p.key in shipped for ln in found.lines for p in ln.prices)


@pytest.mark.parametrize(
    "key", ["nat_gb", "egress_gb", "logs_gb", "monthly_active_users", "documents", "cdn_gb"]
)
@given(small=st.integers(0, 10**5), more=st.integers(1, 10**5))
def test_more_use_never_costs_less(key: str, small: int, more: int) -> None:
    subject = plan(
        resource("aws_nat_gateway.this"), resource("aws_lb.this", {"subnets": ["a", "b"]}),
        resource("aws_cloudwatch_log_group.g", {"retention_in_days": 30}), resource("aws_s3_bucket.b"),
        resource("aws_cloudfront_distribution.c"),
    )  # fmt: skip
    low = estimate(subject, Usage.model_validate({key: small}), today=TODAY).monthly
    high = estimate(subject, Usage.model_validate({key: small + more}), today=TODAY).monthly
    assert high >= low
