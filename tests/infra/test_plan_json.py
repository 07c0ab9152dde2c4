"""Plans from `terraform show -json`: of every age, with references followed, and garbage answered cleanly."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.errors import InvalidInput
from cloudberth.infra import plan as plans
from cloudberth.infra.engine import Engine
from cloudberth.infra.plan import Action, Plan
from cloudberth.infra.plan_json import drift_from_json
from cloudberth.infra.references import most_specific, split_address, split_steps
from cloudberth.infra.rehearsal import rehearse_plan

Write = Callable[..., Path]


def change(address: str, actions: list[str], **values: Any) -> dict[str, Any]:
    kind, name = address.split(".")[-2:]
    return {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": actions, "before": None, "after": values, "after_unknown": {"id": True}},
    }


def document(**parts: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "terraform_version": "1.9.8", "resource_changes": [], **parts}


def refs(*names: str) -> dict[str, Any]:
    return {"references": list(names)}


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["no-op"], Action.NONE),
        (["create"], Action.CREATE),
        (["read"], Action.READ),
        (["update"], Action.UPDATE),
        (["delete"], Action.DELETE),
        (["forget"], Action.FORGET),
        (["delete", "create"], Action.REPLACE),
        (["create", "delete"], Action.REPLACE),
        (["create", "forget"], Action.REPLACE),
    ],
)
def test_actions(actions: list[str], action: Action) -> None:
    plan = Plan.from_json(document(resource_changes=[change("aws_vpc.m", actions)]))
    assert plan.resources[0].action is action
    gone = action in (Action.DELETE, Action.FORGET)
    assert len(list(plan.managed())) == (0 if gone else 1)


def test_a_resource() -> None:
    entry = {
        **change('module.net["a.b"].module.inner[0].aws_subnet.s', ["update"], cidr_block="10.0.0.0/24"),
        "index": "eu-central-1a",
        "module_address": 'module.net["a.b"].module.inner[0]',
    }
    entry["change"]["before"] = {"cidr_block": "10.0.1.0/24"}
    entry["change"]["after_sensitive"] = {"tags": True}
    resource = Plan.from_json(document(resource_changes=[entry])).resources[0]
    assert resource.module == "net.inner"
    assert resource.key == "eu-central-1a"
    assert resource.provider == "registry.terraform.io/hashicorp/aws"
    assert resource.before == {"cidr_block": "10.0.1.0/24"}
    assert resource.get("cidr_block") == "10.0.0.0/24"
    assert resource.unknown == {"id": True}
    assert resource.sensitive == {"tags": True}
    assert not resource.data


def test_nothing_marked_is_written_as_false() -> None:
    entry = change("aws_vpc.m", ["create"])
    entry["change"].update(after_unknown=False, after_sensitive=False, after=None)
    resource = Plan.from_json(document(resource_changes=[entry])).resources[0]
    assert (resource.unknown, resource.sensitive, resource.values) == ({}, {}, {})


def test_data_sources_that_were_read_while_planning() -> None:
    zones = {
        "address": "module.net.data.aws_availability_zones.z",
        "mode": "data",
        "type": "aws_availability_zones",
        "name": "z",
        "values": {"names": ["a"]},
    }
    state = {"values": {"root_module": {"child_modules": [{"address": "module.net", "resources": [zones]}]}}}
    resource = Plan.from_json(document(prior_state=state)).resources[0]
    assert resource.data
    assert resource.module == "net"
    assert resource.values == {"names": ["a"]}


def test_outputs_and_variables() -> None:
    plan = Plan.from_json(
        document(
            output_changes={
                "known": {"actions": ["create"], "after": "x", "after_unknown": False},
                "later": {"actions": ["create"], "after_unknown": True},
                "partly": {"actions": ["create"], "after": {"a": 1}, "after_unknown": {"b": True}},
            },
            variables={"name": {"value": "demo"}},
            configuration={
                "root_module": {"variables": {"name": {"default": "x"}, "size": {"default": 3}, "y": {}}}
            },
        )
    )
    assert plan.outputs == {"known": "x", "later": None, "partly": {"a": 1}}
    assert plan.variables == {"name": "demo", "size": 3}
    assert plan.name == "demo"


PROVIDER = {"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws", "version_constraint": "~> 6.0"}


@pytest.mark.parametrize(
    ("expressions", "region"),
    [
        ({"region": {"constant_value": "eu-west-1"}}, "eu-west-1"),
        ({"region": refs("var.region")}, "sa-east-1"),
        ({"region": refs("local.region")}, "us-east-2"),
        ({}, "us-east-2"),
    ],
)
def test_the_region(expressions: Mapping[str, Any], region: str) -> None:
    plan = Plan.from_json(
        document(
            resource_changes=[change("aws_vpc.m", ["create"], region="us-east-2")],
            variables={"region": {"value": "sa-east-1"}},
            configuration={
                "provider_config": {
                    "aws.us": {
                        **PROVIDER,
                        "alias": "us",
                        "expressions": {"region": {"constant_value": "us-west-2"}},
                    },
                    "aws": {**PROVIDER, "expressions": expressions},
                }
            },
        )
    )
    assert plan.region == region
    assert plan.providers == {"registry.terraform.io/hashicorp/aws": "~> 6.0"}


# ---- references ----------------------------------------------------------------------------------

CONFIGURATION = {
    "root_module": {
        "resources": [
            {"address": "aws_vpc.root", "expressions": {}},
            {
                "address": "aws_lb.front",
                "expressions": {
                    "subnets": refs("module.net.subnets", "module.net"),
                    "name": refs("var.name"),
                    "access_logs": [
                        {
                            "bucket": refs(
                                "aws_s3_bucket.logs[0].id", "aws_s3_bucket.logs[0]", "aws_s3_bucket.logs"
                            )
                        }
                    ],
                },
                "for_each_expression": refs(
                    "data.aws_availability_zones.z.names", "data.aws_availability_zones.z"
                ),
                "depends_on": ["module.net"],
            },
        ],
        "module_calls": {
            "net": {
                "expressions": {
                    "vpc": refs("aws_vpc.root.id", "aws_vpc.root"),
                    "loop": refs("module.net.loop", "module.net"),
                },
                "module": {
                    "resources": [
                        {
                            "address": "aws_subnet.s",
                            "expressions": {"vpc_id": refs("var.vpc"), "x": refs("each.key")},
                        },
                        {
                            "address": "aws_route.r",
                            "expressions": {"id": refs("var.loop"), "y": refs("self.id")},
                        },
                    ],
                    "outputs": {
                        "subnets": {"expression": refs("aws_subnet.s")},
                        "loop": {"expression": refs("var.loop")},
                    },
                },
            }
        },
    }
}


def referenced(*addresses: str) -> dict[str, tuple[str, ...]]:
    changes = [change(address, ["create"]) for address in addresses]
    plan = Plan.from_json(document(resource_changes=changes, configuration=CONFIGURATION))
    return {resource.address: resource.references for resource in plan.resources}


def test_references_are_followed_through_modules() -> None:
    assert referenced("aws_lb.front")["aws_lb.front"] == (
        "aws_s3_bucket.logs[0]",
        "data.aws_availability_zones.z",
        "module.net.aws_route.r",
        "module.net.aws_subnet.s",
    )


def test_references_go_up_to_the_caller() -> None:
    assert referenced("module.net.aws_subnet.s")["module.net.aws_subnet.s"] == ("aws_vpc.root",)


def test_a_circle_of_references_ends() -> None:
    assert referenced("module.net.aws_route.r")["module.net.aws_route.r"] == ()


def test_an_address_that_the_configuration_does_not_have() -> None:
    assert referenced("module.gone.aws_vpc.x")["module.gone.aws_vpc.x"] == ()


def test_addresses_are_split() -> None:
    assert split_address('module.a["x.y"].module.b[0].aws_vpc.main["k[1]"]') == (
        ['a["x.y"]', "b[0]"],
        'aws_vpc.main["k[1]"]',
    )
    assert split_address("aws_vpc.module") == ([], "aws_vpc.module")
    assert split_steps("data.aws_ami.x.id") == ["data", "aws_ami", "x", "id"]


def test_only_the_longest_references_count() -> None:
    names = ["aws_eip.n[0].id", "aws_eip.n[0]", "aws_eip.n", "aws_eip.nat"]
    assert most_specific(names) == ["aws_eip.n[0].id", "aws_eip.nat"]


# ---- documents of other kinds --------------------------------------------------------------------


def test_a_state_is_a_plan_that_changes_nothing() -> None:
    resource = {
        "address": "aws_vpc.m",
        "mode": "managed",
        "type": "aws_vpc",
        "name": "m",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "values": {"id": "vpc-1", "region": "eu-west-2"},
    }
    state = {
        "format_version": "1.0",
        "terraform_version": "1.5.0",
        "values": {"outputs": {"x": {"value": 1}}, "root_module": {"resources": [resource]}},
    }
    plan = Plan.from_json(state)
    assert [(r.address, r.action, r.get("id")) for r in plan.resources] == [
        ("aws_vpc.m", Action.NONE, "vpc-1")
    ]
    assert plan.outputs == {"x": 1}
    assert plan.region == "eu-west-2"


def test_an_old_plan() -> None:
    """Terraform 0.12 wrote format 0.1, without after_sensitive and with short provider names."""
    entry = change("aws_vpc.m", ["create"], cidr_block="10.0.0.0/16")
    entry["provider_name"] = "aws"
    old = {"format_version": "0.1", "terraform_version": "0.12.31", "resource_changes": [entry]}
    assert Plan.from_json(old).resources[0].provider == "aws"


def test_drift() -> None:
    entry = change("aws_vpc.m", ["update"], tags={"by": "hand"})
    drifted = drift_from_json(document(resource_drift=[entry]))
    assert [(resource.address, resource.action) for resource in drifted] == [("aws_vpc.m", Action.UPDATE)]
    assert drift_from_json(document()) == ()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        3,
        {},
        {"format_version": "1.2"},
        {"resource_changes": []},
        document(resource_changes=[{}]),
        document(
            resource_changes=[{"address": "a.b", "type": "a", "name": "b", "change": {"actions": ["dance"]}}]
        ),
        document(resource_changes=3),
        document(resource_changes=[change("aws_vpc.m", ["create"])], configuration=["x"]),
        document(planned_values={"root_module": {"resources": ["x"]}}),
        document(variables=["x"]),
    ],
)
def test_what_is_no_plan_is_told(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        Plan.from_json(value)
    assert "terraform show -json" in caught.value.hint
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        "resource_changes",
        "planned_values",
        "configuration",
        "prior_state",
        "variables",
        "output_changes",
        "values",
    ]
)


@given(st.dictionaries(KEYS, JSON))
def test_garbage_never_ends_in_a_traceback(parts: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidInput):
        Plan.from_json({"format_version": "1.2", "terraform_version": "1.9.0", **parts})


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not JSON"),
        (b"\x50\x4b\x03\x04plan", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": 1}', "not the output"),
    ],
)
def test_files_that_are_no_plan(content: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=what) as caught:
        plans.read(file)
    assert caught.value.where == str(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        plans.read(tmp_path / "none.json")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(document(resource_changes=[change("aws_vpc.m", ["create"])])))
    assert plans.read(file).resource("aws_vpc.m") is not None


@pytest.mark.terraform
def test_references_of_a_real_plan(any_engine: Engine, write: Write) -> None:
    net = """
