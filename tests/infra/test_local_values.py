"""What stands behind local values, read from HCL without evaluating it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudberth.infra.engine import Engine
from cloudberth.infra.local_values import locals_of, names_in_locals, without_text
from cloudberth.infra.rehearsal import rehearse_plan

Write = Callable[..., Path]

SOURCE = r"""
# locals { wrong = aws_vpc.comment.id }
variable "x" {
  default = "locals { wrong = aws_vpc.text.id }"
}
locals {
  vpc_id = local.create ? aws_vpc.this[0].id : var.network.id // aws_vpc.remark.id
  create = var.network == null /* aws_vpc.remark.id */
  label  = "vpc.${aws_vpc.this[0].id}-$${aws_vpc.escaped.id}-${upper("${var.name}.x.y")}"
  text   = <<-END
    aws_vpc.literal.id ${aws_subnet.inner.id}
  END
  ids = [
    for subnet in aws_subnet.public : subnet.id
    if subnet.zone != "aws_x.y"
  ]
  by_zone = { for key, subnet in aws_subnet.public : key => subnet.id }
  facts = {
    network  = { id = aws_vpc.this[0].id }
    "region" = data.aws_region.current.name
    public   = module.balancer.url
  }
}
resource "aws_vpc" "this" {
  cidr_block = local.label
}
locals {
  last = var.last
}
"""


def test_names() -> None:
    assert names_in_locals(SOURCE) == {
        "vpc_id": ("local.create", "aws_vpc.this", "var.network.id"),
        "create": ("var.network",),
        "label": ("aws_vpc.this", "var.name"),
        "text": ("aws_subnet.inner.id",),
        "ids": ("aws_subnet.public", "subnet.id", "subnet.zone"),
        "by_zone": ("aws_subnet.public", "subnet.id"),
        "facts.network": ("aws_vpc.this",),
        "facts.public": ("module.balancer.url",),
        "last": ("var.last",),
    }


def test_blanking_keeps_every_place() -> None:
    plain = without_text(SOURCE)
    assert len(plain) == len(SOURCE)
    assert plain.count("\n") == SOURCE.count("\n")
    assert "comment" not in plain
    assert "literal" not in plain


SIGNS = 'locals { } { [ ] ( ) " ${ %{ $${ \\ # // /* */ <<E E a = : aws_vpc.x.id => for ,'
PIECES = st.sampled_from([*re.split(" ", SIGNS), "\n", " "])


@given(st.lists(PIECES, max_size=40).map("".join))
def test_broken_sources_end_quietly(source: str) -> None:
    """Terraform has judged the source before; whatever it is, reading names ends and does not fail."""
    names_in_locals(source)
    assert len(without_text(source)) == len(source)


def test_modules_are_found_where_init_put_them(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("locals {\n  a = aws_vpc.root.id\n}\n")
    module = tmp_path / "m" / "inner"
    module.mkdir(parents=True)
    (module / "main.tf").write_text("locals {\n  a = aws_vpc.inner.id\n}\n")
    data = tmp_path / "data" / "modules"
    data.mkdir(parents=True)
    entries = [
        {"Key": "", "Source": "", "Dir": "."},
        {"Key": "m.inner", "Source": "./m/inner", "Dir": "m/inner"},
    ]
    (data / "modules.json").write_text(json.dumps({"Modules": entries}))
    assert locals_of(tmp_path, tmp_path / "data") == {
        "": {"a": ("aws_vpc.root.id",)},
        "m.inner": {"a": ("aws_vpc.inner.id",)},
    }
    assert locals_of(tmp_path) == {"": {"a": ("aws_vpc.root.id",)}}


@pytest.mark.terraform
def test_references_of_a_plan_go_through_locals(any_engine: Engine, write: Write) -> None:
    net = """
variable "cidr" { type = string }
locals {
  vpc_id = one(aws_vpc.this[*].id)
  facts  = { vpc = local.vpc_id, other = aws_sns_topic.t.arn }
}
resource "aws_vpc" "this" {
  count      = 1
  cidr_block = var.cidr
}
resource "aws_sns_topic" "t" {}
resource "aws_security_group" "g" {
  vpc_id = local.vpc_id
}
resource "aws_lb_target_group" "t" {
  port     = 80
  protocol = "HTTP"
  vpc_id   = local.facts.vpc
}
"""
    plan = rehearse_plan(
        write('module "net" {\n  source = "./net"\n  cidr   = "10.0.0.0/16"\n}\n', net__main_tf=net),
        engine=any_engine,
    )
    found = {resource.address: resource.references for resource in plan.resources}
    assert found["module.net.aws_security_group.g"] == ("module.net.aws_vpc.this",)
    assert found["module.net.aws_lb_target_group.t"] == ("module.net.aws_vpc.this",)
