"""Two plans, compared by address."""

from __future__ import annotations

from typing import Any

from cloudberth.infra.difference import AttributeChange, compare_plans
from cloudberth.infra.plan import Action, Plan, Resource


def resource(address: str, values: dict[str, Any], unknown: dict[str, Any] | None = None) -> Resource:
    kind, name = address.split(".")
    return Resource(address, "", kind, name, None, "aws", Action.CREATE, values, {}, unknown or {})


def test_added_removed_and_changed() -> None:
    before = Plan((resource("aws_vpc.a", {"cidr": "10.0.0.0/16"}), resource("aws_eip.x", {})))
    after = Plan((resource("aws_vpc.a", {"cidr": "10.1.0.0/16"}), resource("aws_lb.y", {})))
    difference = compare_plans(before, after)
    assert difference.added == ("aws_lb.y",)
    assert difference.removed == ("aws_eip.x",)
    assert difference.changed[0].attributes == (AttributeChange("cidr", "10.0.0.0/16", "10.1.0.0/16"),)


def test_nested_values_have_dotted_paths() -> None:
    before = Plan((resource("aws_lb.a", {"tags": {"k": "1"}, "rule": [{"port": 1}]}),))
    after = Plan((resource("aws_lb.a", {"tags": {"k": "2"}, "rule": [{"port": 1}, {"port": 2}]}),))
    paths = [change.path for change in compare_plans(before, after).changed[0].attributes]
    assert paths == ["rule.1.port", "tags.k"]


def test_unknown_values_are_no_change() -> None:
    before = Plan((resource("aws_lb.a", {"dns": "x", "list": [{"id": "y"}]}),))
    after = Plan((resource("aws_lb.a", {}, {"dns": True, "list": True}),))
    assert compare_plans(before, after).empty