variable "cidr" { type = string }
resource "aws_vpc" "this" {
  cidr_block = var.cidr
}
resource "aws_subnet" "private" {
  count      = 2
  vpc_id     = aws_vpc.this.id
  cidr_block = cidrsubnet(var.cidr, 8, count.index)
}
output "subnets" { value = aws_subnet.private[*].id }
output "first" { value = aws_subnet.private[0].id }
"""
    root = """
module "net" {
  source = "./net"
  cidr   = "10.0.0.0/16"
}
module "cache" {
  source   = "./cache"
  for_each = toset(["a", "b"])
  subnets  = module.net.subnets
}
"""
    cache = """
variable "subnets" { type = list(string) }
resource "aws_elasticache_subnet_group" "this" {
  name       = "g"
  subnet_ids = var.subnets
}
resource "aws_elasticache_replication_group" "this" {
  replication_group_id = "g"
  description          = "g"
  subnet_group_name    = aws_elasticache_subnet_group.this.name
}
"""
    plan = rehearse_plan(write(root, net__main_tf=net, cache__main_tf=cache), engine=any_engine)
    found = {resource.address: resource.references for resource in plan.resources}
    assert found["module.net.aws_subnet.private[1]"] == ("module.net.aws_vpc.this",)
    assert found['module.cache["b"].aws_elasticache_subnet_group.this'] == ("module.net.aws_subnet.private",)
    group = 'module.cache["b"].aws_elasticache_replication_group.this'
    assert found[group] == ('module.cache["b"].aws_elasticache_subnet_group.this',)
    assert plan.resource(group).module == "cache"  # type: ignore[union-attr]
