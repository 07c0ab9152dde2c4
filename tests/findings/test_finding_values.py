"""Known, unknown, absent: the difference every rule rests on."""

from __future__ import annotations

from typing import Any

import pytest
from finding_plans import resource

from cloudberth.findings.values import Node, State, at, blocks


@pytest.mark.parametrize(
    ("value", "pending", "state"),
    [
        ("x", False, State.KNOWN),
        (False, False, State.KNOWN),
        (0, False, State.KNOWN),
        (None, True, State.UNKNOWN),
        ("x", True, State.UNKNOWN),
        (None, False, State.ABSENT),
        ("", False, State.ABSENT),
        ([], False, State.ABSENT),
        ({}, {}, State.ABSENT),
        ([], [{"name": True}], State.UNKNOWN),
        ([{"a": 1}], [{"b": True}], State.KNOWN),
    ],
)
def test_state(value: Any, pending: Any, state: State) -> None:
    node = Node(value, pending)
    assert node.state is state
    assert [node.known, node.unknown, node.absent].count(True) == 1


@pytest.mark.parametrize(
    ("value", "on", "off", "turned_off"),
    [
        (True, True, False, False),
        ("true", True, False, False),
        (False, False, True, True),
        ("false", False, True, True),
        (None, False, True, False),
        ("maybe", False, False, False),
    ],
)
def test_switches(value: Any, on: bool, off: bool, turned_off: bool) -> None:
    node = Node(value)
    assert (node.on, node.off, node.turned_off) == (on, off, turned_off)


def test_an_unknown_switch_is_neither_on_nor_off() -> None:
    node = Node(None, True)
    assert not node.on and not node.off and not node.turned_off


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), ("7", 7.0), (0, 0.0), (True, None), ("x", None), (None, None), ([1], None)],
)
def test_numbers(value: Any, number: float | None) -> None:
    assert Node(value).number == number


def test_a_path_through_blocks() -> None:
    disk = resource(
        "aws_launch_template.a",
        block_device_mappings=[{"ebs": [{"volume_size": 50}]}],
        unknown={"block_device_mappings": [{"ebs": [{"encrypted": True}]}]},
    )
    ebs = blocks(disk, "block_device_mappings")[0].at("ebs.0")
    assert ebs.at("volume_size").number == 50
    assert ebs.at("encrypted").unknown
    assert ebs.at("iops").absent
    assert at(disk, "block_device_mappings.3.ebs").absent


def test_everything_below_something_unknown_is_unknown() -> None:
    assert at(resource("aws_lb.a", unknown={"access_logs": True}), "access_logs.0.enabled").unknown


def test_a_wrong_step_leads_nowhere() -> None:
    lb = resource("aws_lb.a", name="x", subnets=["a"])
    assert at(lb, "name.0").absent and at(lb, "subnets.name").absent
