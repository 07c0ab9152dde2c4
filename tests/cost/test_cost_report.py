"""Estimates as tables, JSON and differences."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from cost_plans import group, plan, resource, template

from cloudberth.cost.difference import compare
from cloudberth.cost.estimate import estimate
from cloudberth.cost.model import Estimate
from cloudberth.cost.report import TITLES, as_json, by_component, by_resource, dollars, plain, total_in_words
from cloudberth.cost.usage import Usage
from cloudberth.infra.plan import Plan

TODAY = date(2026, 11, 23)
NAT = resource("aws_nat_gateway.this")
ADDRESS = resource("aws_eip.nat")
ALARM = resource("aws_cloudwatch_metric_alarm.a", {"period": 60})


def estimated(subject: Plan, **figures: object) -> Estimate:
    return estimate(subject, Usage.model_validate({"nat_gb": 100, **figures}), today=TODAY)


def machines(count: int) -> Plan:
    return plan(NAT, group(low=count, high=count), template())


def test_groups_hold_every_line_once_in_the_tables_order() -> None:
    found = estimated(plan(resource("aws_secretsmanager_secret.s"), NAT, group(), template(), ALARM))
    groups = by_component(found)
    assert [g.component for g in groups] == [c for c in TITLES if c in {g.component for g in groups}]
    assert sum(len(g.lines) for g in groups) == len(found.lines)
    assert sum((g.monthly for g in groups), Decimal(0)) == found.monthly
    assert sum((g.fixed_monthly for g in groups), Decimal(0)) == found.fixed_monthly
    assert all(g.title and g.usage_monthly >= 0 for g in groups)


def test_a_component_without_a_title_is_shown_under_its_own_name() -> None:
    found = estimated(plan(NAT))
    odd = replace(found.lines[0], quantity=replace(found.lines[0].quantity, component="quantum"))
    groups = by_component(replace(found, lines=(*found.lines, odd)))
    assert [(g.component, g.title) for g in groups][-1] == ("quantum", "quantum")


def test_unknown_lines_are_counted_per_group() -> None:
    found = estimated(plan(NAT, ADDRESS, region="sa-east-1"))
    (network,) = by_component(found)
    assert (network.unknown, network.monthly) == (2, Decimal("3.65"))


def test_the_total_says_at_least_when_something_is_unknown() -> None:
    assert total_in_words(estimated(plan(NAT))) == "$37.35 a month"
    assert total_in_words(estimated(plan(ADDRESS, NAT, region="sa-east-1"))) == (
        "at least $3.65 a month (2 lines without a known price)"
    )
    assert total_in_words(estimated(plan(NAT, resource("aws_x.y")))) == (
        "at least $37.35 a month (1 resource types not priced)"
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("22.265", "$22.27"),
        ("16.425", "$16.43"),
        ("0.004", "$0.00"),
        ("1234567.891", "$1,234,567.89"),
        ("-3.5", "-$3.50"),
        ("-0.001", "$0.00"),
    ],
)
def test_dollars_are_rounded_as_bills_are(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("100", "100"), ("1E+3", "1000"), ("0.2300", "0.23")]
)
def test_plain_decimals_have_no_exponent_and_no_trailing_zeros(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def test_json_carries_everything_and_adds_up() -> None:
    found = estimated(
        plan(
            NAT,
            ADDRESS,
            group(),
            template(),
            *(replace(ALARM, address=f"aws_cloudwatch_metric_alarm.a{n}") for n in range(12)),
        )
    )
    document = json.loads(json.dumps(as_json(found)))
    assert document["currency"] == "USD"
    assert document["region"] == "us-east-1"
    components = [c for r in document["resources"] for c in r["costComponents"]]
    assert len(components) == len(found.lines)
    total = sum((Decimal(c["monthlyCost"]) for c in components), Decimal(0))
    assert total == Decimal(document["totalMonthlyCost"]) == found.monthly
    assert sum(Decimal(r["monthlyCost"]) for r in document["resources"]) == total
    assert Decimal(document["fixedMonthlyCost"]) + Decimal(document["usageMonthlyCost"]) == total
    assert {a["key"] for a in document["assumptions"]} == {a.key for a in found.assumptions}
    assert document["freeResources"] == 1


def test_a_json_component_says_what_it_costs_and_who_says_so() -> None:
    (found,) = as_json(estimated(plan(NAT)))["resources"]
    assert found["name"] == "aws_nat_gateway.this"
    hours, data = found["costComponents"]
    expected = {
        "name": "NAT gateway",
        "unit": "hour",
        "monthlyQuantity": "730",
        "price": "0.045",
        "monthlyCost": "32.85",
        "usageBased": False,
    }
    assert {key: hours[key] for key in expected} == expected
    assert hours["as_of"] == "2024-04-04"
    assert "nat_gateway_test" in hours["source"]
    assert hours["confidence"] == "high"
    assert data["usageBased"] is True
    assert data["assumptions"] == ["nat_gb"]


def test_an_unknown_json_component_has_nulls_and_a_reason() -> None:
    document = as_json(estimated(plan(NAT, region="sa-east-1")))
    hours = document["resources"][0]["costComponents"][0]
    assert (hours["price"], hours["monthlyCost"], hours["as_of"], hours["tiers"]) == (None, None, None, [])
    assert hours["reason"].startswith("no dated price")
    assert document["unknownCount"] == 2


def test_no_number_in_json_is_a_float() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(floats(v) for v in value.values())
        if isinstance(value, list):
            return any(floats(v) for v in value)
        return isinstance(value, float)

    assert not floats(as_json(estimated(machines(2))))


def test_lines_by_resource_keep_their_order() -> None:
    found = estimated(plan(ADDRESS, NAT))
    assert list(by_resource(found.lines)) == ["aws_eip.nat", "aws_nat_gateway.this"]


def test_nothing_changed_is_no_difference() -> None:
    same = compare(estimated(machines(2)), estimated(machines(2)))
    assert (same.delta, same.changes, same.components, same.percent) == (0, (), (), 0)


def test_a_difference_is_told_by_resource_and_component() -> None:
    found = compare(estimated(machines(2)), estimated(machines(3)))
    one = Decimal("49.056") + 4  # a machine and its disk
    assert found.delta == one == found.after - found.before
    assert [(c.component, c.resource, c.delta) for c in found.changes] == [
        ("compute", "module.compute.aws_autoscaling_group.app", one)
    ]
    assert [(c.component, c.delta) for c in found.components] == [("compute", one)]
    assert all(change.certain for change in found.changes)
    assert found.percent is not None
    assert found.percent > 0


def test_changes_add_up_and_come_largest_first() -> None:
    before, after = estimated(plan(NAT, ADDRESS)), estimated(machines(1), nat_gb=500)
    found = compare(before, after)
    assert sum((c.delta for c in found.changes), Decimal(0)) == found.delta == after.monthly - before.monthly
    assert [abs(c.delta) for c in found.changes] == sorted(
        (abs(c.delta) for c in found.changes), reverse=True
    )
    gone = next(c for c in found.changes if c.resource == "aws_eip.nat")
    assert (gone.before, gone.after) == (Decimal("3.65"), 0)


def test_a_price_that_became_unknown_is_not_taken_for_a_saving() -> None:
    found = compare(estimated(plan(NAT)), estimated(plan(NAT, region="sa-east-1")))
    (change,) = found.changes
    assert (change.delta, change.unknown_after, change.certain) == (Decimal("-37.35"), 2, False)
    assert (found.unknown_before, found.unknown_after) == (0, 2)


def test_a_resource_of_unknown_price_that_goes_is_a_change_without_a_sum() -> None:
    found = compare(estimated(plan(NAT, region="sa-east-1")), estimated(plan(region="sa-east-1")))
    (change,) = found.changes
    assert (change.resource, change.delta, change.unknown_before) == ("aws_nat_gateway.this", 0, 2)
    assert not change.certain


def test_a_difference_from_nothing_has_no_percentage() -> None:
    assert compare(estimated(plan()), estimated(plan(NAT))).percent is None
