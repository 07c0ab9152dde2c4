"""`berth plan`: resources, costs, findings and a picture from real Terraform, offline."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from typed_commands import EXAMPLES, Berth

from cloudberth import pipeline
from cloudberth.report import json_schema
from shared_rehearsals import life_of, plan_of
from thoroughness import with_thorough

pytestmark = pytest.mark.terraform


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command makes of a plan: the plan itself may be one that another test has made."""
    monkeypatch.setattr(pipeline, "rehearse_plan", plan_of)
    monkeypatch.setattr(pipeline, "rehearse", life_of)


def test_plan_shows_resources_costs_findings_and_draws(berth: Berth, minimal: Path, tmp_path: Path) -> None:
    result = berth("plan", minimal)
    assert result.code == 0
    assert "rehearsal with simulated providers" in result.out
    assert "aws_autoscaling_group" in result.out
    assert " a month" in result.out
    assert "balancer.no-https" in result.out
    assert ElementTree.parse(tmp_path / "dify.svg").getroot().tag.endswith("svg")


@pytest.mark.usefixtures("shared")
def test_json_follows_its_schema(berth: Berth, minimal: Path) -> None:
    result = berth("plan", minimal, "--json", "--no-diagram")
    assert result.code == 0
    document = json.loads(result.out)
    jsonschema.validate(document, json_schema())
    assert document["plan"]["rehearsal"] is True
    assert document["plan"]["counts"]["create"] == len(document["plan"]["resources"])
    assert float(document["cost"]["totalMonthlyCost"]) > 100


@pytest.mark.usefixtures("shared")
def test_fail_on_is_an_exit_code(berth: Berth, minimal: Path) -> None:
    assert berth("plan", minimal, "--no-diagram", "--fail-on", "high").code == 4
    assert berth("plan", minimal, "--no-diagram", "--fail-on", "critical").code == 0


@pytest.mark.usefixtures("shared")
def test_diff_in_resources_and_money(berth: Berth, minimal: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(minimal.read_text() + "access: {waf: true}\n")
    result = berth("plan", other, "--diff", minimal, "--no-diagram")
    assert result.code == 0
    assert "+ module.balancer.aws_wafv2_web_acl" in result.out
    document = json.loads(berth("plan", other, "--diff", minimal, "--no-diagram", "--json").out)
    assert not document["resources"]["removed"]
    assert float(document["monthly_change"]) > 0
    same = berth("plan", minimal, "--diff", minimal, "--no-diagram")
    assert "The same resources." in same.out


@pytest.mark.usefixtures("shared")
def test_a_picture_that_cannot_be_written(berth: Berth, minimal: Path, tmp_path: Path) -> None:
    result = berth("plan", minimal, "--diagram", tmp_path / "berth.yaml" / "x.svg")
    assert result.code == 2
    assert "--diagram" in result.err


def test_a_foreign_plan_is_priced_reviewed_and_drawn(berth: Berth, tmp_path: Path) -> None:
    plan = {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {}},
        "resource_changes": [
            {
                "address": "aws_nat_gateway.main",
                "mode": "managed",
                "type": "aws_nat_gateway",
                "name": "main",
                "provider_name": "registry.terraform.io/hashicorp/aws",
                "change": {"actions": ["create"], "before": None, "after": {"connectivity_type": "public"}},
            }
        ],
        "configuration": {
            "provider_config": {
                "aws": {"name": "aws", "expressions": {"region": {"constant_value": "us-east-1"}}}
            },
            "root_module": {},
        },
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    document = json.loads(berth("plan", tmp_path / "plan.json", "--json").out)
    labels = {c["name"]: c["monthlyCost"] for r in document["cost"]["resources"] for c in r["costComponents"]}
    assert labels["NAT gateway"] == "32.85"
    assert (tmp_path / "plan.svg").is_file()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', "\x00"])
def test_a_plan_json_that_is_none(berth: Berth, tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    result = berth("plan", tmp_path / "plan.json")
    assert result.code == 2
    assert "plan.json" in result.err
    assert "Traceback" not in result.err


# It has all that the smaller ones of its cloud have, and more; other tests live on the other clouds.
ALWAYS = ("dify-aws-large.yaml",)
OTHERS = sorted({path.name for path in EXAMPLES.glob("*-*.yaml")} - set(ALWAYS))


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("example", with_thorough(ALWAYS, OTHERS))
def test_rehearse_every_example(berth: Berth, example: str) -> None:
    result = berth("rehearse", EXAMPLES / example, "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["second_plan_changes"] == []
    assert document["created"] == document["destroyed"] > 100
    assert all(count >= 0 for count in document["variables_per_service"].values())
    assert document["failures"] == []


@pytest.mark.usefixtures("shared")
def test_env_of_a_rehearsal_masks_secrets(berth: Berth) -> None:
    result = berth("env", "api", EXAMPLES / ALWAYS[0], "--rehearse")
    assert result.code == 0
    values = dict(line.split("=", 1) for line in result.out.splitlines())
    assert values["DB_PASSWORD"] == "********"
    assert values["STORAGE_TYPE"] == "s3"
    assert values["DB_HOST"].endswith(".rds.amazonaws.com")
